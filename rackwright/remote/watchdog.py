"""The watchdog of a GPU server: a program of its own there, started by systemd as root.

    watchdog /etc/rackwright/watchdog.json

Looks at each replica of the server every two seconds, decides by ``guard.course``, and does what
that says. Other threads ask; this one never waits for an engine, and tells systemd that it lives.
What it is told comes from the plan (``desired/watchdog.py``).
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rackwright.remote.guard import course as steps
from rackwright.remote.guard import evidence, kept, nvml, service_manager
from rackwright.remote.guard.course import Course, Peer, Peers
from rackwright.remote.guard.gpu_faults import Codes, Fault, Gpu, of_log, of_nvml
from rackwright.remote.guard.kernel import KernelLog
from rackwright.remote.guard.looking import Asker
from rackwright.remote.guard.peers import Server, Watchdogs
from rackwright.remote.guard.signs import LOOK_S, Look, Rules
from rackwright.remote.guard.state_page import page_server

FORMAT = 1
NVML_EVERY_S, RANKS_EVERY_S = 30.0, 4.0

Values = dict[str, Any]


def say(words: str) -> None:
    """A line of the journal."""
    print(words, file=sys.stderr, flush=True)


class Watched:
    """One replica of this server, and where it is on its way."""

    def __init__(self, asked: Values, restarts_an_hour: int) -> None:
        """``asked`` is its entry of the configuration."""
        self.asked, self.name = asked, str(asked["name"])
        self.asker = Asker(asked)
        counts = "tokens_generated" in asked["figures"]
        self.rules = Rules(asked["stall_s"], asked["start_s"], counts, restarts_an_hour)
        self.course: Course | None = None
        self.since_unix_s = time.time()
        self.evidence: threading.Thread | None = None
        self._answers = 0

    def look(self, unit: Values, **more: Any) -> Look:
        """What is known now; asked for once a round."""
        self.asked["control_group"] = unit.get("ControlGroup")
        answers, before = self.asker.answers, self._answers
        self._answers = answers
        requests, tokens, work = self.asker.seen()
        return Look(
            now_s=time.monotonic(),
            unit=unit.get("ActiveState", "unknown"),
            start=unit.get("InvocationID", ""),
            answered=answers > before,
            requests=requests,
            tokens=tokens,
            work=work,
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
            "claims": bool(now and (now.claims or now.state == steps.RESTARTING)),
            "since": self.since_unix_s,
        }


class Watchdog:
    """All of a server."""

    def __init__(self, config: Values) -> None:
        """Nothing is asked or answered yet. Raises OSError where its address is not there."""
        self.config = config
        self.folder = Path(config["state_dir"]) / "watchdog"
        self.turns = Path(config["state_dir"]) / "turns"
        limit = config["restarts_an_hour"]
        self.replicas = [Watched(asked, limit) for asked in config["replicas"]]
        self.gpus = [Gpu(**gpu) for gpu in config["gpus"]]
        self.codes = Codes(config["fatal_xids"], config["fatal_by_text"])
        self.others = Watchdogs({_server(peer) for peer in self._others()})
        self.nvml, self.log = nvml.Nvml(), self._kernel_log()
        self.nvml_s = self.others_s = float("-inf")
        self.unwritten: Values | None = None
        self.quarantine = kept.quarantine_of(self.quarantine_file)
        self.page = page_server(config["address"], config["port"], self.state)

    @property
    def quarantine_file(self) -> Path:
        """Its being there is the quarantine."""
        return self.folder / "quarantine.json"

    def _others(self) -> Iterator[Values]:
        for peers in self.config["peers"].values():
            yield from peers
        for watched in self.replicas:
            yield from watched.asked["ranks"]

    def _kernel_log(self) -> KernelLog | None:
        try:
            return KernelLog(self.folder / "kernel_log.json") if self.gpus else None
        except OSError as error:
            say(f"the kernel's log cannot be read, its GPU errors are not seen: {error}")
            return None

    def state(self) -> Values:
        """What ``GET /state`` says."""
        return {
            "format": FORMAT,
            "host": self.config["host"],
            "now": time.time(),
            "quarantine": self.quarantine,
            "replicas": {watched.name: watched.state for watched in self.replicas},
        }

    def run(self) -> None:
        """For ever."""
        threading.Thread(target=self.page.serve_forever, daemon=True).start()
        for watched in self.replicas:
            watched.asker.start()
        service_manager.tell("READY=1")
        while True:
            began_s = time.monotonic()
            self.look()
            service_manager.tell("WATCHDOG=1")
            time.sleep(max(0.0, LOOK_S - (time.monotonic() - began_s)))

    def look(self) -> None:
        """One round: GPUs, then each replica."""
        self._look_at_gpus()
        self.quarantine = kept.quarantine_of(self.quarantine_file) or self.unwritten
        try:
            units = service_manager.units_now([w.asked["unit"] for w in self.replicas])
        except OSError as error:
            say(f"systemd gives no answer: {error}")
            return
        self._ask_others()
        for watched, unit in zip(self.replicas, units):
            self._decide(watched, unit)

    # --- replicas ----------------------------------------------------------------------------

    def _decide(self, watched: Watched, unit: Values) -> None:
        look = watched.look(
            unit,
            in_turn=kept.has_live_turn(kept.read(self.turns / f"{watched.name}.json"), time.time()),
            held=self.quarantine["why"] if self.quarantine else "",
            rank=self._rank_in_quarantine(watched),
            unit_why=service_manager.gave_up(watched.asked["unit"])
            if unit.get("ActiveState") == "failed"
            else "",
        )
        before = watched.course
        if before is None:
            watched.course = steps.first(watched.name, look, self._restarts(watched, look))
            return
        if look.start != before.signs.start:
            watched.asker.forget()
        peers = self._peers(watched)
        watched.course, actions = steps.decided(before, look, peers, watched.rules)
        if watched.course.state != before.state:
            watched.since_unix_s = time.time()
            why = f": {watched.course.why}" if watched.course.why else ""
            say(f"{watched.name}: {before.state} -> {watched.course.state}{why}")
        for action in actions:
            self._act(watched, action)

    def _restarts(self, watched: Watched, look: Look) -> list[float]:
        """Of the hour before this start of the watchdog, by its own clock."""
        noted = kept.read(self.folder / "restarts.json")
        return [look.now_s - ago for ago in kept.restarts_of(noted, watched.name, time.time())]

    def _act(self, watched: Watched, action: str) -> None:
        if action == steps.ASK:
            watched.asker.complete()
        elif action == steps.KEEP:
            self._keep(watched)
        elif action == steps.RESTART:
            self._note_restart(watched)
            threading.Thread(target=self._restart, args=(watched,), daemon=True).start()

    def _keep(self, watched: Watched) -> None:
        assert watched.course is not None
        arguments = (self.folder / "evidence", watched.asked, watched.course.why)

        def keep() -> None:
            path = evidence.of_replica(*arguments, watched.asker.metrics)
            say(f"{watched.name}: evidence in {path}")

        watched.evidence = threading.Thread(target=keep, daemon=True)
        watched.evidence.start()

    def _note_restart(self, watched: Watched) -> None:
        """First, so that one that ends in between counts too."""
        path, now = self.folder / "restarts.json", time.time()
        noted = kept.read(path) or {}
        names = {one.name for one in self.replicas}
        recent = {
            name: [now - ago for ago in kept.restarts_of(noted, name, now) if ago < steps.HOUR_S]
            for name in noted
            if name in names
        }
        recent[watched.name] = [*recent.get(watched.name, []), now]
        try:
            kept.write(path, recent)
        except OSError as error:
            say(f"{path}: {error}")

    def _restart(self, watched: Watched) -> None:
        say(f"{watched.name}: restarted ({watched.course.why if watched.course else ''})")
        watched.asker.forget()
        try:
            service_manager.restart(watched.asked["unit"])
        except OSError as error:
            say(f"{watched.name}: {error}")

    # --- other servers -----------------------------------------------------------------------

    def _ask_others(self) -> None:
        """All the time for ranks on other servers; else while a replica is to be restarted."""
        claims = any(one.course and one.course.claims for one in self.replicas)
        ranks = any(one.asked["ranks"] for one in self.replicas)
        due = time.monotonic() - self.others_s >= RANKS_EVERY_S
        if claims or (ranks and due):
            self.others_s = time.monotonic()
            self.others.ask()

    def _peers(self, watched: Watched) -> Peers:
        """What the others of its service said, here and on other servers."""
        said = [
            Peer(*one)
            for peer in self.config["peers"].get(watched.asked["service"], ())
            for one in kept.said_by(self.others.said.get(_server(peer)), peer["replicas"])
        ]
        here = [one for one in self.replicas if one is not watched]
        said += [
            Peer(one.name, one.state["state"], one.state["claims"])
            for one in here
            if one.asked["service"] == watched.asked["service"]
        ]
        return Peers(self.others.asked_s, said)

    def _rank_in_quarantine(self, watched: Watched) -> str:
        for rank in watched.asked["ranks"]:
            told = self.others.said.get(_server(rank), {}).get("quarantine")
            if isinstance(told, dict):
                return f"{rank['host']} is in quarantine: {str(told.get('why'))[:200]}"
        return ""

    # --- GPUs --------------------------------------------------------------------------------

    def _look_at_gpus(self) -> None:
        if not self.gpus:
            return
        lines = self.log.new_errors() if self.log else []
        faults = list(of_log(lines, self.gpus, self.codes))
        if pair := self.nvml.answered():
            faults += of_nvml(*pair, self.gpus)
        if time.monotonic() - self.nvml_s >= NVML_EVERY_S:
            self.nvml_s = time.monotonic()
            self.nvml.ask()
        if self.unwritten:
            self._write_quarantine(self.unwritten)
        if faults and not self.quarantine:
            self._quarantine(faults, lines)

    def _quarantine(self, faults: list[Fault], lines: list[str]) -> None:
        why = "; ".join(fault.why for fault in faults)
        gpus = list(dict.fromkeys(uuid for fault in faults for uuid in fault.gpus))
        noted = {"format": FORMAT, "why": why, "since": time.time(), "by": "watchdog", "gpus": gpus}
        folder = self.folder / "evidence"
        say(f"quarantine: {why}")
        self._write_quarantine({**noted, "evidence": str(folder)})
        arguments = (folder, why, lines)
        threading.Thread(target=evidence.of_server, args=arguments, daemon=True).start()

    def _write_quarantine(self, noted: Values) -> None:
        """It holds from now on, also while the disk is full."""
        self.unwritten = noted
        try:
            kept.write_first(self.quarantine_file, noted)
            self.unwritten = None
        except OSError as error:
            say(f"{self.quarantine_file}: {error}")


def _server(place: Values) -> Server:
    return (place["address"], place["port"])


def main() -> None:
    """Watch by a configuration; or, as a process of the watchdog's own, say what NVML does."""
    if sys.argv[1:] == [nvml.WORD]:
        print(json.dumps(nvml.asked_here()))
        return
    Watchdog(json.loads(Path(sys.argv[1]).read_text())).run()


if __name__ == "__main__":
    main()
