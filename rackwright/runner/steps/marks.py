"""The marks of one step on all of its servers: whose it is, where it is, until it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import gevent
from gevent.event import Event
from paramiko.ssh_exception import SSHException
from pyinfra.api.exceptions import PyinfraError

from rackwright.errors import RackwrightError
from rackwright.runner.asking import GARBLED
from rackwright.runner.steps.owners import is_dead
from rackwright.runner.steps.rank import Rank
from rackwright.runner.steps.stages import LEASE_S, RENEW_EVERY_S, Stage
from rackwright.runner.steps.view import View
from rackwright.runner.turns import Stopped

RENEWAL_S = LEASE_S - RENEW_EVERY_S
"""For one renewal: it would come too late after that."""
MARGIN_S = 5
"""Beyond the lease of a run that was killed on another machine."""
TROUBLE = (RackwrightError, PyinfraError, SSHException, EOFError, OSError, ValueError, *GARBLED)
"""What a step may end with that is nobody's fault here."""


class Marks:
    """``owner`` is the run that takes the step; what a dead one left becomes its own.

    ``resumed``: that one had changed the replica, and never proven it. ``was`` are the processes
    that are there, where they listen now; all of them where none is there yet. ``former`` are
    processes that leave their servers.
    """

    def __init__(
        self, ranks: Sequence[Rank], owner: str, view: View, former: Sequence[Rank] = ()
    ) -> None:
        """Nothing is written yet."""
        self.owner, self.stage = owner, Stage.PREFLIGHT
        self.resumed = False
        self.was: list[Rank] = []
        self._staying, self._ranks, self._view = ranks, [*ranks, *former], view
        self._ended = Event()
        self._keeper: gevent.Greenlet | None = None
        self._names = tuple(dict.fromkeys(rank.replica.name for rank in ranks))

    def begin(self, *, needs: bool, anew: bool) -> None:
        """Mark every server. Raises Stopped where another run has it.

        ``needs``: release and weights of the plan, Missing is raised without them. ``anew``: what
        was never proven is refused.
        """
        self._see(Stage.PREFLIGHT)
        said: list[Mapping[str, Any]] = []
        try:
            for rank in self._ranks:
                said.append(one := self._marked(rank, rank.needs if needs else ()))
                self.resumed = self.resumed or bool(one["before"].get("changed"))
            self._know(said)
            if self.resumed and anew:
                raise Stopped(f"{self.owner} was changing it and did not end: deploy, or roll out")
        except TROUBLE:
            self.leave()
            raise

    def _see(self, stage: Stage) -> None:
        for name in self._names:
            self._view.enter(name, stage)

    def _know(self, said: Sequence[Mapping[str, Any]]) -> None:
        staying = list(zip(self._staying, said, strict=False))  # those that leave come last
        there = [(rank, one) for rank, one in staying if one["there"]] or staying
        self.was = [rank.listening(one["listens"]) for rank, one in there]

    def _marked(self, rank: Rank, needs: Sequence[str]) -> Mapping[str, Any]:
        """What the server says of it. One that another machine's run left is waited for."""
        said = rank.note(Stage.PREFLIGHT, self.owner, needs)
        if held := said.get("held"):
            left = str(held.get("owner"))
            if not (dead := is_dead(left)):
                self._wait_for(rank, held, float(said["left_s"]))
            said = rank.note(Stage.PREFLIGHT, self.owner, needs, left if dead else "")
        if said.get("held"):
            name = rank.replica.name
            raise Stopped(f"{said['held'].get('owner')} is changing {name}: wait for its end")
        return said

    def _wait_for(self, rank: Rank, held: Mapping[str, Any], left_s: float) -> None:
        words = f"{held.get('owner')} has it: if that was killed, it is free in {left_s:.0f} s"
        self._view.say(rank.replica.name, words)
        gevent.sleep(min(left_s, LEASE_S) + MARGIN_S)

    def enter(self, stage: Stage) -> None:
        """Known to every server before it is acted on. Raises Stopped where another has it."""
        self.stage = stage
        self._see(stage)
        for rank in self._ranks:
            if held := rank.note(stage, self.owner).get("held"):
                raise Stopped(f"{held.get('owner')} has taken over {rank.replica.name}")

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """A server is told that the step goes on, for as long as it does."""
        self._keeper = gevent.spawn(self._renew)
        try:
            yield
        finally:
            self._renew_no_more()

    def _renew(self) -> None:
        """Side by side: a server that is silent costs the others nothing."""
        while not self._ended.wait(RENEW_EVERY_S):
            gevent.joinall([gevent.spawn(self._renew_on, rank) for rank in self._ranks])

    def _renew_on(self, rank: Rank) -> None:
        with suppress(*TROUBLE):  # the next time; who needs the mark, asks for it itself
            rank.note(self.stage, self.owner, timeout_s=RENEWAL_S)

    def _renew_no_more(self) -> None:
        """Once this returns: a renewal on its way would write down again a step that has ended."""
        self._ended.set()
        if self._keeper:
            self._keeper.join()

    def leave(self) -> None:
        """Untouched by this step; what a dead run left half done is still to be gone on with."""
        if not self.resumed:
            self.end()

    def end(self) -> None:
        """No step is under way; a server that does not hear it forgets it when its time is up."""
        self._renew_no_more()
        for rank in self._ranks:
            try:
                rank.end(self.owner)
            except TROUBLE as error:
                self._view.say(rank.replica.name, f"{error}")
