"""How long an engine takes to start: the first time, with a seed, and by each way to read weights.

    python -m benchmarks.start --out results --limit-s 1080        # or --quick

Run as root on the GPU host itself, in the project's folder; it wants one GPU. ``--quick`` measures
the first start and that of an equal replica with the seed, with made-up weights; else weights of
the real size are written first (16 GB for 8B). Each row is in ``results/measured.json`` once it is
known; beside it is each start's log. Removed before: seeds, and the caches of this benchmark's own
replicas.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.serving import accounts
from benchmarks.start.starts import FORMATS, USUAL, Start, parts_of, starts, table
from benchmarks.sweep import machine
from benchmarks.sweep.layouts import HOST_DATA, Layout, inventory_text, look, server_of
from benchmarks.sweep.rows import Results
from lab import dummy_model, random_weights
from rackwright import catalog

LEAST_S = 60
"""With less time than this no start is begun."""
STATE, CACHE, UNITS = "/var/lib/rackwright", "/var/cache/rackwright", "/etc/systemd/system"
MODELS = "/srv/models"
READ_BYTES = 16 << 20


@dataclass
class Starting:
    """One run: where results go, until when, and what is started on this server."""

    out: Path
    until: float
    server: dict[str, Any]
    data: dict[str, Any]
    model: str
    folder: Path
    service: dict[str, Any]
    results: Results
    made_up: bool
    models: dict[str, Any] = field(default_factory=dict)
    stages: str = "base,engines,replicas"

    @property
    def left_s(self) -> float:
        """Seconds of the run's time that are left."""
        return self.until - time.monotonic()

    def run(self, start: Start) -> None:
        """Measure one; whatever fails is noted, not raised."""
        inventory, since = self._written(start), time.time()
        name = self._replica(inventory)
        unit = f"rackwright-{name}.service"
        self._prepare(start, name)
        log = inventory.with_suffix(".deploy.log")
        problem = machine.deploy(inventory, self.stages, log, self.left_s)
        self.stages = "replicas"
        up = machine.settled([unit], time.monotonic() + (self.left_s if problem else 0))[unit]
        said = machine.journal(unit, since)
        (self.out / f"{start.service}-{len(self._rows())}.log").write_text(said)
        if problem or not up:
            self._failed(start, " ".join([problem, *accounts.cause(said)]))
            return
        row = {"name": start.name, "engine": "vllm", "release": _release(unit), "gpu": self._gpu}
        row |= {"model": self.model, "weights": "made up" if self.made_up else "random"}
        row |= {"load_format": start.load_format, "ready_s": machine.ready_s(unit)}
        row |= {"cpu_s": _cpu_s(unit)}
        row |= {**parts_of(said), "seed_bytes": self._seed(inventory)}
        self.results.add("runs", row)
        print(json.dumps(row), flush=True)

    @property
    def _gpu(self) -> str:
        return str(self.server["gpus"]["type"])

    def _rows(self) -> list[Any]:
        return [*self.results.document["runs"], *self.results.document["failed"]]

    def _written(self, start: Start) -> Path:
        layout = Layout(start.service, 1, self.model, service=self.service)
        entry = {**layout.entry([0]), "path": str(self.folder)}
        if not self.made_up:
            entry.pop("extra_args", None)
        if start.load_format != USUAL:
            entry["load_format"] = start.load_format
        inventory = self.out / f"{start.service}.py"
        text = inventory_text({start.service: entry}, self.server, self.data, self.models)
        inventory.write_text(text)
        return inventory

    def _replica(self, inventory: Path) -> str:
        argv = [str(machine.BIN / "rackwright"), "plan", str(inventory), "--json"]
        said = subprocess.run(argv, cwd=machine.ROOT, capture_output=True, text=True)
        if said.returncode:
            raise SystemExit(f"Error: {said.stderr.strip()[-600:]}")
        return str(json.loads(said.stdout)["replicas"][0]["name"])

    def _prepare(self, start: Start, name: str) -> None:
        """Nothing of the benchmark runs; caches, seeds and pages are there or not, as asked."""
        for path in Path(UNITS).glob("rackwright-start[01]-*.service"):
            machine.stop(path.name)
            path.unlink()
        machine.output("systemctl", "daemon-reload")
        if start.fresh:
            shutil.rmtree(f"{CACHE}/{name}", ignore_errors=True)
        if start.fresh and not start.seed:
            shutil.rmtree(f"{STATE}/seeds", ignore_errors=True)
        if start.cold:
            _out_of_memory(self.folder)
        elif not self.made_up:
            _into_memory(self.folder)

    def _seed(self, inventory: Path) -> int | None:
        """Have one; the bytes of its file. No gateway is there, so ``verify`` does not make it."""
        argv = [str(machine.BIN / "rackwright"), "seeds", str(inventory), "--make"]
        subprocess.run(argv, cwd=machine.ROOT, capture_output=True, timeout=max(self.left_s, 1))
        sizes = [path.stat().st_size for path in Path(STATE, "seeds").glob("*.tar.gz")]
        return max(sizes, default=None)

    def _failed(self, start: Start, why: str) -> None:
        row = {"name": start.name, "error": " ".join(why.split())[:600]}
        self.results.add("failed", row)
        print(json.dumps(row), flush=True)


