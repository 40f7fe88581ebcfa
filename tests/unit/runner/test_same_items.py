"""What drift expects of a host is what a deploy compares it with: every stage run, item by item."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.context import ctx_host

import tasks.base
import tasks.engines
import tasks.gateway
import tasks.replicas
import tasks.watchdog
from rackwright.desired.items import Item, NoOtherUnits, Package
from rackwright.drift.expected import expected
from rackwright.drift.host import Known, PlannedHost
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner import (
    asking,
    first_looks,
    fleet,
    gateway,
    looking,
    operations,
    probing,
    replicas,
    watchdog,
)
from rackwright.runner.fleet import FleetRun
from rackwright.runner.secrets import engine_key_id, key_files
from tests.samples.drift import gpus
from tests.samples.fleet import cluster, hosts, lab_hosts, server, service
from tests.samples.locks import fresh, outside, pins
from tests.samples.outside import deb

KEY = "sk-the-engines-own-key"
TWO = {"gpu1": server(11), "gpu2": server(12)}
BOTH = {"chat": service(servers=["gpu1", "gpu2"])}
PAIR = {"gateways": {"gw1": "192.0.2.21", "gw2": "192.0.2.22"}, "addresses": ["192.0.2.100"]}
ACME = {
    "server_name": "llm.example.com",
    "acme": {"email": "a@example.com", "agree_to_terms": True},
}
ADDRESSES = [
    {"interface": "eth0", "address": address, "prefix_length": 24, "scope": "global"}
    for address in ("192.0.2.21", "192.0.2.22")
]
OVERFLOW = {
    "url": "https://api.example.com/v1",
    "model": "m",
    "key_env": "OUTSIDE",
    "in_flight": 1,
    "requests_a_day": 100,
}

SNAPSHOT = "https://snapshot.example.com/{archive}/{time}/"
SYSTEM = {name: deb("1.0-1") for name in ("gcc", "nftables", "nginx", "libc6")}
BROUGHT = {"groups": {"system": {"packages": SYSTEM}, "driver": {"packages": {}}}}
"""What a host says that apt would install: what is named, and what that needs."""

Hosts = dict[str, dict[str, Any]]


def pair() -> Hosts:
    found = hosts(TWO, BOTH, failover=PAIR)
    shared = {key: value for key, value in found["gw1"].items() if key != "gateway"}
    return found | {"gw2": {"gateway": found["gw1"]["gateway"], **shared}}


def named() -> Hosts:
    """A server that is declared by name, and a gateway that is a server too."""
    found = hosts({"gpu1": {**server(11), "address": "gpu1.example.com"}, "gpu2": server(12)}, BOTH)
    found["gpu2"] |= {"gateway": found.pop("gw1")["gateway"]}
    return found


FLEETS: dict[str, Callable[[], Hosts]] = {
    "the lab's": lab_hosts,
    "with a key of its engines": lambda: hosts(
        TWO,
        BOTH,
        {"server_name": "llm.example.com", "ask_keys": False},
        engine_api_key_env="ENGINE_KEY",
    ),
    "a CA's certificate": lambda: hosts(TWO, BOTH, ACME),
    "gateways that share an address": pair,
    "a router": lambda: hosts(
        TWO, {"chat": service(servers=["gpu1", "gpu2"], router="vllm-router")}
    ),
    "no watchdog, no firewall": lambda: hosts(TWO, BOTH, watchdog="off", firewall="off"),
    "a whole host's firewall": lambda: hosts(TWO, BOTH, firewall="host"),
    "names, and a gateway that is a server": named,
    "an API outside": lambda: hosts(TWO, {"chat": BOTH["chat"] | {"overflow": OVERFLOW}}),
    "a server without replicas": lambda: hosts(TWO),
    "a replica over two servers": lambda: hosts(
        cluster(2),
        {"chat": service("deepseek-v3", servers=["gpu1", "gpu2"], max_model_len=8192)},
    ),
}


class Inventory:
    """That of a run."""

    def __init__(self) -> None:
        self.hosts: dict[str, Any] = {}

    def get_host(self, name: str) -> Any:
        return self.hosts[name]


class Asked:
    """Stands in for the host: each question has an answer that lets the stage go on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.questions: list[tuple[Any, ...]] = []

    def __call__(self, host: Any, script: str, *words: Any, **_: Any) -> Any:
        self.questions.append((script, *words))
        return {
            "state": lambda: [self._seen(one) for one in words[0]["items"]],
            "gpu_names": lambda: {"gpus": gpus(self.name, 8), "quarantine": {"there": False}},
            "gateway_host": lambda: {
                "system": {"ID": "debian", "VERSION_ID": "12"},
                "names": self._names(words[0]),
                "nameservers": ["192.0.2.53"],
                "key_ids": [],
            },
            "names": lambda: self._names(words[0]),
            "interfaces": lambda: ADDRESSES,
        }[script]()

    def _names(self, names: list[str]) -> dict[str, Any]:
        return {name: {"addresses": ["192.0.2.11"]} for name in names}

    def _seen(self, query: dict[str, Any]) -> dict[str, Any]:
        """Nothing is there yet."""
        return {"units": []} if query["kind"] == NoOtherUnits.kind else {}


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> Callable[[FleetRun, str], None]:
    """All stages that compare items, on one host; nothing is made there."""
    for name, module in {
        "converge": operations,
        "require_gateway_system": gateway,
        "converge_gateway": gateway,
        "converge_watchdog": watchdog,
        "converge_replicas": replicas,
    }.items():
        generator = getattr(module, name)._inner
        for task in (tasks.base, tasks.engines, tasks.gateway, tasks.replicas, tasks.watchdog):
            if hasattr(task, name):
                monkeypatch.setattr(task, name, _run_through(generator))
    for name in (
        "engine_releases",
        "router_releases",
        "issue_certificate",
        "step_through_replicas",
    ):
        for task in (tasks.engines, tasks.gateway, tasks.replicas):
            if hasattr(task, name):
                monkeypatch.setattr(task, name, lambda **_: None)
    monkeypatch.setenv("ENGINE_KEY", KEY)
    monkeypatch.setenv("OUTSIDE", KEY)

    def run(one: FleetRun, name: str) -> None:
        host = _host(name)
        fleet._fleets[host.inventory] = one
        ask = Asked(name)
        for module in (operations, looking, probing):
            monkeypatch.setattr(module, "call", ask)
        for module in (operations, replicas):
            monkeypatch.setattr(module, "show", lambda *_: None)
            monkeypatch.setattr(module, "state", SimpleNamespace(is_executing=False))
        for module in (operations, gateway, replicas, watchdog):
            monkeypatch.setattr(module, "refuse", pytest.fail)
        for module in (gateway, replicas, *_tasks()):
            monkeypatch.setattr(module, "this_fleet", lambda: one, raising=False)
        monkeypatch.setattr(asking, "reach", lambda *_: None)
        ahead = _asked_ahead(monkeypatch, one, host)
        with ctx_host.use(host):
            for task in _tasks():
                _plain(getattr(task, task.__name__.split(".")[1]))()
        for script, *words in ask.questions:
            assert looking._found(ahead, script, words)[0], f"{script} costs a command of its own"

    return run


