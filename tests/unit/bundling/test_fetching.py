"""Files of a bundle by URL: whole or not at all, going on where they were cut off."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

from rackwright.bundling import fetching
from rackwright.bundling.collecting import collect, left_over, require_room, sized, there
from rackwright.bundling.fetching import FetchFailed, fetch
from rackwright.bundling.wanted import Wanted, merged, totals
from rackwright.errors import HostError, InputError

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()
BLOB = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()


class Files(BaseHTTPRequestHandler):
    """One file; ``/breaks`` ends half way as often as it is told, ``/whole`` knows no ranges."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[tuple[str, str | None, str | None]]] = []
    breaks: ClassVar[int] = 0
    elsewhere: ClassVar[str] = ""

    def do_GET(self) -> None:
        wanted = self.headers.get("Range") if self.path != "/whole" else None
        Files.asked.append((self.path, wanted, self.headers.get("Authorization")))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", f"{Files.elsewhere}/file")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/absent":
            self.send_error(404)
            return
        start = int(wanted.split("=")[1].rstrip("-")) if wanted else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        if self.command == "HEAD":
            return
        end = len(CONTENT)
        if self.path == "/breaks" and Files.breaks:
            Files.breaks -= 1
            end = min(end, start + 100_000)
            self.close_connection = True
        self.wfile.write(CONTENT[start:end])

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(fetching, "WAIT_S", 0)
    Files.asked.clear()
    Files.breaks = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(follow_redirects=True) as client:
        yield client


def wanted(url: str, **more: object) -> Wanted:
    known = {"sha256": SHA256, "size_bytes": len(CONTENT), **more}
    return Wanted("a/file", url, "files", **known)  # type: ignore[arg-type]


def test_a_file_arrives_whole_and_is_heard_of(
    url: str, client: httpx.Client, tmp_path: Path
) -> None:
    heard: list[int] = []
    found = fetch(client, wanted(f"{url}/file"), tmp_path / "a/file", heard.append)
    assert (tmp_path / "a/file").read_bytes() == CONTENT
    assert (found.size_bytes, found.sha256) == (len(CONTENT), SHA256)
    assert heard == sorted(heard) and heard[-1] == len(CONTENT)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file"]


def test_it_goes_on_where_it_was_cut_off(url: str, client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "file.partial").write_bytes(CONTENT[:1000])
    heard: list[int] = []
    fetch(client, wanted(f"{url}/file"), tmp_path / "file", heard.append)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert Files.asked == [("/file", "bytes=1000-", None)]
    assert heard[-1] == len(CONTENT)


@pytest.mark.parametrize("path", ["/whole", "/file"])
def test_a_partial_that_is_whole_or_a_server_without_ranges(
    url: str, client: httpx.Client, tmp_path: Path, path: str
) -> None:
    (tmp_path / "file.partial").write_bytes(CONTENT)
    fetch(client, wanted(f"{url}{path}"), tmp_path / "file", lambda _: None)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_connections_that_break_are_tried_again_as_long_as_they_bring_something(
    url: str, client: httpx.Client, tmp_path: Path
) -> None:
    Files.breaks = fetching.TRIES + 3
    fetch(client, wanted(f"{url}/breaks"), tmp_path / "file", lambda _: None)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_one_that_brings_nothing_is_given_up(client: httpx.Client, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match=r"broke 5 times in a row"):
        fetch(client, wanted("http://127.0.0.1:9/file"), tmp_path / "file", lambda _: None)


