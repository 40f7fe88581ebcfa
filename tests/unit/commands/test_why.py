"""Who says why: a deploy whose unit does not start, the report of it, and `rackwright why`."""

from __future__ import annotations

import sys
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

from rackwright.causes.account import account
from rackwright.cli import main
from rackwright.desired.items import File, Unit
from rackwright.errors import RackwrightError
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner import fleet as fleets
from rackwright.runner import operations, starts, verify
from rackwright.runner.fleet import FleetRun, StageFailure
from rackwright.runner.starts import Asked, Told
from tests.samples.causes import SAMPLES
from tests.samples.fleet import lab_hosts

UNIT = Unit(
    "rackwright-chat-gpu1-0.service",
    restart_on=(File("/etc/a.env", b"", secret=True), File("/etc/a.service", b"")),
)
NAME = "chat-gpu1-0"


class FakeInventory:
    """What a fleet is known by."""


class FakeHost:
    """What is used of a host that fails: its name, its run, and somewhere to say things."""

    def __init__(self, inventory: FakeInventory) -> None:
        self.name, self.inventory, self.said = "gpu1", inventory, ""
        self.executing_op_hash = "op"
        self.state = SimpleNamespace(op_meta={"op": SimpleNamespace(names={"Replicas | Units"})})

    def log(self, words: str) -> None:
        self.said += words

    def log_styled(self, words: str, **_: Any) -> None:
        self.said += words


@pytest.fixture
def fleet() -> FleetRun:
    return FleetRun(spec=None, plan=None)  # type: ignore[arg-type]


@pytest.fixture
def host(fleet: FleetRun, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    inventory = FakeInventory()
    monkeypatch.setitem(fleets._fleets, inventory, fleet)  # type: ignore[arg-type]
    return FakeHost(inventory)


def answers(monkeypatch: pytest.MonkeyPatch, seen: dict[str, Any]) -> list[Any]:
    """Have hosts see this of every unit; what they were asked is kept."""
    asked: list[Any] = []

    def call(_host: Any, _script: str, request: Any, **_: Any) -> dict[str, Any]:
        asked.extend(request["units"])
        return {one["unit"]: seen for one in request["units"]}

    monkeypatch.setattr(starts, "call", call)
    return asked


def test_a_deploy_says_the_cause_and_keeps_it_for_the_report(
    host: FakeHost, fleet: FleetRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answers(monkeypatch, SAMPLES["nvcc"].seen())
    now = {"active": "activating", "restarts": 1}
    monkeypatch.setattr(operations, "call", lambda *_, timeout_s: [now])
    assert operations.await_units(host, [UNIT]) is False  # type: ignore[arg-type]
    assert asked == [{"unit": UNIT.key, "environment_path": "/etc/a.env"}]
    assert f"{UNIT.key} did not start in 0 s: activating, 1 restarts.\n  First error: " in host.said
    assert "Cause:       nvcc is missing" in host.said
    failed = fleet.failed["gpu1"]
    assert failed.stage == "Replicas | Units" and "nvcc is missing" in failed.what
    assert "VLLM_USE_FLASHINFER_SAMPLER=0" in failed.remedy


def test_the_first_word_on_a_host_counts_and_is_short_and_without_secrets(
    host: FakeHost, fleet: FleetRun
) -> None:
    operations.fail(host, "one\nHF_TOKEN=abc " + "x" * 9999)  # type: ignore[arg-type]
    operations.fail(host, "two")  # type: ignore[arg-type]
    assert fleet.failed["gpu1"].what.startswith("one HF_TOKEN=<hidden> x")
    assert len(fleet.failed["gpu1"].what) == fleets.MOST_CHARACTERS


def test_only_hosts_that_were_reached_can_have_failed_in_a_stage(
    fleet: FleetRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = [SimpleNamespace(name=name) for name in ("gpu1", "gpu2", "gw1")]
    monkeypatch.setattr(verify, "state", SimpleNamespace(activated_hosts=reached))
    fleet.failed["gpu1"] = StageFailure("Replicas", "nvcc is missing", "do so")
    fleet.observations["gw1"] = {"gateway": None}
    seen = verify._observed(fleet, ["gpu1", "gpu2", "gpu3", "gw1"])
    assert seen["gpu1"] == {
        "failed": {"stage": "Replicas", "what": "nvcc is missing", "remedy": "do so"}
    }
    assert set(seen["gpu2"]) == {"failed"} and seen["gw1"] == {"gateway": None}
    assert "gpu3" not in seen


@pytest.mark.parametrize(
    ("state", "said", "code"),
    [
        ({"ActiveState": "active", "NRestarts": "0"}, "runs, ", 0),
        ({"ActiveState": "active", "NRestarts": "2"}, "nvcc is missing", 1),
        ({"ActiveState": "failed", "NRestarts": "2"}, "nvcc is missing", 2),
        ({"LoadState": "not-found"}, "is not on this host", 2),
        (None, "no answer: it is gone", 3),
    ],
)
def test_it_exits_as_a_nagios_plugin(
    monkeypatch: pytest.MonkeyPatch, state: dict[str, str] | None, said: str, code: int
) -> None:
    seen = SAMPLES["nvcc"].seen()
    seen["state"] |= {"ActiveEnterTimestamp": "today", **(state or {})}
    told = Told("gpu1", UNIT.key, account(seen) if state else None, "it is gone")
    # The module itself loads pyinfra's command line, which changes Python's sockets.
    monkeypatch.setitem(sys.modules, "rackwright.runner.inventory", Mock())
    command = import_module("rackwright.commands.why")
    monkeypatch.setattr(command, "told", lambda path, name: [told] if name == NAME else [])
    done = CliRunner().invoke(main, ["why", "inventories/lab.py", NAME])
    assert done.exit_code == code, done.output
    assert f"{UNIT.key} on gpu1" in done.output and said in done.output


def test_a_replica_is_asked_for_on_every_host_it_is_on() -> None:
    spec = load_fleet(lab_hosts())
    fleet = FleetRun(spec, plan(spec))
    path = "/etc/rackwright/replicas/chat-gpu1-0.env"
    assert starts.asked_of(fleet, NAME) == {"gpu1": Asked(UNIT.key, path)}
    with pytest.raises(RackwrightError, match="'chat-gpu1' is not known, did you mean"):
        starts.asked_of(fleet, "chat-gpu1")
