"""Who is let in on a host, as nft is told; and that nft takes it and lists it as it was meant."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from rackwright.desired.base import base_items
from rackwright.desired.firewall import changes, is_there, ruleset, unit
from rackwright.inventory.reading import load_fleet
from rackwright.planning.firewall import Firewall, firewall_of
from rackwright.planning.loaded_firewall import differences
from rackwright.planning.placing import plan
from rackwright.remote.host.nftables import table_of
from tests.samples.fleet import cluster, hosts, server, service, settings

Golden = Callable[[str, bytes], None]
Data = dict[str, dict[str, Any]]
GATEWAY = {"server_name": "llm.example.com", "address": "192.0.2.10"}


def firewall(data: Data, name: str = "gpu1") -> Firewall | None:
    spec = load_fleet(data)
    return firewall_of(name, spec, plan(spec))


def one_server(**more: Any) -> Data:
    return hosts(services={"chat": service(tensor_parallel_size=2)}, gateway=GATEWAY, **more)


def two_servers_of_one_replica(**more: Any) -> Data:
    """And two gateways, one of which says itself where it comes from."""
    chat = service("deepseek-v3.1", servers=["gpu1", "gpu2"], servers_per_replica=2, engine="vllm")
    chat |= {"model": "llama-3.3-70b-instruct", "tensor_parallel_size": 8}
    chat |= {"pipeline_parallel_size": 2, "revision": "6f6073b423013f6a7d4d9f39144961bfbfbc386b"}
    data = hosts(cluster(2), {"chat": chat}, gateway=GATEWAY, **more)
    data["gw2"] = {**data["gw1"], "gateway": {"server_name": "llm.example.com"}}
    return data


MONITORS = ("10.1.0.0/24", "10.1.0.5", "monitor.example.com", "fd00::5")
KNOWN = {"monitor.example.com": ["10.2.0.7"]}
HOST = {
    "firewall": "host",
    "firewall_monitors": MONITORS,
    "firewall_ports": (9100, "51820/udp"),
}
PAIR = {"gateways": {"gw1": "192.0.2.10", "gw2": "192.0.2.20"}, "addresses": "192.0.2.100"}
SAMPLES: dict[str, tuple[Data, str]] = {
    "engines": (one_server(), "gpu1"),
    "engines-span": (two_servers_of_one_replica(firewall_monitors=MONITORS), "gpu1"),
    "host": (two_servers_of_one_replica(**HOST), "gpu2"),
    "host-gateway": (two_servers_of_one_replica(**HOST, failover=PAIR), "gw1"),
}


def text(name: str) -> str:
    data, host = SAMPLES[name]
    found = firewall(data, host)
    assert found is not None
    return ruleset(found.table(KNOWN, (22, 2222)))


@pytest.mark.parametrize("name", SAMPLES)
def test_it_is_as_kept(name: str, golden: Golden) -> None:
    golden(f"firewall-{name}.nft", text(name).encode())


def in_a_network_of_its_own(script: str, given: str) -> str:
    """What a script of sh prints where no table of this machine is seen, nor any connection."""
    if not shutil.which("nft") or not shutil.which("unshare") or os.geteuid() != 0:
        pytest.skip("it needs nft, unshare and root")
    argv = ["unshare", "--net", "sh", "-ec", script]
    done = subprocess.run(argv, input=given, capture_output=True, text=True, timeout=60)
    if "unshare:" in done.stderr:
        pytest.skip(f"no network namespace may be made here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", SAMPLES)
def test_nft_takes_it_twice_and_lists_it_as_it_was_planned(name: str) -> None:
    """A rule that nft lists otherwise, of which a check would think that somebody changed it."""
    data, host = SAMPLES[name]
    found = firewall(data, host)
    assert found is not None
    load = "cat > /tmp/$$.nft; nft -c -f /tmp/$$.nft; nft -f /tmp/$$.nft; nft -f /tmp/$$.nft"
    listed = in_a_network_of_its_own(
        f"{load}; rm /tmp/$$.nft; nft -j list table inet rackwright", text(name)
    )
    loaded = table_of(json.loads(listed))
    assert list(differences(found.table(KNOWN, (22, 2222)), loaded)) == []
    assert list(differences(found.table(KNOWN, (22,)), loaded)) != [] or found.mode == "engines"


def test_nobody_else_s_table_is_touched() -> None:
    theirs = "add table inet theirs"
    script = f"nft '{theirs}'; cat > /tmp/$$.nft; nft -f /tmp/$$.nft; rm /tmp/$$.nft"
    listed = in_a_network_of_its_own(f"{script}; nft list tables", text("host"))
    assert listed.splitlines() == ["table inet theirs", "table inet rackwright"]


# --- who is planned to come in -----------------------------------------------------------------


def test_a_gateway_that_does_not_say_where_it_comes_from_is_asked() -> None:
    found = firewall(two_servers_of_one_replica())
    assert found is not None
    assert (found.gateways, found.asked) == (("192.0.2.10",), ("gw2",))


def test_peers_reach_each_other_and_later_servers_answer_nobody() -> None:
    first, second = (firewall(two_servers_of_one_replica(), name) for name in ("gpu1", "gpu2"))
    assert first is not None and first.trusted == ("192.0.2.12",)
    # The engine's, where the servers meet, the watchdog's, and where one gives another its weights.
    assert len(first.engine_ports) == 4
    assert second is not None  # what its rank listens at, it chooses itself
    assert second.engine_ports == (second.watchdog_port, second.sideways_port) == (7979, 7980)
    assert (first.servers, second.servers) == (("192.0.2.12",), ("192.0.2.11",))


def test_watchdogs_of_the_same_service_reach_each_other_s_port_and_no_engine() -> None:
    chat = service(servers=["gpu1", "gpu2"], gpus={"gpu1": [0], "gpu2": [0]})
    other = service(servers=["gpu3"], gpus={"gpu3": [0]}, served_model_name="other")
    servers = {f"gpu{number}": server(10 + number) for number in (1, 2, 3)}
    data = hosts(servers, {"chat": chat, "other": other}, gateway=GATEWAY)
    found = firewall(data)
    assert found is not None and found.servers == ("192.0.2.12",) and found.trusted == ()
    table = found.table({}, ())
    assert table.sets["watchdog_ports"] == ("7979",) and table.sets["servers4"] == ("192.0.2.12",)
    assert table.sets["engine_ports"] == ("7979", "7980", "8000")
    names = [rule.name for rule in table.rules]
    assert names.index("watchdogs") < names.index("strangers")
    off = firewall({name: {**one, "watchdog": "off"} for name, one in data.items()})
    assert off is not None and off.engine_ports == (7980, 8000)
    assert "watchdog_ports" not in off.table({}, ()).sets


def test_servers_of_the_same_engine_or_model_give_each_other_what_they_fetched() -> None:
    chat = service(servers=["gpu1", "gpu2"], gpus={"gpu1": [0], "gpu2": [0]})
    servers = {f"gpu{number}": server(10 + number) for number in (1, 2, 3)}
    data = hosts(servers, {"chat": chat}, gateway=GATEWAY)
    found = firewall(data)
    assert found is not None and found.sharers == ("192.0.2.11", "192.0.2.12"), "gpu3 runs nothing"
    table = found.table({}, ())
    assert table.sets["sideways_ports"] == ("7980",)
    assert table.sets["sharers4"] == ("192.0.2.11", "192.0.2.12")
    names = [rule.name for rule in table.rules]
    assert names.index("weights and wheels") < names.index("strangers")
    data["gpu2"]["sideways"] = "off"
    alone = firewall(data)
    assert alone is not None and alone.sharers == () and 7980 not in alone.engine_ports
    assert "sideways_ports" not in alone.table({}, ()).sets


def test_a_gateway_on_the_server_itself_comes_by_loopback() -> None:
    data = one_server()
    data["gpu1"]["gateway"] = data.pop("gw1")["gateway"]
    found = firewall(data)
    assert found is not None and (found.gateways, found.asked) == ((), ())


def test_vrrp_comes_only_from_those_that_share_an_address() -> None:
    data = two_servers_of_one_replica(**HOST)
    for failover, sources in (
        (PAIR, ("192.0.2.20",)),
        ({"gateways": PAIR["gateways"]}, None),
        (None, None),
    ):
        shared = {"failover": failover} if failover else {}
        found = firewall({name: {**one, **shared} for name, one in data.items()}, "gw1")
        assert found is not None
        table = found.table({}, (22,))
        assert table.sets.get("vrrp4") == sources
        assert any("112" in rule.match for rule in table.rules) == bool(sources)


def test_where_a_ca_asks_a_gateway_its_port_is_open() -> None:
    acme = {"email": "ops@example.com", "agree_to_terms": True}
    gateway = {"server_name": "llm.example.com", "acme": acme}
    for declared, ports in (({}, {"443/tcp"}), (gateway, {"443/tcp", "80/tcp"})):
        data = hosts(gateway={"server_name": "llm.example.com", **declared}, **HOST)
        found = firewall(data, "gw1")
        assert found is not None and {*found.open_ports} >= ports
        assert ("80/tcp" in found.open_ports) == ("80/tcp" in ports)


def test_a_gateway_that_is_another_server_comes_from_there() -> None:
    chat = service(servers=["gpu1", "gpu2"], tensor_parallel_size=2)
    data = hosts({"gpu1": server(11), "gpu2": server(12)}, {"chat": chat})
    data["gpu2"]["gateway"] = data.pop("gw1")["gateway"]
    found = firewall(data)
    assert found is not None and (found.gateways, found.asked) == (("192.0.2.12",), ())


def test_without_an_engine_or_with_off_there_is_none() -> None:
    assert firewall(one_server(), "gw1") is None
    assert firewall(one_server(firewall="off")) is None
    alone = one_server()
    alone["gpu1"]["gateway"] = alone.pop("gw1")["gateway"]
    alone["gpu1"]["server"]["address"] = "127.0.0.1"
    assert firewall(alone) is None  # its engines are on loopback already
    whole = firewall(one_server(firewall="host"), "gw1")
    assert whole is not None and whole.open_ports == ("443/tcp",)


def test_names_are_looked_up_and_families_kept_apart() -> None:
    sets = Firewall("engines", (8000,), gateways=("gw.example.com",)).table(
        {"gw.example.com": ["192.0.2.1", "fd00::1"]}, ()
    ).sets  # fmt: skip
    assert (sets["gateways4"], sets["gateways6"]) == (("192.0.2.1",), ("fd00::1",))


def test_nft_is_installed_where_there_is_one() -> None:
    names = [item.key for item in base_items(settings(), server=True, gateway=False, firewall=True)]
    assert "nftables" in names
    assert "nftables" not in [i.key for i in base_items(settings(), server=True, gateway=False)]


# --- what differs on a host --------------------------------------------------------------------

TABLE = Firewall("engines", (8000,), gateways=("192.0.2.10",)).table({}, ())
AS_PLANNED: dict[str, Any] = {
    "table": {
        "policy": TABLE.policy,
        "hooks": ["input"],
        "rules": [[rule.name, rule.verdict.split()[0]] for rule in TABLE.rules],
        "sets": {name: list(elements) for name, elements in TABLE.sets.items()},
    },
    "file": ruleset(TABLE),
    "unit": unit(settings()),
    "enabled": True,
    "active": True,
    "on_trial": False,
}


def test_a_host_that_is_as_planned_has_no_changes() -> None:
    assert list(changes(TABLE, settings(), AS_PLANNED)) == []


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"table": None}, "no table inet rackwright is loaded"),
        ({"file": "another"}, "/etc/rackwright/firewall.nft differs"),
        ({"file": None}, "/etc/rackwright/firewall.nft differs"),
        ({"unit": None}, "the unit that loads it differs"),
        ({"enabled": False}, "the unit that loads it is not enabled, or not active"),
        ({"active": False}, "the unit that loads it is not enabled, or not active"),
        ({"on_trial": True}, "a run that was cut off loaded rules that nobody confirmed"),
    ],
)
def test_what_differs_is_said(seen: dict[str, Any], words: str) -> None:
    assert list(changes(TABLE, settings(), {**AS_PLANNED, **seen})) == [words]


@pytest.mark.parametrize("part", ["table", "file", "unit", "on_trial"])
def test_any_rest_of_one_is_taken_away(part: str) -> None:
    nothing = {"table": None, "file": None, "unit": None, "on_trial": False}
    assert not is_there(nothing)
    assert is_there({**nothing, part: AS_PLANNED[part] or True})
