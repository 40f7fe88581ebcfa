"""keepalived on a gateway: what a host's addresses contradict, and what is written."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.desired.failover import failover_items, interface_faults
from rackwright.desired.items import File
from rackwright.spec import FailoverSpec, GatewaySpec
from tests.samples.fleet import settings

SHARED = ("192.0.2.100", "2001:db8::100")
PAIR = FailoverSpec(gateways={"gw1": "192.0.2.1", "gw2": "192.0.2.2"}, addresses=SHARED)


def on(interface: str, address: str, prefix_length: int) -> dict[str, Any]:
    return {"interface": interface, "address": address, "prefix_length": prefix_length}


BOTH = [on("eth0", "192.0.2.1", 24), on("eth0", "2001:db8::1", 64)]


@pytest.mark.parametrize("held", [[], [on("eth0", "192.0.2.100", 32)]])
def test_a_host_in_both_networks_is_fine(held: list[dict[str, Any]]) -> None:
    assert not list(interface_faults(PAIR, "gw1", BOTH + held))


@pytest.mark.parametrize(
    ("seen", "rule"),
    [
        ([on("eth0", "192.0.2.7", 24)], "is no address of gw1"),
        (BOTH[:1], "is in no network of eth0 on gw1"),
        ([*BOTH, on("eth0", "192.0.2.100", 24)], "is set on eth0 of gw1 by its network"),
        ([*BOTH, on("eth1", "192.0.2.100", 32)], "is set on eth1 of gw1 by its network"),
    ],
)
def test_a_host_that_contradicts(seen: list[dict[str, Any]], rule: str) -> None:
    (fault,) = interface_faults(PAIR, "gw1", seen)
    assert rule in str(fault)


def test_both_begin_as_equals_and_ask_as_nobody() -> None:
    gateway = GatewaySpec(name="gw2", server_name="llm.example.com", port=8443)
    items = failover_items(PAIR, gateway, "eth0", settings())
    files = {item.key: item.content.decode() for item in items if isinstance(item, File)}
    config = files["/etc/rackwright/keepalived.conf"]
    for line in ("state BACKUP", "nopreempt", "script_user nobody nogroup", "priority 199"):
        assert f"    {line}\n" in config
    assert "unicast_peer {\n        192.0.2.1\n" in config
    assert "virtual_ipaddress_excluded {\n        2001:db8::100\n" in config
    assert "::127.0.0.1:8443" in files["/opt/rackwright/bin/gateway-answers"]
