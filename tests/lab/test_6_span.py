"""One replica on two servers: a rank on each, started and ended together, proven by one answer.

Its inventory has another service than the lab's: each deploy takes away what the other left.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import main_pid, ssh, wait_until

INVENTORY = "tests/lab/inventories/span.py"
NAME = "spread-gpu1-0"
UNIT = f"rackwright-{NAME}.service"
SERVERS = ("gpu1", "gpu2")
# The gateway goes on with what it has: only the servers' part is of interest here.
WORDS = ("--limit", "gpu1", "--limit", "gpu2", "--data", "stages=models,firewall,replicas,verify")
ASKED = """
import json, urllib.request
body = {"model": "tiny-llama", "prompt": "Hi", "max_tokens": 4, "ignore_eos": True}
url, headers = "http://198.18.0.11:8100/v1/completions", {"Content-Type": "application/json"}
request = urllib.request.Request(url, json.dumps(body).encode(), headers)
print(json.load(urllib.request.urlopen(request, timeout=%d))["usage"]["completion_tokens"])
"""
MOST_S = 60
"""From what befalls one rank until all are back, beside the time that the engines take to start."""


def ours(server: str) -> set[str]:
    """Names of the replicas that a server has units, settings and caches of."""
    folders = "/etc/rackwright/replicas /var/cache/rackwright /var/lib/rackwright/units"
    units = "systemctl list-unit-files --no-legend 'rackwright-*'"
    found = ssh(server, f"ls {folders}; {units}")
    return set(re.findall(r"[a-z]+-gpu\d-\d", found))


def completes() -> bool:
    return ssh("gpu1", f"python3 -c '{ASKED % 10}' 2>&1 || true") == "4"


def gathered(server: str) -> int:
    """How often the rank of a server started together with the others."""
    return int(ssh(server, f"journalctl -u {UNIT} | grep -c ' starts with 1 other' || true"))


def seconds_of_the_start(server: str) -> float:
    names = ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    began, ready = (int(ssh(server, f"systemctl show -P {name} {UNIT}")) for name in names)
    return (ready - began) / 1e6


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
    # The other half gone, the first ends too; it waits, and says for whom.
    ssh("gpu2", f"systemctl stop {UNIT}")
    broken = deploy(*WORDS[:-1], "stages=verify", inventory=INVENTORY)
    assert broken.code != 0
    assert {row["host"] for row in broken.report["results"] if row["status"] == "CRITICAL"} >= {
        "gpu2"
    }
    waits = "waits for rank 1 on gpu2: its unit is inactive"
    wait_until(lambda: waits in ssh("gpu1", f"systemctl status --no-pager {UNIT}; true"))
    ssh("gpu2", f"systemctl --no-block start {UNIT}")
    wait_until(completes)


@pytest.mark.parametrize(
    ("server", "befalls"),
    [
        ("gpu1", f"systemctl kill --signal=KILL {UNIT}"),
        ("gpu2", f"systemctl kill --signal=KILL {UNIT}"),
        ("gpu2", f"systemctl kill --signal=STOP {UNIT}"),
    ],
    ids=["the first rank dies", "the second rank dies", "the second rank hangs"],
)
def test_what_befalls_one_rank_ends_both_and_both_come_back_by_themselves(
    spread: Run, server: str, befalls: str, request: pytest.FixtureRequest
) -> None:
    wait_until(completes)
    before = {name: (main_pid(name, UNIT), gathered(name)) for name in SERVERS}
    ssh(server, befalls)
    began = time.monotonic()
    # Somebody asks: what hangs is found by that.
    ssh("gpu1", f"setsid python3 -c '{ASKED % 120}' >/dev/null 2>&1 &")
    wait_until(lambda: all(main_pid(n, UNIT) not in (0, before[n][0]) for n in SERVERS))
    started_s = time.monotonic() - began
    wait_until(completes)
    back_s, start_s = time.monotonic() - began, seconds_of_the_start("gpu1")
    print(
        f"{request.node.callspec.id}: both started anew after {started_s:.0f} s, complete after "
        f"{back_s:.0f} s, {start_s:.0f} s of them the engines' start"
    )
    assert {name: gathered(name) for name in SERVERS} == {n: before[n][1] + 1 for n in SERVERS}
    assert back_s - start_s < MOST_S
