"""What one replica compiled, another server's takes: its engine, under its unit, compiles nothing.

vLLM's CPU build compiles with PyTorch as its CUDA build does, but C++ for the processor. It cannot
load the whole of what it saved (0.32 says "'function' object has no attribute 'finalize_loading'",
also to its own), and then takes piece by piece what PyTorch finds in its cache. So what counts is
that no library is made anew. The seconds of vLLM's log are shown and not judged: other work on the
machine makes them what it likes.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.samples.commands import rackwright
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh, ssh

INVENTORY = "tests/lab/inventories/seeds.py"
TWINS = ("twin1", "twin2")
SEEDS, CACHE = "/var/lib/rackwright/seeds", "/var/cache/rackwright"
TOOK = re.compile(r"init engine .*? took ([\d.]+) s")
LIBRARIES = f"cd {CACHE}/chat-{{}}-0 && find . -name '*.so' | sort"


@pytest.fixture(scope="module", autouse=True)
def twins() -> Iterator[None]:
    """Two servers with the engine's release, and with the compiler that its CPU build asks for."""
    with fresh(*TWINS):
        compiler = "apt-get update -qq && apt-get install -y -qq g++ python3-dev >/dev/null 2>&1"
        with ThreadPoolExecutor() as side_by_side:
            list(side_by_side.map(lambda host: ssh(host, compiler), TWINS))
        ready = run("base,engines", *TWINS)
        assert ready.code == 0, ready.words
        yield


def run(stages: str, *hosts: str) -> Run:
    limits = [word for host in hosts for word in ("--limit", host)]
    return deploy(*limits, "--data", f"stages={stages}", inventory=INVENTORY)


def libraries_of(host: str) -> list[str]:
    """What was compiled, by names that its sources give it."""
    return ssh(host, LIBRARIES.format(host)).split()


def since(host: str) -> str:
    """When the engine's process began, as find(1) understands it."""
    unit = f"rackwright-chat-{host}-0.service"
    began = ssh(host, f"systemctl show -P ExecMainStartTimestamp {unit}")
    return ssh(host, f"date -d '{began}' '+%F %T'")


def log_of(host: str) -> str:
    return ssh(host, f"journalctl -o cat -u rackwright-chat-{host}-0.service --no-pager")


def seconds_of(log: str) -> float:
    found = TOOK.search(log)
    assert found, log[-3000:]
    return float(found[1])


@pytest.fixture(scope="module")
def first(twins: None) -> Run:
    return run("replicas,verify", "twin1")


@pytest.fixture(scope="module")
def second(first: Run) -> Run:
    return run("replicas,verify", "twin2")


def test_the_first_compiles_and_leaves_a_seed_once_it_is_proven(first: Run) -> None:
    assert first.code == 0, first.words
    assert libraries_of("twin1")
    assert re.search(r"chat-twin1-0: seed [0-9a-f]{8} made: \d+ files", first.words), first.words
    assert ssh("twin1", f"stat -c '%a %U' {SEEDS}") == "700 root"
    assert ssh("twin1", f"stat -c '%a %U' {SEEDS}/*.tar.gz") == "600 root"


def test_another_server_takes_it_and_compiles_nothing(second: Run) -> None:
    assert second.code == 0, second.words
    assert re.search(r"chat-twin2-0: seed [0-9a-f]{8} brought from twin1", second.words)
    assert re.search(r"chat-twin2-0: seed [0-9a-f]{8} of chat-twin1-0 taken", second.words)
    assert libraries_of("twin2") == libraries_of("twin1")
    assert not ssh("twin2", f"find {CACHE}/chat-twin2-0 -name '*.so' -newermt '{since('twin2')}'")
    alone, seeded = (seconds_of(log_of(host)) for host in TWINS)
    print(f"\nengine's own start: {alone:.1f} s, with the seed {seeded:.1f} s")


def test_what_it_took_is_the_engines_users_own(second: Run) -> None:
    others = f"find {CACHE}/chat-twin2-0 ! -user rackwright -o -type f -perm /077"
    assert ssh("twin2", others) == ""


def test_both_are_shown(second: Run) -> None:
    done: subprocess.CompletedProcess[str] = rackwright("seeds", INVENTORY)
    assert done.returncode == 0, done.stderr
    print(f"\n{done.stdout}")
    assert re.search(r"twin1 +chat-twin1-0 +[0-9a-f]{8} +made", done.stdout)
    assert re.search(r"twin2 +chat-twin2-0 +[0-9a-f]{8} +taken, of chat-twin1-0", done.stdout)


def test_a_run_that_starts_nothing_asks_nothing_of_seeds(second: Run) -> None:
    again = run("replicas,verify", *TWINS)
    assert again.code == 0, again.words
    assert not again.changed()
    assert "seed" not in again.words
