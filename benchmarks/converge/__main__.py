"""`python -m benchmarks.converge`: boots the spare hosts, measures, takes them away again."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from benchmarks.converge import sessions
from benchmarks.converge.desired import DRIFT
from benchmarks.converge.table import Figure, heading, table
from benchmarks.converge.ways import FLOOR, WAYS, Unfit, expect
from benchmarks.lab_hosts import fresh
from lab.errors import LabError
from lab.fleet import SPARES, LabHost
from lab.shell import say, step

FEWEST, MOST = 5, 30
HOST_COUNTS = (1, len(SPARES))


def prepare(hosts: Sequence[LabHost]) -> None:
    """Bring the hosts into the desired state, and prove of each way that it sees the same one.

    Each must change hosts that drifted and then find nothing to do, after every other way as well.
    """
    for way in reversed(WAYS):
        with step(f"{way.name}: changes what drifted, then nothing"):
            if way != WAYS[-1]:  # the first to run finds bare hosts
                for host in hosts:
                    sessions.on(host, DRIFT)
            expect(way, hosts, change=True)
            expect(way, hosts, change=False)


def measure(hosts: Sequence[LabHost], repetitions: int) -> list[Figure]:
    """Time each way on these hosts, in turns, so that what slows the machine slows them alike."""
    figures, ways = [], (*WAYS, FLOOR)
    for way in ways:  # untimed: counts the commands, and warms what is cached
        start = sessions.now()
        expect(way, hosts, change=False)
        figures.append(Figure(len(hosts), way.name, sessions.count_since(hosts, start)))
    for turn in range(repetitions):
        with step(f"{len(hosts)} host(s), turn {turn + 1} of {repetitions}"):
            for way, figure in zip(ways, figures, strict=True):
                figure.seconds.append(expect(way, hosts, change=False).seconds)
    return figures


def benchmark(repetitions: int) -> None:
    """Prepare, measure, and only then print: figures of runs that changed nothing, or none."""
    with fresh(SPARES) as hosts:
        prepare(hosts)
        load_before = os.getloadavg()[0]
        figures = [f for count in HOST_COUNTS for f in measure(hosts[:count], repetitions)]
    for line in (*heading(repetitions), f"Load average before: {load_before:.1f}.", ""):
        print(line)
    print("\n".join(table(figures)))


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.converge", description=__doc__)
    allowed = range(FEWEST, MOST + 1)
    parser.add_argument("--repeat", type=int, default=7, choices=allowed, metavar="TIMES")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that hosts are taken away
    try:
        benchmark(arguments.repeat)
    except (Unfit, LabError) as error:
        say(f"\nbenchmark: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
