"""A server in quarantine in a deploy: its replicas stay as they are, the others' are changed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from paramiko.ssh_exception import SSHException

from rackwright.errors import HostError
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner import replicas, watchdog
from rackwright.runner.fleet import FleetRun
from rackwright.runner.steps import rollout as steps_of_a_run
from rackwright.runner.steps.expected import Expected
from rackwright.runner.steps.order import Pending, Way
from rackwright.runner.steps.rollout import Rollout
from tests.samples.fleet import lab_hosts


def fleet(**more: Any) -> FleetRun:
    spec = load_fleet({name: {**own, **more} for name, own in lab_hosts().items()})
    return FleetRun(spec, plan(spec))


def host(name: str) -> Any:
    return SimpleNamespace(name=name)


def asked(monkeypatch: pytest.MonkeyPatch, **told: Any) -> list[Any]:
    """What a server is asked that tells this of its quarantine; it has no GPU to go on with."""
    questions: list[Any] = []

    def gpu_names(host: Any, watchdog: str) -> dict[str, Any]:
        questions.append(watchdog)
        return {"gpus": [], **told}

    for module in (replicas, watchdog):
        monkeypatch.setattr(module, "gpu_names", gpu_names)
    monkeypatch.setattr(replicas, "secret", lambda *_: {})
    return questions


def test_a_server_in_quarantine_is_left_alone_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the question that is asked anyway, and before a GPU that is lost ends the run."""
    told = {"there": True, "why": "Xid 79", "by": "watchdog"}
    questions = asked(monkeypatch, quarantine=told)
    with pytest.raises(replicas.LeftAlone, match="gpu2 is in quarantine, its replicas were left"):
        replicas.prepared(fleet(), host("gpu2"))
    assert questions == ["/var/lib/rackwright/watchdog"]


@pytest.mark.parametrize("told", [{"quarantine": {"there": False}}, {}, {"quarantine": 7}], ids=str)
def test_any_other_server_is_gone_on_with(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, Any]
) -> None:
    asked(monkeypatch, **told)
    with pytest.raises(HostError, match="shows 0 GPU"):
        replicas.prepared(fleet(), host("gpu2"))


def test_only_replicas_elsewhere_take_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has nothing left to do is asked no second time."""
    own: Any = None
    known = Expected()
    steps = [
        Pending("chat-gpu1-0", "chat", Way.CHANGE, ("gpu1",)),
        Pending("wide-gpu1-0", "wide", Way.CHANGE, ("gpu1", "gpu2")),
        Pending("wide-gpu3-0", "wide", Way.CHANGE, ("gpu3", "gpu2")),
    ]
    monkeypatch.setattr(steps_of_a_run, "pending_of", lambda *_: steps)
    rollout = Rollout(fleet(), own, own, known)
    works: Any = {name: SimpleNamespace(host=host(name)) for name in ("gpu1", "gpu3")}
    for work in works.values():
        rollout.add(work)
    assert rollout._wanted(works) == steps
    known.leave(host("gpu2"))
    assert rollout._wanted(works) == steps[:1]
    assert list(rollout._taking.works) == ["gpu1"]


def test_a_watchdog_is_not_told_to_forget_a_gpu_that_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked(monkeypatch)
    with pytest.raises(replicas.LeftAlone, match="does not show GPU 0: its watchdog was left"):
        watchdog.gpus_to_watch(fleet(), host("gpu2"))
    gpus = [{"uuid": "GPU-a", "pci_bus_id": "00000000:17:00.0"}] * 8
    asked(monkeypatch, gpus=gpus, quarantine={"there": True})
    assert watchdog.gpus_to_watch(fleet(), host("gpu2")) == gpus
    assert watchdog.gpus_to_watch(fleet(), host("gw1")) == []


def test_no_watchdog_is_taken_from_a_server_in_quarantine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its gateways would hear no more of it, and send it requests."""
    asked(monkeypatch, quarantine={"there": True})
    with pytest.raises(HostError, match=r"is in quarantine.*rackwright return INVENTORY gpu2"):
        watchdog.gpus_to_watch(fleet(watchdog="off"), host("gpu2"))
    asked(monkeypatch, quarantine={"there": False})
    assert watchdog.gpus_to_watch(fleet(watchdog="off"), host("gpu2")) == []


def test_a_connection_that_ends_within_the_steps_is_this_hosts_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def carry_out(host: Any) -> list[str]:
        raise SSHException("SSH session not active")

    said: list[str] = []
    monkeypatch.setattr(replicas, "this_fleet", fleet)
    monkeypatch.setattr(replicas, "rollout", lambda fleet: SimpleNamespace(carry_out=carry_out))
    monkeypatch.setattr(replicas, "fail", lambda host, words: said.append(words) or False)
    assert replicas._step(None, host("gpu1")) is False
    assert said == ["SSH session not active"]
