"""Ranks of a replica over several servers live and die together: each watchdog sees to its own.

An engine whose peer is gone answers /health and completes nothing; the peer cannot join it again.
So rank 0 ends where one that it began with is not what it was, and any other where rank 0 is not
the one that it began with. A rank that ends is started by systemd, and waits (``gather.py``).
Nothing else is ended, and no engine starts before all wait: whichever ends first, each ends once.
What is not heard of is no reason; a rank that hangs is for whoever asks rank 0 for completions.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from rackwright.remote import gather
from rackwright.remote.gather import DOWN, JOINED, Place, Told
from rackwright.remote.guard.service_manager import end_with_others, gave_up
from rackwright.remote.host.running import Failed, ended

EVERY_S, ANSWER_S = 1.0, 5.0
PROPERTIES = "ActiveState,SubState,InvocationID"

Values = dict[str, Any]


def why_end(rank: int, own: Told, others: Mapping[Place, Told | None]) -> str:
    """Why a rank has to end, in words; empty where it is to go on.

    ``own`` was read before the ``others`` were asked: what they are now they were not before.
    """
    if own.phase != JOINED:
        return ""
    reasons = (_gone(rank, own, place, told) for place, told in others.items() if told)
    return next(filter(None, reasons), "")


def _gone(rank: int, own: Told, place: Place, told: Told) -> str:
    if 0 not in (rank, place.rank):
        return ""
    if told.phase == DOWN:
        return f"{place} ended: {told.why}"
    if rank == 0:
        same = told.start == own.members.get(str(place.rank))
    else:
        same = (told.phase, told.start) == (JOINED, own.epoch)
    return "" if same else f"{place} was started anew"


def _shown(unit: str) -> dict[str, str]:
    argv = ("systemctl", "show", "--property", PROPERTIES, unit)
    try:
        done = ended(*argv, timeout=ANSWER_S)
    except subprocess.TimeoutExpired as error:
        raise OSError(str(error)) from None
    if done.returncode:
        raise OSError(done.stderr.strip())
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


class Rank:
    """One rank of this server."""

    def __init__(self, config: Values, entry: Values) -> None:
        """``entry`` is one of the ``ranks`` of the watchdog's ``config``."""
        self.name, self.unit = str(entry["name"]), str(entry["unit"])
        self.rank, self.others = gather.others_of(config, self.name)
        self._ended = ""

    def told(self) -> Told:
        """What it is now; never what it was a while ago. OSError where systemd does not answer."""
        return gather.told_of(_shown(self.unit), gather.noted(self.name), gave_up(self.unit))

    def look(self, ask: Callable[[Place, str], Told | None], say: Callable[[str], Any]) -> None:
        """Ask those that it depends on, and end it where they are gone."""
        own = self.told()
        if own.phase != JOINED:
            return
        asked = [place for place in self.others if self.rank == 0 or place.rank == 0]
        with ThreadPoolExecutor(max_workers=8) as side_by_side:
            answers = list(side_by_side.map(lambda place: ask(place, self.name), asked))
        why = why_end(self.rank, own, dict(zip(asked, answers)))
        if not why or self.told() != own:
            return
        if own.start != self._ended:
            say(f"{self.name}: rank {self.rank} ends with the others: {why}")
        self._ended = own.start
        with suppress(Failed):
            end_with_others(self.unit)


class Ranks:
    """All of this server that have peers on others."""

    def __init__(self, config: Values) -> None:
        """Nothing is asked yet."""
        self.ranks: Sequence[Rank] = [Rank(config, entry) for entry in config["ranks"]]

    def told(self) -> Values:
        """Each by the name of its replica, as other servers are told; without what is not known."""
        told = {}
        for rank in self.ranks:
            with suppress(OSError):
                told[rank.name] = rank.told()._asdict()
        return told

    def keep_together(self, say: Callable[[str], Any]) -> None:
        """For ever."""
        while True:
            for rank in self.ranks:
                try:
                    rank.look(gather.rank_at, say)
                except Exception as error:  # a thread that ended would leave nobody to see to them
                    say(f"{rank.name}: {error}")
            time.sleep(EVERY_S)
