"""A server's engines and its watchdog in simulated time: hours of it take a second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rackwright.remote.guard import course as steps
from rackwright.remote.guard.course import Course, Peer, Peers, decided, first
from rackwright.remote.guard.signs import LOOK_S, Completion, Look, Rules

RULES = Rules(stall_s=30.0, start_s=600.0, counts=True, restarts_an_hour=3)


@dataclass
class Engine:
    """An engine that reads prompts (so many seconds each, one after another) and makes tokens.

    ``hangs``: it answers and gets nothing done; ``stopped``: it answers nobody; ``shows_chunks``:
    its figures move while it reads a prompt; they are told anew once a step (``step_s``) of that is
    done, and not at all before with ``hides_in_steps``. ``stuck`` requests are told of that it does
    not have. A restart takes ``start_s`` and mends it, unless ``broken``.
    """

    name: str = "chat-gpu1-0"
    shows_chunks: bool = False
    start_s: float = 20.0
    broken: bool = False
    hangs: bool = False
    stopped: bool = False
    gauges_freeze: bool = False
    now_s: float = 0.0
    starts: int = 1
    prompts: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    tokens: float = 100.0  # it has served
    chunks: float = 0.0
    up_s: float = 0.0
    canary: bool = False
    frozen: float = 0.0
    step_s: float = 0.0
    told_s: float = 0.0
    stuck: int = 0
    hides_in_steps: bool = False

    def ask(self, prompt_s: float, answer_s: float) -> None:
        """A client's request."""
        self.prompts.append(prompt_s)
        self.answers.append(answer_s)

    def preempt(self, again_s: float) -> None:
        """One that is being answered loses its cache: all that it had is read again."""
        if len(self.answers) > len(self.prompts):
            self.prompts.append(again_s)

    def pass_time(self, seconds: float) -> None:
        """What happens meanwhile."""
        self.now_s += seconds
        if self.hangs or self.stopped or not self.is_up:
            return
        answering = len(self.answers) - len(self.prompts)
        if answering:
            self.tokens += answering
            done = [left - seconds for left in self.answers[:answering]]
            self.answers = [left for left in done if left > 0] + self.answers[answering:]
        if self.prompts:
            self.chunks += 1
            self.prompts[0] -= seconds
            if self.prompts[0] <= 0:
                self.prompts.pop(0)

    @property
    def is_up(self) -> bool:
        return self.now_s >= self.up_s

    def restart(self) -> None:
        """By systemd: what it was doing is lost."""
        self.prompts, self.answers, self.tokens, self.chunks = [], [], 0.0, 0.0
        self.starts, self.up_s, self.canary = self.starts + 1, self.now_s + self.start_s, False
        self.stopped, self.hangs = False, self.broken

    @property
    def requests(self) -> float:
        return float(len(self.answers) + self.canary + self.stuck)

    def completed(self) -> Completion | None:
        """The canary waits behind prompts that are being read."""
        if not self.canary or self.hangs or self.stopped or self.prompts or not self.is_up:
            return None
        self.canary = False
        self.tokens += 1
        return Completion(True)

    def look(self, **more: Any) -> Look:
        """What a watchdog sees of it now."""
        ended = self.completed()
        in_a_step = bool(self.prompts) and self.now_s - self.told_s < self.step_s
        if not self.stopped and not (self.hangs and self.gauges_freeze) and not in_a_step:
            self.frozen, self.told_s = self.requests, self.now_s
        told = self.is_up and not self.stopped
        hidden = self.hides_in_steps and in_a_step
        work = (self.tokens, self.chunks if self.shows_chunks else None)
        seen: dict[str, Any] = {
            "requests": self.frozen if told else None,
            "tokens": self.tokens if told else None,
            "work": work if told else None,
            "completion": ended,
        }
        if hidden:
            seen |= {"requests": None, "tokens": None, "work": None}
        seen |= {"unit": "active" if self.is_up else "activating", "answered": told}
        return Look(now_s=self.now_s, start=str(self.starts), **{**seen, **more})


class Watch:
    """One replica watched; ``said`` has each state it was in, and since when."""

    def __init__(self, engine: Engine, rules: Rules = RULES) -> None:
        self.engine, self.rules = engine, rules
        self.course: Course = first(engine.name, engine.look())
        self.said: list[tuple[float, str]] = [(engine.now_s, self.course.state)]
        self.acts: list[float] = []

    def look(self, peers: Peers | None = None, **more: Any) -> tuple[str, ...]:
        """One look and what follows; peers were asked just now where none are given."""
        look = self.engine.look(**more)
        heard = Peers(look.now_s, ()) if peers is None else peers
        self.course, actions = decided(self.course, look, heard, self.rules)
        if self.course.state != self.said[-1][1]:
            self.said.append((look.now_s, self.course.state))
        for action in actions:
            if action == steps.ASK:
                self.engine.canary = True
            if action == steps.RESTART:
                self.acts.append(look.now_s)
                self.engine.restart()
        return actions

    def go_on(self, seconds: float, **more: Any) -> None:
        """Look after look, for so long."""
        for _ in range(int(seconds / LOOK_S)):
            self.engine.pass_time(LOOK_S)
            self.look(**more)

    @property
    def states(self) -> list[str]:
        return [state for _, state in self.said]

    def since(self, state: str) -> float:
        """When it was first in a state."""
        return next(at for at, one in self.said if one == state)


class Fleet:
    """Replicas of one service, each with a watchdog of its own that asks the others' pages.

    ``order`` and ``late`` say who looks when: pages are asked in one look and read in a later one.
    """

    def __init__(self, watches: list[Watch], reached: bool = True) -> None:
        self.watches, self.reached = watches, reached
        self.heard: dict[str, Peers] = {}
        self.most_away = 0

    def look(self, watch: Watch, asks: bool = True) -> None:
        """One look of one watchdog, with what it heard before; then it asks anew."""
        watch.look(self.heard.get(watch.engine.name, Peers()))
        if asks:
            self.heard[watch.engine.name] = Peers(watch.engine.now_s, tuple(self._pages(watch)))
        self.most_away = max(self.most_away, len(self.away()))

    def _pages(self, asking: Watch) -> Iterator[Peer]:
        for other in self.watches if self.reached else ():
            if other is not asking:
                yield Peer(other.engine.name, other.course.state, other.course.claims)

    def away(self) -> list[str]:
        """Replicas that a watchdog has restarted, and that are not back."""
        return [one.engine.name for one in self.watches if one.course.acted_s is not None]
