"""`python -m benchmarks.gateway.endurance`: many clients for long, while all around them changes.

Their streams and plain requests go over TLS through the gateway to stand-ins for engines, of
differing speed. Meanwhile Nginx is reloaded, data is loaded, a replica is drained and one is
killed. At the end every request must be accounted for: an answer to the end, a refusal that was to
be expected, a client that hung up, or a broken answer of the replica that was killed.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.gateway import doors
from benchmarks.gateway.accounts import faults, unlike_the_log
from benchmarks.gateway.clients import MANNERS, Client, Tally
from benchmarks.gateway.memory import Memory
from benchmarks.gateway.processes import wait_for_port
from lab.local_gateway import LocalGateway
from lab.ports import free_port

ENGINE = Path(__file__).with_name("stand_in_engine.py")
REPLICAS = {
    "chat": {"chat-fast-0": (150, 24), "chat-even-0": (75, 12), "chat-slow-0": (30, 6)},
    "code": {"code-one-0": (100, 10), "code-two-0": (100, 10)},
}
"""Of each service: tokens a second of a stand-in, and what it takes at once."""
KILLED, DRAINED = "chat-even-0", "chat-fast-0"
SAMPLE_S = 5
ROUND_S = 60
"""In which each disturbance happens once, a reload only in the first: workers must grow old."""
SETTLED_S = 20


class Fleet:
    """The stand-ins, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, dict[str, subprocess.Popen[bytes]]()
        self.speeds = {
            name: speed for each in REPLICAS.values() for name, (speed, _) in each.items()
        }
        self.ports = {name: free_port() for name in self.speeds}

    def start(self, name: str) -> None:
        """The stand-in of that name; it is up when this returns."""
        port, log = self.ports[name], self.folder / f"{name}.log"
        argv = [sys.executable, str(ENGINE), str(port), str(self.speeds[name])]
        with log.open("ab") as file:
            self.processes[name] = subprocess.Popen([*argv, str(self.journal(name))], stderr=file)
        wait_for_port(port, 30, log)

    def kill(self, name: str) -> None:
        """As the kernel does where memory is short."""
        self.processes[name].kill()
        self.processes[name].wait()

    def journal(self, name: str) -> Path:
        """What it says it answered."""
        return self.folder / f"{name}.jsonl"

    @contextmanager
    def running(self) -> Iterator[Fleet]:
        """All of them."""
        try:
            for name in self.ports:
                self.start(name)
            yield self
        finally:
            for process in self.processes.values():
                process.kill()
                process.wait()


def fleet_data(ports: dict[str, int]) -> dict[str, Any]:
    """The gateway's data: two services, with an alias and an adapter."""
    data = doors.fleet([1])
    sample = data["services"].pop("chat")
    for service, replicas in REPLICAS.items():
        fastest = max(speed for speed, _ in replicas.values())
        entries = [
            {"name": name, "host": "127.0.0.1", "port": ports[name], "slots": slots,
             "weight": speed / fastest}
            for name, (speed, slots) in replicas.items()
        ]  # fmt: skip
        names = {"model": service, "aliases": [], "adapters": []}
        data["services"][service] = {**sample, **names, "replicas": entries}
        data["services"][service]["queue"] = {"length": 64, "wait_s": 10}
    data["services"]["chat"]["aliases"] = ["gpt-4o"]
    data["services"]["code"]["adapters"] = ["sql"]
    return data


