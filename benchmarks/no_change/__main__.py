"""`python -m benchmarks.no_change --hosts 3 8`: boots the hosts, deploys, measures, takes away."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from statistics import median

from benchmarks.lab_hosts import fresh
from benchmarks.no_change.runs import (
    CONNECT,
    DEPLOY,
    IMPORT,
    PLAN,
    VERIFIED,
    Cost,
    Unfit,
    Way,
    commands,
    run,
)
from lab.errors import LabError
from lab.fleet import RACK, SPARES, LabHost
from lab.shell import say, step

COLUMNS = "{:>5}  {:<36} {:>6}  {:>12}  {:>6}  {:>5}  {:>5}  {:>6}  {:>8}"
MOST = len(RACK)


def measure(ways: Sequence[Way], hosts: Sequence[LabHost], turns: int) -> list[list[Cost]]:
    """The costs of each way, in turns: what slows the machine slows them alike."""
    for way in ways:
        run(way, hosts)  # warms what is cached
    costs: list[list[Cost]] = [[] for _ in ways]
    for turn in range(turns):
        with step(f"{len(hosts)} host(s), turn {turn + 1} of {turns}"):
            for way, own in zip(ways, costs, strict=True):
                own.append(run(way, hosts))
    return costs


def show(ways: Sequence[Way], hosts: Sequence[LabHost], turns: int) -> None:
    """A line for each way; ratios are medians of those of a turn, to the first way."""
    counted = [commands(way, hosts) if hosts else 0 for way in ways]
    costs = measure(ways, hosts, turns)
    for way, own, sent in zip(ways, costs, counted, strict=True):
        seconds = [one.seconds for one in own]
        ratio = median(a.seconds / b.seconds for a, b in zip(own, costs[0], strict=True))
        cpu = median(_cpu_s(a) / _cpu_s(b) for a, b in zip(own, costs[0], strict=True))
        here, there = (median(c.own_cpu_s for c in own), median(c.hosts_cpu_s for c in own))
        extent = f"{min(seconds):.2f} - {max(seconds):.2f}"
        shown = (f"{median(seconds):.2f}", extent, f"{ratio:.2f}x")
        print(COLUMNS.format(
            len(hosts) or "", way.name, *shown, f"{here:.2f}", f"{there:.2f}", f"{cpu:.2f}x", sent
        ))  # fmt: skip


def _cpu_s(cost: Cost) -> float:
    return cost.own_cpu_s + cost.hosts_cpu_s


def benchmark(counts: Sequence[int], turns: int) -> None:
    """Deploy to all hosts, prove that nothing is left to change, measure and print."""
    print(f"pyinfra {version('pyinfra')}, Python {platform.python_version()}, {os.cpu_count()} "
          f"cores for hosts and pyinfra together, {turns} of each, interleaved.")  # fmt: skip
    print(f"Load average before: {os.getloadavg()[0]:.1f}.\n")
    print(
        COLUMNS.format(
            "hosts", "", "median", "min - max", "ratio", "here", "hosts", "ratio", "commands"
        )
    )
    print(COLUMNS.format("", "", "s", "s", "", "cpu s", "cpu s", "", "a host"))
    show((IMPORT, PLAN), (), turns)
    if not counts:
        return
    with fresh((*RACK[: max(counts) - 1], SPARES[0])):
        for count in counts:
            hosts = (*RACK[: count - 1], SPARES[0])
            with step(f"deploying to {count} hosts"):
                run(VERIFIED, hosts, changes=True)
            show((CONNECT, DEPLOY, VERIFIED), hosts, turns)


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.no_change", description=__doc__)
    allowed = range(2, MOST + 2)
    parser.add_argument("--hosts", type=int, nargs="*", default=[3, 8], choices=allowed)
    parser.add_argument("--repeat", type=int, default=9, choices=range(3, 31), metavar="TIMES")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that hosts are taken away
    try:
        benchmark(arguments.hosts, arguments.repeat)
    except (Unfit, LabError) as error:
        say(f"\nbenchmark: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
