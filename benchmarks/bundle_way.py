"""`python -m benchmarks.bundle_way INVENTORY [HOST]`: how fast a host has files from a bundle.

Beside what OpenSSH itself moves to the same host, by turns; medians and their ratio. The host asks
with curl, as pip, uv and apt ask; nothing is kept on it. `ssh HOST` has to reach it, by the
configuration that --ssh-config names where that is another than the operator's own.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from pyinfra.api.command import StringCommand
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.bundling.manifest import BundledFile
from rackwright.bundling.serving import Shelf
from rackwright.errors import HostError
from rackwright.runner.asking import ask_all
from rackwright.runner.bundle_way import way_to
from rackwright.runner.inventory import load_inventory

NAME = "models/random"
BLOCK_BYTES = 1 << 20


def by_the_way(inventory: Inventory, host: str, shelf: Shelf, size: int) -> float:
    """Bytes a second, of one file over the way that a deploy opens. Raises HostError."""

    def question(asked: Host) -> dict[str, Any]:
        url, started = way_to(shelf, asked), time.monotonic()
        command = StringCommand("curl", "-sf", "-o", "/dev/null", f"{url}/{NAME}")
        done, _ = asked.run_shell_command(command)
        return {"done": done, "s": time.monotonic() - started}

    answer = ask_all(inventory, question, only={host})[host]
    if not answer.get("done"):
        raise HostError(f"{host}: {answer.get('error', 'curl gave up')}")
    return size / float(answer["s"])


def by_ssh(host: str, file: Path, config: list[str]) -> float:
    """Bytes a second, of the same file over a connection of OpenSSH's own."""
    subprocess.run(["ssh", *config, host, "true"], check=True)
    started = time.monotonic()
    with file.open("rb") as content:
        subprocess.run(["ssh", *config, host, "cat > /dev/null"], stdin=content, check=True)
    return file.stat().st_size / (time.monotonic() - started)


def main() -> None:
    """Print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inventory")
    parser.add_argument("host")
    parser.add_argument("--ssh-config", default="")
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    config = ["-F", given.ssh_config] if given.ssh_config else []
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, NAME)
        file.parent.mkdir()
        with Path("/dev/urandom").open("rb") as random, file.open("wb") as out:
            for _ in range(given.mib):
                out.write(random.read(BLOCK_BYTES))
        size = file.stat().st_size
        shelf = Shelf(Path(name), {NAME: BundledFile(size_bytes=size, sha256="0" * 64)})
        inventory = load_inventory(given.inventory)
        pairs = [
            (by_the_way(inventory, given.host, shelf, size), by_ssh(given.host, file, config))
            for _ in range(given.runs)
        ]
    way, ssh = (median(column) for column in zip(*pairs, strict=True))
    ratio = median(one / other for one, other in pairs)
    print(f"from a bundle {way / 1e6:.0f} MB/s, OpenSSH {ssh / 1e6:.0f} MB/s: {ratio:.2f} of it")


if __name__ == "__main__":
    main()
