"""Servers of one exchange, each a thread with an address of its own, and a stand-in for the hub."""

from __future__ import annotations

import io
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from lab.hub import serve
from lab.hub.ledger import Ledger
from lab.ports import free_port
from rackwright.remote.downloads.hub import files_of
from rackwright.remote.sideways import content as content_module
from rackwright.remote.sideways import from_peers as from_peers_module
from rackwright.remote.sideways import origin as origin_module
from rackwright.remote.sideways import peers as peers_module
from rackwright.remote.sideways.content import Content, File
from rackwright.remote.sideways.exchange import Exchange, Share
from rackwright.remote.sideways.giving import STATUS
from rackwright.remote.sideways.origin import Origin
from rackwright.remote.sideways.pace import Pace
from rackwright.remote.sideways.peers import Peer
from rackwright.remote.sideways.signing import signature
from rackwright.remote.sideways.store import Store
from rackwright.remote.sideways.taking import Taking, Wanted
from rackwright.remote.sideways.words import in_the_end, so_far

REPO, REVISION = "org/name", "0e9e39f249a16976918f6564b8830bc894c89659"
TOKEN = "a-token-of-one-run"
PATIENCE_S = 20
SIZES = {"a.safetensors": 3_000_000, "b.safetensors": 1_500_001, "config.json": 900, "empty": 0}


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_module, "SMALLEST_BYTES", 1 << 16)
    monkeypatch.setattr(peers_module, "POLL_S", 0.05)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    for number, (name, size) in enumerate(SIZES.items()):
        (folder / name).write_bytes(random.Random(number).randbytes(size))
    return folder


@pytest.fixture
def asked() -> Ledger:
    return Ledger()


@pytest.fixture
def hub(repository: Path, asked: Ledger) -> Iterator[str]:
    with serve({REPO: repository}, REVISION, "127.0.0.1", on_request=asked.note) as url:
        yield url


def listed(hub: str) -> Content:
    return Content(REPO, [File(*row) for row in files_of(hub, REPO, REVISION, {})])


class Server:
    """One server of an exchange, in a thread; ``why`` is what it ended with."""

    def __init__(self, tmp_path: Path, number: int, everybody: int, port: int, **more: Any) -> None:
        names = [f"gpu{each}" for each in range(everybody)]
        self.name, self.folder = names[number], tmp_path / names[number]
        self.address = f"127.0.9.{number + 1}"
        self.port, self.why = port, ""
        self.peers = {
            name: (f"127.0.9.{other + 1}", port)
            for other, name in enumerate(names)
            if other != number
        }
        self.terms = {
            "token": TOKEN,
            "me": self.name,
            "address": self.address,
            "port": port,
            "peers": self.peers,
            **more,
        }

    def start(
        self, content: Content, takers: list[str], headers: dict[str, str] | None = None
    ) -> None:
        partial = self.folder.with_name(f"{self.folder.name}.partial")
        holders = [name for name in (self.name, *self.peers) if name not in takers]
        sides = {"takers": {content.key: takers}, "holders": {content.key: holders}}
        terms = {**sides, **self.terms}

        def settle(store: Store) -> None:
            store.move(self.folder, lambda: partial.rename(self.folder))

        takes = self.name in takers
        share = Share(content, partial if takes else self.folder, settle if takes else None)
        self.exchange = Exchange(terms, [share], headers or {})
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.exchange.run()
        except SystemExit as ended:
            self.why = str(ended)

    def join(self) -> None:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


def servers(tmp_path: Path, count: int, **more: Any) -> list[Server]:
    port = free_port("127.0.9.1")
    return [Server(tmp_path, number, count, port, **more) for number in range(count)]


def is_same(folder: Path, repository: Path) -> bool:
    return {p.name: p.read_bytes() for p in folder.iterdir()} == {
        p.name: p.read_bytes() for p in repository.iterdir()
    }


