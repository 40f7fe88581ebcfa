"""What a host tells of its network: sysfs that is stood in for, and a transfer over loopback."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from lab.ports import free_port
from rackwright.remote import between_servers
from rackwright.remote.host import network

ASKED = {"interface": "bond0", "address": "192.0.2.11"}
GID = "fe80:0000:0000:0000:0ac0:ebff:fe12:3456"
ROCE_GID = "0000:0000:0000:0000:0000:ffff:c000:020b"


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bond, and a RoCE device with one port as mlx5_core shows it."""
    monkeypatch.setattr(network, "NET", tmp_path / "net")
    monkeypatch.setattr(network, "INFINIBAND", tmp_path / "infiniband")
    files = {
        "net/bond0/operstate": "up",
        "net/bond0/mtu": "9000",
        "net/bond0/speed": "100000",
        "infiniband/mlx5_0/ports/1/state": "4: ACTIVE",
        "infiniband/mlx5_0/ports/1/phys_state": "5: LinkUp",
        "infiniband/mlx5_0/ports/1/rate": "100 Gb/sec (4X EDR)",
        "infiniband/mlx5_0/ports/1/link_layer": "Ethernet",
        "infiniband/mlx5_0/ports/1/gids/0": GID,
        "infiniband/mlx5_0/ports/1/gids/1": ROCE_GID,
        "infiniband/mlx5_0/ports/1/gids/2": network.NO_GID,
        "infiniband/mlx5_0/ports/1/gid_attrs/types/0": "IB/RoCE v1",
        "infiniband/mlx5_0/ports/1/gid_attrs/types/1": "RoCE v2",
        "infiniband/mlx5_0/ports/1/gid_attrs/ndevs/0": "bond0",
        "infiniband/mlx5_0/ports/1/gid_attrs/ndevs/1": "bond0",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    return tmp_path


def test_an_interface_and_a_port_are_read(sysfs: Path) -> None:
    seen = network.network(ASKED)
    assert seen["interface"] == {
        "name": "bond0",
        "state": "up",
        "mtu": 9000,
        "mbit_per_s": 100_000,
    }
    assert seen["rdma"] == [
        {
            "device": "mlx5_0",
            "port": 1,
            "state": "ACTIVE",
            "physical": "LinkUp",
            "gbit_per_s": 100.0,
            "link_layer": "Ethernet",
            "gids": [
                {"gid": GID, "type": "IB/RoCE v1", "interface": "bond0"},
                {"gid": ROCE_GID, "type": "RoCE v2", "interface": "bond0"},
            ],
        }
    ]


@pytest.mark.parametrize("text", ["-1", "", "4294967295x", None])
def test_a_virtual_interface_has_no_speed(sysfs: Path, text: str | None) -> None:
    file = sysfs / "net/bond0/speed"
    file.unlink() if text is None else file.write_text(text)
    assert network.network(ASKED)["interface"]["mbit_per_s"] is None


@pytest.mark.parametrize(
    ("rate", "gbit_per_s"),
    [("2.5 Gb/sec (1X SDR)", 2.5), ("400 Gb/sec (4X NDR)", 400.0), ("fast", None), ("", None)],
)
def test_rates_are_read_as_they_are_written(
    sysfs: Path, rate: str, gbit_per_s: float | None
) -> None:
    (sysfs / "infiniband/mlx5_0/ports/1/rate").write_text(rate)
    assert network.network(ASKED)["rdma"][0]["gbit_per_s"] == gbit_per_s


def test_an_interface_is_found_by_its_address(sysfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = [{"interface": "bond0", "address": "192.0.2.11"}]
    monkeypatch.setattr(network, "addresses", lambda: known)
    assert network.network({**ASKED, "interface": None})["interface"]["name"] == "bond0"
    known.clear()
    seen = network.network({**ASKED, "interface": None})["interface"]
    assert seen == {"error": "there is no interface with 192.0.2.11"}
    seen = network.network({**ASKED, "interface": "eth9"})["interface"]
    assert seen == {"error": "there is no interface eth9"}


def test_a_port_that_says_nothing_is_told_as_that(sysfs: Path) -> None:
    port = sysfs / "infiniband/mlx5_0/ports/1"
    for name in ("state", "phys_state", "link_layer"):
        (port / name).unlink()
    (seen,) = network.network(ASKED)["rdma"]
    assert (seen["state"], seen["physical"], seen["link_layer"]) == (None, None, None)


# --- a transfer ------------------------------------------------------------------------------


def asked(**more: Any) -> dict[str, Any]:
    where = {"peer": "gpu2", "address": "127.0.0.1", "port": free_port()}
    return {**where, "wait_s": 10, "seconds": 0.3, **more}


def test_what_is_sent_is_counted_where_it_arrives() -> None:
    one, heard = asked(), dict[str, Any]()
    listening = threading.Thread(
        target=lambda: heard.update(between_servers.main([{**one, "listens": True}]))
    )
    listening.start()
    sent = between_servers.main([{**one, "listens": False}])["gpu2"]["sent_bytes"]
    listening.join(timeout=20)
    got = heard["gpu2"]
    assert got["streams"] == between_servers.STREAMS
    assert got["gbit_per_s"] * got["seconds"] / 8 * 1e9 == pytest.approx(sent)


def test_who_does_not_come_is_an_error_within_its_time() -> None:
    for listens in (True, False):
        told = between_servers.main([asked(listens=listens, wait_s=0.2)])["gpu2"]
        assert "error" in told
