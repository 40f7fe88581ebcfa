"""A real nftables on a server and a gateway: who is let in, and that nobody is locked out."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from lab.fleet import LAB, host_named
from tests.samples.commands import rackwright
from tests.samples.deploys import Run, deploy, start
from tests.samples.lab_hosts import fresh, ssh, wait_until

INVENTORY = "tests/lab/inventories/firewall.py"
SERVER, GATEWAY, STRANGER = "rack3", "spare1", "spare2"
ADDRESS = host_named(SERVER).address
PORT, OTHER_PORT = 8000, 9100
THEIRS = "add table inet theirs; add chain inet theirs input { type filter hook input priority 9; }"
FILE = "/etc/rackwright/firewall.nft"
CONFIRM_S = 25


def run(
    mode: str = "engines",
    *words: str,
    stages: str = "base,firewall",
    hosts: str = "",
    monitors: str = "",
) -> Run:
    data = {"stages": stages, "firewall": mode, "firewall_confirm_s": str(CONFIRM_S)}
    if monitors:
        data["firewall_monitors"] = monitors
    more = [word for key, value in data.items() for word in ("--data", f"{key}={value}")]
    limit = ["--limit", hosts] if hosts else []
    return deploy(*limit, *more, *words, inventory=INVENTORY)


def well(run: Run) -> Run:
    assert run.code == 0, run.words[-3000:]
    return run


def listen(port: int) -> None:
    """A stand-in that takes connections on all addresses, and says nothing."""
    ssh(SERVER, f"systemd-run -q --unit listens-{port} python3 -m http.server {port}")
    is_let_in(SERVER, port)


def reaches(host: str, port: int, address: str = ADDRESS) -> bool:
    """Whether a new connection from a host to the server's port comes through."""
    tried = f"timeout 3 bash -c '</dev/tcp/{address}/{port}' 2>/dev/null && echo yes"
    return ssh(host, tried, check=False) == "yes"


def is_let_in(host: str, port: int, address: str = ADDRESS) -> None:
    """Wait until a new connection comes through: one try may meet a machine that is busy."""
    wait_until(lambda: reaches(host, port, address))


def is_reached() -> bool:
    """Whether a new SSH connection to the server comes through."""
    argv = ["ssh", "-F", str(LAB / "ssh_config"), "-o", "ConnectTimeout=3", SERVER, "true"]
    return subprocess.run(argv, capture_output=True, timeout=60).returncode == 0


ECHO = """
import socket, sys
asks = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
asks.settimeout(10)
asks.sendto(bytes([8, 0, 247, 255, 0, 0, 0, 0]), (sys.argv[1], 0))
while (said := asks.recvfrom(99))[1][0] != sys.argv[1]: pass
print(said[0][20])
"""
"""The least ping: hosts of the lab have none. A request of type 8 with its checksum."""


def table() -> str:
    """As it is loaded, without what it counts."""
    listed = ssh(SERVER, "nft list table inet rackwright", check=False)
    return re.sub(r"packets \d+ bytes \d+", "", listed)


def boot_time() -> str:
    return ssh(SERVER, "systemctl show -P KernelTimestamp -P UserspaceTimestamp", check=False)


def prepare() -> None:
    """What is on the server beside us: a stand-in of an engine, another service, other rules."""
    listen(PORT)
    listen(OTHER_PORT)
    ssh(SERVER, f"nft '{THEIRS}'")


@pytest.fixture(scope="module")
def first() -> Iterator[Run]:
    """A server with rules of somebody else's, guarded by a first deploy."""
    with fresh(SERVER, GATEWAY, STRANGER):
        ssh(SERVER, "apt-get install -yq --no-install-recommends nftables >/dev/null")
        prepare()
        is_let_in(STRANGER, PORT)
        yield run()


@pytest.fixture
def guarded(first: Run) -> Run:
    return well(first)


def test_gateways_are_let_in_and_strangers_are_not(guarded: Run) -> None:
    is_let_in(GATEWAY, PORT)
    assert not reaches(STRANGER, PORT)
    is_let_in(SERVER, PORT)
    is_let_in(SERVER, PORT, "127.0.0.1")
    is_let_in(STRANGER, OTHER_PORT)  # what is no engine's is let in as before
    wait_until(is_reached)


def test_others_rules_stay(guarded: Run) -> None:
    assert "table inet theirs" in ssh(SERVER, "nft list tables")
    assert ssh(SERVER, "systemctl is-enabled nftables", check=False) == "disabled"


def test_a_second_deploy_changes_nothing(guarded: Run) -> None:
    assert well(run()).changed() == {}


def commands(stages: str) -> dict[str, int]:
    """Sent to each host by a run that changes nothing; no engine is there for verify to praise."""
    sent: dict[str, int] = run(stages=stages).report["ssh_commands"]
    return sent


def test_it_costs_one_command_of_a_run(guarded: Run) -> None:
    without, with_it = commands("verify"), commands("firewall,verify")
    assert with_it[SERVER] - without[SERVER] == 1
    assert with_it[GATEWAY] - without[GATEWAY] == 1  # where it comes from is asked with it


def test_a_gateway_out_of_the_run_is_asked_all_the_same(guarded: Run) -> None:
    assert well(run(hosts=SERVER)).changed() == {}


def verified() -> tuple[str, str]:
    """Status and evidence of the check on the server."""
    rows = json.loads(rackwright("verify", INVENTORY, "--json", "--no-load").stdout)["results"]
    (row,) = [row for row in rows if (row["subject"], row["check"]) == (SERVER, "firewall")]
    return row["status"], row["evidence"]