def _asked_ahead(monkeypatch: pytest.MonkeyPatch, one: FleetRun, host: Any) -> dict[str, Any]:
    """All that the host is asked at once, by the keys that stages find the answers by."""
    kept: list[Any] = []
    monkeypatch.setattr(first_looks, "look_ahead", lambda _, questions: kept.append(questions))
    first_looks.ask_ahead(one, host.inventory)
    found: dict[str, Any] = {}
    for script, *arguments in looking._merged(kept[0](host)):
        if script == "state":
            found |= {looking._item_key(item): {} for item in arguments[0]["items"]}
        else:
            found[looking._key(script, arguments)] = None
    return found


def _tasks() -> tuple[Any, ...]:
    return tasks.base, tasks.engines, tasks.watchdog, tasks.replicas, tasks.gateway


def _run_through(generator: Any) -> Callable[..., None]:
    """An operation as its generator, whose commands are not carried out."""

    def run(name: str, **arguments: Any) -> None:
        list(generator(**arguments))

    return run


def _plain(task: Any) -> Callable[[], None]:
    """A task without pyinfra's decorator."""
    found: Callable[[], None] = getattr(task, "_inner", None) or task.__wrapped__
    return found


def _host(name: str) -> Any:
    inventory = Inventory()
    quiet = {word: lambda *_, **__: None for word in ("noop", "log", "log_styled")}
    host = SimpleNamespace(name=name, inventory=inventory, **quiet)
    inventory.hosts[name] = host
    return host


def all_hosts() -> Iterator[tuple[str, str]]:
    for name, make in FLEETS.items():
        yield from ((name, host) for host in make())


@pytest.mark.parametrize(("kind", "name"), [*all_hosts()])
def test_all_that_a_deploy_compares_is_what_drift_expects(
    stages: Callable[[FleetRun, str], None], kind: str, name: str
) -> None:
    spec = load_fleet(
        {host: {**data, "driver_source": "none"} for host, data in FLEETS[kind]().items()}
    )
    _require_same(stages, FleetRun(spec, plan(spec)), name)


@pytest.mark.parametrize("name", ["gpu1", "gw1"])
def test_so_it_is_where_packages_are_locked(
    stages: Callable[[FleetRun, str], None], name: str
) -> None:
    spec = load_fleet(hosts(driver_source="none", apt_snapshot=SNAPSHOT))
    lock = fresh(pins(), outside(of_hosts={name: BROUGHT})).lock
    one = FleetRun(spec, plan(spec), lock=lock)
    _require_same(stages, one, name)
    packages = [item for item in one.items[name].values() if isinstance(item, Package)]
    assert {item.where_present for item in packages if item.exact} == {False, True}
    assert any(item.key.startswith("/etc/apt/preferences.d/") for item in one.items[name].values())


def _require_same(stages: Callable[[FleetRun, str], None], one: FleetRun, name: str) -> None:
    spec = one.spec
    stages(one, name)
    ask = Asked(name)
    host = PlannedHost(
        name,
        spec,
        one.plan,
        program=watchdog.packed(),
        api_key=KEY if spec.settings[name].engine_api_key_env else "",
        key_id=engine_key_id(spec.settings[name]),
        keys=key_files({}, spec, name),
        lock=one.lock,
    )
    known = Known(
        gpus=gpus(name, 8) if host.replicas else (),
        names=ask._names(host.names),
        nameservers=("192.0.2.53",),
        interfaces=ADDRESSES,
    )
    wanted: dict[tuple[str, str], Item] = {
        (item.kind, item.key): item for item in expected(host, known)
    }
    compared = one.items[name]
    assert set(compared) == set(wanted)
    assert {key: item for key, item in compared.items() if item != wanted[key]} == {}
