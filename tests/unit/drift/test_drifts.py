"""Each drift made in what a host answers is found by its name; a clean host has none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

import pytest

from rackwright.desired.items import File, Unit
from rackwright.drift import kinds
from rackwright.drift.__main__ import PATH
from rackwright.drift.comparing import drifts
from rackwright.drift.kinds import KINDS, Kind
from rackwright.drift.published import republished
from rackwright.remote.host.process_settings import digest
from tests.samples.drift import KEY, NONCE, Answer, Lies, socket

CHAT = "rackwright-chat-gpu1-0.service"
ENVIRONMENT = "/etc/rackwright/replicas/chat-gpu1-0.env"
STARTS = "/opt/rackwright/bin/starts"
MANIFEST = "/var/lib/rackwright/manifest.json"
TURNS = "/var/lib/rackwright/turns"
WEIGHTS = "/srv/models/tiny-llama"
DROP_IN = f"/etc/systemd/system/{CHAT}.d/hand.conf"


class Case(NamedTuple):
    """What is changed in the answer of a host, and the drift's kind and path."""

    kind: Kind
    path: str
    change: Callable[[Lies], object]
    host: str = "gpu1"


def item(kind: str, key: str, **changed: object) -> Callable[[Lies], object]:
    return lambda host: host.seen(kind, key).update(changed)


def gone(kind: str, key: str) -> Callable[[Lies], object]:
    return lambda host: host.seen(kind, key).clear()


def noted(part: str, name: str, value: object) -> Callable[[Lies], object]:
    """What would be noted now; what was stays."""
    return lambda host: host.answer["noted"][part].update({name: value})


def process(**changed: object) -> Callable[[Lies], object]:
    return lambda host: process_of(host).update(changed)


def process_of(host: Lies) -> Answer:
    found: Answer = host.answer["units"][CHAT]["process"]
    return found


def variable(name: str, value: str | None) -> Callable[[Lies], object]:
    def change(host: Lies) -> None:
        digests = process_of(host)["digests"]
        digests.pop(name, None)
        if value is not None:
            digests[name] = digest(value, NONCE)

    return change


def listens(port: int, address: str, unit: str) -> Callable[[Lies], object]:
    return lambda host: host.answer["sockets"].append(socket(port, address, unit))


def version(now: str) -> Answer:
    return {"version": now, "hold": False}


def release(host: Lies) -> None:
    (folder,) = host.answer["noted"]["releases"]
    host.answer["noted"]["releases"][folder] = {"torch": "2.15.0", "vllm": "0.32.0"}


