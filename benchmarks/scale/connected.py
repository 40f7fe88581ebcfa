"""What real connections cost the controller: as many as a fleet has, to a few hosts of the lab.

`python -m benchmarks.scale.connected N HOST...` opens N at once in this process, asks each what
`rackwright verify` asks of a server's GPUs, and prints seconds and memory as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from benchmarks.converge.sessions import on
from benchmarks.lab_hosts import fresh
from benchmarks.scale.measuring import peak_mib
from lab.fleet import LAB, RACK, ROOT, LabHost
from lab.shell import step
from rackwright.runner.asking import ask_all
from rackwright.runner.probing import probe

HOSTS = RACK[:4]
ROW = "{:>11}{:>10}{:>10}{:>14}{:>18}"
LIMIT_S = 300
MANY = "MaxStartups 500\nMaxSessions 500\n"
"""sshd drops what comes at once beyond ten; here few hosts stand for many."""


class Unfit(Exception):
    """Not every connection answered, so there is no figure to print."""


def opened(count: int, hosts: Sequence[str]) -> dict[str, Any]:
    """Ask over ``count`` connections at once."""
    names = [f"@rackwright-discover/c{number}" for number in range(count)]
    data = [{"ssh_hostname": hosts[number % len(hosts)]} for number in range(count)]
    shared = {
        "ssh_config_file": str(LAB / "ssh_config"),
        "ssh_known_hosts_file": str(LAB / "known_hosts"),
        "ssh_user": "root",
    }
    inventory = Inventory((list(zip(names, data, strict=True)), shared))
    started, cpu, before = time.monotonic(), time.process_time(), peak_mib()
    answers = ask_all(inventory, _gpus)
    silent = [answer for answer in answers.values() if answer.get("gpus") != 2]
    return {
        "connections": count,
        "seconds": time.monotonic() - started,
        "cpu_s": time.process_time() - cpu,
        "before_mib": before,
        "peak_mib": peak_mib(),
        "silent": silent[:3],
    }


def _gpus(host: Host) -> dict[str, Any]:
    return {"gpus": len(probe(host)["gpus"])}


def connected(counts: Sequence[int]) -> None:
    """Boot the hosts, print a line for each number of connections, and take them away again."""
    with fresh(HOSTS) as hosts:
        for host in hosts:
            _take_many(host)
        print("\n" + ROW.format("connections", "s", "CPU s", "peak MiB", "MiB a connection"))
        for count in (1, *counts):
            with step(f"{count} connections to {len(hosts)} hosts"):
                found = _in_a_process(count, [host.name for host in hosts])
            each = (found["peak_mib"] - found["before_mib"]) / count
            figures = (f"{found[key]:.2f}" for key in ("seconds", "cpu_s"))
            print(ROW.format(count, *figures, f"{found['peak_mib']:.0f}", f"{each:.2f}"))


def _take_many(host: LabHost) -> None:
    on(host, f"echo '{MANY}' > /etc/ssh/sshd_config.d/many.conf; systemctl reload ssh")


def _in_a_process(count: int, hosts: Sequence[str]) -> dict[str, Any]:
    argv = [sys.executable, "-m", "benchmarks.scale.connected", str(count), *hosts]
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S)
    if done.returncode != 0:
        raise Unfit(f"{count} connections: exit code {done.returncode}, see above")
    found: dict[str, Any] = json.loads(done.stdout)
    if found["silent"]:
        raise Unfit(f"{count} connections: not all answered, among them {found['silent']}")
    return found


if __name__ == "__main__":
    print(json.dumps(opened(int(sys.argv[1]), sys.argv[2:])))
