"""One replica on two servers: a rank on each, started together, proven by one answer.

Its inventory has another service than the lab's: each deploy takes away what the other left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import ssh

INVENTORY = "tests/lab/inventories/span.py"
NAME = "spread-gpu1-0"
UNIT = f"rackwright-{NAME}.service"
SERVERS = ("gpu1", "gpu2")
# The gateway goes on with what it has: only the servers' part is of interest here.
WORDS = ("--limit", "gpu1", "--limit", "gpu2", "--data", "stages=models,firewall,replicas,verify")


def ours(server: str) -> set[str]:
    """Names of the replicas that a server has units, settings and caches of."""
    folders = "/etc/rackwright/replicas /var/cache/rackwright /var/lib/rackwright/units"
    units = "systemctl list-unit-files --no-legend 'rackwright-*'"
    found = ssh(server, f"ls {folders}; {units}")
    return set(re.findall(r"[a-z]+-gpu\d-\d", found))


@pytest.fixture(scope="module")
def spread(first_deploy: Run) -> Iterator[Run]:
    yield deploy(*WORDS, inventory=INVENTORY)
    back = deploy()
    assert back.code == 0, back.words
    assert [ours(server) for server in SERVERS] == [{"chat-gpu1-0"}, {"chat-gpu2-0"}]


def test_what_is_not_in_the_inventory_is_taken_away(spread: Run) -> None:
    assert "rackwright-chat-gpu1-0.service left the plan: stop and remove" in spread.words
    assert [ours(server) for server in SERVERS] == [{NAME}, {NAME}]
    assert ssh("gpu1", "systemctl show -P LoadState rackwright-chat-gpu1-0") == "not-found"


def test_a_replica_spans_two_servers(spread: Run) -> None:
    assert spread.code == 0, spread.words
    rows = {(row["host"], row["check"]): row["status"] for row in spread.report["results"]}
    assert rows["gpu1", "completion"] == "OK"
    assert rows["gpu2", "unit"] == "OK"
    assert ("gpu2", "completion") not in rows
    for rank, server in enumerate(SERVERS):
        processes = ssh(server, f"systemctl status --no-pager --lines=0 {UNIT}")
        assert set(re.findall(r"Worker_TP(\d)", processes)) == {str(rank)}
    second = deploy(*WORDS, inventory=INVENTORY)
    assert second.code == 0, second.words
    assert second.changed() == {}
    # The other half gone, the first still listens; only a real completion tells.
    ssh("gpu2", f"systemctl stop {UNIT}")
    broken = deploy(*WORDS[:-1], "stages=verify", inventory=INVENTORY)
    assert broken.code != 0
    assert {row["host"] for row in broken.report["results"] if row["status"] == "CRITICAL"} >= {
        "gpu2"
    }