RELEASE = next(iter(Lies("gpu1").answer["noted"]["releases"]))
WEIGHT = {"size_bytes": 100, "sha256": "a" * 64}
CASES = [
    Case(kinds.MISSING, STARTS, gone("file", STARTS)),
    Case(kinds.MISSING, TURNS, gone("directory", TURNS)),
    Case(kinds.MISSING, CHAT, gone("unit", CHAT)),
    Case(kinds.MISSING, "rackwright", gone("user", "rackwright")),
    Case(kinds.EDITED, STARTS, item("file", STARTS, sha256="0" * 64, text="#!/bin/sh\nby hand\n")),
    Case(kinds.EDITED, ENVIRONMENT, item("file", ENVIRONMENT, sha256="0" * 64)),
    Case(kinds.MODE, STARTS, item("file", STARTS, mode=0o777)),
    Case(kinds.MODE, "/opt/rackwright", item("directory", "/opt/rackwright", mode=0o777)),
    Case(kinds.OWNER, STARTS, item("file", STARTS, owner="games")),
    Case(kinds.WRONG_TYPE, STARTS, item("file", STARTS, type="link", target="/tmp/x")),
    Case(kinds.FOREIGN, "/opt/rackwright",
         item("directory", "/opt/rackwright", foreign="holds photos")),
    Case(kinds.FOREIGN, "rackwright", item("user", "rackwright", foreign="has the uid 1000")),
    Case(kinds.USER, "rackwright", item("user", "rackwright", missing_groups=["video"])),
    Case(kinds.PACKAGE_MISSING, "python3-venv", gone("package", "python3-venv")),
    Case(kinds.PACKAGE_MISSING, "python3-venv",
         item("package", "python3-venv", status="install ok half-installed")),
    Case(kinds.UPGRADED, "python3-venv", noted("packages", "python3-venv", version("1.10-1"))),
    Case(kinds.DOWNGRADED, "python3-venv", noted("packages", "python3-venv", version("1.1-1"))),
    Case(kinds.HELD, "python3-venv",
         noted("packages", "python3-venv", {"version": "1.2-1", "hold": True})),
    Case(kinds.RELEASE, RELEASE, release),
    Case(kinds.MASKED, "nginx.service", item("unit", "nginx.service", enabled="masked"), "gw1"),
    Case(kinds.DISABLED, CHAT, item("unit", CHAT, enabled="disabled")),
    Case(kinds.STOPPED, CHAT, item("unit", CHAT, active="failed")),
    Case(kinds.OLDER, CHAT, item("unit", CHAT, stamp={"restart": "0", "reload": ""})),
    Case(kinds.OVERRIDDEN, DROP_IN,
         lambda host: host.answer["units"][CHAT].update(DropInPaths=f"/usr/lib/x.conf {DROP_IN}")),
    Case(kinds.PROCESS, CHAT, process(argv=["/bin/python", "/bin/vllm", "serve", "--port", "1"])),
    Case(kinds.PROCESS, f"{CHAT} HF_HUB_OFFLINE", variable("HF_HUB_OFFLINE", "0")),
    Case(kinds.PROCESS, f"{CHAT} VLLM_API_KEY", variable("VLLM_API_KEY", "another key")),
    Case(kinds.PROCESS, f"{CHAT} HF_HUB_OFFLINE", variable("HF_HUB_OFFLINE", None)),
    Case(kinds.PROCESS, f"{CHAT} LD_PRELOAD", variable("LD_PRELOAD", "/tmp/x.so")),
    Case(kinds.LEFT_OVER, "rackwright-*.service",
         item("units", "rackwright-*.service", units=["rackwright-old-gpu1-0.service"])),
    Case(kinds.LEFT_OVER, "/opt/rackwright/ollama",
         item("absent", "/opt/rackwright/ollama", there=True)),
    Case(kinds.SOCKET, "0.0.0.0:8001", listens(8001, "0.0.0.0", "by-hand.service")),
    Case(kinds.SOCKET, "192.0.2.11:8000", listens(8000, "192.0.2.11", "by-hand.service")),
    Case(kinds.SOCKET, "[::]:8000", listens(8000, "::", CHAT)),
    Case(kinds.SOCKET, "0.0.0.0:7000", listens(7000, "0.0.0.0", CHAT)),
    Case(kinds.SOCKET, "0.0.0.0:9999", listens(9999, "0.0.0.0", CHAT)),
    Case(kinds.SOCKET, "0.0.0.0:443", listens(443, "0.0.0.0", "apache2.service"), "gw1"),
    Case(kinds.FIREWALL, "table inet rackwright",
         lambda host: host.answer["firewall"]["table"]["rules"].pop()),
    Case(kinds.FIREWALL, "table inet rackwright",
         lambda host: host.answer["firewall"].update(enabled=False)),
    Case(kinds.WEIGHTS, f"{WEIGHTS}/model.safetensors",
         noted("weights", WEIGHTS, {"model.safetensors": {**WEIGHT, "size_bytes": 99}})),
    Case(kinds.WEIGHTS, f"{WEIGHTS}/model.safetensors",
         noted("weights", WEIGHTS, {"model.safetensors": {**WEIGHT, "sha256": None}})),
    Case(kinds.WEIGHTS, f"{WEIGHTS}/model.safetensors",
         noted("weights", WEIGHTS, {"model.safetensors": {**WEIGHT, "sha256": "b" * 64}})),
    Case(kinds.WEIGHTS, f"{WEIGHTS}/model.safetensors", noted("weights", WEIGHTS, {})),
    Case(kinds.WEIGHTS, f"{WEIGHTS}/evil.bin",
         noted("weights", WEIGHTS, {"model.safetensors": WEIGHT, "evil.bin": WEIGHT})),
    Case(kinds.CERTIFICATE, "/etc/rackwright/tls/gateway.crt",
         item("certificate", "/etc/rackwright/tls/gateway.crt", ends_soon=True), "gw1"),
    Case(kinds.DATA, "/run/rackwright-gateway/state.sock",
         item("gateway data", "/run/rackwright-gateway/state.sock", loaded={}), "gw1"),
    Case(kinds.LIMITS, "/etc/nginx/nginx.conf",
         item("limits", "/etc/nginx/nginx.conf", worker_connections=512), "gw1"),
    Case(kinds.STEP, "chat-gpu1-0",
         item("turn", "chat-gpu1-0", owner="a deploy", stage="drained")),
    Case(kinds.NO_MANIFEST, MANIFEST, item("manifest", MANIFEST, planned_sha256="")),
    Case(kinds.OTHER_PLAN, MANIFEST, item("manifest", MANIFEST, planned_sha256="0")),
    Case(kinds.OPEN_MANIFEST, MANIFEST, item("manifest", MANIFEST, private=False)),
]  # fmt: skip
ELSEWHERE = {kinds.LINK, kinds.NOT_HELD, kinds.BOOT, kinds.DRIVER}
"""Of hosts with a driver of ours, or a certificate of a CA: in test_of_items.py."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind.name}-{case.path}")
def test_each_is_found_by_its_name_and_nothing_else_is(case: Case) -> None:
    host = Lies(case.host)
    case.change(host)
    found = {(one.kind, one.path) for one in host.found()}
    of_certificate = {(kinds.OLDER, "nginx.service")} if case.kind is kinds.CERTIFICATE else set()
    assert found == {(case.kind, case.path)} | of_certificate


@pytest.mark.parametrize("name", ["gpu1", "gpu2", "gw1"])
def test_a_clean_host_has_none(name: str) -> None:
    assert Lies(name).found() == []


def test_the_table_has_every_kind() -> None:
    assert {case.kind for case in CASES} | ELSEWHERE == set(KINDS)
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_no_secret_is_in_what_is_asked_or_said() -> None:
    host = Lies("gpu1")
    item("file", ENVIRONMENT, sha256="0" * 64, text=f"VLLM_API_KEY={KEY}")(host)
    variable("VLLM_API_KEY", "sk-what-somebody-else-set")(host)
    process(argv=["/bin/python", "--api-key", "sk-on-a-command-line"])(host)
    said = repr(host.found())
    assert "VLLM_API_KEY" in said and "--api-key" in said
    for secret in (KEY, "sk-what-somebody-else-set", "sk-on-a-command-line"):
        assert secret not in said
    assert KEY not in json.dumps(host.question.request())
    assert KEY not in json.dumps(host.question.manifest.payload())


def test_the_lines_that_a_hand_left_are_told() -> None:
    host = Lies("gpu1")
    planned = next(
        one for one in host.question.asked if isinstance(one, File) and one.key == STARTS
    )
    text = planned.content.decode()
    item("file", STARTS, sha256="0" * 64, text=f"{text}# by hand\n")(host)
    (found,) = host.found()
    assert found.diff == ("+# by hand",)


def test_a_title_that_hides_arguments_and_environment_is_no_drift() -> None:
    host = Lies("gpu1")
    process(argv=None, variables=None, digests=None)(host)
    assert host.found() == []


def test_a_drop_in_of_ours_or_of_the_distribution_is_none() -> None:
    host = Lies("gw1")
    ours = "/etc/systemd/system/nginx.service.d/rackwright.conf"
    others = (
        "/run/systemd/system/service.d/10-all.conf /usr/lib/systemd/system/nginx.service.d/a.conf"
    )
    host.answer["units"]["nginx.service"]["DropInPaths"] = f"{ours} {others}"
    assert host.found() == []


def test_gateways_that_said_nothing_stay_let_in() -> None:
    host = Lies("gpu1")
    assert drifts(host.question, host.answer, ()) == []


def test_without_a_manifest_nothing_noted_is_missed() -> None:
    host = Lies("gpu1")
    host.answer["manifest"] = None
    release(host)
    assert host.found() == []


def test_every_unit_is_asked_about() -> None:
    host = Lies("gpu1")
    units = {one.key for one in host.question.asked if isinstance(one, Unit)}
    assert (
        set(host.question.request()["processes"]) == units == {CHAT, "rackwright-watchdog.service"}
    )


def test_the_table_of_the_docs_is_that_of_the_kinds() -> None:
    text = PATH.read_text()
    assert republished(text) == text, "run `python -m rackwright.drift`"
    assert all(f"| `{kind.name}` |" in text for kind in KINDS)


@pytest.mark.parametrize(
    ("port", "address"), [(40001, "0.0.0.0"), (8500, "::"), (9999, "127.0.0.1"), (9999, "::1")]
)
def test_where_an_engine_s_processes_meet_is_none(port: int, address: str) -> None:
    host = Lies("gpu1")
    listens(port, address, CHAT)(host)
    assert host.found() == []
