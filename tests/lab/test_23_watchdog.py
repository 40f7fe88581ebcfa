"""Watchdogs on two servers, real engines and a stand-in: what hangs is out in 30 s and comes back.

In the order of the tests: what a later one needs, an earlier one has proven.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.samples.commands import PATIENCE_S
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh, main_pid, ssh, wait_until

INVENTORY = "tests/lab/inventories/watched.py"
GATEWAY, SERVERS = "door1", ("rack1", "rack2")
PAGES = {"rack1": "http://198.18.0.41:7979/state", "rack2": "http://198.18.0.42:7979/state"}
CHATS = {"chat-rack1-0": "rack1", "chat-rack2-0": "rack2"}
REPLICAS = {**CHATS, "code-rack2-0": "rack2"}
CODE = "rackwright-code-rack2-0"
WATCHDOG = "rackwright-watchdog"
FOLDER = "/var/lib/rackwright/watchdog"
STAND_IN = Path(__file__).with_name("stand_in_hanging.py")
DROP_IN = f"/run/systemd/system/{CODE}.service.d"
BAR_S = 30
XID = "3,7,1,-;NVRM: Xid (PCI:{slot}): 79, pid=1, name=python, GPU has fallen off the bus."


@pytest.fixture(scope="module")
def first() -> Iterator[Run]:
    with fresh(GATEWAY, *SERVERS):
        yield deploy(inventory=INVENTORY)


@pytest.fixture
def watched(first: Run) -> None:
    if first.code != 0:
        pytest.fail(first.words[-3000:], pytrace=False)


def page(server: str) -> dict[str, Any]:
    """What its watchdog says; nothing of one that gives no answer."""
    try:
        said: dict[str, Any] = httpx.get(PAGES[server], timeout=5).json()
    except httpx.HTTPError:
        return {"replicas": {}}
    return said


def states() -> dict[str, str]:
    """Each replica's state, as its watchdog says it."""
    said = {server: page(server)["replicas"] for server in SERVERS}
    return {n: said[server].get(n, {}).get("state", "-") for n, server in REPLICAS.items()}


def out_at_the_gateway() -> dict[str, float]:
    """Replicas that get no requests, each since when (Unix seconds) by the gateway's own word."""
    socket = "/run/rackwright-gateway/state.sock"
    state = json.loads(ssh(GATEWAY, f"curl -s --unix-socket {socket} http://localhost/state"))
    replicas = [one for each in state["services"].values() for one in each["replicas"].items()]
    return {name: seen["since"] for name, seen in replicas if seen["state"] != "in"}


def seconds_until(true: Callable[[], bool]) -> float:
    began_s = time.monotonic()
    wait_until(true)
    return time.monotonic() - began_s


def all_are_well() -> bool:
    return set(states().values()) == {"well"}


def start_of(unit: str, server: str) -> str:
    return ssh(server, f"systemctl show -P InvocationID {unit}")


def starts() -> dict[str, str]:
    """Which start of each replica's unit runs."""
    return {name: start_of(f"rackwright-{name}", server) for name, server in REPLICAS.items()}


def ask(service: str) -> httpx.Response:
    """A client's completion, by the gateway."""
    body = {"model": service, "max_tokens": 2, "messages": [{"role": "user", "content": "Hi"}]}
    url = "https://198.18.0.31/v1/chat/completions"
    with httpx.Client(verify=False, timeout=PATIENCE_S) as client:
        return client.post(url, json=body, headers={"Host": "llm.lab.example"})


def stand_in() -> None:
    """In place of one engine: a program that can be told to hang."""
    ssh(
        "rack2", f"mkdir -p {DROP_IN}; cat > {DROP_IN}/engine.py <<'END'\n{STAND_IN.read_text()}END"
    )
    argv = f"/usr/bin/python3 {DROP_IN}/engine.py --host 198.18.0.42 --port 8001"
    words = f"[Service]\nExecStart=\nExecStart={argv}\n"
    ssh("rack2", f"cat > {DROP_IN}/a.conf <<'END'\n{words}END")
    ssh("rack2", f"systemctl daemon-reload; systemctl restart {CODE}")


def test_it_is_in_place_watches_all_and_a_second_run_changes_nothing(watched: None) -> None:
    wait_until(all_are_well)
    second = deploy(inventory=INVENTORY)
    assert (second.code, second.changed()) == (0, {})
    assert {key for key, status in second.statuses().items() if key[1] == "watchdog"} == {
        (server, "watchdog") for server in SERVERS
    }
    assert not second.of("CRITICAL")


def test_it_may_write_what_it_notes_and_nothing_else(watched: None) -> None:
    """As its process sees the disk; of /run systemd 252 leaves all as it is."""
    inside = f"nsenter --mount --target {main_pid('rack1', WATCHDOG)} sh -c"
    for folder in (FOLDER, "/run/rackwright-starts"):
        ssh("rack1", f"{inside} 'touch {folder}/.try && rm {folder}/.try'")
    for folder in ("/etc/rackwright", "/opt/rackwright", "/var/lib/rackwright"):
        said = ssh("rack1", f"{inside} 'touch {folder}/.try 2>&1 || true'")
        assert "Read-only file system" in said


