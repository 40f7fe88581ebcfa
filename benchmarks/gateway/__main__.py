"""`python -m benchmarks.gateway`: all doors in turns, and what became of the goals."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.gateway.doors import doors
from benchmarks.gateway.environments import LITELLM, VLLM_ROUTER
from benchmarks.gateway.load import loads, measured
from benchmarks.gateway.summary import Row, Summary
from benchmarks.gateway.tokens import token_delays
from lab.errors import LabError
from lab.fleet import ROOT
from lab.shell import say, step

RESULTS = ROOT / "benchmarks/data/gateway.json"
WARM_UP_S = 3


def measure(rounds: int, seconds: int, others: bool) -> list[Row]:
    """Every load on every door in each round, one after the other."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="rackwright-doors-") as folder:
        Path(folder).chmod(0o755)  # Nginx's workers are not root
        with doors(Path(folder), others) as all_doors:
            with step("warming up"):
                for load in (loads(WARM_UP_S)[0], loads(WARM_UP_S)[-1]):
                    [measured(door, load) for door in all_doors]
            for turn in range(rounds):
                with step(f"round {turn + 1} of {rounds}"):
                    for load in loads(seconds):
                        rows += [measured(door, load) for door in all_doors]
                    rows += [token_delays(door) for door in all_doors]
    return rows


def machine() -> dict[str, Any]:
    """What was measured on, and with which versions."""
    return {
        "cores": os.cpu_count(),
        "system": platform.freedesktop_os_release()["PRETTY_NAME"],
        "load_before": round(os.getloadavg()[0], 2),
        "versions": [LITELLM.stem, VLLM_ROUTER.stem],
    }


def main() -> int:
    """Entry point; returns the exit code: 1 where a goal is missed too."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 21), metavar="N")
    parser.add_argument("--seconds", type=int, default=2, help="of each load on each door")
    parser.add_argument("--nginx-alone", action="store_true", help="no LiteLLM, no vllm-router")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where rows are written")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the doors are ended
    facts = machine()
    try:
        rows = measure(arguments.rounds, arguments.seconds, not arguments.nginx_alone)
    except LabError as error:
        say(f"\nbenchmark: {error}")
        return 1
    arguments.results.write_text(json.dumps({"machine": facts, "rows": rows}, indent=1) + "\n")
    summary = Summary(rows)
    print(f"Medians of {arguments.rounds} rounds of {arguments.seconds} s; {facts}\n")
    print(summary.tables() + "\n")
    goals = summary.goals()
    print("\n".join(map(str, goals)))
    return 0 if all(goal.is_kept for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
