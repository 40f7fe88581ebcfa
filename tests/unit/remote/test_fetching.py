"""Files by URL on a host: resumed, compared with their digest, and never half there."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from rackwright.remote.downloads import fetching
from rackwright.remote.downloads.fetching import fetch, sha256_of

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Files(BaseHTTPRequestHandler):
    """One file with byte ranges; ``/moved`` leads to another host, ``/breaks`` ends half way."""

    asked: ClassVar[list[tuple[str, str | None, str | None]]] = []
    breaks: ClassVar[int] = 0
    elsewhere: ClassVar[str] = ""

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        Files.asked.append((self.path, wanted, self.headers.get("Authorization")))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", f"{Files.elsewhere}/file")
            self.end_headers()
            return
        if self.path not in ("/file", "/breaks"):
            self.send_error(404)
            return
        start = int(wanted.split("=")[1].rstrip("-")) if wanted else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = len(CONTENT)
        if self.path == "/breaks" and Files.breaks:
            Files.breaks -= 1
            end = start + 100_000
        self.wfile.write(CONTENT[start:end])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(fetching.time, "sleep", lambda _: None)
    Files.asked.clear()
    Files.breaks = 0
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Files) for _ in range(2)]
    threads = [threading.Thread(target=one.serve_forever, args=(0.01,)) for one in servers]
    for thread in threads:
        thread.start()
    first, second = (f"http://127.0.0.1:{one.server_address[1]}" for one in servers)
    Files.elsewhere = second
    yield first
    for one in servers:
        one.shutdown()
        one.server_close()
    for thread in threads:
        thread.join()


def test_a_file_arrives_whole(url: str, tmp_path: Path) -> None:
    fetch(f"{url}/file", tmp_path / "it", SHA256)
    assert (tmp_path / "it").read_bytes() == CONTENT
    assert [each.name for each in tmp_path.iterdir()] == ["it"]


def test_what_is_there_is_not_asked_for_again(url: str, tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(CONTENT)
    fetch(f"{url}/file", tmp_path / "it", SHA256)
    assert Files.asked == []


def test_a_download_that_was_cut_off_goes_on(url: str, tmp_path: Path) -> None:
    (tmp_path / "it.partial").write_bytes(CONTENT[:1000])
    fetch(f"{url}/file", tmp_path / "it", SHA256)
    assert [wanted for _, wanted, _ in Files.asked] == ["bytes=1000-"]
    assert sha256_of(tmp_path / "it") == SHA256


def test_one_that_had_all_of_it_is_only_compared(url: str, tmp_path: Path) -> None:
    (tmp_path / "it.partial").write_bytes(CONTENT)
    fetch(f"{url}/file", tmp_path / "it", SHA256)
    assert sha256_of(tmp_path / "it") == SHA256


def test_a_connection_that_breaks_is_taken_up_again(url: str, tmp_path: Path) -> None:
    Files.breaks = 7  # more than the tries without progress
    fetch(f"{url}/breaks", tmp_path / "it", SHA256)
    assert len(Files.asked) == 8
    assert sha256_of(tmp_path / "it") == SHA256


def test_another_digest_is_removed_and_never_takes_the_name(url: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=f"has the SHA-256 {SHA256}, not 0000.*: it was removed"):
        fetch(f"{url}/file", tmp_path / "it", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_said_at_once(url: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="HTTP 404"):
        fetch(f"{url}/absent", tmp_path / "it", SHA256)
    assert len(Files.asked) == 1


def test_nobody_there_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching.time, "sleep", lambda _: None)
    with pytest.raises(SystemExit, match="the connection broke 5 times in a row"):
        fetch("http://127.0.0.1:1/file", tmp_path / "it", SHA256)


def test_a_token_is_not_sent_to_where_a_redirect_leads(url: str, tmp_path: Path) -> None:
    fetch(f"{url}/moved", tmp_path / "it", SHA256, {"Authorization": "Bearer s3cret"})
    assert Files.asked == [("/moved", None, "Bearer s3cret"), ("/file", None, None)]
    assert sha256_of(tmp_path / "it") == SHA256


def test_a_file_of_this_machine_is_copied(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(CONTENT)
    fetch(f"file://{tmp_path}/source", tmp_path / "it", SHA256)
    assert (tmp_path / "it").read_bytes() == CONTENT


def test_a_full_disk_is_said_before_it_is_full(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1 << 10})
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SystemExit, match="needs 1 MiB, 0 MiB are free"):
        fetch(f"{url}/file", tmp_path / "it", SHA256)
