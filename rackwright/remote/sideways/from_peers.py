"""Pieces from other servers: each of our own from who has it first, the rest from one another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection

from rackwright.remote.sideways import choosing
from rackwright.remote.sideways.peers import BROKEN, Peer
from rackwright.remote.sideways.store import Store
from rackwright.remote.sideways.taking import Taking, Wanted

CONNECTIONS = 8
"""At once. One alone does not fill a long or a wide line."""
IDLE_S = 2.0
"""Without a piece that may be asked for, until any will do."""
REST_S = 2.0


class FromPeers:
    """Threads that ask peers, one piece at a time each."""

    def __init__(self, taking: Taking) -> None:
        """Nothing is asked for before ``start``."""
        self.taking = taking
        self._moved_s = time.monotonic()

    def start(self) -> None:
        """Ask from now on, until all is there."""
        for _ in range(CONNECTIONS if self.taking.peers else 0):
            threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        """One connection, kept as long as it is the same peer's."""
        line = _Line()
        while not self.taking.is_done:
            chosen = self._choose(time.monotonic() - self._moved_s > IDLE_S)
            if chosen is None:
                self.taking.wait()
            else:
                self._take(*chosen, line)

    def _choose(self, any_will_do: bool) -> tuple[Peer, Store, int] | None:
        """A peer and a piece that is then on its way; None where there is none to ask for."""
        taking = self.taking
        with taking.changed:
            for one in taking.wanted:
                key, lacking = one.store.content.key, taking.lacking(one) & ~taking.spoilt(one)
                givers = [p for p in taking.peers if p.gives and p.have.get(key, 0) & lacking]
                # Who has less is asked by fewer.
                givers.sort(key=lambda p: (p.taking, bin(p.have[key]).count("1")))
                for bits, whom in self._in_order(one, givers, any_will_do):
                    for peer in whom:
                        there = bits & lacking & peer.have[key]
                        piece = choosing.any_of(there, len(one.store.content.pieces))
                        if piece is not None:
                            taking.flying[key] |= 1 << piece
                            peer.taking += 1
                            self._moved_s = time.monotonic()
                            return peer, one.store, piece
        return None

    def _in_order(
        self, one: Wanted, givers: Sequence[Peer], any_will_do: bool
    ) -> Iterator[tuple[int, Sequence[Peer]]]:
        """What is ours to take, of whoever has it; then what others took; then all there is.

        A source sends each piece once, to its owner: what others took is not asked of it.
        """
        pieces, sources = len(one.store.content.pieces), {*one.holders, self.taking.first(one)}
        yield choosing.own(pieces, self._owners(one), self.taking.me), givers
        yield one.store.content.all, [peer for peer in givers if peer.name not in sources]
        if any_will_do:
            yield one.store.content.all, givers

    def _owners(self, one: Wanted) -> tuple[str, ...]:
        """Who takes pieces from others: all that lack some, but the one that asks the origin."""
        content, peers = one.store.content, self.taking.peers
        out = {peer.name for peer in peers if peer.is_of_no_use}
        whole = {peer.name for peer in peers if peer.have.get(content.key) == content.all}
        if not whole - out:
            out.add(self.taking.first(one))
        return tuple(name for name in one.takers if name not in out | whole)

    def _take(self, peer: Peer, store: Store, piece: int, line: _Line) -> None:
        try:
            answer = peer.ask(line.to(peer), f"/{store.content.key}/{piece}")
            self.taking.write(answer, store, piece)
            peer.taken_bytes += store.content.pieces[piece].size_bytes
            peer.failures = 0
        except BROKEN:
            line.close()
            peer.failures += 1
            peer.rest(REST_S)
        finally:
            with self.taking.changed:
                peer.taking -= 1
            self.taking.landed(store, 1 << piece)


class _Line:
    """A connection to one peer at a time."""

    def __init__(self) -> None:
        self._peer: Peer | None = None
        self._connection: HTTPConnection | None = None

    def to(self, peer: Peer) -> HTTPConnection:
        """The one that is open, where it is that peer's. Raises OSError."""
        if self._connection is None or self._peer is not peer:
            self.close()
            self._peer, self._connection = peer, peer.connect()
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