def test_each_has_all_of_it_and_the_origin_gave_it_once(
    tmp_path: Path, hub: str, repository: Path, asked: Ledger
) -> None:
    everybody, content = servers(tmp_path, 4), listed(hub)
    for one in everybody:
        one.start(content, [each.name for each in everybody])
    for one in everybody:
        one.join()
    assert [one.why for one in everybody] == [""] * 4
    assert all(is_same(one.folder, repository) for one in everybody)
    assert sum(one.exchange.from_origin.bytes for one in everybody) == content.size_bytes


def test_those_that_have_it_give_it_and_the_origin_is_not_asked(
    tmp_path: Path, hub: str, repository: Path, asked: Ledger
) -> None:
    holder, *takers = servers(tmp_path, 3)
    content = listed(hub)
    holder.folder.symlink_to(repository)
    for one in (holder, *takers):
        one.start(content, [each.name for each in takers])
    for one in (holder, *takers):
        one.join()
    assert all(is_same(one.folder, repository) for one in takers)
    assert asked.bytes == 0
    sent = [one.exchange.given.sent_bytes for one in (holder, *takers)]
    assert sum(sent) == 2 * content.size_bytes
    assert sent[0] < 1.7 * content.size_bytes, "what one has, the other takes from it"


def test_one_alone_needs_no_others(
    tmp_path: Path, hub: str, repository: Path, asked: Ledger
) -> None:
    (one,) = servers(tmp_path, 1)
    one.start(listed(hub), [one.name])
    one.join()
    assert one.why == "" and is_same(one.folder, repository)


def test_the_next_asks_the_origin_where_the_first_never_comes(
    tmp_path: Path, hub: str, repository: Path
) -> None:
    absent, *others = servers(tmp_path, 3)
    content = listed(hub)
    for one in others:
        one.start(content, [absent.name, *(each.name for each in others)])
        (awaited,) = (peer for peer in one.exchange.peers if peer.name == absent.name)
        awaited._began_s -= peers_module.START_S
    for one in others:
        one.join()
    assert all(is_same(one.folder, repository) for one in others)
    assert [one.exchange.from_origin.bytes for one in others] == [content.size_bytes, 0]


def test_the_next_asks_the_origin_where_the_first_is_refused(
    tmp_path: Path, repository: Path
) -> None:
    with serve({REPO: repository}, REVISION, "127.0.0.1", token="hf_right") as url:
        content = listed(url)
        first, second = servers(tmp_path, 2)
        names = [first.name, second.name]
        first.start(content, names)
        second.start(content, names, {"Authorization": "Bearer hf_right"})
        for one in (first, second):
            one.join()
    assert (first.why, second.why) == ("", "")
    assert is_same(first.folder, repository)
    assert first.exchange.from_origin.bytes == 0


def test_where_all_are_refused_each_says_so(tmp_path: Path, repository: Path) -> None:
    with serve({REPO: repository}, REVISION, "127.0.0.1", token="hf_right") as url:
        content, everybody = listed(url), servers(tmp_path, 2)
        for one in everybody:
            one.start(content, [each.name for each in everybody])
        for one in everybody:
            one.join()
    for one in everybody:
        assert "HTTP 401" in one.why and "is HF_TOKEN set" in one.why
        assert not one.folder.exists()


def test_a_download_that_was_cut_off_goes_on_where_it_was(
    tmp_path: Path, hub: str, repository: Path, asked: Ledger
) -> None:
    content, (one,) = listed(hub), servers(tmp_path, 1)
    partial = tmp_path / "gpu0.partial"
    begun = Store(content, partial)
    begun.resume()
    half = [number for number, piece in enumerate(content.pieces) if piece.file == 0]
    for number in half:
        piece = content.pieces[number]
        with begun.writer(number) as out:
            source = repository / content.files[0].name
            out.write(source.read_bytes()[piece.start : piece.start + piece.size_bytes])
        begun.written(number)
    one.start(content, [one.name])
    one.join()
    assert one.why == "" and is_same(one.folder, repository)
    assert asked.bytes == content.size_bytes - content.files[0].size_bytes


