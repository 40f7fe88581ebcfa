"""What operators do by hand under a constant load: keys, a reload, a drain, a restart, a reboot.

Not one request of a real client library may be lost. llama.cpp serves: it starts in a second.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import cgroups
from lab.host import cable
from tests.samples.commands import rackwright
from tests.samples.deploys import deploy
from tests.samples.lab_hosts import fresh, lab, main_pid, ssh, wait_until
from tests.samples.load_records import longest_gap_s
from tests.samples.under_load import under_load

SOURCE = Path(__file__).with_name("inventories") / "drained.py"
GATEWAY, SERVERS = "door1", ("rack1", "rack2")
UNIT = "rackwright-chat-rack2-0"
BRISK = ("--max-tokens", "8", "--pause-s", "0.01")
"""Short answers: it is requests that are counted."""
MOST_IN_FLIGHT = 4
"""At one of the replicas, by its max_num_seqs."""


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Deployed to once. Beside a copy, where its clients' keys may lie."""
    path = tmp_path_factory.mktemp("drained") / SOURCE.name
    shutil.copy(SOURCE, path)
    with fresh(*SERVERS, GATEWAY):
        first = deploy("--data", "stages=base,engines,models,replicas,gateway", inventory=str(path))
        if first.code != 0:
            pytest.fail(first.words[-3000:], pytrace=False)
        yield str(path)


def done(verb: str, inventory: str, *words: str, code: int = 0) -> str:
    """What a verb prints; what it says, where it refuses."""
    ended = rackwright(verb, inventory, *words)
    assert ended.returncode == code, ended.stderr + ended.stdout
    return ended.stderr if code else ended.stdout


def boot(host: str) -> str:
    return ssh(host, "cat /proc/sys/kernel/random/boot_id")


def states(inventory: str) -> str:
    return done("gateway", inventory, "status")


def test_what_is_done_by_hand_costs_no_request(inventory: str, tmp_path: Path) -> None:
    key = done("keys", inventory, "add", "load").strip()
    before, process = boot("rack1"), main_pid("rack2", UNIT)
    acts: dict[str, Callable[[], object]] = {
        "another client's key": lambda: done("keys", inventory, "add", "other"),
        "a reload of the gateway": lambda: ssh(GATEWAY, "systemctl reload nginx"),
        "a drain, waited for": lambda: done("drain", inventory, "rack1", "--wait"),
        "its end": lambda: done("undrain", inventory, "rack1"),
        "a restart of a replica": lambda: done("restart", inventory, "chat-rack2-0"),
        "a reboot of a server": lambda: done("reboot", inventory, "rack1"),
        "the client's own key, replaced": lambda: done("keys", inventory, "rotate", "load"),
    }
    times: dict[str, tuple[float, float]] = {}
    with under_load(tmp_path, "tiny", *BRISK, gateway=GATEWAY, key=key) as load:
        for act, does in acts.items():
            began = time.time()
            does()
            times[act] = began, time.time()
    print(load.words("all that is done by hand"))
    for act, (began, ended) in times.items():
        within = [one for one in load.records if one.end >= began and one.start <= ended]
        gap_s = longest_gap_s([one for one in within if one.is_well], began, ended)
        lost = sum(not one.is_well for one in within)
        print(f"{act}: {ended - began:.1f} s, {len(within)} requests, {lost} lost, "
              f"longest gap {gap_s:.1f} s")  # fmt: skip
    assert load.lost == []
    assert load.summary["completed"] > 500, load.summary
    began, ended = times["a reboot of a server"]
    meanwhile = [one.replica for one in load.records if began < one.start and one.end < ended]
    assert meanwhile.count("chat-rack2-0") > 20, "the other one served all the while"
    assert boot("rack1") != before and main_pid("rack2", UNIT) != process
    assert " in " in states(inventory) and "drained" not in states(inventory)


def test_the_last_replica_is_not_taken_out_without_a_word(inventory: str) -> None:
    done("drain", inventory, "rack1", "--why", "a new disk")
    try:
        for verb, name in (("drain", "rack2"), ("restart", "chat-rack2-0"), ("reboot", "rack2")):
            words = done(verb, inventory, name, code=67)
            assert "chat would have no replica in at door1 (chat-rack1-0 is drained)" in words
        assert "a new disk" in states(inventory)
    finally:
        done("undrain", inventory, "rack1")
    assert "drained" not in states(inventory)


ENDED_S = 60
"""Within which every request ends that a server had which is no more."""


def lose_power(host: str) -> float:
    """First its cable, or its kernel would say farewell for each process that ends.

    When that was out: nothing is sent to it from then on.
    """
    subprocess.run(["ip", "link", "set", cable(host), "down"], check=True)
    cut = time.time()
    cgroups.kill(host)
    return cut


def in_flight(inventory: str, replica: str) -> int:
    said = json.loads(done("gateway", inventory, "status", "--json"))["gateways"][GATEWAY]
    return int(said["services"]["chat"]["replicas"][replica]["in_flight"])


def test_a_server_that_dies_costs_what_it_had_in_flight(inventory: str, tmp_path: Path) -> None:
    """The last test of the module: the server is a new one afterwards."""
    key = done("keys", inventory, "add", "mourner").strip()
    with under_load(tmp_path, "tiny", *BRISK, gateway=GATEWAY, key=key) as load:
        died = lose_power("rack1")
        wait_until(lambda: "ejected" in states(inventory))
        wait_until(lambda: in_flight(inventory, "chat-rack1-0") == 0)
    lost = [one for one in load.records if not one.is_well]
    print(load.words("a server without power"))
    assert all(one.start <= died and one.end <= died + ENDED_S for one in lost), lost
    assert len(lost) <= MOST_IN_FLIGHT, lost
    after = [one for one in load.records if one.start > died]
    assert len(after) > 100 and {one.replica for one in after} == {"chat-rack2-0"}, after[:4]
    up = lab("up", "rack1")
    assert up.returncode == 0, up.stderr
