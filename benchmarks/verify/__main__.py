"""`python -m benchmarks.verify`: boots the lab's rack, measures, takes it away again."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.converge.sessions import on
from benchmarks.lab_hosts import fresh
from benchmarks.surroundings import environment
from lab.errors import LabError
from lab.fleet import RACK, ROOT, LabHost
from lab.shell import say, step

INVENTORY = "benchmarks/verify/rack.py"
COUNTS = (1, len(RACK))
MOST_RATIO = 2.0
LIMIT_S = 120


class Unfit(Exception):
    """A run did not verify what is to be timed, so there is no figure to print."""


def start_engines(hosts: Sequence[LabHost]) -> None:
    """Each host's replica: the stand-in, as the unit that the plan names."""
    source = (ROOT / "tests/lab/stand_in_engine.py").read_text()
    for host in hosts:
        on(host, f"echo nothing > /run/wrong; cat > /root/engine.py <<'END'\n{source}END\n")
        unit = f"--unit rackwright-chat-{host.name}-0 --property LimitNOFILE=1048576"
        on(host, f"systemd-run --quiet {unit} python3 /root/engine.py {host.address}")


def run(verb: str, hosts: int) -> tuple[float, str]:
    """Seconds of a whole process, and what it printed."""
    argv = [str(Path(sys.executable).parent / "rackwright"), verb, INVENTORY, "--json"]
    own = environment(RACK_HOSTS=str(hosts))
    started = time.monotonic()
    done = subprocess.run(argv, cwd=ROOT, env=own, capture_output=True, text=True, timeout=LIMIT_S)
    seconds = time.monotonic() - started
    if "Traceback" in done.stderr or not done.stdout.startswith("{"):
        raise Unfit(f"{verb} on {hosts}: exit code {done.returncode}: {done.stderr[-2000:]}")
    return seconds, done.stdout


def statuses(text: str, hosts: int) -> Counter[str]:
    """How often each status was said. Raises Unfit unless all hosts said the same, and all of it.

    A check that the stand-in cannot satisfy is no matter; a host that was not asked would be.
    """
    rows: dict[str, list[tuple[str, str]]] = {}
    for row in json.loads(text)["results"]:
        if row["subject"] == "chat":  # the gateway that is not there
            continue
        rows.setdefault(row["host"], []).append((row["check"], row["status"]))
    first = rows.get(RACK[0].name, [])
    if len(rows) != hosts or any(each != first for each in rows.values()):
        raise Unfit(f"hosts differ: {rows}")
    if ("completion", "OK") not in first or ("GPUs", "OK") not in first:
        raise Unfit(f"not verified: {first}")
    return Counter(status for each in rows.values() for _, status in each)


def benchmark(repetitions: int) -> bool:
    """Measure, print, and say whether the ratio is within bounds."""
    with fresh(RACK) as hosts:
        with step("starting a replica on each"):
            start_engines(hosts)
        said = {count: statuses(run("verify", count)[1], count) for count in COUNTS}
        load_before = os.getloadavg()[0]
        seconds: dict[int, list[float]] = {count: [] for count in (0, *COUNTS)}
        for turn in range(repetitions):
            with step(f"turn {turn + 1} of {repetitions}"):
                seconds[0].append(run("plan", COUNTS[-1])[0])
                for count in COUNTS:
                    took, text = run("verify", count)
                    statuses(text, count)
                    seconds[count].append(took)
    print(f"Whole `rackwright verify` processes, {repetitions} of each, interleaved.")
    print(
        f"pyinfra {version('pyinfra')}, Python {platform.python_version()}, {os.cpu_count()} cores "
        f"for hosts and rackwright together, load {load_before:.1f} before.\n"
    )
    return _table(seconds, said)


def _table(seconds: dict[int, list[float]], said: dict[int, Counter[str]]) -> bool:
    middle = {count: median(each) for count, each in seconds.items()}
    print(f"{'hosts':>5}  {'median s':>8}  {'min - max':>13}  checks")
    for count, each in seconds.items():
        words = ", ".join(f"{n} {status}" for status, n in said.get(count, {}).items())
        extent = f"{min(each):.2f} - {max(each):.2f}"
        print(f"{count:>5}  {middle[count]:>8.2f}  {extent:>13}  {words or 'none: plan alone'}")
    one, many = (middle[count] for count in COUNTS)
    print(f"\n{COUNTS[1]} hosts take {many / one:.2f} times what one takes", end="")
    print(f"; without start-up and plan {(many - middle[0]) / (one - middle[0]):.2f} times.")
    return many / one <= MOST_RATIO


def main() -> int:
    """Entry point; returns the exit code: 1 where the ratio is above the bound too."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verify", description=__doc__)
    parser.add_argument("--repeat", type=int, default=9, choices=range(3, 31), metavar="TIMES")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that hosts are taken away
    try:
        return 0 if benchmark(arguments.repeat) else 1
    except (Unfit, LabError) as error:
        say(f"\nbenchmark: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