def test_files_without_notes_are_known_by_their_digests(
    tmp_path: Path, hub: str, repository: Path, asked: Ledger
) -> None:
    content, (one,) = listed(hub), servers(tmp_path, 1)
    partial = tmp_path / "gpu0.partial"
    partial.mkdir()
    (partial / "a.safetensors").write_bytes((repository / "a.safetensors").read_bytes())
    (partial / "b.safetensors").write_bytes(bytes(SIZES["b.safetensors"]))
    (partial / "config.json").symlink_to("/etc/passwd")
    one.start(content, [one.name])
    one.join()
    assert one.why == "" and is_same(one.folder, repository)
    assert asked.bytes == content.size_bytes - SIZES["a.safetensors"]


def test_what_a_peer_has_spoilt_comes_from_the_origin(
    tmp_path: Path, hub: str, repository: Path, asked: Ledger
) -> None:
    holder, taker = servers(tmp_path, 2)
    holder.folder.mkdir()
    for path in repository.iterdir():
        (holder.folder / path.name).write_bytes(path.read_bytes())
    with (holder.folder / "b.safetensors").open("r+b") as file:
        file.write(b"spoilt")
    content = listed(hub)
    for one in (holder, taker):
        one.start(content, [taker.name])
    for one in (holder, taker):
        one.join()
    assert taker.why == "" and is_same(taker.folder, repository)
    assert asked.bytes == SIZES["b.safetensors"]


