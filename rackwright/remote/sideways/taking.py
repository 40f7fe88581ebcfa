"""What a server takes, and what has become of it: shared by those who ask peers and the origin."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

from rackwright.remote.downloads.progress import say
from rackwright.remote.sideways.origin import Origin
from rackwright.remote.sideways.pace import Pace
from rackwright.remote.sideways.peers import Peer
from rackwright.remote.sideways.store import Store

WAIT_S = 0.25


class Wanted(NamedTuple):
    """A content to take. ``takers`` are the servers that lack it, in the order that all know.

    ``holders`` are those that had it from the begin.
    """

    store: Store
    takers: Sequence[str]
    holders: Sequence[str] = ()


class Taking:
    """All that one server takes. Pieces are bits of a number, by the contents' keys."""

    def __init__(
        self, me: str, wanted: Sequence[Wanted], peers: Sequence[Peer], origin: Origin, pace: Pace
    ) -> None:
        """Nothing is on its way yet."""
        self.me, self.wanted, self.peers = me, wanted, peers
        self.origin, self.pace = origin, pace
        self.failed = ""
        self.changed = threading.Condition()
        self.flying = {one.store.content.key: 0 for one in wanted}
        self._spoilt: set[tuple[str, int]] = set()

    @property
    def is_done(self) -> bool:
        """Whether all files are there and right."""
        return all(one.store.is_right for one in self.wanted)

    def notice(self) -> None:
        """Something changed: who waits looks again."""
        with self.changed:
            self.changed.notify_all()

    def wait(self) -> None:
        """Until something changes, or for a moment."""
        with self.changed:
            self.changed.wait(WAIT_S)

    def landed(self, store: Store, bits: int) -> None:
        """These pieces are no more on their way, there or not."""
        with self.changed:
            self.flying[store.content.key] &= ~bits
            self.changed.notify_all()

    def lacking(self, one: Wanted) -> int:
        """Pieces that are neither there nor on their way."""
        store = one.store
        return store.content.all & ~store.have & ~self.flying[store.content.key]

    def spoilt(self, one: Wanted) -> int:
        """Pieces of files that came wrong: each server asks the origin for these itself."""
        content = one.store.content
        with self.changed:
            numbers = [number for key, number in self._spoilt if key == content.key]
        return sum(map(content.bits_of, numbers))

    def first(self, one: Wanted) -> str:
        """Who asks the origin for a content: the first of those who lack it and may."""
        peers = {peer.name: peer for peer in self.peers}
        for name in one.takers:
            if name == self.me and not self.origin.failed:
                return name
            if name in peers and not peers[name].is_gone and peers[name].origin:
                return name
        return ""

    def write(self, answer: Any, store: Store, piece: int) -> None:
        """The bytes of a piece to their place. Raises OSError where there are fewer."""
        left, block = store.content.pieces[piece].size_bytes, bytearray(self.pace.block_bytes)
        view = memoryview(block)
        with store.writer(piece) as out:
            while left:
                got = answer.readinto(view[: min(left, len(block))])
                if not got:
                    raise OSError(f"ended {left} bytes early")
                self.pace.take(got)
                self._put(out, view[:got])
                left -= got
        number = store.written(piece)
        if number >= 0:
            self.compare(store, number)

    def _put(self, out: Any, block: memoryview) -> None:
        """To the disk; where that says no, nothing else will help."""
        try:
            while block:
                block = block[out.write(block) :]
        except OSError as error:
            self.failed = f"{out.name}: {error.strerror}"
            raise

    def compare(self, store: Store, number: int) -> None:
        """A file that is all there. A wrong one is asked of the origin once, by each server."""
        found = store.compare(number)
        if not found:
            self.notice()
            return
        file, known = store.content.files[number], (store.content.key, number)
        with self.changed:  # at once: what is lacked and not known as spoilt, peers are asked for
            again = known in self._spoilt or not self.peers
            self._spoilt.add(known)
            store.forget(number)
        if again:
            kind, digest = file.digest.split(":")
            name = "SHA-256" if kind == "sha256" else "git name"
            self.failed = (
                f"{file.url or file.name} has the {name} {found.partition(':')[2]}, not {digest}: "
                "it was removed"
            )
        else:
            say(f"{file.name} came with the digest {found}: it is fetched from its origin")
        self.notice()

    def compare_all(self) -> None:
        """What an earlier run left, while more comes."""
        left = [(one.store, number) for one in self.wanted for number in one.store.to_compare()]

        def compare() -> None:
            for store, number in left:
                self.compare(store, number)

        threading.Thread(target=compare, daemon=True).start()

    def why_in_vain(self) -> str:
        """Why what is left will not come, in words; empty while it may."""
        if self.failed or not self.origin.failed:
            return self.failed
        others = [peer for peer in self.peers if not peer.is_of_no_use]
        for one in self.wanted:
            key, lacking, spoilt = one.store.content.key, self.lacking(one), self.spoilt(one)
            if lacking & spoilt:
                return self.origin.failed
            comes = any(peer.origin and peer.name in one.takers for peer in others)
            if (
                lacking
                and not comes
                and not any(peer.have.get(key, 0) & lacking for peer in others)
            ):
                return self.origin.failed
        return ""
