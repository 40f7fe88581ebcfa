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
from rackwright.remote.guard.course import Peer, Peers
from rackwright.remote.guard.left_stopped import LeftStopped
from rackwright.remote.guard.peers import Server, Watchdogs
from rackwright.remote.guard.ranks import Ranks
from rackwright.remote.guard.restarts import Restarts
from rackwright.remote.guard.server_gpus import ServerGpus
from rackwright.remote.guard.signs import LOOK_S, Look
from rackwright.remote.guard.state_page import page_server
from rackwright.remote.guard.watched import Watched

FORMAT = 1
RANKS_EVERY_S = 4.0

Values = dict[str, Any]


def say(words: str) -> None:
    """A line of the journal."""
    print(words, file=sys.stderr, flush=True)


class Watchdog:
    """All of a server."""

    def __init__(self, config: Values) -> None:
        """Nothing is asked or answered yet. Raises OSError where its address is not there."""
        self.config = config
        self.folder = Path(config["state_dir"]) / "watchdog"
        self.turns = Path(config["state_dir"]) / "turns"
        limit = config["restarts_an_hour"]
        self.replicas = [Watched(asked, limit) for asked in config["replicas"]]
        names = {one.name for one in self.replicas}
        self.restarts = Restarts(self.folder / "restarts.json", names, say)
        self.gpus = ServerGpus(config, self.folder, say)
        self.others = Watchdogs({_server(peer) for peer in self._others()})
        self.others_s = float("-inf")
        self.now_unix_s = time.time()
        self.ranks = Ranks(config)
        units = {one["name"]: one["unit"] for one in (*config["replicas"], *config["ranks"])}
        self.left_stopped = LeftStopped(units, self.turns)
        self.page = page_server(config["address"], config["port"], self.state)

    def _others(self) -> Iterator[Values]:
        for peers in self.config["peers"].values():
            yield from peers
        for watched in self.replicas:
            yield from watched.asked["ranks"]

    def state(self) -> Values:
        """What ``GET /state`` says. Its time is that of the last look: one that hangs grows old."""
        return {
            "format": FORMAT,
            "host": self.config["host"],
            "now": self.now_unix_s,
            "quarantine": self.gpus.quarantine,
            "driver": self.gpus.driver_hangs(),
            "replicas": {watched.name: watched.state for watched in self.replicas},
            "ranks": self.ranks.told(),
        }

    def run(self) -> None:
        """For ever."""
        threading.Thread(target=self.page.serve_forever, daemon=True).start()
        threading.Thread(target=self.ranks.keep_together, args=(say,), daemon=True).start()
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
        self.now_unix_s = time.time()
        self.gpus.look()
        try:
            units = service_manager.units_now([w.asked["unit"] for w in self.replicas])
            if self.gpus.quarantine is None:
                self.left_stopped.start(say)
        except OSError as error:
            say(f"systemd gives no answer: {error}")
            return
        self._ask_others()
        for watched, unit in zip(self.replicas, units):
            self._decide(watched, unit)
            if watched.course and steps.hangs(watched.course):
                self.gpus.hang_together(watched.name, watched.course.why)

    # --- replicas ----------------------------------------------------------------------------

    def _decide(self, watched: Watched, unit: Values) -> None:
        look = watched.look(
            unit,
            in_turn=kept.has_live_turn(kept.read(self.turns / f"{watched.name}.json"), time.time()),
            held=self.gpus.quarantine["why"] if self.gpus.quarantine else "",
            rank=self._rank_in_quarantine(watched),
            unit_why=service_manager.gave_up(watched.asked["unit"])
            if unit.get("ActiveState") == "failed"
            else "",
        )
        before = watched.course
        if before is None:
            watched.course = steps.first(watched.name, look, self._restarts(watched, look))
            return
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
        return [look.now_s - ago for ago in self.restarts.ago_s(watched.name)]

    def _act(self, watched: Watched, action: str) -> None:
        if action == steps.ASK:
            watched.asker.complete()
        elif action == steps.KEEP:
            self._keep(watched)
        elif action == steps.RESTART:
            self.restarts.add(watched.name)  # first: one that ends in between counts too
            threading.Thread(target=self._restart, args=(watched,), daemon=True).start()
        elif action == steps.FORGET:
            self.restarts.forget(watched.name)

    def _keep(self, watched: Watched) -> None:
        assert watched.course is not None
        arguments = (self.folder / "evidence", watched.asked, watched.course.why)

        def keep() -> None:
            try:
                path = evidence.of_replica(*arguments, watched.asker.metrics)
                say(f"{watched.name}: evidence in {path}")
            except OSError as error:  # a disk that is full
                say(f"{watched.name}: no evidence: {error}")

        watched.evidence = threading.Thread(target=keep, daemon=True)
        watched.evidence.start()

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