def test_a_spoilt_file_is_never_asked_of_peers_again(
    tmp_path: Path, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even for the moment in which nothing of it is had any more."""
    content, asked_for = listed(hub), []
    peer = Peer("gpu1", ("127.0.9.2", 1), TOKEN, {content.key: content.all})
    wanted = Wanted(Store(content, tmp_path / "gpu0.partial"), ("gpu0",))
    taking = Taking("gpu0", [wanted], [peer], Origin({}), Pace(None))
    wanted.store.resume()
    number = next(n for n, file in enumerate(content.files) if file.name == "b.safetensors")
    forget = wanted.store.forget

    def then_look(number: int) -> None:
        forget(number)
        asked_for.append(taking.lacking(wanted) & ~taking.spoilt(wanted))

    monkeypatch.setattr(wanted.store, "forget", then_look)
    for piece in content.of_file[number]:
        taking.write(io.BytesIO(bytes(content.pieces[piece].size_bytes)), wanted.store, piece)
    (left,) = asked_for
    assert left and not left & content.bits_of(number)


def test_what_the_origin_has_spoilt_never_gets_in_place(tmp_path: Path, repository: Path) -> None:
    with serve({REPO: repository}, REVISION, "127.0.0.1") as url:
        content = listed(url)
    (repository / "a.safetensors").write_bytes(bytes(SIZES["a.safetensors"]))
    with serve({REPO: repository}, REVISION, "127.0.0.1") as moved:
        moved_files = [file._replace(url=file.url.replace(url, moved)) for file in content.files]
        everybody = servers(tmp_path, 2)
        for one in everybody:
            one.start(Content(REPO, moved_files), [each.name for each in everybody])
        for one in everybody:
            one.join()
    for one in everybody:
        assert "a.safetensors has the SHA-256" in one.why and "it was removed" in one.why
        assert not one.folder.exists()


def test_a_limit_holds_for_what_is_taken_and_given(
    tmp_path: Path, hub: str, repository: Path
) -> None:
    content = listed(hub)
    limit = content.size_bytes / 2
    everybody = servers(tmp_path, 3, bytes_per_s=limit)
    began_s = time.monotonic()
    for one in everybody:
        one.start(content, [each.name for each in everybody])
    for one in everybody:
        one.join()
    assert all(is_same(one.folder, repository) for one in everybody)
    assert time.monotonic() - began_s > 0.9 * content.size_bytes / limit


@pytest.fixture
def giving(tmp_path: Path, hub: str, repository: Path) -> Iterator[Server]:
    """A server that gives, for one that does not come for a while."""
    holder, taker = servers(tmp_path, 2)
    holder.folder.symlink_to(repository)
    holder.start(listed(hub), [taker.name])
    deadline = time.monotonic() + PATIENCE_S
    while not _answers(holder):
        assert time.monotonic() < deadline
    yield holder
    taker.start(listed(hub), [taker.name])
    for one in (taker, holder):
        one.join()


def _answers(one: Server) -> bool:
    try:
        socket.create_connection((one.address, one.port), 1).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("path", [f"{STATUS}gpu1", "/{key}/0"])
def test_who_has_not_the_token_of_the_run_learns_nothing(giving: Server, path: str) -> None:
    path = path.replace("{key}", next(iter(giving.exchange.stores)))
    for sign in ({}, {"Authorization": signature("another", path)}, {"Authorization": TOKEN}):
        with closing(HTTPConnection(giving.address, giving.port, timeout=10)) as connection:
            connection.request("GET", path, headers=sign)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (403, b"")
            assert answer.getheader("Server") is None


@pytest.mark.parametrize(
    "path", ["/", "/{key}", "/{key}/99999", "/{key}/-1", "/{key}/../x", "/x/0"]
)
def test_nothing_else_is_given(giving: Server, path: str) -> None:
    path = path.replace("{key}", next(iter(giving.exchange.stores)))
    with closing(HTTPConnection(giving.address, giving.port, timeout=10)) as connection:
        connection.request("GET", path, headers={"Authorization": signature(TOKEN, path)})
        assert connection.getresponse().status == 404


def test_an_address_that_is_not_ours_keeps_nobody_from_taking(
    tmp_path: Path, hub: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers_module, "START_S", 0.5)
    first, second = servers(tmp_path, 2)
    second.terms["address"] = "192.0.2.1"
    for one in (first, second):
        one.start(listed(hub), [first.name, second.name])
    for one in (first, second):
        one.join()
    assert is_same(first.folder, repository) and is_same(second.folder, repository)


@pytest.mark.parametrize(
    "row",
    [
        ("../x", 1, f"sha256:{'0' * 64}"),
        ("/etc/passwd", 1, f"sha256:{'0' * 64}"),
        ("a/../../x", 1, f"sha256:{'0' * 64}"),
        ("", 1, f"sha256:{'0' * 64}"),
        ("a\0", 1, f"sha256:{'0' * 64}"),
        (".rackwright-pieces", 1, f"sha256:{'0' * 64}"),
        ("a", -1, f"sha256:{'0' * 64}"),
        ("a", 1, "md5:0"),
    ],
)
def test_a_list_that_names_other_places_is_refused(row: tuple[str, int, str]) -> None:
    with pytest.raises(ValueError, match=r"is no path|a name of ours|has the"):
        Content("x", [File(*row)])


def test_the_same_files_are_the_same_content_wherever_they_come_from() -> None:
    file = File("a", 5 << 20, f"sha256:{'0' * 64}", "https://hub.example/a")
    content = Content("x", [file])
    assert content.key == Content("y", [file._replace(url="https://mirror.example/a")]).key
    assert content.key != Content("x", [file._replace(digest=f"sha256:{'1' * 64}")]).key


@pytest.mark.parametrize("mib", [1, 999, 5_000, 140_000, 1_400_000])
def test_pieces_are_many_and_neither_small_nor_large(mib: int) -> None:
    content_size = mib << 20
    content = Content("x", [File("a", content_size, f"sha256:{'0' * 64}")])
    assert sum(piece.size_bytes for piece in content.pieces) == content_size
    assert content.piece_bytes <= 64 << 20
    assert len(content.pieces) <= max(1000, content_size / (64 << 20) + 1)


def test_a_full_disk_is_said_before_it_is_full(
    tmp_path: Path, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1 << 20})
    monkeypatch.setattr("rackwright.remote.sideways.store.shutil.disk_usage", lambda _: usage)
    (one,) = servers(tmp_path, 1)
    one.start(listed(hub), [one.name])
    one.join()
    assert "needs 4 MiB, 1 MiB are free" in one.why
    assert not list((tmp_path / "gpu0.partial").iterdir())


def test_what_a_peer_says_it_has_and_has_not_comes_from_the_origin(
    tmp_path: Path, hub: str, repository: Path, asked: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_peers_module, "REST_S", 0.05)
    holder, taker = servers(tmp_path, 2)
    holder.folder.mkdir()
    for path in repository.iterdir():
        if path.name != "b.safetensors":
            (holder.folder / path.name).write_bytes(path.read_bytes())
    content = listed(hub)
    for one in (holder, taker):
        one.start(content, [taker.name])
    for one in (holder, taker):
        one.join()
    assert taker.why == "" and is_same(taker.folder, repository)
    assert 0 < asked.bytes <= content.size_bytes


def test_spoilt_and_refused_by_the_origin_is_in_vain(tmp_path: Path, repository: Path) -> None:
    holder, taker = servers(tmp_path, 2)
    holder.folder.mkdir()
    for path in repository.iterdir():
        (holder.folder / path.name).write_bytes(bytes(path.stat().st_size))
    with serve({REPO: repository}, REVISION, "127.0.0.1", token="hf_right") as url:
        content = listed(url)
        for one in (holder, taker):
            one.start(content, [taker.name])
        for one in (holder, taker):
            one.join()
    assert "HTTP 401" in taker.why and not taker.folder.exists()


def test_an_origin_that_is_gone_is_given_up(
    tmp_path: Path, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origin_module, "GIVEN_UP_S", 1.0)
    (one,) = servers(tmp_path, 1)
    files = [file._replace(url="http://127.0.0.1:1/file") for file in listed(hub).files]
    one.start(Content(REPO, files), [one.name])
    one.join()
    assert "nothing came for 1 s" in one.why


def test_an_origin_that_gives_no_ranges_is_said(tmp_path: Path, hub: str) -> None:
    (one,) = servers(tmp_path, 1)
    files = [file._replace(url=f"{hub}/api/models/{REPO}") for file in listed(hub).files]
    one.start(Content(REPO, files), [one.name])
    one.join()
    assert "answered 200 to a range of bytes" in one.why


def test_a_disk_that_says_no_ends_it(
    tmp_path: Path, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = servers(tmp_path, 1)

    class Full:
        name = "model"

        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(Store, "writer", lambda self, piece: Full())
    one.start(listed(hub), [one.name])
    one.join()
    assert one.why == "model: No space left on device"


# --- words -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total_mib", "left_mib", "mib_per_s", "words"),
    [
        (384, 384, 0, "x: 0 of 384 MiB"),
        (384, 84, 12, "x: 300 of 384 MiB, 12 MiB/s, 7 s left"),
        (384, 0, 12, "x: 384 of 384 MiB, comparing with the digests"),
        (143_360, 140_800, 110, "x: 2.5 of 140.0 GiB, 110 MiB/s, 21 min left"),
        (716_800, 700_000, 50, "x: 16.4 of 700.0 GiB, 50 MiB/s, 3.9 h left"),
    ],
)
def test_how_far_it_is(total_mib: int, left_mib: int, mib_per_s: float, words: str) -> None:
    mib = 1 << 20
    assert so_far("x", total_mib * mib, left_mib * mib, mib_per_s * mib) == words


def test_what_came_from_where() -> None:
    peers = [Peer(f"gpu{number}", ("192.0.2.1", 1), TOKEN, {}) for number in range(12)]
    for peer in peers[:10]:
        peer.hear({"have": {}, "done": True, "origin": True})
        peer.taken_bytes = 1 << 30
    words = in_the_end("x", 11 << 30, 100.0, 1 << 30, peers)
    assert words == (
        "x: 11.0 GiB in 100 s (113 MiB/s): 1024 MiB from the origin; 10.0 GiB from 10 servers; "
        "gpu10, gpu11 did not answer (were the stages before this run there?)"
    )
