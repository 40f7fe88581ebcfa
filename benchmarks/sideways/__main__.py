"""`python -m benchmarks.sideways`: boots the lab's rack, measures, takes it away again.

Every server's link is bounded (the setting ``sideways_mbit_per_s``), for all hosts share this
machine's cores, and no network would be what is measured.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.converge.sessions import on
from benchmarks.lab_hosts import fresh
from lab.errors import LabError
from lab.fleet import GATEWAY_ADDRESS, RACK, ROOT, LabHost
from lab.hub import serve
from lab.hub.ledger import Ledger
from lab.shell import say, step

INVENTORY = "benchmarks/sideways/rack.py"
REPO, REVISION = "lab/measured", "0123456789abcdef0123456789abcdef01234567"
FOLDER = f"/var/lib/rackwright/models/lab--measured/{REVISION}"
HUB_PORT, SHARDS, LIMIT_S = 8930, 4, 600
LEAST_SHARE, MOST_COPIES = 0.80, 1.05
MIB, BYTES_PER_MBIT = 1 << 20, 125_000


class Unfit(Exception):
    """A run did not do what is to be measured, so there is no figure to print."""


class Measured(NamedTuple):
    """Seconds from the first byte that was asked for until servers had all, each; copies given."""

    seconds: tuple[float, ...]
    copies: float
    whole_s: float


def make_weights(folder: Path, mib: int) -> int:
    """Random shards, which no file system makes smaller; their bytes."""
    for number in range(SHARDS):
        content = random.Random(number).randbytes(mib * MIB // SHARDS)
        (folder / f"model-{number}.safetensors").write_bytes(content)
    (folder / "config.json").write_text("{}")
    return sum(path.stat().st_size for path in folder.iterdir())


def deploy(hosts: Sequence[LabHost], *data: str) -> float:
    """Run stages on all of them; seconds of the whole process."""
    more = [word for each in data for word in ("--data", each)]
    argv = [str(Path(sys.executable).parent / "pyinfra"), "-y", INVENTORY, "deploy.py", *more]
    environment = {**os.environ, "RACK_HOSTS": str(len(hosts)), "HUB_PORT": str(HUB_PORT)}
    started = time.monotonic()
    done = subprocess.run(
        argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT_S
    )
    if done.returncode != 0:
        raise Unfit(f"{' '.join(data)}: exit code {done.returncode}: {done.stderr[-3000:]}")
    return time.monotonic() - started


def measure(
    hosts: Sequence[LabHost], folder: Path, size_bytes: int, mbit_per_s: int, way: str
) -> Measured:
    """Have weights on all hosts, where none has any. Raises Unfit where one has not in the end."""
    for host in hosts:
        on(host, "rm -rf /var/lib/rackwright/models /var/lib/rackwright/verified; sync")
    ledger = Ledger()
    hub = serve({REPO: folder}, REVISION, GATEWAY_ADDRESS, HUB_PORT, on_request=ledger.note)
    with hub:
        limit, sideways = f"sideways_mbit_per_s={mbit_per_s}", f"sideways={way}"
        whole_s = deploy(hosts, "stages=models", limit, sideways)
    placed = {host.name: on(host, f"stat -c %.9Z {FOLDER}").strip() for host in hosts}
    digests = {on(host, f"cd {FOLDER} && cat * | sha256sum") for host in hosts}
    if len(digests) != 1:
        raise Unfit(f"servers have not the same: {digests}")
    seconds = tuple(float(each) - ledger.first_unix_s for each in placed.values())
    return Measured(seconds, ledger.bytes / size_bytes, whole_s)


def benchmark(hosts: Sequence[LabHost], mib: int, mbit_per_s: int, repetitions: int) -> bool:
    """Measure, print, and say whether the goals are reached."""
    found: dict[str, list[Measured]] = {"on": [], "off": []}
    with tempfile.TemporaryDirectory(prefix="rackwright-weights-") as name, fresh(hosts):
        folder = Path(name)
        size_bytes = make_weights(folder, mib)
        with step("base system and firewall"):
            deploy(hosts, "stages=base,firewall")
        load = os.getloadavg()[0]
        for turn in range(repetitions):
            for way, rows in found.items():
                with step(f"turn {turn + 1} of {repetitions}, sideways {way}"):
                    rows.append(measure(hosts, folder, size_bytes, mbit_per_s, way))
    ideal_s = size_bytes / (mbit_per_s * BYTES_PER_MBIT)
    print(
        f"{size_bytes / MIB:.0f} MiB on {len(hosts)} servers of {mbit_per_s} Mbit/s each way, "
        f"{repetitions} times; once over the link: {ideal_s:.1f} s.\n"
        f"{os.cpu_count()} cores for hosts, hub and pyinfra together, load {load:.1f} before.\n"
    )
    return _table(found, ideal_s)


def _table(found: dict[str, list[Measured]], ideal_s: float) -> bool:
    print(f"{'sideways':<8}  {'first has all':>13}  {'last':>6}  {'share of link':>13}  "
          f"{'whole run':>9}  {'copies from origin':>18}")  # fmt: skip
    for way, rows in found.items():
        first = median(min(one.seconds) for one in rows)
        last = median(max(one.seconds) for one in rows)
        copies, whole = median(one.copies for one in rows), median(one.whole_s for one in rows)
        print(f"{way:<8}  {first:>11.1f} s  {last:>4.1f} s  {100 * ideal_s / last:>11.0f} %  "
              f"{whole:>7.1f} s  {copies:>18.2f}")  # fmt: skip
    worst = max(max(one.seconds) for one in found["on"])
    copies = max(one.copies for one in found["on"])
    return ideal_s / worst >= LEAST_SHARE and copies <= MOST_COPIES


def main() -> int:
    """Entry point; returns the exit code: 1 where a goal is not reached too."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sideways", description=__doc__)
    parser.add_argument("--repeat", type=int, default=3, choices=range(1, 31), metavar="TIMES")
    parser.add_argument("--hosts", type=int, default=len(RACK), choices=range(2, len(RACK) + 1))
    parser.add_argument("--mib", type=int, default=384, help="of the weights")
    parser.add_argument("--mbit", type=int, default=100, help="a second, of each server's link")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that hosts are taken away
    hosts = RACK[: arguments.hosts]
    try:
        reached = benchmark(hosts, arguments.mib, arguments.mbit, arguments.repeat)
        return 0 if reached else 1
    except (Unfit, LabError) as error:
        say(f"\nbenchmark: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
