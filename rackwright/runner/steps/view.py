"""What a rollout does, as it does it: a line for each stage, on a terminal one that moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rackwright.runner.steps.stages import Stage

WORDS = {
    Stage.PREFLIGHT: "is looked at",
    Stage.DRAIN: "is being drained at the gateways",
    Stage.WAIT: "its requests are waited for",
    Stage.CHANGE: "is being changed",
    Stage.START: "starts",
    Stage.PROVE: "is being proven",
    Stage.RETURN: "is being given back",
    Stage.UNDO: "is being put back to what it was",
}


@dataclass
class Row:
    """One replica's step: where it is, since when (monotonic seconds), requests in flight."""

    stage: Stage
    began_s: float
    since_s: float
    in_flight: int | None = None
    ended_s: float | None = None
    stages_s: dict[Stage, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Of the whole step."""
        return (self.ended_s or self.since_s) - self.began_s

    @property
    def absent_s(self) -> float:
        """From its change until it was given back or put back."""
        away = (Stage.CHANGE, Stage.START, Stage.PROVE, Stage.UNDO)
        return sum(self.stages_s.get(stage, 0.0) for stage in away)


def _moment(row: Row, now: float) -> str:
    waits = f", {row.in_flight} in flight" if row.stage is Stage.WAIT and row.in_flight else ""
    return f"{WORDS[row.stage]}{waits}, {now - row.since_s:.0f} s of {now - row.began_s:.0f}"


class View:
    """Says what every replica's step does. ``say_line`` prints one line of a replica."""

    def __init__(
        self, say_line: Callable[[str, str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``say_line`` takes the replica's name and words; ``clock`` gives seconds."""
        self.rows: dict[str, Row] = {}
        self._say_line, self._clock = say_line, clock

    def enter(self, name: str, stage: Stage, words: str = "") -> None:
        """A replica has come to a stage."""
        now = self._clock()
        row = self.rows.get(name)
        if row is None or row.ended_s is not None:
            row = self.rows[name] = Row(stage, now, now)
        elif row.stage is stage:
            return
        self._leave(row, now)
        row.stage, row.since_s = stage, now
        more = f": {words}" if words else ""
        self._say_line(name, f"{WORDS[stage]}{more} ({now - row.began_s:.0f} s)")

    def _leave(self, row: Row, now: float) -> None:
        row.stages_s[row.stage] = row.stages_s.get(row.stage, 0.0) + now - row.since_s

    def in_flight(self, name: str, count: int) -> None:
        """How many requests it still has; said when that changes."""
        row = self.rows[name]
        if count and row.in_flight != count:
            row.in_flight = count
            noun = "request" if count == 1 else "requests"
            self._say_line(name, f"{count} {noun} in flight")
        row.in_flight = count

    def line(self) -> str:
        """All that is under way, in one line for a terminal; empty where nothing is."""
        now = self._clock()
        rows = [(name, row) for name, row in self.rows.items() if row.ended_s is None]
        return " | ".join(f"{name} {_moment(row, now)}" for name, row in rows)

    def say(self, name: str, words: str) -> None:
        """Whatever else is to be known of it."""
        self._say_line(name, words)

    def over(self, name: str) -> None:
        """Its step has ended, well or not."""
        row = self.rows.get(name)
        if row and row.ended_s is None:
            now = self._clock()
            self._leave(row, now)
            row.since_s = row.ended_s = now

    def done(self, name: str) -> None:
        """Its step has ended well."""
        self.over(name)
        row = self.rows[name]
        self._say_line(name, f"done in {row.seconds:.0f} s, away for {row.absent_s:.0f} s")