def clients(count: int, gateway: LocalGateway, tally: Tally) -> list[Client]:
    """So many, of all manners, classes and models; every tenth may ask but a few times a minute."""
    context = ssl.create_default_context(cafile=str(gateway.certificate))
    models = (("chat", "gpt-4o"), ("code", "sql"), ("chat",), ("chat", "code"))
    return [
        Client(
            f"client{n}", f"rw-client-{n}", models[n // len(MANNERS) % len(models)],
            MANNERS[n % len(MANNERS)], f"{gateway.url}/v1/chat/completions", context, tally,
            random.Random(n),
        )
        for n in range(count)
    ]  # fmt: skip


def keys(count: int) -> dict[str, Any]:
    """Of the clients; only the digest of each key."""
    return {
        "format": 1,
        "keys": [
            {"sha256": hashlib.sha256(f"rw-client-{n}".encode()).hexdigest(),
             "client": f"client{n}", "class": "batch" if n % 3 == 0 else "interactive",
             "requests_a_minute": 10 if n % 10 == 9 else None, "in_flight": 8}
            for n in range(count)
        ],
    }  # fmt: skip


async def disturb(gateway: LocalGateway, fleet: Fleet, tally: Tally, until: float) -> list[str]:
    """What happens to a fleet, over and over; what was done, in words."""
    done: list[str] = []
    said = asyncio.to_thread
    while (began := time.monotonic()) + ROUND_S * 0.9 < until:
        if not done:
            gateway.reload()  # nothing else goes on here until Nginx has its signal
            tally.reloaded_at = time.monotonic()
            done.append("reload")
        await asyncio.sleep(8)
        gateway.write_data()
        await said(gateway.ask, "POST", "/load")
        done.append("load")
        await said(gateway.ask, "PUT", f"/replicas/{DRAINED}", {"drained": True, "why": "proof"})
        await asyncio.sleep(8)
        await said(gateway.ask, "PUT", f"/replicas/{DRAINED}", {"drained": False})
        done.append("drain")
        await asyncio.sleep(4)
        await said(fleet.kill, KILLED)
        await asyncio.sleep(6)
        await said(fleet.start, KILLED)
        done.append("kill")
        await asyncio.sleep(max(0.0, min(until, began + ROUND_S) - time.monotonic()))
    return done


async def settled(asked: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    """What is answered once that holds, or as it is when it does not come."""
    until = time.monotonic() + SETTLED_S
    while True:
        answer = await asyncio.to_thread(asked)
        if holds(answer) or time.monotonic() > until:
            return answer
        await asyncio.sleep(0.5)


def is_at_rest(state: dict[str, Any]) -> bool:
    """Whether nothing is in flight, and nobody waits."""
    return not any(one["in_flight"] + one["waiting"] for one in state["services"].values())


async def prove(minutes: float, count: int, folder: Path) -> tuple[dict[str, Any], Memory]:
    """Run it all; what was counted, with every fault in words."""
    fleet, tally = Fleet(folder), Tally()
    with ExitStack() as stack:
        stack.enter_context(fleet.running())
        gateway_folder = folder / "gateway"
        gateway_folder.mkdir()
        gateway = LocalGateway(gateway_folder, free_port(), fleet_data(fleet.ports), keys(count))
        stack.enter_context(gateway.running())
        assert gateway.process
        memory = Memory(gateway.process.pid)
        until = time.monotonic() + 60 * minutes
        sampling = asyncio.create_task(memory.sample(SAMPLE_S))
        disturbing = asyncio.create_task(disturb(gateway, fleet, tally, until))
        await asyncio.gather(*(one.run(until) for one in clients(count, gateway, tally)))
        done = await disturbing
        sampling.cancel()
        state = await settled(lambda: gateway.ask("GET", "/state")[1], is_at_rest)
        usage = await settled(  # every worker shares its own once a second
            lambda: gateway.ask("GET", "/usage?since=2000-01-01")[1],
            lambda rows: not unlike_the_log(rows, gateway.log_lines()),
        )
        journals = {name: fleet.journal(name) for name in fleet.ports}
        found = faults(tally, state, usage, gateway.log_lines(), journals, KILLED)
        found += memory.faults(minutes)
    result = {
        "minutes": minutes,
        "clients": count,
        "requests": tally.sent,
        "outcomes": dict(tally.counts.most_common()),
        "sent_again_at_a_reload": tally.sent_again,
        "disturbances": {name: done.count(name) for name in dict.fromkeys(done)},
        "memory": memory.summary(),
        "faults": found,
    }
    return result, memory


def main() -> int:
    """Entry point; returns the exit code: 1 where anything is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway.endurance")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--results", type=Path, help="a folder for what was counted, and memory")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="rackwright-endurance-") as folder:
        Path(folder).chmod(0o755)  # Nginx's workers are not root
        result, memory = asyncio.run(prove(arguments.minutes, arguments.clients, Path(folder)))
    text = json.dumps(result, indent=1)
    print(text)
    if arguments.results:
        (arguments.results / "gateway_endurance.json").write_text(text + "\n")
        (arguments.results / "gateway_endurance_memory.csv").write_text(memory.csv())
    return 1 if result["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
