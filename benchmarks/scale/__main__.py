"""`python -m benchmarks.scale --servers 100 1000`: time and memory of a fleet without hosts.

`--connections 100` measures what as many real connections cost, to a few hosts of the lab.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from benchmarks.scale.connected import Unfit, connected
from lab.errors import LabError
from lab.fleet import ROOT
from lab.shell import say, step

SIZES = (100, 1000)
ROW = "{:<24}" + "{:>12}{:>10}"
MEASURING = "benchmarks.scale.measuring"


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--servers", type=int, nargs="*", default=SIZES, metavar="N")
    parser.add_argument("--connections", type=int, nargs="*", default=(), metavar="N")
    arguments = parser.parse_args()
    versions = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    print(f"{versions}, load average {os.getloadavg()[0]:.1f} before.", flush=True)
    try:
        found = []
        for servers in arguments.servers:
            with step(f"{servers} servers"):
                found.append(measure(servers))
            print("\n" + "\n".join(table(found[-1])), flush=True)
        if len(found) > 1:
            print("\n" + "\n".join(growth(found[0], found[-1])), flush=True)
        if arguments.connections:
            connected(arguments.connections)
    except (Unfit, LabError, subprocess.CalledProcessError) as error:
        say(f"\nbenchmark: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def measure(servers: int) -> dict[str, Any]:
    """In a process of its own, so that its memory is that of this fleet alone."""
    argv = [sys.executable, "-m", MEASURING, str(servers)]
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def table(found: dict[str, Any]) -> Iterator[str]:
    """What one fleet took, part by part."""
    sent = found["sent_bytes"] / 2**20
    yield (
        f"{found['servers']:,} servers, {found['replicas']:,} replicas, {found['checks']:,} checks "
        f"(all OK), {sent:,.0f} MiB rendered"
    )
    yield ROW.format("part", "CPU s", "peak MiB")
    for part in found["parts"]:
        yield ROW.format(part["part"], f"{part['cpu_s']:.2f}", f"{part['peak_mib']:.0f}")
    total = sum(part["cpu_s"] for part in found["parts"])
    yield ROW.format("in all", f"{total:.2f}", "")


def growth(small: dict[str, Any], large: dict[str, Any]) -> Iterator[str]:
    """How much more of each part the larger fleet takes; linear is the ratio of sizes."""
    times = large["servers"] / small["servers"]
    yield f"{times:.1f} times the servers take so many times the CPU time:"
    for before, after in zip(small["parts"], large["parts"], strict=True):
        if before["cpu_s"]:
            yield f"  {before['part']:<24}{after['cpu_s'] / before['cpu_s']:>6.1f}"


if __name__ == "__main__":
    sys.exit(main())