def _release(unit: str) -> str:
    """The folder of the release that a unit runs from."""
    found = re.search(r"path=/\S+?/vllm/([^/]+)/", machine.show(unit, "ExecStart")["ExecStart"])
    return found[1] if found else ""


def _cpu_s(unit: str) -> float | None:
    """Seconds of processors that the start took, which other work does not make more."""
    used = machine.show(unit, "CPUUsageNSec")["CPUUsageNSec"]
    return round(int(used) / 1e9, 1) if used.isdigit() else None


def _out_of_memory(folder: Path) -> None:
    """Have the kernel forget what it has of a folder's files; they are on the disk alone then."""
    for path in folder.iterdir():
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def _into_memory(folder: Path) -> None:
    """Have the kernel keep a folder's files: what reads past it leaves nothing there."""
    for path in folder.iterdir():
        with path.open("rb", buffering=0) as file:
            while file.read(READ_BYTES):
                pass


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two starts, with made-up weights")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument(
        "--model", default="llama-3.1-8b-instruct", help="a dense one, of the catalog"
    )
    parser.add_argument("--folder", type=Path, help="a model's folder that is there, of --model")
    parser.add_argument("--out", type=Path, default=Path("reports/start"))
    parser.add_argument("--limit-s", type=float, default=3600, help="of all starts")
    parser.add_argument("--start-s", type=int, default=400, help="an engine has to start")
    parser.add_argument("--data", type=Path, help="a JSON file of more host data")
    parser.add_argument(
        "--service", type=json.loads, default={}, help="more of the service, as JSON"
    )
    parser.add_argument("--models", type=json.loads, default={}, help="more models, as JSON")
    return parser.parse_args()


def _weights(given: argparse.Namespace) -> Path:
    """The model's folder, written where none is given."""
    if given.folder:
        return Path(given.folder)
    if given.model not in catalog.model_entries():
        raise SystemExit(f"Error: {given.model} is not in the catalog: give its --folder")
    folder = Path(MODELS, f"{given.model}-{'made-up' if given.quick else 'random'}")
    if not (folder / "config.json").exists():
        (dummy_model if given.quick else random_weights).make(given.model, folder)
    return folder


def main() -> None:
    given, until = _arguments(), time.monotonic()
    until += given.limit_s
    given.out.mkdir(parents=True, exist_ok=True)
    seen = look()
    server = server_of(seen)
    driver = (seen.get("nvml") or {}).get("driver_version")
    host = f"{server['gpus']['count']} x {seen['gpus'][0]['name']}, driver {driver}"
    data = {**HOST_DATA, **(json.loads(given.data.read_text()) if given.data else {})}
    data["start_timeout_s"] = given.start_s
    made_up = given.quick and not given.folder
    service = {"tensor_parallel_size": 1, **given.service}
    run = Starting(given.out, until, server, data, given.model, _weights(given), service,
                   Results(given.out, host), made_up, given.models)  # fmt: skip
    for start in starts(given.formats, quick=given.quick):
        if run.left_s < LEAST_S:
            run.results.add("not_run", start.name)
        else:
            run.run(start)
    print(table(run.results.document))


if __name__ == "__main__":
    main()
