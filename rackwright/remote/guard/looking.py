"""Asking a replica over and over, in a thread of its own: one that hangs delays no other."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from rackwright.remote.guard.signs import COLD_S, LOOK_S, SILENT_S, UNTOLD_S, Completion
from rackwright.remote.served.engine import KEPT_BACK, EngineConnection
from rackwright.remote.served.http import http
from rackwright.remote.served.metrics import figures
from rackwright.remote.served.replica import authorization

ASK_S = SILENT_S / 2
LONGEST_ASK_S = 2 * COLD_S
BUSY = (429, 503)
REQUESTS = ("requests_running", "requests_waiting")
LIFE = "tokens_generated"
"""The figure that says that something gets done, unless a replica's entry names another."""
WORK = ("tokens_generated", "prompt_tokens", "steps", "kv_cache_share")
"""Figures that change with any work, of those that an engine tells."""
MOST_METRICS = 1 << 20

Values = dict[str, Any]


class Asker:
    """One replica's answers, as far as they are there. ``answers`` counts them.

    ``untold``: it was asked for figures, and answered that it tells none, or none that are known.
    """

    def __init__(self, asked: Values) -> None:
        """``asked`` is a replica of the configuration; its ``control_group`` is set later."""
        self.asked = asked
        self.answers = 0
        self.metrics = ""
        self.untold = False
        self._figures: dict[str, float | None] = {}
        self._completion: Completion | None = None
        self._round = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Ask from now on, as long as the program runs."""
        threading.Thread(target=self._for_ever, daemon=True).start()

    def _for_ever(self) -> None:
        while True:
            try:
                self.ask_once()
            except Exception as error:  # nobody would ask any more
                print(f"{self.asked['name']}: {error}", file=sys.stderr, flush=True)
            time.sleep(LOOK_S)

    def ask_once(self) -> None:
        """Its health, for which no engine wants a key, and its figures where it has such."""
        self._get(self.asked["health_path"], {})
        if not self.asked["metrics_path"]:
            return
        reply = self._get(self.asked["metrics_path"], self._key())
        text = reply["body"] if reply.get("status") == 200 else ""
        told = figures(text, self.asked["figures"])
        known = any(told.get(name) is not None for name in (*REQUESTS, self._life))
        with self._lock:
            self.metrics, self._figures = text[:MOST_METRICS], told if text else {}
            self.untold = not known and ("status" in reply or KEPT_BACK in reply["error"])

    @property
    def _life(self) -> str:
        return life_of(self.asked)

    def _key(self) -> dict[str, str]:
        return authorization(self.asked["environment_path"], self.asked["key_variable"])

    def _get(self, path: str, key: dict[str, str]) -> Values:
        """A reply, its body as text; any answer counts."""
        reply = http(self._connection(ASK_S), "GET", path, None, key, lambda text: text)
        if "status" in reply:
            self.answers += 1
        return reply

    def _connection(self, timeout_s: float) -> EngineConnection:
        return EngineConnection(self.asked, timeout_s)

    def seen(self) -> tuple[float | None, float | None, tuple[float | None, ...] | None]:
        """Requests that run or wait, tokens made (or read), and what changes with any work."""
        with self._lock:
            told = self._figures
        running = [told[name] for name in REQUESTS if told.get(name) is not None]
        requests = sum(one or 0.0 for one in running) if running else None
        work = tuple(told.get(name) for name in WORK) if told else None
        return requests, told.get(self._life), work

    def forget(self) -> None:
        """What an earlier start said, or is yet to say."""
        with self._lock:
            self._round += 1
            self._figures, self._completion = {}, None

    def complete(self) -> None:
        """Ask for a completion in a thread of its own; its end is told once by ``completed``."""
        with self._lock:
            self._round += 1
            arguments = (self._round,)
        threading.Thread(target=self._complete, args=arguments, daemon=True).start()

    def _complete(self, number: int) -> None:
        try:
            found = self._asked_for_one()
        except (
            Exception
        ) as error:  # of this program: one without an end would be the engine's fault
            found = Completion(False, f"it could not be asked: {error}", refused=True)
        with self._lock:
            if number == self._round:
                self._completion = found

    def _asked_for_one(self) -> Completion:
        canary, connection = self.asked["canary"], self._connection(self._longest_s())
        return ended(http(connection, "POST", canary["path"], canary["body"], self._key()))

    def _longest_s(self) -> float:
        """Longer than anybody's patience: the verdict is not for this to give."""
        asked = self.asked
        waits = UNTOLD_S if self.untold else 2 * asked["step_s"]
        return max(LONGEST_ASK_S, waits, 0.0 if asked["metrics_path"] else asked["stall_s"])

    def completed(self) -> Completion | None:
        """How the completion ended, once."""
        with self._lock:
            found, self._completion = self._completion, None
        return found


def life_of(asked: Values) -> str:
    """The figure by which a replica is seen to live: of a model that writes nothing, of prompts."""
    return str(asked.get("life") or LIFE)


def ended(reply: Values) -> Completion:
    """What a reply to the engine's canary means."""
    if "error" in reply:
        why = str(reply["error"])
        return Completion(False, why, refused=KEPT_BACK in why)
    status, body = reply["status"], reply["body"]
    if status == 200 and isinstance(body, dict) and "error" not in body:
        return Completion(True)
    why = f"HTTP {status}" + ("" if status != 200 else ", and no completion")
    return Completion(False, why, refused=400 <= status < 500, busy=status in BUSY)
