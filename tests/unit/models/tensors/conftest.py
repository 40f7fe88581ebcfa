"""A hub on this machine, that serves ranges, or does not, or sends on as the real one does."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """``files`` by name. ``ranges``: it honours them. ``store``: where it sends clients on to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ranges, self.commit, self.store = True, COMMIT, ""
        self.status: dict[str, int] = {}
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.sent_bytes = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients hang up once they have what they asked for."""


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        hub, name = self.server, self.path.rpartition("/")[2]
        hub.asked.append((name, self.headers.get("Range"), self.headers.get("Authorization")))
        content = hub.files.get(name)
        if status := hub.status.get(name, 404 if content is None else 0):
            self.answer(status, b"<html>no</html>")
        elif hub.store:
            self.answer(302, b"", {"Location": f"{hub.store}/{name}", "X-Repo-Commit": hub.commit})
        else:
            self.content(content or b"")

    def content(self, content: bytes) -> None:
        hub, first = self.server, re.fullmatch(r"bytes=0-(\d+)", self.headers.get("Range", ""))
        said = {"X-Repo-Commit": hub.commit, **hub.headers}
        if first and hub.ranges:
            part = content[: int(first[1]) + 1]
            said["Content-Range"] = f"bytes 0-{len(part) - 1}/{len(content)}"
            self.answer(206, part, {**said, **hub.headers})
        else:
            self.answer(200, content, said)

    def answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        for start in range(0, len(content), 65536):
            self.wfile.write(content[start : start + 65536])
            self.server.sent_bytes += 65536

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal of the tests."""


@pytest.fixture
def hubs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Hub, Hub]]:
    """One that is asked, and one that it may send on to."""
    found = Hub(), Hub()
    for hub in found:
        threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", found[0].url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield found
    for hub in found:
        hub.shutdown()
        hub.server_close()


@pytest.fixture
def hub(hubs: tuple[Hub, Hub]) -> Hub:
    """The one that is asked."""
    return hubs[0]
