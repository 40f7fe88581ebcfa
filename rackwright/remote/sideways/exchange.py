"""One server's part in an exchange: it takes what it lacks, and gives what it has, until all have.

It runs as the user whose files they are, and nothing of it outlives its process.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rackwright.remote.downloads.progress import progress, say
from rackwright.remote.sideways.content import Content, content_of
from rackwright.remote.sideways.from_origin import FromOrigin
from rackwright.remote.sideways.from_peers import FromPeers
from rackwright.remote.sideways.giving import Given, Server, listen
from rackwright.remote.sideways.origin import Origin
from rackwright.remote.sideways.pace import Pace
from rackwright.remote.sideways.peers import Peer, follow_all
from rackwright.remote.sideways.store import Store
from rackwright.remote.sideways.taking import Taking, Wanted
from rackwright.remote.sideways.words import in_the_end, so_far

LOOK_S = 0.2
FAREWELL_S = 5.0
"""For others to hear that we are done; who did not would wait for us until we count as gone."""
PROGRESS_EVERY_S = 2.0
OVER_S = 10.0
"""Of which the speed is told."""

Values = dict[str, Any]
Settle = Callable[[Store], None]


class InVain(Exception):
    """What is left will not come, in words."""


class Share(NamedTuple):
    """A content on this server.

    It is whole below ``folder``, or is taken there and put in its place by ``settle``.
    """

    content: Content
    folder: Path
    settle: Settle | None


class Exchange:
    """What this server gives and takes in one run."""

    def __init__(self, terms: Values, shares: Sequence[Share], headers: Mapping[str, str]) -> None:
        """``terms`` are the run's: see ``runner/sideways``. Empty where there are no peers."""
        self.terms, self.shares, self._began_s = terms, shares, time.monotonic()
        token, limit = str(terms.get("token", "")), terms.get("bytes_per_s")
        contents = {one.content.key: one.content for one in shares}
        holders = terms.get("holders", {})
        self.peers = [
            Peer(
                name,
                way,
                token,
                {key: one.all for key, one in contents.items() if name in holders.get(key, ())},
            )
            for name, way in terms.get("peers", {}).items()
        ]
        self.stores = {one.content.key: Store(one.content, one.folder) for one in shares}
        self.me = str(terms.get("me", ""))
        self.wanted = [self._wanted(one.content.key) for one in shares if one.settle]
        self.taking = Taking(self.me, self.wanted, self.peers, Origin(headers), Pace(limit))
        self.from_peers, self.from_origin = FromPeers(self.taking), FromOrigin(self.taking)
        self.given = Given(token, Pace(limit), self._status)
        self.is_settled = not self.wanted
        self._speed: list[tuple[float, int]] = []

    def _wanted(self, key: str) -> Wanted:
        takers = self.terms.get("takers", {}).get(key, ())
        holders = self.terms.get("holders", {}).get(key, ())
        return Wanted(self.stores[key], takers if self.me in takers else (self.me,), holders)

    def _status(self) -> Values:
        return {"done": self.is_settled, "origin": not self.taking.origin.failed}

    def run(self) -> None:
        """Until all is here, and no other needs it any more. Exits with what is wrong, in words."""
        for one in self.shares:
            store = self.stores[one.content.key]
            if one.settle:
                store.resume()
            else:
                store.whole()
        server = self._listen()
        try:
            follow_all(self.me, self.peers, self.taking.notice)
            if self.wanted:
                self._take()
            self._linger()
        except InVain as why:
            self.is_settled = True  # nobody has to wait for this server
            self._farewell()
            sys.exit(str(why))
        finally:
            if server:
                server.end()

    def _listen(self) -> Server | None:
        if not self.peers:
            return None
        self.given.stores = self.stores
        try:
            return listen(self.terms["address"], self.terms["port"], self.given)
        except OSError as error:
            where = f"{self.terms['address']}:{self.terms['port']}"
            say(f"nobody can listen at {where} ({error.strerror}): others take nothing from here")
            return None

    def _take(self) -> None:
        lacked = sum(one.store.left_bytes for one in self.wanted)
        self.taking.compare_all()
        self.from_peers.start()
        self.from_origin.start()
        left, said_s = list(self.shares), 0.0
        while not self.is_settled:
            for one in [one for one in left if one.settle]:
                store = self.stores[one.content.key]
                if store.is_right and one.settle:
                    store.drop_notes()
                    one.settle(store)
                    left.remove(one)
            self.is_settled = all(not one.settle for one in left)
            if self.is_settled:
                break
            if why := self.taking.why_in_vain():
                raise InVain(why)
            if time.monotonic() - said_s > PROGRESS_EVERY_S:
                said_s = time.monotonic()
                self._progress()
            with self.taking.changed:
                self.taking.changed.wait(LOOK_S)
        say(self._summary(lacked))

    def _linger(self) -> None:
        """Give on, until every other that takes has all of it, or is gone."""
        while any(not peer.done and not peer.is_gone for peer in self._takers()):
            time.sleep(LOOK_S)
        self._farewell()

    def _farewell(self) -> None:
        """Until others have heard that this server is done, or cannot be."""
        until_s = time.monotonic() + FAREWELL_S
        while self._unaware() and time.monotonic() < until_s:
            time.sleep(LOOK_S)

    def _unaware(self) -> list[str]:
        """Who would wait for us: they have not heard yet that we are done."""
        alive = (peer.name for peer in self.peers if peer.was_heard and not peer.is_gone)
        return [name for name in alive if name not in self.given.told_done]

    def _takers(self) -> list[Peer]:
        names = {name for takers in self.terms.get("takers", {}).values() for name in takers}
        return [peer for peer in self.peers if peer.name in names]

    @property
    def _label(self) -> str:
        return ", ".join(one.store.content.label for one in self.wanted)

    def _progress(self) -> None:
        total = sum(one.store.content.size_bytes for one in self.wanted)
        left, now = sum(one.store.left_bytes for one in self.wanted), time.monotonic()
        self._speed = [each for each in self._speed if now - each[0] < OVER_S] + [(now, left)]
        since_s, before = self._speed[0]
        speed = (before - left) / (now - since_s) if now > since_s else 0.0
        progress(so_far(self._label, total, left, speed))

    def _summary(self, lacked: int) -> str:
        took_s = time.monotonic() - self._began_s
        return in_the_end(self._label, lacked, took_s, self.from_origin.bytes, self.peers)


def whole_share(values: Mapping[str, Any]) -> Share:
    """What this server has, as it travels."""
    return Share(content_of(values), Path(values["folder"]), None)
