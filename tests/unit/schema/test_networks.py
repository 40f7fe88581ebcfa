"""Who may come in and where, as an operator writes it, and what of that is refused."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.inventory.reading import load_fleet
from tests.samples.faulty import faults
from tests.samples.fleet import hosts, settings


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (("10.1.0.5",), ("10.1.0.5",)),
        (("10.1.0.5/32", "fd00::1/128"), ("10.1.0.5", "fd00::1")),
        ("10.1.0.0/24, monitor.example.com", ("10.1.0.0/24", "monitor.example.com")),
        (("FD00:0::1",), ("fd00::1",)),
        ((), ()),
        ("", ()),
    ],
)
def test_sources_are_addresses_networks_and_names(written: Any, read: tuple[str, ...]) -> None:
    assert settings(firewall_monitors=written).firewall_monitors == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ((9100, "51820/udp"), ("9100/tcp", "51820/udp")),
        (9100, ("9100/tcp",)),
        ("9100,53/udp", ("9100/tcp", "53/udp")),
        (("0080/tcp",), ("80/tcp",)),
    ],
)
def test_ports_have_a_protocol(written: Any, read: tuple[str, ...]) -> None:
    assert settings(firewall_ports=written).firewall_ports == read


@pytest.mark.parametrize(
    ("setting", "value", "rule"),
    [
        ("firewall_monitors", ["10.0.0.1/8"], "must be a network by its first address"),
        ("firewall_monitors", ["0.0.0.0/0"], "must not be all addresses"),
        ("firewall_monitors", ["::/0"], "must not be all addresses"),
        ("firewall_monitors", ["10.0.0.300"], "must be an IP address, a network such as"),
        ("firewall_monitors", ["10.0.0.1 } accept"], "must be an IP address, a network such as"),
        ("firewall_monitors", ["fe80::1%eth0"], "must be an IP address, a network such as"),
        ("firewall_ports", [0], "must be a port of 1 to 65535"),
        ("firewall_ports", [65536], "must be a port of 1 to 65535"),
        ("firewall_ports", ["9100/sctp"], "must be a port of 1 to 65535"),
        ("firewall_ports", [True], "must be a string"),
        ("firewall", "on", "must be one of engines, host, off"),
        ("firewall_confirm_s", 5, "must be 20 to 600"),
    ],
)
def test_what_is_neither_is_refused(setting: str, value: Any, rule: str) -> None:
    (fault,) = faults(hosts(**{setting: value}))
    assert fault.startswith(f"settings[gpu1, gw1].{setting}") and rule in fault


def test_engines_of_a_public_address_are_not_left_without_one() -> None:
    data = hosts()
    data["gpu1"]["server"]["address"] = "8.8.8.8"
    load_fleet(data)
    data["gpu1"]["firewall"] = "off"
    (fault,) = faults(data)
    assert fault.startswith(
        "servers[gpu1].address: must be a private address where firewall is off"
    )
