"""Names as a host knows them, with the library's look-up stood in for."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote import gateway_host, names
from rackwright.remote.host import names as host_names
from tests.samples.travelling import run

KNOWN = {
    "gpu1": [(socket.AF_INET, "192.0.2.11"), (socket.AF_INET6, "2001:db8::1")],
    "gpu2": [(socket.AF_INET6, "2001:db8::2")],
    "gpu3": [(socket.AF_INET, "192.0.2.13"), (socket.AF_INET, "192.0.2.12")],
}


def getaddrinfo(name: str, port: None, type: int) -> list[tuple[Any, ...]]:
    if name not in KNOWN:
        raise socket.gaierror(-2, "Name or service not known")
    return [(family, type, 6, "", (address, 0)) for family, address in KNOWN[name]]


def test_addresses_of_ipv4_or_else_of_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert names.main(["gpu1", "gpu2", "gpu3", "gpu4"]) == {
        "gpu1": {"addresses": ["192.0.2.11"]},
        "gpu2": {"addresses": ["2001:db8::2"]},
        "gpu3": {"addresses": ["192.0.2.12", "192.0.2.13"]},  # the order of answers changes
        "gpu4": {"error": "Name or service not known"},
    }


def test_it_runs_on_a_host() -> None:
    found = json.loads(run("names", ["localhost", "a" * 64]).stdout)  # a label has 63 at most
    assert found["localhost"] == {"addresses": ["127.0.0.1"]}
    assert found["a" * 64]["error"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nameserver 192.0.2.1\nnameserver 2001:db8::1\n", ["192.0.2.1", "[2001:db8::1]"]),
        ("# nameserver 192.0.2.9\nsearch a\n nameserver\t127.0.0.53 \n", ["127.0.0.53"]),
        ("nameserver fe80::1%eth0\nnameserver x;y\nnameserver\noptions edns0\n", []),
        ("", []),
    ],
)
def test_name_servers_as_nginx_takes_them(
    text: str, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_names, "RESOLV_CONF", tmp_path / "resolv.conf")
    assert host_names.nameservers() == []
    (tmp_path / "resolv.conf").write_text(text)
    assert host_names.nameservers() == found


def test_a_gateway_tells_what_its_configuration_needs() -> None:
    told = gateway_host.main(["localhost"])
    assert told["system"]["ID"] and "addresses" in told["names"]["localhost"]
    assert told["nameservers"] == host_names.nameservers()
