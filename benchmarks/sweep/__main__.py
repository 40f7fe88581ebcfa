"""Deploys layouts to this machine's GPUs one after another, and measures each.

    python -m benchmarks.sweep --out results --limit-s 1080 8b-tp1 8b-tp2

Run as root on the GPU host itself, in the project's folder. Layouts that fit beside one another
start together and are measured one after the other. Each row is in ``results/measured.json`` once
it is known, with the first errors of what failed; what no time was left for is named. ``--layouts``
takes a JSON file (name -> gpus, model, engine, service), ``--data`` one with more host data.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving import accounts
from benchmarks.serving.__main__ import CONCURRENCIES, measure
from benchmarks.serving.load import Endpoint
from benchmarks.sweep import machine
from benchmarks.sweep.layouts import (
    HOST_DATA,
    LAYOUTS,
    MODELS,
    Layout,
    batches,
    inventory_text,
    look,
    server_of,
    services,
)
from benchmarks.sweep.rows import Results, account, layout_row, table
from lab import dummy_model
from rackwright import catalog

LEAST_S = 60
"""With less time than this no batch is started."""
LOAD_LIMIT_S = 60
"""For all loads of one layout."""
UNIT = "rackwright-{}.service"


@dataclass
class Sweep:
    """One run over many layouts: where results go, until when, and what is on the host so far."""

    out: Path
    until: float
    server: dict[str, Any]
    data: dict[str, Any]
    results: Results
    concurrencies: Sequence[int]
    installed: frozenset[str] = frozenset()

    @property
    def left_s(self) -> float:
        """Seconds of the sweep's time that are left."""
        return self.until - time.monotonic()

    def run(self, batch: Sequence[Layout]) -> None:
        """Deploy a batch and measure what of it came up; whatever fails is noted, not raised."""
        since, inventory = time.time(), self.out / f"{batch[0].name}.py"
        try:
            replicas = self._plan(batch, inventory)
            problem = self._deploy(batch, inventory)
        except Exception as error:  # the next layouts must get their turn
            self._failed(batch, f"{type(error).__name__}: {error}")
            return
        units = {name: [UNIT.format(one["name"]) for one in its] for name, its in replicas.items()}
        every = [unit for its in units.values() for unit in its]
        up = machine.settled(every, time.monotonic() + (self.left_s if problem else 0))
        for unit in every:
            if not up[unit]:
                machine.stop(unit)
        for layout, name in zip(batch, units, strict=True):
            try:
                self._note(layout, replicas[name], units[name], up, problem, since)
            except Exception as error:
                self._failed([layout], f"{type(error).__name__}: {error}")

    def _plan(self, batch: Sequence[Layout], inventory: Path) -> dict[str, list[dict[str, Any]]]:
        """The planned replicas by service."""
        wanted = services(batch)
        own = {layout.model: Path(MODELS, layout.model) for layout in batch}
        for model, folder in own.items():
            if model in catalog.model_entries() and not folder.exists():
                dummy_model.make(model, folder)
        inventory.write_text(inventory_text(wanted, self.server, self.data))
        argv = [str(machine.BIN / "rackwright"), "plan", str(inventory), "--json"]
        planned = subprocess.run(argv, cwd=machine.ROOT, capture_output=True, text=True)
        if planned.returncode != 0:
            raise ValueError(planned.stderr.strip()[-600:])
        replicas = json.loads(planned.stdout)["replicas"]
        return {name: [one for one in replicas if one["service"] == name] for name in wanted}

    def _deploy(self, batch: Sequence[Layout], inventory: Path) -> str:
        engines = frozenset(layout.engine for layout in batch)
        stages = "replicas" if engines <= self.installed else "base,engines,replicas"
        self.installed = engines  # a deploy removes the releases of all others
        return machine.deploy(inventory, stages, inventory.with_suffix(".deploy.log"), self.left_s)

    def _note(self, layout: Layout, replicas: list[dict[str, Any]], units: list[str],
              up: dict[str, bool], problem: str, since: float) -> None:  # fmt: skip
        logs = [machine.journal(unit, since) for unit in units]
        (self.out / f"{layout.name}.log").write_text("\n".join(logs))
        if not all(up[unit] for unit in units):
            bad = next(log for unit, log in zip(units, logs, strict=True) if not up[unit])
            self._failed([layout], *accounts.cause(bad), problem)
            return
        row = layout_row(layout.name, replicas)
        addresses = [f"{one['address']}:{one['port']}" for one in replicas]
        row |= {"release": machine.release(layout.engine)}
        row |= account(layout.engine, logs[0], machine.metrics(addresses[0]))
        row |= {"ready_s": machine.ready_s(units[0]), "device_used_gib": machine.gpu_memory_gib()}
        config = replicas[0]["model"]["config"]
        vocabulary = config.get("text_config", config)["vocab_size"]
        endpoints = [
            Endpoint(one["address"], one["port"], one["served_model_name"], vocabulary)
            for one in replicas
        ]
        limit_s = min(LOAD_LIMIT_S, self.left_s)
        row["load"] = measure(endpoints, self.concurrencies, limit_s)
        row["device_used_after_load_gib"] = machine.gpu_memory_gib()
        self.results.add("runs", row, {row["model"]: config})
        print(json.dumps(row), flush=True)

    def _failed(self, batch: Sequence[Layout], *why: str) -> None:
        for layout in batch:
            row = {"name": layout.name, "error": [words for words in why if words]}
            self.results.add("failed", row)
            print(json.dumps(row), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(LAYOUTS)}; all, if none is named")
    parser.add_argument("--out", type=Path, default=Path("reports/sweep"))
    parser.add_argument("--limit-s", type=float, default=3600, help="of the whole sweep")
    parser.add_argument("--start-s", type=int, default=300, help="an engine has to start")
    parser.add_argument("--layouts", type=Path, help="a JSON file of other layouts")
    parser.add_argument("--data", type=Path, help="a JSON file of more host data")
    parser.add_argument("--concurrency", type=int, nargs="+", default=list(CONCURRENCIES))
    return parser.parse_args()


