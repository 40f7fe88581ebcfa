"""A bundle over HTTP: what the manifest names, from any byte on, to who knows the word."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from rackwright.bundling.manifest import BundledHost
from rackwright.bundling.serving import Answer, Shelf, part
from tests.samples.bundles import bundle_in

FILES = {
    "wheels/a-1.0+cpu-py3-none-any.whl": b"0123456789",
    "wheels/b-1.0-py3-none-any.whl": b"b",
    "debs/debian-12-amd64/pool/web_1%3a2_amd64.deb": b"deb",
    "models/o--n/r/empty": b"",
}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    manifest = bundle_in(tmp_path, FILES, {"gpu1": BundledHost(system="debian 12 amd64")})
    (tmp_path / "secret").write_text("not in the manifest")
    shelf = Shelf(tmp_path, manifest.files)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Answer, shelf)) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{shelf.word}"
        server.shutdown()


WHEEL = "wheels/a-1.0%2Bcpu-py3-none-any.whl"


def test_a_file_and_its_head(url: str) -> None:
    with httpx.Client() as client:  # on one connection: an answer ends where it says
        assert client.get(f"{url}/{WHEEL}").content == b"0123456789"
        head = client.head(f"{url}/{WHEEL}")
        assert (head.content, head.headers["Content-Length"]) == (b"", "10")
        assert client.get(f"{url}/models/o--n/r/empty").content == b""
        assert client.get(f"{url}/{WHEEL}").status_code == 200


@pytest.mark.parametrize(
    ("asked", "content"),
    [
        ("bytes=4-", b"456789"),
        ("bytes=2-4", b"234"),
        ("bytes=-3", b"789"),
        ("bytes=8-99", b"89"),
        ("bytes=-99", b"0123456789"),
    ],
)
def test_a_part_of_it(url: str, asked: str, content: bytes) -> None:
    answer = httpx.get(f"{url}/{WHEEL}", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, content)
    start = 10 - len(content) if asked.startswith("bytes=-") else int(asked[6])
    last = start + len(content) - 1
    assert answer.headers["Content-Range"] == f"bytes {start}-{last}/10"


def test_a_part_that_is_not_there(url: str) -> None:
    assert httpx.get(f"{url}/{WHEEL}", headers={"Range": "bytes=10-"}).status_code == 416


@pytest.mark.parametrize("header", ["", "lines=1-2", "bytes=", "bytes=1-2,4-5", "bytes=a-"])
def test_what_is_no_part_is_all_of_it(header: str) -> None:
    assert part(header, 10) is None


def test_a_page_of_wheels_leads_to_each(url: str) -> None:
    text = httpx.get(f"{url}/wheels/").text
    assert 'href="a-1.0%2Bcpu-py3-none-any.whl"' in text
    assert text.count("<a ") == 2
    assert httpx.get(f"{url}/{WHEEL}").status_code == 200


def test_a_name_with_a_percent_sign_is_asked_for_as_apt_does(url: str) -> None:
    path = "debs/debian-12-amd64/pool/web_1%253a2_amd64.deb"
    assert httpx.get(f"{url}/{path}").content == b"deb"


def test_apt_asks_for_what_is_here_with_a_dot(url: str) -> None:
    """As it is sent: an HTTP library takes the dot away."""
    address, _, rest = url.removeprefix("http://").partition("/")
    connection = HTTPConnection(address)
    connection.request("GET", f"/{rest}/debs/debian-12-amd64/./pool/web_1%253a2_amd64.deb")
    assert connection.getresponse().read() == b"deb"
    connection.close()


@pytest.mark.parametrize(
    "path",
    ["secret", "manifest.json", "wheels/../secret", "wheels/%2e%2e/secret", "", "none/", "wheels"],
)
def test_nothing_else_is_given(url: str, path: str) -> None:
    assert httpx.get(f"{url}/{path}").status_code == 404


@pytest.mark.parametrize("word", ["", "wrong", "%2F"])
def test_who_does_not_know_the_word_gets_nothing(url: str, word: str) -> None:
    base = url.rpartition("/")[0]
    assert httpx.get(f"{base}/{word}/{WHEEL}").status_code == 404


def test_a_file_that_went_meanwhile_is_not_there(url: str, tmp_path: Path) -> None:
    (tmp_path / "wheels/b-1.0-py3-none-any.whl").unlink()
    assert httpx.get(f"{url}/wheels/b-1.0-py3-none-any.whl").status_code == 404
