"""Pieces that no server has, from where the files come from.

One server asks the origin at a time, the first in the order that all were told; the next does where
that one is gone, or is refused.
"""

from __future__ import annotations

import threading

from rackwright.remote.downloads.progress import say
from rackwright.remote.sideways import choosing
from rackwright.remote.sideways.origin import Broken, Refused
from rackwright.remote.sideways.peers import BROKEN
from rackwright.remote.sideways.store import Store
from rackwright.remote.sideways.taking import Taking, Wanted

CONNECTIONS = 6
RUN_PIECES = 8
"""That one question asks for at most."""


class FromOrigin:
    """Threads that ask the origin, a run of pieces of one file each."""

    def __init__(self, taking: Taking) -> None:
        """Nothing is asked for before ``start``."""
        self.taking = taking
        self.bytes = 0

    def start(self) -> None:
        """Ask from now on, until all is there."""
        for _ in range(CONNECTIONS):
            threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        taking = self.taking
        while not taking.is_done and not taking.failed and not taking.origin.failed:
            chosen = self._choose()
            if chosen is None:
                taking.wait()
                continue
            try:
                self._take(*chosen)
            except Refused as refused:
                taking.origin.failed = str(refused)
                taking.notice()
            except Broken as broken:
                say(f"{broken}: trying again")
                taking.origin.rest(str(broken))

    def _choose(self) -> tuple[Store, int, int] | None:
        """Pieces of one file, one after another, that no peer has, or is to be asked for."""
        with self.taking.changed:
            for one in self.taking.wanted:
                store, bits = one.store, self._to_fetch(one)
                if not bits:
                    continue
                first = choosing.first_of(bits)
                rest = store.content.of_file[store.content.pieces[first].file].stop - first
                count = choosing.run_from(bits, first, min(_most(store), rest))
                self.taking.flying[store.content.key] |= _run(first, count)
                return store, first, count
        return None

    def _to_fetch(self, one: Wanted) -> int:
        taking, key = self.taking, one.store.content.key
        lacking, spoilt = taking.lacking(one), taking.spoilt(one)
        if taking.first(one) != taking.me:
            return lacking & spoilt
        for peer in taking.peers:
            if not peer.is_of_no_use:
                lacking &= ~peer.have.get(key, 0) | spoilt
        return lacking

    def _take(self, store: Store, first: int, count: int) -> None:
        parts = store.content.pieces[first : first + count]
        file = store.content.files[parts[0].file]
        try:
            if not file.url:
                raise Refused(f"{file.name} is at none of the servers that were asked")
            end = parts[-1].start + parts[-1].size_bytes
            with self.taking.origin.open(file.url, parts[0].start, end) as answer:
                for number, part in enumerate(parts, first):
                    self.taking.write(answer, store, number)
                    self.taking.origin.moved_on()
                    self.taking.landed(store, 1 << number)
                    with self.taking.changed:
                        self.bytes += part.size_bytes
        except BROKEN as error:
            raise Broken(f"{file.url}: {error}") from None
        finally:
            self.taking.landed(store, _run(first, count))


def _most(store: Store) -> int:
    """Few of a small content: what is on its way to one server, another cannot be given yet."""
    return max(1, min(RUN_PIECES, len(store.content.pieces) // (4 * CONNECTIONS)))


def _run(first: int, count: int) -> int:
    return ((1 << count) - 1) << first
