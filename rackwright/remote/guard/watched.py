"""One replica of this server: what is known of it, and where it is on its way."""

from __future__ import annotations

import threading
import time
from typing import Any

from rackwright.remote.guard import course as steps
from rackwright.remote.guard.course import Course
from rackwright.remote.guard.looking import Asker, life_of
from rackwright.remote.guard.signs import Look, Rules

Values = dict[str, Any]


class Watched:
    """Its course, the asker that asks it, and the thread that keeps evidence of it."""

    def __init__(self, asked: Values, restarts_an_hour: int) -> None:
        """``asked`` is its entry of the configuration."""
        self.asked, self.name = asked, str(asked["name"])
        self.asker = Asker(asked)
        counts = life_of(asked) in asked["figures"]
        limits = asked["stall_s"], asked["start_s"], counts, restarts_an_hour
        self.rules = Rules(*limits, step_s=asked["step_s"])
        self.course: Course | None = None
        self.since_unix_s = time.time()
        self.evidence: threading.Thread | None = None
        self._answers = 0
        self._start: str | None = None

    def look(self, unit: Values, **more: Any) -> Look:
        """What is known now; asked for once a round."""
        self.asked["control_group"] = unit.get("ControlGroup")
        start = unit.get("InvocationID", "")
        if self._start not in (None, start):  # what an earlier one said is nothing of this one's
            self.asker.forget()
        self._start = start
        answers, before = self.asker.answers, self._answers
        self._answers = answers
        requests, tokens, work = self.asker.seen()
        return Look(
            now_s=time.monotonic(),
            unit=unit.get("ActiveState", "unknown"),
            start=start,
            answered=answers > before,
            requests=requests,
            tokens=tokens,
            work=work,
            untold=self.asker.untold,
            completion=self.asker.completed(),
            kept=self.evidence is None or not self.evidence.is_alive(),
            **more,
        )

    @property
    def state(self) -> Values:
        """As the page has it."""
        now = self.course
        return {
            "service": self.asked["service"],
            "state": now.state if now else "suspected",
            "why": now.why if now else "was not looked at yet",
            "claims": bool(now and steps.hangs(now)),
            "since": self.since_unix_s,
        }
