"""`python -m benchmarks.converge`: boots the lab's rack, measures, takes it away again."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from benchmarks.converge.measuring import Measuring
from benchmarks.converge.rows import heading
from benchmarks.converge.tools import TOOLS, Unfit
from lab.errors import LabError
from lab.fleet import RACK, ROOT
from lab.shell import say

RESULTS = ROOT / "benchmarks/data/converge.json"


def main() -> int:
    """Entry point; returns the exit code: 1 where a goal is missed too."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.converge", description=__doc__)
    up_to = range(1, len(RACK) + 1)
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 4, 8], choices=up_to)
    parser.add_argument("--added-ms", type=float, nargs="+", default=[0, 50], metavar="MS")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="no-change runs of each")
    parser.add_argument("--first", type=int, default=1, metavar="N", help="first runs of each")
    parser.add_argument("--tools", nargs="+", default=list(TOOLS), choices=TOOLS)
    parser.add_argument("--rows", type=Path, default=RESULTS, help="the file that rows go to")
    given = parser.parse_args()
    if not any(TOOLS[name].makes for name in given.tools):
        parser.error("--tools: name one that makes the state")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that hosts are taken away
    for line in (*heading(), f"load average before: {os.getloadavg()[0]:.1f}"):
        print(line, flush=True)
    measuring = Measuring([TOOLS[name] for name in given.tools], given.rows)
    try:
        for hosts in given.hosts:
            for added_ms in given.added_ms:
                measuring.group(hosts, added_ms, given.first, given.repeat)
    except (Unfit, LabError) as error:
        say(f"\nbenchmark: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 1 if measuring.missed else 0


if __name__ == "__main__":
    sys.exit(main())
