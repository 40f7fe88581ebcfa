"""On a host: what of it is read, and that no change outlives a run that did not confirm it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote import firewall, routes
from rackwright.remote.host import nftables, ssh_ports
from rackwright.remote.host.running import Failed


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What is run, in order, on a host whose files are in a folder of the test's."""
    ran: list[str] = []

    class Ended:
        returncode, stdout, stderr = 0, "table inet rackwright { }\n", ""

    def ended(*argv: str, **_: Any) -> Ended:
        ran.append(" ".join(argv))
        return Ended()

    def run(*argv: str, **_: Any) -> str:
        ended(*argv)
        return ""

    monkeypatch.setattr(firewall, "run", run)
    monkeypatch.setattr(firewall, "ended", ended)
    monkeypatch.setattr(firewall, "said_by", lambda *argv: "inactive")
    monkeypatch.setattr(nftables, "is_there", lambda: True)
    monkeypatch.setattr(firewall, "_put", lambda path, text, mode=0: path.write_text(text))
    monkeypatch.setattr(firewall, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(firewall, "UNIT_FILE", tmp_path / "unit")
    for name in ("BEFORE", "FRESH", "ROLLED_BACK"):
        monkeypatch.setattr(firewall, name, tmp_path / name)
    monkeypatch.setattr(firewall, "TRIAL", tmp_path)
    return ran


def request(do: str, tmp_path: Path) -> dict[str, Any]:
    own = {"file": str(tmp_path / "kept.nft"), "ruleset": "fresh", "unit": "unit"}
    return {"do": do, "confirm_s": 60, **own}


def test_a_trial_is_checked_and_armed_before_it_is_loaded(
    commands: list[str], tmp_path: Path
) -> None:
    assert firewall.main(request("try", tmp_path)) == {}
    order = ["nft -c -f", "nft list table", "systemctl reset-failed", "systemd-run", "nft -f"]
    assert [next(o for o in order if one.startswith(o)) for one in commands] == order
    assert "--on-active=60s" in commands[3]
    assert (tmp_path / "BEFORE").read_text() == (
        "table inet rackwright\ndelete table inet rackwright\ntable inet rackwright { }\n"
    )
    assert not (tmp_path / "kept.nft").exists() and not (tmp_path / "unit").exists()


def test_what_was_never_confirmed_is_rolled_back_before_another_trial(
    commands: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firewall, "said_by", lambda *argv: "active")
    firewall.main(request("try", tmp_path))
    assert commands[:2] == [
        f"/bin/sh -c {firewall.BACK}",
        "systemctl stop rackwright-firewall-rollback.timer",
    ]


def test_what_is_kept_is_loaded_at_each_boot(commands: list[str], tmp_path: Path) -> None:
    firewall.main(request("try", tmp_path))
    commands.clear()
    assert firewall.main(request("keep", tmp_path)) == {}
    assert commands[0] == "systemctl stop rackwright-firewall-rollback.timer"
    assert commands[-2] == "systemctl enable --quiet rackwright-firewall.service"
    assert (tmp_path / "kept.nft").read_text() == "fresh"


def test_what_was_rolled_back_is_not_kept(commands: list[str], tmp_path: Path) -> None:
    firewall.main(request("try", tmp_path))
    (tmp_path / "ROLLED_BACK").touch()
    error = "the former rules were back before this connection came"
    assert firewall.main(request("keep", tmp_path)) == {"error": error}
    assert not (tmp_path / "kept.nft").exists()


def test_without_nft_it_is_said_what_to_do(
    commands: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nftables, "is_there", lambda: False)
    assert "run the stage base" in firewall.main(request("try", tmp_path))["error"]
    assert commands == []


def test_a_ruleset_that_nft_refuses_is_not_loaded(
    commands: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*argv: str) -> str:
        commands.append(" ".join(argv))
        raise Failed("syntax error")

    monkeypatch.setattr(firewall, "run", run)
    assert firewall.main(request("try", tmp_path)) == {"error": "syntax error"}
    assert [one.split(" -f")[0] for one in commands] == ["nft -c"]


def test_ranges_networks_and_rules_without_a_name_are_read() -> None:
    document = {
        "nftables": [
            {"metainfo": {}},
            {"chain": {"name": "input", "hook": "input", "policy": "drop"}},
            {"set": {"name": "a", "elem": ["::1", {"prefix": {"addr": "::", "len": 8}}, 22]}},
            {"set": {"name": "b", "elem": [{"range": ["10.0.0.1", "10.0.0.3"]}]}},
            {"set": {"name": "c"}},
            {"rule": {"expr": [{"match": {}}, {"accept": None}]}},
        ]
    }
    assert nftables.table_of(document) == {
        "policy": "drop",
        "hooks": ["input"],
        "rules": [["", "accept"]],
        "sets": {"a": ["::1", "::/8", "22"], "b": ["10.0.0.1-10.0.0.3"], "c": []},
    }


# --- where SSH comes in ------------------------------------------------------------------------


def test_the_port_of_the_connection_is_what_sshd_told_the_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under sudo this process does not have it, who called sudo has."""
    monkeypatch.setattr(ssh_ports, "PROC", tmp_path)
    monkeypatch.setattr(ssh_ports, "parent_and_start_s", lambda pid: (pid - 1, 0.0))
    for pid, words in {30: b"PATH=/bin\0", 29: b"A=b\0SSH_CONNECTION=::1 5 ::1 2222\0"}.items():
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "environ").write_bytes(words)
    assert ssh_ports._of_connection(30) == {2222}
    assert ssh_ports._of_connection(28) == set()


def test_a_socket_of_systemd_s_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    said = (
        "Listen=0.0.0.0:22 (Stream) [::]:2200 (Stream)\nActiveState=active\n\n"
        "ActiveState=inactive\nListen=[::]:99 (Stream)"
    )
    monkeypatch.setattr(ssh_ports, "said_by", lambda *_: said)
    assert ssh_ports._of_sockets() == {22, 2200}


def test_a_daemon_by_its_name_counts_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert port not in ssh_ports.ssh_ports()
        monkeypatch.setattr(ssh_ports, "_name", lambda pid: "sshd")
        assert port in ssh_ports.ssh_ports()


def test_a_way_to_this_machine_is_its_own_address() -> None:
    assert routes.main(["127.0.0.1", "no.such.name.invalid"]) == {"127.0.0.1": "127.0.0.1"}
