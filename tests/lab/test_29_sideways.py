"""Weights fetched once: servers give them to one another behind our firewall, cut off or not."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.fleet import GATEWAY_ADDRESS
from lab.hub import serve
from lab.hub.ledger import Ledger
from tests.samples.commands import rackwright
from tests.samples.deploys import Run, deploy, start
from tests.samples.lab_hosts import fresh, ssh, wait_until

INVENTORY = "tests/lab/inventories/sideways.py"
SERVERS = ("rack1", "rack2", "rack3")
REPO, REVISION = "lab/wide", "0123456789abcdef0123456789abcdef01234567"
FOLDER = f"/var/lib/rackwright/models/lab--wide/{REVISION}"
HUB_PORT, PORT = 8929, 7980
MIB = 1 << 20
SHARDS = {"model-00001.safetensors": 40 * MIB + 17, "model-00002.safetensors": 24 * MIB}
STAGE = ("--data", "stages=models")


@pytest.fixture(scope="module", autouse=True)
def hosts() -> Iterator[None]:
    with fresh(*SERVERS):
        yield


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wide")
    for number, (name, size) in enumerate(SHARDS.items()):
        (folder / name).write_bytes(random.Random(number).randbytes(size))
    (folder / "config.json").write_text("{}")
    return folder


class Asked(Ledger):
    """Of a hub that gives the second file once ``rest`` is set: before, nobody can be done."""

    def __init__(self, holds: bool) -> None:
        super().__init__()
        self.rest = threading.Event()
        if not holds:
            self.rest.set()

    def note(self, line: str) -> None:
        """Hear a request, and hold it up: not for as long as a server waits for its origin."""
        super().note(line)
        if "model-00002" in line and "bytes=" in line:
            self.rest.wait(40)


@contextmanager
def hub(repository: Path, *, holds: bool = False) -> Iterator[Asked]:
    asked = Asked(holds)
    with serve({REPO: repository}, REVISION, GATEWAY_ADDRESS, HUB_PORT, on_request=asked.note):
        yield asked


def digests(host: str) -> str:
    return ssh(host, f"cd {FOLDER} && find . -type f | sort | xargs sha256sum")


def listening(host: str) -> bool:
    return ssh(host, f"ss -Hltn sport = :{PORT}") != ""


def drop(*names: str) -> None:
    for name in names:
        ssh(name, "rm -rf /var/lib/rackwright/models /var/lib/rackwright/verified")


def pieces(host: str) -> int:
    """How many are there of a download."""
    return int(ssh(host, f"tail -n 1 {FOLDER}.partial/.rackwright-pieces | tr -cd 1 | wc -c"))


@pytest.fixture(scope="module")
def first(repository: Path) -> tuple[Run, Ledger]:
    with hub(repository) as asked:
        run = deploy("--data", "stages=base,firewall,models", inventory=INVENTORY)
    return run, asked


def test_the_origin_gives_one_copy_and_everybody_has_all_of_it(
    first: tuple[Run, Ledger], repository: Path
) -> None:
    run, asked = first
    assert run.code == 0, run.words
    assert asked.bytes <= 1.05 * sum(SHARDS.values()), asked
    assert len({digests(name) for name in SERVERS}) == 1
    assert digests("rack1").split()[1::2] == ["./config.json", *(f"./{name}" for name in SHARDS)]
    assert ssh("rack2", f"stat -c %U {FOLDER}/config.json") == "rackwright"
    for name in SERVERS:
        assert not listening(name)
    assert "MiB from rack" in run.words
    assert deploy(*STAGE, inventory=INVENTORY).changed() == {}


def test_a_server_alone_takes_it_from_those_that_are_no_part_of_the_run(
    first: tuple[Run, Ledger],
) -> None:
    drop("rack3")
    run = deploy(*STAGE, "--limit", "rack3", inventory=INVENTORY)  # and there is no hub
    assert run.code == 0, run.words
    assert digests("rack3") == digests("rack1")
    for name in SERVERS:
        wait_until(lambda name=name: not listening(name))  # type: ignore[misc]


def test_one_that_dies_in_the_middle_is_gone_on_without(
    first: tuple[Run, Ledger], repository: Path
) -> None:
    drop(*SERVERS)
    with hub(repository, holds=True) as asked:
        running = start("-y", *STAGE, inventory=INVENTORY)
        wait_until(lambda: pieces("rack2") > 5)
        ssh("rack1", f"kill -9 $(ss -Hltnp sport = :{PORT} | grep -o 'pid=[0-9]*' | cut -d= -f2)")
        asked.rest.set()
        words = running.communicate()[1]
    assert running.returncode == 1 and "rack1" in words
    assert digests("rack2") == digests("rack3")
    assert ssh("rack1", f"test -e {FOLDER} || echo absent") == "absent"
    assert asked.bytes < 1.5 * sum(SHARDS.values())
    assert deploy(*STAGE, inventory=INVENTORY).changed() == {"Models": ["rack1"]}
    assert digests("rack1") == digests("rack2")


def test_a_run_that_is_cut_off_leaves_nobody_listening_and_is_gone_on_with(
    first: tuple[Run, Ledger], repository: Path
) -> None:
    drop(*SERVERS)
    with hub(repository, holds=True) as asked:
        running = start("-y", *STAGE, inventory=INVENTORY)
        wait_until(lambda: pieces("rack3") > 5)
        seen = ssh("rack1", "ps axww -o args; cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        assert "RACKWRIGHT" not in seen and "token" not in seen
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
        asked.rest.set()
        for name in SERVERS:
            wait_until(lambda name=name: not listening(name))  # type: ignore[misc]
        assert all(ssh(name, f"test -e {FOLDER} || echo absent") for name in SERVERS)
        run = deploy(*STAGE, inventory=INVENTORY)
        assert run.code == 0, run.words
    assert len({digests(name) for name in SERVERS}) == 1
    assert asked.bytes < 1.5 * sum(SHARDS.values()), "what had come was not fetched again"


def test_old_weights_and_releases_are_listed_and_removed_when_one_says_so(
    first: tuple[Run, Ledger],
) -> None:
    old = FOLDER.replace(REVISION, "f" * 40)
    release = "/opt/rackwright/vllm/0.31.0-0123456789ab"
    ssh("rack2", f"cp -a {FOLDER} {old}; mkdir -p {release}/bin; touch {release}.txt")
    ssh("rack3", f"cp -a {FOLDER} {old}; chown root {old}/config.json")
    asked = rackwright("clean", INVENTORY, "--kept")
    assert asked.returncode == 0 and "--yes removes these" in asked.stderr, asked.stderr
    rows = [line.split() for line in asked.stdout.splitlines() if line.startswith("rack")]
    assert ["rack2", "weights", "0.1", old] in rows and ["rack2", "release", "0.0", release] in rows
    assert ["rack3", "weights", "0.1", old] not in rows, "root has put something there"
    assert f"rack3  {old}  root has put something there" in re.sub(r"  +", "  ", asked.stdout)
    ssh("rack2", f"test -d {old} && test -d {release}")
    done = rackwright("clean", INVENTORY, "--yes")
    assert done.returncode == 0 and "rack2: removed 2" in done.stdout, done.stdout + done.stderr
    assert ssh("rack2", f"ls -d {old} {release}* 2>/dev/null; ls -d {FOLDER}") == FOLDER
    ssh("rack3", f"test -d {old}")
    again = rackwright("clean", INVENTORY)
    assert (again.returncode, again.stdout.strip()) == (0, "nothing that is not needed")
