"""An answer of a hub that is hostile, or broken: bounded, and never read as more than data."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from rackwright.errors import SpecError
from rackwright.models import outside
from rackwright.models.finding import find_model
from rackwright.models.outside import MOST_BYTES, bounded_get
from tests.samples.fleet import TINY

CONFIG = json.dumps(TINY["config"]).encode()
NONE = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
Write = Callable[[socket.socket], None]


class Hub:
    """Answers what asks for a config with what ``write`` writes, until whoever asks hangs up."""

    def __init__(self) -> None:
        self.write: Write = lambda line: line.sendall(OK + b"\r\n" + CONFIG)
        self.sent_bytes = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self.socket.accept()
            except OSError:
                return
            with line:
                asked = line.recv(65536)
                try:
                    if b"/hf_quant_config.json" in asked:
                        line.sendall(NONE)
                    else:
                        self.write(line)
                except OSError:
                    continue

    def endless(self, line: socket.socket, head: bytes, block: bytes) -> None:
        line.sendall(head)
        while True:
            line.sendall(block)
            self.sent_bytes += len(block)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    found = Hub()
    monkeypatch.setenv("HF_ENDPOINT", found.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield found
    found.socket.shutdown(socket.SHUT_RDWR)  # which ends the waiting for connections too
    found.socket.close()


def fault() -> str:
    with pytest.raises(SpecError) as caught:
        find_model("owner/model")
    (only,) = caught.value.faults
    return str(only)


def said(body: bytes, *headers: bytes) -> Write:
    head = b"".join(header + b"\r\n" for header in headers)
    return lambda line: line.sendall(OK + head + b"\r\n" + body)


@pytest.mark.parametrize(
    "answer", ["/dev/zero", "/etc/passwd", "http://127.0.0.1/", "", 7, None, True, [1], ["a"], 1.5]
)
def test_an_answer_that_is_no_object_is_never_a_path(answer: Any, hub: Hub) -> None:
    hub.write = said(json.dumps(answer).encode())
    assert fault() == "model: has a config.json that is no JSON object (got 'owner/model')"


def test_one_without_end_is_left_after_its_bound(hub: Hub) -> None:
    hub.write = lambda line: hub.endless(line, OK + b"\r\n", b" " * 65536)
    assert "it has more than 4194304 bytes" in fault()
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    hub.write = lambda line: hub.endless(line, OK + b"Transfer-Encoding: chunked\r\n\r\n", chunk)
    assert "it has more than 4194304 bytes" in fault()
    assert hub.sent_bytes < 8 * MOST_BYTES


def test_one_that_unpacks_to_more_is_left_too(hub: Hub) -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    hub.write = said(bomb, b"Content-Encoding: gzip")
    assert "it has more than 4194304 bytes" in fault()
    hub.write = said(bomb[:-100], b"Content-Encoding: gzip")
    assert "it has more than 4194304 bytes" in fault()
    for body in (b"no gzip", gzip.compress(CONFIG)[:-20]):
        hub.write = said(body, b"Content-Encoding: gzip")
        assert "gzip" in fault()
    for encoding in (b"br", b"zstd", b"gzip, gzip", b"x\x1b[2J"):
        hub.write = said(bomb, b"Content-Encoding: " + encoding)
        assert fault().isprintable()
    hub.write = said(gzip.compress(CONFIG), b"Content-Encoding: gzip")
    assert find_model("owner/model").name == "model"


@pytest.mark.parametrize(
    "head",
    [b"", OK, OK + b"\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"],
    ids=["line", "head", "body", "100"],
)
def test_one_that_drips_is_left_at_the_deadline(head: bytes, hub: Hub) -> None:
    def drip(line: socket.socket) -> None:
        line.sendall(head)
        while True:
            line.sendall(b" " if head.endswith(b"\r\n\r\n") and b"200" in head else b"H")
            time.sleep(0.05)

    hub.write = drip
    started_s = time.monotonic()
    with pytest.raises((ValueError, httpx.HTTPError)):
        bounded_get(hub.url, {}, deadline_s=0.5)
    assert time.monotonic() - started_s < 10


@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "ftp://127.0.0.1/", "/dev/zero", "//", "http://[", "gopher://x"],
)
def test_a_redirect_leads_to_no_file(target: str, hub: Hub) -> None:
    def write(line: socket.socket) -> None:
        line.sendall(f"HTTP/1.1 302 x\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())

    hub.write = write
    assert fault().startswith("model: ")


ADDRESSES = {
    "hub.example": "93.184.215.14",
    "cdn.example": "93.184.215.15",
    "in.example": "10.0.0.7",
}


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A public hub and what it redirects to; the URLs that were asked for."""
    asked: list[str] = []

    def resolve(host: str, *rest: Any) -> list[Any]:
        return [(0, 0, 0, "", (ADDRESSES.get(host, host), 0))]

    def handle(transport: Any, request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        if request.url.host == "hub.example":
            return httpx.Response(302, headers={"Location": request.url.params["to"]})
        return httpx.Response(200, stream=httpx.ByteStream(b"{}"))

    monkeypatch.setattr(outside.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    return asked


@pytest.mark.parametrize(
    "target",
    ["http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:8000/", "http://[::1]/",
     "http://in.example/", "http://192.168.1.1/", "http://0.0.0.0/", "http://[fe80::1]/"],
)  # fmt: skip
def test_a_public_hub_leads_to_no_address_within(target: str, public: list[str]) -> None:
    with pytest.raises(ValueError, match="an address that is not public"):
        bounded_get(str(httpx.URL("https://hub.example/", params={"to": target})), {})
    assert len(public) == 1


def test_a_redirect_among_public_hosts_and_from_within_is_followed(public: list[str]) -> None:
    url = httpx.URL("https://hub.example/", params={"to": "https://cdn.example/x"})
    assert bounded_get(str(url), {}) == b"{}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ADDRESSES, "hub.example", "10.0.0.1")
        url = httpx.URL("https://hub.example/", params={"to": "http://in.example/x"})
        assert bounded_get(str(url), {}) == b"{}"
