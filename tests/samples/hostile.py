"""Fleets with one text put into one place that may end in a file on a host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

from rackwright.desired import paths
from rackwright.desired.gateway import gateway_items
from rackwright.desired.items import File
from rackwright.desired.replicas import replica_items
from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan, Replica
from rackwright.planning.placing import plan
from rackwright.spec import FleetSpec
from tests.samples.engines import GGUF, MMPROJ, SETTINGS
from tests.samples.fleet import TINY, hosts, server, service

Hosts = dict[str, dict[str, Any]]
UUIDS = [f"GPU-{index}{index}{index}{index}-aaaa" for index in range(8)]
KEY = "sk-0123"
TEXTS = (
    *("", " ", "a b", "\t", ".", "..", "/", "-", "--help", "~", "*", "?", "#", "é", "a" * 300),
    *("a\nb", "a\n[Service]\nExecStartPre=/bin/touch /tmp/x", "a\r\nb", "a\x00b", "a\x1b[31mb"),
    *("\x85", "\u2028", "\ud800", "\ufeff", "\u202e", "x\\", "x\\\n"),
    *("%n", "%%", "100%", "$HOME", "${HOME}", "$$", "`id`", "$(id)", "'", '"', "a'b\"c"),
    *(";", "a;b", "a; return 200;", "}", "{", "a { b }", "~ ^/", "*.example.com", "_", "!x"),
    *("../../../etc/x", "/etc/../x", "/a/./b", "/a//b", "/a/", "a/../b", "/srv/a\n", "a/b/c"),
    *("A", "1", "a.b", "a..b", "xn--a", "a_b.c-d:e/f", "x" * 200, ("a" * 62 + ".") * 3 + "b"),
    *("/srv/@a+b_c.d-e", "/data", "owner/name", "1.2.3", "64m", "0", "0.0.0.0", "127.0.0.1"),
    *("x=y", "x=y\nz=w", "@", "@local", "a@b", "x:y", "x,y", "<b>", "&amp;", "|", ">", "&& id"),
)
"""What breaks a line, a word, a path, a specifier or a block in one of the files; and odd names."""


def _fleet() -> Hosts:
    """An engine of each kind of weights, names of every kind, two servers and a gateway."""
    chat = service(
        "own", revision=..., gpus={"gpu1": [0]}, extra_args={"seed": "1"}, max_model_len=1024
    )
    chat |= {"aliases": ["gpt-4o"], "adapters": {"sql": "/srv/models/sql"}}
    chat |= {"host_names": ["own.example.com"], "browser_origins": ["https://app.example.com"]}
    outside = {"url": "https://api.example.com/v1", "model": "big", "key_env": "KEY"}
    chat["overflow"] = outside | {"tokens_a_day": 1}
    pull = {"pull": "llama3.2:3b", "sha256": GGUF["sha256"], "size_bytes": 2_000_000_000}
    more: dict[str, Any] = {"revision": ..., "max_model_len": 1024}
    services = {
        "chat": chat,
        "repo": service(gpus={"gpu1": [1]}, served_model_name="from-repo"),
        "file": service("own", engine="llamacpp", gpus={"gpu1": [2]}, gguf=dict(GGUF), **more)
        | {"mmproj": dict(MMPROJ)},
        "here": service("own", engine="llamacpp", gpus={"gpu1": [3]}, **more)
        | {"gguf": {"path": "/srv/q.gguf", "sha256": GGUF["sha256"], "size_bytes": 2_000_000_000}},
        "pull": service("own", engine="ollama", gpus={"gpu2": [0]}, gguf=pull, **more)
        | {"servers": ["gpu2"]},
    }
    for name in ("file", "here", "pull"):
        services[name]["served_model_name"] = name
    gateway = {
        "server_name": "llm.example.com",
        "certificate": "/etc/tls/llm.pem",
        "certificate_key": "/etc/tls/llm.key",
    }
    servers = {"gpu1": server(11, count=4), "gpu2": server(12)}
    settings = {**SETTINGS, "engine_environment": {"A": "1"}, "client_max_body_size": "32m"}
    return hosts(servers, services, gateway, models={"own": deepcopy(TINY)}, **settings)


def _at(*place: Any) -> Callable[[Hosts, str], None]:
    """The value of a key of nested dicts, from the host down; ``*`` is every host."""

    def put(data: Hosts, text: str) -> None:
        for each in data.values() if place[0] == "*" else [data[place[0]]]:
            target: Any = each
            for key in place[1:-1]:
                target = target[key]
            target[place[-1]] = text

    return put


def _named(kind: str, old: str) -> Callable[[Hosts, str], None]:
    """The name of a service or a model, and what refers to it."""

    def put(data: Hosts, text: str) -> None:
        entries = data["gpu1"][kind]
        entries[text] = entries.pop(old)
        for one in data["gpu1"]["services"].values() if kind == "models" else ():
            one["model"] = text if one["model"] == old else one["model"]

    return put


def _host(data: Hosts, text: str) -> None:
    data[text] = data.pop("gpu2")
    pulled = data["gpu1"]["services"]["pull"]
    pulled["servers"], pulled["gpus"] = [text], {text: [0]}


def _flag(data: Hosts, text: str) -> None:
    data["gpu1"]["services"]["chat"]["extra_args"] = {text: "1"}


def _adapter(data: Hosts, text: str) -> None:
    data["gpu1"]["services"]["chat"]["adapters"] = {text: "/srv/models/sql"}


def _variable(data: Hosts, text: str) -> None:
    data["gpu1"]["engine_environment"] = {text: "1"}


SERVICES = ("*", "services")
PLACES: dict[str, Callable[[Hosts, str], None]] = {
    "model": _named("models", "own"),
    "service": _named("services", "chat"),
    "host": _host,
    "flag": _flag,
    "adapter": _adapter,
    "variable": _variable,
    **{
        " ".join(map(str, place[1:])): _at(*place)
        for place in (
            ("*", "models", "own", "path"),
            (*SERVICES, "chat", "served_model_name"),
            (*SERVICES, "chat", "path"),
            (*SERVICES, "chat", "extra_args", "seed"),
            (*SERVICES, "chat", "aliases", 0),
            (*SERVICES, "chat", "adapters", "sql"),
            (*SERVICES, "chat", "host_names", 0),
            (*SERVICES, "chat", "browser_origins", 0),
            (*SERVICES, "chat", "overflow", "url"),
            (*SERVICES, "chat", "overflow", "model"),
            (*SERVICES, "repo", "revision"),
            (*SERVICES, "file", "gguf", "repo"),
            (*SERVICES, "file", "gguf", "file"),
            (*SERVICES, "file", "gguf", "revision"),
            (*SERVICES, "file", "mmproj", "repo"),
            (*SERVICES, "file", "mmproj", "file"),
            (*SERVICES, "file", "mmproj", "revision"),
            (*SERVICES, "here", "gguf", "path"),
            (*SERVICES, "pull", "gguf", "pull"),
            (*SERVICES, "pull", "gguf", "sha256"),
            ("gpu1", "server", "address"),
            ("gpu1", "server", "network_interface"),
            ("gw1", "gateway", "server_name"),
            ("gw1", "gateway", "certificate"),
            ("gw1", "gateway", "certificate_key"),
            *(("*", f"{name}_dir") for name in ("root", "config", "state", "cache")),
            ("*", "engine_user"),
            ("*", "engine_environment", "A"),
            ("*", "llamacpp_program"),
            ("*", "llamacpp_version"),
            ("*", "ollama_version"),
            ("*", "vllm_version"),
            ("*", "client_max_body_size"),
        )
    },
}


@dataclass(frozen=True)
class Rendered:
    """A fleet and every file that its hosts get of it, by host and path."""

    spec: FleetSpec
    plan: FleetPlan
    files: dict[tuple[str, str], str]

    def replicas(self) -> Iterator[tuple[Replica, str, str]]:
        """Each with the text of its unit and of its environment file."""
        for replica in self.plan.replicas:
            host, settings = replica.server.name, self.spec.settings[replica.server.name]
            unit = f"/etc/systemd/system/{paths.unit_name(replica)}"
            environment = paths.environment_path(replica, settings)
            yield replica, self.files[host, unit], self.files[host, environment]


@cache
def _sound() -> Hosts:
    return _fleet()


def rendered(place: str = "", text: str = "") -> Rendered:
    """The fleet with ``text`` in that place. Raises SpecError where the inventory is refused."""
    data = deepcopy(_sound())
    if place:
        PLACES[place](data, text)
    spec = load_fleet(data)
    made = plan(spec)
    files: dict[tuple[str, str], str] = {}
    for host in spec.settings:
        settings = spec.settings[host]
        items = replica_items(made.on(host), settings, UUIDS, KEY)
        if gateway := spec.gateways.get(host):
            items += gateway_items(gateway, made.upstreams, settings, {}, ("192.0.2.53",))
        files |= {(host, i.key): i.content.decode() for i in items if isinstance(i, File)}
    return Rendered(spec, made, files)