def _chosen(given: argparse.Namespace, gpus: int) -> list[Layout]:
    """The layouts asked for; of all that there are, those that this machine has GPUs for."""
    known = dict(LAYOUTS)
    if given.layouts:
        entries = json.loads(given.layouts.read_text())
        known = {name: Layout(name, **entry) for name, entry in entries.items()}
    if absent := [name for name in given.names if name not in known]:
        raise SystemExit(f"Error: no such layout: {', '.join(absent)}; known: {', '.join(known)}")
    named = [known[name] for name in given.names]
    if wide := [layout.name for layout in named if layout.gpus > gpus]:
        raise SystemExit(f"Error: {', '.join(wide)}: more GPUs than this machine's {gpus}")
    return named or [layout for layout in known.values() if layout.gpus <= gpus]


def main() -> None:
    given, until = _arguments(), time.monotonic()
    until += given.limit_s
    given.out.mkdir(parents=True, exist_ok=True)
    seen = look()
    server = server_of(seen)
    chosen = _chosen(given, server["gpus"]["count"])
    driver = (seen.get("nvml") or {}).get("driver_version")
    host = f"{server['gpus']['count']} x {seen['gpus'][0]['name']}, driver {driver}"
    data = {**HOST_DATA, **(json.loads(given.data.read_text()) if given.data else {})}
    data["start_timeout_s"] = given.start_s
    results = Results(given.out, host)
    sweep = Sweep(given.out, until, server, data, results, given.concurrency)
    for batch in batches(chosen, server["gpus"]["count"]):
        if sweep.left_s < LEAST_S:
            for layout in batch:
                results.add("not_run", layout.name)
        else:
            sweep.run(batch)
    print(table(results.document))


if __name__ == "__main__":
    main()