@pytest.mark.parametrize(
    ("known", "why"),
    [
        ({"sha256": "0" * 64}, f"has the SHA-256 {SHA256}, not {'0' * 64}"),
        ({"sha256": None, "git_blob": "0" * 40}, f"is git's blob {BLOB}"),
        ({"sha256": None, "size_bytes": 5}, "bytes, not 5"),
    ],
)
def test_another_file_never_takes_its_name(
    url: str, client: httpx.Client, tmp_path: Path, known: dict[str, object], why: str
) -> None:
    with pytest.raises(FetchFailed, match=why):
        fetch(client, wanted(f"{url}/file", **known), tmp_path / "file", lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_what_git_alone_knows_has_its_sha256_from_here(
    url: str, client: httpx.Client, tmp_path: Path
) -> None:
    one = wanted(f"{url}/file", sha256=None, git_blob=BLOB)
    assert fetch(client, one, tmp_path / "file", lambda _: None).sha256 == SHA256


def test_a_token_goes_to_its_own_host_alone(url: str, client: httpx.Client, tmp_path: Path) -> None:
    Files.elsewhere = url.replace("127.0.0.1", "localhost")
    one = wanted(f"{url}/moved", secret="hf_token")
    fetch(client, one, tmp_path / "file", lambda _: None)
    assert [(path, token) for path, _, token in Files.asked] == [
        ("/moved", "Bearer hf_token"),
        ("/file", None),
    ]
    assert "hf_token" not in repr(one)


def test_a_mirrors_password_is_not_said(client: httpx.Client, tmp_path: Path) -> None:
    one = wanted("http://user:hunter2@127.0.0.1:9/file")
    with pytest.raises(FetchFailed) as caught:
        fetch(client, one, tmp_path / "file", lambda _: None)
    assert "hunter2" not in str(caught.value) + repr(one)


def test_a_file_of_this_machine_is_copied(client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "a+b").write_bytes(CONTENT)
    fetch(client, wanted(f"file://{tmp_path}/a%2Bb"), tmp_path / "file", lambda _: None)
    assert (tmp_path / "file").read_bytes() == CONTENT


class TestMany:
    """Files of a folder, together."""

    def test_what_is_there_is_not_fetched_again(self, url: str, tmp_path: Path) -> None:
        one = wanted(f"{url}/file")
        assert there(tmp_path, [one]) == {}
        files = collect(tmp_path, [one], lambda *_: None)
        assert there(tmp_path, [one]) == files
        assert len(Files.asked) == 1

    def test_what_lies_there_unnoted_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a/file").write_bytes(CONTENT)
        assert there(tmp_path, [wanted("http://nowhere")])["a/file"].sha256 == SHA256
        (tmp_path / "a/file").write_bytes(CONTENT[::-1])  # of the same size
        assert there(tmp_path, [wanted("http://nowhere")]) == {}

    def test_a_journal_that_was_cut_off_counts_for_nothing(self, tmp_path: Path) -> None:
        (tmp_path / ".collected").write_text('["a/file", 10')
        assert there(tmp_path, [wanted("http://nowhere")]) == {}

    def test_all_that_cannot_be_had_is_said_and_the_rest_is_kept(
        self, url: str, tmp_path: Path
    ) -> None:
        absent = [Wanted(f"b/{n}", f"{url}/absent", "files", sha256=SHA256) for n in range(12)]
        one = wanted(f"{url}/file")
        with pytest.raises(HostError) as caught:
            collect(tmp_path, [*absent, one], lambda *_: None)
        words = str(caught.value)
        assert words.startswith("12 files could not be had") and "and 2 more" in words
        assert "HTTP 404" in words
        assert list(there(tmp_path, [*absent, one])) == ["a/file"]

    def test_what_earlier_bundles_needed_is_known_and_nothing_else(
        self, url: str, tmp_path: Path
    ) -> None:
        older = Wanted("a/older", f"{url}/file", "files", sha256=SHA256)
        files = collect(tmp_path, [wanted(f"{url}/file"), older], lambda *_: None)
        (tmp_path / "a/of-somebody-else").write_text("stays")
        with (tmp_path / ".collected").open("a") as journal:
            journal.write('["../outside", 1, 1, ""]\n')
        del files["a/older"]
        assert left_over(tmp_path, files) == {"a/older": len(CONTENT)}

    def test_sizes_that_servers_alone_know(self, url: str, tmp_path: Path) -> None:
        (tmp_path / "here").write_bytes(b"12345")
        asked = [
            wanted(f"{url}/file", size_bytes=None),
            wanted(f"file://{tmp_path}/here", size_bytes=None),
            wanted("http://never.example", size_bytes=7),
        ]
        assert [one.size_bytes for one in sized(asked)] == [len(CONTENT), 5, 7]

    def test_a_disk_that_is_too_small_is_said_before(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"is too small: .* MiB are to come"):
            require_room(tmp_path, [wanted("http://a", size_bytes=1 << 60)])

    def test_one_path_is_one_file(self) -> None:
        a = Wanted("wheels/a.whl", "https://a", "wheels", 1, "0" * 64)
        b = Wanted("wheels/a.whl", "https://b", "wheels", 1, "1" * 64)
        assert merged([a, a]) == [a]
        with pytest.raises(ValueError, match=r"wheels/a\.whl is two files"):
            merged([a, b])

    def test_totals_are_by_kind(self) -> None:
        files = [Wanted("a", "", "wheels", 3), Wanted("b", "", "wheels"), Wanted("c", "", "x", 4)]
        assert totals(files) == {"wheels": (2, 3), "x": (1, 4)}
