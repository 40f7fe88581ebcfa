"""Hosts of the lab's fleet as drift sees them: what one answers on which all is as planned."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from rackwright.desired.firewall import ruleset, unit
from rackwright.desired.gateway_keys import KeyFiles, keys_file, secrets_file
from rackwright.desired.items import (
    Absent,
    Certificate,
    Directory,
    File,
    GatewayData,
    Initramfs,
    Item,
    Manifest,
    NginxLimits,
    NoOtherUnits,
    Package,
    StepUnderWay,
    Symlink,
    Unit,
    User,
)
from rackwright.drift.comparing import drifts
from rackwright.drift.expected import expected
from rackwright.drift.host import PlannedHost
from rackwright.drift.kinds import Drift
from rackwright.drift.of_units import started_units
from rackwright.drift.question import Question, known_of, question
from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan
from rackwright.planning import placing as planning
from rackwright.remote.host.noted import digest_of
from rackwright.remote.host.process_settings import digest
from rackwright.spec import FleetSpec
from tests.samples.fleet import lab_hosts

NONCE, KEY = "a-nonce", "sk-the-engines-own-key"
SSH = [22]
Answer = dict[str, Any]


def planned(name: str, hosts: Mapping[str, dict[str, Any]] | None = None) -> PlannedHost:
    """A host of the lab's fleet, or of another's data."""
    spec, plan = _lab() if hosts is None else _planned(hosts)
    keys = KeyFiles(keys_file({}), secrets_file(KEY, {}))
    return PlannedHost(name, spec, plan, b"#!program\0", KEY, "an-id", keys)


@cache
def _lab() -> tuple[FleetSpec, FleetPlan]:
    return _planned(lab_hosts())


def _planned(hosts: Mapping[str, dict[str, Any]]) -> tuple[FleetSpec, FleetPlan]:
    spec = load_fleet(hosts)
    return spec, planning.plan(spec)


def gpus(name: str, count: int = 2) -> list[dict[str, str]]:
    """As the host tells of them."""
    return [
        {"name": "H200", "uuid": f"GPU-{name}-{index}", "pci_bus_id": f"0000:0{index}:00.0"}
        for index in range(count)
    ]


def as_planned(asked: Question) -> Answer:
    """What a host answers that has all of it, down to the manifest."""
    host = asked.host
    answer: Answer = {
        "known": {
            "gpus": gpus(host.name) if host.replicas else [],
            "names": {},
            "gateway": {"nameservers": ["192.0.2.53"]} if host.gateway else None,
            "interfaces": None,
            "routes": {"192.0.2.11": "192.0.2.1", "192.0.2.12": "192.0.2.1"}
            if host.gateway
            else None,
            "driver": None,
        },
        "host": {"kernel": "6.1.0", "driver": "580.178.04"},
        "others": {},
        "unavailable": {},
        "sockets": _sockets(host),
        "first_ephemeral": 32768,
    }
    items = expected(host, known_of(answer))
    of = {(item.kind, item.key): item for item in items}
    manifest = items[-1]
    assert isinstance(manifest, Manifest)
    noted = _noted(manifest)
    answer["items"] = [_seen(of[item.kind, item.key]) for item in asked.asked]
    answer["noted"] = noted
    answer["manifest"] = {"format": 1, "planned": manifest.planned, "noted": noted}
    answer["units"] = {
        one.unit: _unit(one, asked.nonce) for one in started_units(items, host.secret_variables)
    }
    answer["firewall"] = _firewall(host, ["192.0.2.1"])
    found: Answer = json.loads(json.dumps(answer))
    return found


def _sockets(host: PlannedHost) -> list[Answer]:
    found = [
        _socket(22, "0.0.0.0", "ssh.service"),
        _socket(40000, "0.0.0.0", "rackwright-any.service"),
    ]
    for replica in host.replicas:
        found.append(
            _socket(replica.port, replica.server.address, f"rackwright-{replica.name}.service")
        )
    if host.gateway:
        found.append(_socket(host.gateway.port, "::", "nginx.service"))
    return found


def _socket(port: int, address: str, unit_name: str) -> Answer:
    return {"port": port, "address": address, "unit": unit_name, "pid": 7, "command": "a program"}


def socket(port: int, address: str = "0.0.0.0", unit_name: str = "other.service") -> Answer:
    """Somebody that listens."""
    return _socket(port, address, unit_name)


def _noted(manifest: Manifest) -> Answer:
    version = {"version": "1.2-1", "hold": False}
    return {
        "system": {"id": "debian", "version_id": "12"},
        "packages": dict.fromkeys(manifest.packages, version),
        "releases": {folder: {"torch": "2.14.0", "vllm": "0.32.0"} for folder in manifest.releases},
        "weights": {
            path: {"model.safetensors": {"size_bytes": 100, "sha256": "a" * 64}}
            for path in manifest.weights
        },
    }


def _unit(started: Any, nonce: str) -> Answer:
    variables = {**started.variables, "INVOCATION_ID": "1", "PATH": "/bin", "LC_ALL": "C"}
    process = {
        "argv": ["/usr/bin/python3", *started.argv] if started.argv else None,
        "variables": {n: v for n, v in variables.items() if n in started.shown},
        "digests": {n: digest(v, nonce) for n, v in variables.items()},
    }
    return {"Id": started.unit, "DropInPaths": "", "process": process}


def _firewall(host: PlannedHost, sources: list[str]) -> Answer:
    firewall = host.firewall
    nothing: Answer = {"table": None, "file": None, "unit": None, "on_trial": False,
                       "enabled": False, "active": False, "names": {}, "ssh_ports": SSH,
                       "others": []}  # fmt: skip
    if firewall is None:
        return nothing
    table = firewall._replace(gateways=(*firewall.gateways, *sources)).table({}, SSH)
    loaded = {
        "policy": table.policy,
        "hooks": ["input"],
        "rules": [[rule.name, rule.verdict.split()[0]] for rule in table.rules],
        "sets": {name: list(elements) for name, elements in table.sets.items()},
    }
    files = {"file": ruleset(table), "unit": unit(host.settings)}
    return {**nothing, **files, "table": loaded, "enabled": True, "active": True}


def _seen(item: Item) -> Answer:
    """What a host that has an item answers for it."""
    return next(seen(item) for of, seen in SEEN.items() if isinstance(item, of))


def _access(item: Any) -> Answer:
    return {"mode": item.mode, "owner": item.owner, "group": item.group}


SEEN: dict[type, Callable[[Any], Answer]] = {
    File: lambda i: {
        "type": "file",
        "sha256": i.sha256,
        "text": None if i.secret else i.content.decode(errors="replace"),
        **_access(i),
    },
    Directory: lambda i: {"type": "directory", "foreign": "", **_access(i)},
    Symlink: lambda i: {"type": "link", "target": i.target, "leads": True},
    User: lambda i: {"home": i.home, "missing_groups": [], "foreign": ""},
    Package: lambda i: {
        "status": f"{'hold' if i.hold else 'install'} ok installed",
        "version": f"{i.version or '1.2'}-1",
    },
    Unit: lambda i: {"active": "active", "enabled": "enabled", "stamp": dict(i.stamp)},
    NoOtherUnits: lambda i: {"units": []},
    Absent: lambda i: {},
    StepUnderWay: lambda i: {},
    Certificate: lambda i: {"not_for": [], "ends_soon": False},
    GatewayData: lambda i: {
        "loaded": {"fleet": i.fleet.sha256, "keys_sha256": "k"},
        "files": {"fleet": i.fleet.sha256, "keys_sha256": "k"},
    },
    NginxLimits: lambda i: dict(i.wanted),
    Initramfs: lambda i: {"stamp": i.stamp},
    Manifest: lambda i: {"planned_sha256": digest_of(i.planned), "private": True, "changed": []},
}


class Lies:
    """A host's answer that a test changes in one place, and what is then found."""

    def __init__(self, name: str) -> None:
        self.question = question(planned(name), NONCE)
        self.answer = copy.deepcopy(as_planned(self.question))

    def seen(self, kind: str, key: str) -> Answer:
        """What was observed of an item, to be changed."""
        for item, seen in zip(self.question.asked, self.answer["items"], strict=True):
            if (item.kind, item.key) == (kind, key):
                found: Answer = seen
                return found
        raise LookupError(f"no {kind} {key} is asked about")

    def found(self) -> list[Drift]:
        return drifts(self.question, self.answer, ["192.0.2.1"])