def test_what_somebody_adds_is_found_and_mended(guarded: Run) -> None:
    status, evidence = verified()
    assert status == "OK", evidence
    ssh(SERVER, "nft insert rule inet rackwright input accept")
    is_let_in(STRANGER, PORT)
    assert verified() == ("CRITICAL", "rules that are not planned: accept (no comment)")
    assert well(run()).changed() == {"Firewall": [SERVER]}
    assert not reaches(STRANGER, PORT) and verified()[0] == "OK"


def test_a_reboot_keeps_it(guarded: Run) -> None:
    before, boot = table(), boot_time()
    ssh(SERVER, "systemctl reboot", check=False)
    wait_until(lambda: is_reached() and boot_time() not in ("", boot))
    assert table() == before
    prepare()
    is_let_in(GATEWAY, PORT)
    assert not reaches(STRANGER, PORT)
    assert well(run()).changed() == {}


def test_where_all_tables_are_flushed_ours_is_loaded_again(guarded: Run) -> None:
    """As Debian's own service does; it knows nobody's tables but those of its file."""
    before = table()
    ssh(SERVER, "systemctl start nftables; systemctl restart nftables")
    assert "table inet theirs" not in ssh(SERVER, "nft list tables")
    assert table() == before
    ssh(SERVER, f"systemctl disable --now nftables 2>/dev/null; nft '{THEIRS}'")
    assert well(run()).code == 0 and table() == before


LOCKS_OUT = r"""#!/bin/sh
# Where rules with port 9123 are loaded, a rule is loaded with them that refuses SSH: rules that
# lock out, as somebody could declare them. All else is the real nft.
/usr/sbin/nft "$@" || exit
[ "$1" = -f ] && grep -q 9123 "$2" || exit 0
exec /usr/sbin/nft insert rule inet rackwright input tcp dport 22 ct state new drop
"""
LOADER = "/usr/local/sbin/nft"
"""It is found before the real one."""


@pytest.fixture
def shut_out(guarded: Run) -> Iterator[None]:
    """Whoever loads our table anew on the server has new SSH connections refused by it."""
    ssh(SERVER, f"cat > {LOADER} <<'END'\n{LOCKS_OUT}END\nchmod +x {LOADER}")
    yield
    ssh(SERVER, f"rm {LOADER}")


def test_rules_that_lock_out_roll_themselves_back(shut_out: None) -> None:
    before, kept = table(), ssh(SERVER, f"sha256sum {FILE}")
    failed = run("host", "--data", "firewall_ports=9123", hosts=SERVER)
    assert failed.code == 1
    assert "no new connection came through the new firewall" in failed.words
    assert "it is reached again" in failed.words, failed.words[-3000:]
    assert table() == before and ssh(SERVER, f"sha256sum {FILE}") == kept
    assert "table inet theirs" in ssh(SERVER, "nft list tables")
    assert well(run()).changed() == {}


def test_a_controller_that_dies_leaves_the_host_as_it_was(shut_out: None) -> None:
    before = table()
    data = ("stages=firewall", "firewall=host", "firewall_ports=9123", "firewall_confirm_s=25")
    words = [word for one in data for word in ("--data", one)]
    running = start("-y", "--limit", SERVER, *words, inventory=INVENTORY)
    opened = "systemctl is-active rackwright-firewall-rollback.timer"
    keeping = ["ssh", "-F", str(LAB / "ssh_config"), SERVER, f"until {opened}; do sleep 0.1; done"]
    subprocess.run(keeping, check=True, capture_output=True, timeout=600)
    running.kill()
    running.communicate()
    wait_until(is_reached)
    wait_until(lambda: table() == before)
    assert well(run()).changed() == {}


def test_a_run_that_is_cut_off_before_it_confirms_is_mended(guarded: Run) -> None:
    """As it would leave the host: loaded, and a timer that runs."""
    before = table()
    ssh(SERVER, "mkdir -p /run/rackwright-firewall; (echo table inet rackwright; "
        "echo delete table inet rackwright; nft list table inet rackwright) > "
        "/run/rackwright-firewall/before.nft; nft flush chain inet rackwright input; systemd-run "
        "-q --unit rackwright-firewall-rollback --on-active=600s true")  # fmt: skip
    assert well(run()).changed() == {"Firewall": [SERVER]}
    assert table() == before
    assert ssh(SERVER, "systemctl list-timers --all | grep rackwright || true") == ""


def test_of_a_whole_host_only_what_is_declared_is_open(guarded: Run) -> None:
    changed = {"Base system": [GATEWAY], "Firewall": [SERVER, GATEWAY]}  # nftables, first
    assert well(run("host")).changed() == changed
    wait_until(is_reached)
    is_let_in(GATEWAY, PORT)
    assert not reaches(STRANGER, PORT) and not reaches(STRANGER, OTHER_PORT)
    assert ssh(STRANGER, f"python3 -c '{ECHO}' {ADDRESS}") == "0"  # the type of an answer (ICMP)
    assert well(run("host", "--data", f"firewall_ports={OTHER_PORT}")).code == 0
    is_let_in(STRANGER, OTHER_PORT)
    well(run("host", monitors=host_named(STRANGER).address))
    is_let_in(STRANGER, PORT)
    is_let_in(STRANGER, OTHER_PORT)


def test_off_takes_ours_away_and_nobody_else_s(guarded: Run) -> None:
    assert well(run("off")).changed() == {"Firewall": [SERVER, GATEWAY]}
    assert table() == ""
    is_let_in(STRANGER, PORT)
    assert "table inet theirs" in ssh(SERVER, "nft list tables")
    left = f"ls {FILE} /etc/systemd/system/rackwright-firewall.service 2>/dev/null; true"
    assert ssh(SERVER, left) == ""
    assert well(run("off")).changed() == {}
