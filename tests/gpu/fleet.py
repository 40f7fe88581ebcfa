"""The fleet of the journey: deploys to it, its units, what its engines tell."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from testinfra.host import Host as Machine

from benchmarks.serving.load import Endpoint
from lab import dummy_model
from lab.fleet import ROOT
from rackwright import catalog
from rackwright.desired import paths
from rackwright.engines import ENGINES, Engine, Venv
from rackwright.plan import Replica
from rackwright.runner.fleet import FleetRun
from rackwright.spec import Settings
from tests.gpu.journal import Journal
from tests.samples.commands import BIN
from tests.samples.connections import connected, loaded
from tests.samples.deploys import Run

SECOND = ".cache/gpu-journey"
"""Below the project: where a second release of each engine has its requirements file."""


@dataclass
class Journey:
    """The inventory under test, the time that each part may take, and what was seen so far."""

    inventory: str
    part_s: float
    concurrencies: tuple[int, ...]
    journal: Journal

    @property
    def fleet(self) -> FleetRun:
        """Spec and plan."""
        return loaded(self.inventory)[1]

    @property
    def limit_s(self) -> float:
        """What the next part may take; the test fails when no time is left."""
        left_s = min(self.part_s, self.journal.left_s)
        if left_s <= 0:
            pytest.fail("no time is left (--total-s)", pytrace=False)
        return left_s

    def machine(self, host: str) -> Machine:
        """A connection to a host, by its inventory's own settings."""
        return connected(host, loaded(self.inventory)[0][host])

    def deploy(self, *words: str) -> Run:
        """Run a deploy to its end, or to the end of its time; its words are in the log at once."""
        latest = ROOT / "reports" / "latest.json"
        before = latest.readlink() if latest.is_symlink() else None
        argv = [str(BIN / "pyinfra"), self.inventory, "deploy.py", "-y", "--json", *words]
        log = self.journal.path.with_suffix(".log")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a+") as said:
            said.seek(0, 2)
            start = said.tell()
            try:
                done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=said,
                                      text=True, timeout=self.limit_s)  # fmt: skip
            except subprocess.TimeoutExpired:
                pytest.fail(f"the deploy was not done in time: see {log}", pytrace=False)
            said.seek(start)
            stderr = said.read()
        fresh = latest.is_symlink() and latest.readlink() != before
        report = json.loads(latest.read_text()) if fresh else {"results": []}
        return Run(done.returncode, done.stdout, stderr, report)

    def told(self, replica: Replica, command: str) -> str:
        """What a command prints on a replica's host; the test fails when it fails."""
        done = self.machine(replica.server.name).run(command)
        assert done.rc == 0, f"{replica.server.name}: {command}: {done.stderr}{done.stdout}"
        return str(done.stdout).strip()

    def pid(self, replica: Replica) -> int:
        """The main process of a replica's unit."""
        return int(self.told(replica, f"systemctl show -P MainPID {paths.unit_name(replica)}"))

    def log(self, replica: Replica) -> str:
        """What a replica's engine has said since its present start."""
        unit = paths.unit_name(replica)
        start_of = f"$(systemctl show -P InvocationID {unit})"
        return self.told(replica, f"journalctl -o cat _SYSTEMD_INVOCATION_ID={start_of}")

    def metrics(self, replica: Replica) -> str:
        """A replica's metrics, asked on its own host."""
        url = f"http://{replica.server.address}:{replica.port}/metrics"
        program = f"import urllib.request as u; print(u.urlopen({url!r}).read().decode())"
        return self.told(replica, f"python3 -c {shlex.quote(program)}")

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Wait for a condition; the test fails when it does not come true in time."""
        deadline = time.monotonic() + self.limit_s
        while not true():
            assert time.monotonic() < deadline, f"not in time: {what}"
            time.sleep(1)

    def endpoints(self, replicas: tuple[Replica, ...]) -> list[Endpoint]:
        """Where the replicas of a service answer."""
        return [
            Endpoint(
                one.server.address,
                one.port,
                one.service.served_as,
                one.model.shape.vocab_size,
            )
            for one in replicas
            if one.answers
        ]

    def releases(self) -> Iterator[tuple[Replica, Engine, Settings, str]]:
        """A replica and host settings for each engine that is a venv, and its setting's name."""
        seen = set()
        for replica in self.fleet.plan.replicas:
            engine, settings = (
                ENGINES[replica.service.engine],
                self.fleet.settings(replica.server.name),
            )
            content = engine.release(settings).content
            if isinstance(content, Venv) and (replica.server.name, engine.name) not in seen:
                seen.add((replica.server.name, engine.name))
                yield replica, engine, settings, _setting(settings, content.requirements)

    def have_models(self) -> None:
        """Make folders of catalog models whose weights are random; others have to be there."""
        for replica in self.fleet.plan.replicas:
            path = paths.model_path(replica, self.fleet.settings(replica.server.name))
            dummy = replica.service.extra_args.get("load-format") == "dummy"
            known = replica.model.name in catalog.model_entries()
            if dummy and known and replica.server.name == "@local" and not Path(path).exists():
                dummy_model.make(replica.model.name, Path(path))


def _setting(settings: Settings, requirements: str) -> str:
    """The name of the setting that names this requirements file."""
    names = [name for name in type(settings).model_fields if name.endswith("_requirements")]
    return next(name for name in names if getattr(settings, name) == requirements)


def second_release(requirements: str) -> str:
    """The same packages under another digest: another release, as an upgrade would be."""
    path = Path(SECOND, Path(requirements).name)
    (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
    (ROOT / path).write_text(f"{(ROOT / requirements).read_text()}# As another release.\n")
    return str(path)
