#!/usr/bin/python3
"""gather CONFIG NAME: wait until all ranks of a replica over several servers start together.

Run by systemd as ExecStartPre of each rank, as root. Rank 0 waits until every other rank waits too,
then says for which of their starts it begins: an epoch, named by its own start (systemd's
invocation id). The others wait until they are named. So no engine is started whose peers are not
there, and a rank knows which start of rank 0 it belongs to; that is what ``guard/ranks.py`` keeps
together. Each asks the others' watchdogs, and tells through its own.

It waits as long as it takes: what a rank waits for is in its journal.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path("/run/rackwright-ranks")
"""A file for each rank: its start, the epoch that it belongs to, and of rank 0 who else does."""
STATE_PATH = "/state"
GATHERS, JOINED, DOWN = "gathers", "joined", "down"
STARTS_OR_RUNS = {"start-pre", "start", "start-post", "running", "reload"}
ASK_S, EVERY_S, SAY_EVERY_S = 1.0, 0.5, 60.0

Values = dict[str, Any]


class Told(NamedTuple):
    """A rank as its watchdog tells of it. ``start`` is its own, ``epoch`` that of rank 0.

    ``members`` are the starts that rank 0 began with, by rank; ``why`` says what it is where down.
    """

    phase: str
    start: str
    epoch: str = ""
    members: Mapping[str, str] = {}
    why: str = ""


class Place(NamedTuple):
    """Where another rank is, and its watchdog."""

    rank: int
    server: str
    address: str
    port: int

    def __str__(self) -> str:
        """As a person would say it."""
        return f"rank {self.rank} on {self.server}"


# --- one rank --------------------------------------------------------------------------------


def told_of(shown: Mapping[str, str], noted: Values, gave_up: str = "") -> Told:
    """A rank by what systemd shows of its unit, and what it noted itself when it gathered."""
    start, active = shown.get("InvocationID", ""), shown.get("ActiveState", "unknown")
    state = shown.get("SubState", "unknown")
    if state not in STARTS_OR_RUNS:
        return Told(DOWN, start, why=gave_up or f"its unit is {active} ({state})")
    if not start or noted.get("start") != start:
        return Told(DOWN, start, why="it is about to start, or was started without the others")
    epoch = str(noted.get("epoch", ""))
    return Told(JOINED if epoch else GATHERS, start, epoch, noted.get("members") or {})


def as_told(said: Any) -> Told | None:
    """A rank from another server's answer; None for what is not of the shape."""
    words = ("phase", "start", "epoch")
    if not isinstance(said, dict) or not all(isinstance(said.get(word), str) for word in words):
        return None
    members = said.get("members")
    known = {str(k): str(v) for k, v in members.items()} if isinstance(members, dict) else {}
    return Told(said["phase"], said["start"], said["epoch"], known, str(said.get("why", "")))


def noted(name: str) -> Values:
    """What a rank of this server noted."""
    try:
        found = json.loads((FOLDER / f"{name}.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def note(name: str, start: str, epoch: str = "", members: Mapping[str, str] | None = None) -> None:
    """Whole or not at all."""
    FOLDER.mkdir(mode=0o755, exist_ok=True)
    fresh = FOLDER / f".{name}.new"
    fresh.write_text(json.dumps({"start": start, "epoch": epoch, "members": members or {}}))
    fresh.replace(FOLDER / f"{name}.json")


# --- who starts with whom --------------------------------------------------------------------


def all_gathered(others: Mapping[Place, Told | None]) -> tuple[Values | None, str]:
    """For rank 0: the starts of all others once every one waits; else whom it waits for."""
    absent = [f"{place}: {_absent(place, told)}" for place, told in others.items() if _away(told)]
    if absent:
        return None, "; ".join(absent)
    return {str(place.rank): told.start for place, told in others.items() if told}, ""


def _away(told: Told | None) -> bool:
    return told is None or told.phase != GATHERS


def _absent(place: Place, told: Told | None) -> str:
    if told is None:
        return f"its watchdog ({place.address}, port {place.port}) does not answer"
    return told.why if told.phase == DOWN else "it still runs with an older start of rank 0"


def named_by(leader: Place, told: Told | None, rank: int, start: str) -> tuple[str, str]:
    """For another rank: the epoch that names its start, else what it waits for."""
    if told is None:
        return "", f"{leader}: {_absent(leader, told)}"
    if told.phase == JOINED and told.members.get(str(rank)) == start:
        return told.epoch, ""
    if told.phase == JOINED:
        return "", f"{leader}: it still runs without this start"
    return "", f"{leader}: {told.why or 'it waits for all ranks'}"


# --- acting ----------------------------------------------------------------------------------


def others_of(config: Values, name: str) -> tuple[int, list[Place]]:
    """A rank of this server, and the others of its replica. Raises LookupError without it."""
    entry = next(entry for entry in config["ranks"] if entry["name"] == name)
    keys = Place._fields
    return int(entry["rank"]), [Place(*(other[key] for key in keys)) for other in entry["others"]]


def state_at(place: Place) -> Values | None:
    """What a watchdog answers; None where it is not reached or makes no sense."""
    connection = HTTPConnection(place.address, place.port, timeout=ASK_S)
    try:
        connection.request("GET", STATE_PATH)
        answer = json.loads(connection.getresponse().read(1 << 20))
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else None


def rank_at(place: Place, name: str) -> Told | None:
    """A rank of a replica, by the watchdog of its server."""
    ranks = (state_at(place) or {}).get("ranks")
    return as_told(ranks.get(name)) if isinstance(ranks, dict) else None


def gather(name: str, start: str, rank: int, others: list[Place], say: Callable[[str], Any]) -> str:
    """Wait for the others, and note with whom this rank starts; the epoch."""
    said, said_s = "", 0.0
    note(name, start)
    while True:
        if rank == 0:
            members, words = all_gathered({place: rank_at(place, name) for place in others})
            epoch = start if members is not None else ""
        else:
            leader = next(place for place in others if place.rank == 0)
            members = None
            epoch, words = named_by(leader, rank_at(leader, name), rank, start)
        if epoch:
            note(name, start, epoch, members)
            return epoch
        if words != said or time.monotonic() - said_s > SAY_EVERY_S:
            said, said_s = words, time.monotonic()
            say(f"waits for {words}")
        time.sleep(EVERY_S)


def main() -> None:
    """Exit 0 once all start."""
    path, name = sys.argv[1:]
    rank, others = others_of(json.loads(Path(path).read_text()), name)

    def say(words: str) -> None:
        print(words, file=sys.stderr, flush=True)

    epoch = gather(name, os.environ["INVOCATION_ID"], rank, others, say)
    words = "1 other" if len(others) == 1 else f"{len(others)} others"
    say(f"rank {rank} starts with {words}, of start {epoch[:8]} of rank 0")


if __name__ == "__main__":
    main()