def test_engines_that_hang_are_out_in_time_and_back_one_of_a_service_after_the_other(
    watched: None,
) -> None:
    """Both of one service are stopped, and the other service's answers all but completions."""
    stand_in()
    wait_until(all_are_well)
    wait_until(lambda: ask("code").status_code == 200)  # its first token may take minutes
    wait_until(lambda: not out_at_the_gateway())
    before = starts()
    ssh("rack2", "touch /run/hangs")
    client = threading.Thread(target=ask, args=("code",), daemon=True)
    client.start()
    for name, server in CHATS.items():
        ssh(server, f"systemctl kill --signal=STOP rackwright-{name}")
    began_s = time.time()
    found: dict[str, float] = {}

    def all_were_out() -> bool:
        """However slow this one is to look: the gateway says since when."""
        found.update(out_at_the_gateway())
        return set(found) == set(REPLICAS)

    wait_until(all_were_out)
    out_s = {name: since - began_s for name, since in found.items()}
    print(f"\nout after {', '.join(f'{n} {s:.1f} s' for n, s in out_s.items())}")
    assert max(out_s.values()) < BAR_S
    back_s = seconds_until(
        lambda: all_are_well() and not set(before.items()) & set(starts().items())
    )
    print(f"all back {back_s:.1f} s later")
    assert ask("chat").status_code == ask("code").status_code == 200
    restarted = {name: journal_s(server, name, "restarted") for name, server in CHATS.items()}
    again = {name: journal_s(server, name, "-> well") for name, server in CHATS.items()}
    one, other = sorted(restarted, key=lambda name: restarted[name])
    assert restarted[other] >= again[one], (restarted, again)


def journal_s(server: str, name: str, words: str) -> float:
    """When its watchdog last said so of a replica."""
    said = ssh(server, f"journalctl -u {WATCHDOG} -o json --output-fields=MESSAGE --no-pager")
    entries = [json.loads(line) for line in said.splitlines()]
    found = [e for e in entries if name in str(e["MESSAGE"]) and words in str(e["MESSAGE"])]
    return int(found[-1]["__REALTIME_TIMESTAMP"]) / 1e6


def test_evidence_was_kept_for_root_alone_and_without_secrets(watched: None) -> None:
    for name, server in REPLICAS.items():
        files = ssh(server, f"cd {FOLDER}/evidence/{name}-*; grep -c . *; stat -c %a . *")
        assert {"why.txt", "processes.txt", "journal.txt", "gpus.txt", "metrics.txt"} <= {
            line.partition(":")[0] for line in files.splitlines()
        }
        assert set(re.findall(r"^\d+$", files, re.MULTILINE)) == {"700", "600"}
    stopped = ssh("rack1", f"cat {FOLDER}/evidence/chat-rack1-0-*/processes.txt")
    assert "T (stopped)" in stopped


def test_a_watchdog_that_is_killed_or_hangs_comes_back_and_restarts_nothing(watched: None) -> None:
    before = starts()
    pids = {server: main_pid(server, WATCHDOG) for server in SERVERS}
    ssh("rack1", f"systemctl kill --signal=KILL {WATCHDOG}")
    ssh("rack2", f"systemctl kill --signal=STOP {WATCHDOG}")
    wait_until(lambda: all(main_pid(s, WATCHDOG) not in (0, pids[s]) for s in SERVERS))
    wait_until(all_are_well)
    assert before == starts()


def test_a_fatal_xid_puts_the_server_in_quarantine_and_that_outlives_the_watchdog(
    watched: None,
) -> None:
    """The kernel's log is a file here, in the form that the kernel gives it."""
    slot = ssh("rack1", f'grep -o \'"pci_bus_id": "[^"]*\' {"/etc/rackwright/watchdog.json"}')
    slot = slot.splitlines()[0].rpartition('"')[2].rpartition(".")[0][4:]
    ssh("rack1", "touch /dev/kmsg")
    try:
        ssh("rack1", f"systemctl restart {WATCHDOG}")
        wait_until(all_are_well)
        ssh("rack1", f"echo '{XID.format(slot=slot)}' >> /dev/kmsg")
        written_s = time.time()
        found = dict[str, Any]()

        def is_in_quarantine() -> bool:
            found.update(page("rack1").get("quarantine") or {})
            return bool(found)

        wait_until(is_in_quarantine)
        assert found["since"] - written_s < BAR_S
        assert "GPU 0: Xid 79 (the GPU has fallen off the bus)" in found["why"]
        ssh("rack1", f"systemctl restart {WATCHDOG}")
        wait_until(lambda: bool(page("rack1").get("quarantine")))
        wait_until(lambda: page("rack2").get("quarantine", "no answer") is None)
    finally:
        ssh("rack1", f"rm -f /dev/kmsg {FOLDER}/quarantine.json; systemctl restart {WATCHDOG}")
    wait_until(all_are_well)


def test_without_it_nothing_of_it_is_left_but_what_it_kept(watched: None) -> None:
    stages = "stages=base,firewall,replicas,gateway"  # the stand-in is no engine that checks praise
    off = deploy("--data", "watchdog=off", "--data", stages, inventory=INVENTORY)
    assert off.code == 0, off.words[-3000:]
    for server in SERVERS:
        left = ssh(server, f"ls /opt/rackwright/bin /etc/rackwright {FOLDER}; "
                   f"systemctl is-active {WATCHDOG} || true")  # fmt: skip
        assert "watchdog.json" not in left and "\nwatchdog\n" not in left
        assert "inactive" in left and "evidence" in left
