"""What differs on servers, told apart: what is made at once, and what is a step."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.desired.items import NoOtherUnits, StepUnderWay, Unit
from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan
from rackwright.planning.placing import plan
from rackwright.runner.steps import work as module
from rackwright.runner.steps.order import Way, startable
from rackwright.runner.steps.pending import is_alone, pending_of
from rackwright.runner.steps.work import Work, work_of
from rackwright.spec import Settings
from tests.samples.fleet import cluster, hosts, server, service, settings

UUIDS = [f"GPU-{n}" for n in range(8)]
Answer = Callable[[dict[str, Any], Any], dict[str, Any] | None]


def fleet_of(**services: Any) -> FleetPlan:
    return plan(load_fleet(hosts({"gpu1": server(11), "gpu2": server(12)}, services)))


CHAT = service(servers=["gpu1", "gpu2"], tensor_parallel_size=1, replicas=1)


NOT_ENABLED = "not enabled"
"""A unit that serves, and would not be back after a reboot."""


def observed(item: Any, units: dict[str, str], there: list[str], marked: list[str]) -> Any:
    """As a host answers that is as planned, but for units in other states and those that left."""
    if isinstance(item, Unit):
        state = units.get(item.key, "as planned")
        if state == "absent":
            return {}
        if state == NOT_ENABLED:
            return {"active": "active", "stamp": item.stamp, "enabled": "disabled", "restarts": 0}
        stamp = item.stamp if state == "as planned" else {**item.stamp, "restart": "older"}
        active = "active" if state in ("as planned", "older") else state
        return {"active": active, "stamp": stamp, "enabled": "enabled", "restarts": 0}
    if isinstance(item, NoOtherUnits):
        return {"units": there}
    if isinstance(item, StepUnderWay):
        return {"owner": "x", "stage": "start"} if item.key in marked else {}
    return None


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Work]:
    """``look(plan, "gpu1", units={...})``: the differences of a server."""

    def looked(
        fleet: FleetPlan,
        name: str,
        units: dict[str, str] | None = None,
        there: list[str] | None = None,
        marked: list[str] | None = None,
    ) -> Work:
        asked: list[Any] = []
        real = module.differences

        def differences(items: Any, seen: Any) -> Any:
            asked.extend(items)
            changes = []
            for item in items:
                answer = observed(item, units or {}, there or [], marked or [])
                if answer is not None and (reason := item.difference(answer)):
                    changes += [module.Change(item, reason, answer)]
            return changes

        monkeypatch.setattr(module, "look", lambda *words: [])
        monkeypatch.setattr(module, "differences", differences)
        host: Any = SimpleNamespace(name=name)
        own: Settings = settings()
        work = work_of(host, fleet.on(name), own, UUIDS, "")
        monkeypatch.setattr(module, "differences", real)
        assert work.asked == len(asked)
        return work

    return looked


def unit(name: str) -> str:
    return f"rackwright-{name}.service"


def steps(fleet: FleetPlan, *works: Work, states: Any = None) -> list[tuple[str, Way]]:
    found = pending_of(fleet, {work.host.name: work for work in works}, states or {})
    return [(one.name, one.way) for one in found]


def test_nothing_differs_nothing_is_done(look: Callable[..., Work]) -> None:
    work = look(fleet_of(chat=CHAT), "gpu1")
    assert (work.all_changes, work.now, work.last, work.later, work.leaving) == ([], [], [], [], [])


def test_a_first_deploy_is_made_at_once(look: Callable[..., Work]) -> None:
    work = look(fleet_of(chat=CHAT), "gpu1", {unit("chat-gpu1-0"): "absent"})
    assert [one.item.key for one in work.now] == [unit("chat-gpu1-0")]
    assert work.later == [] and work.last == []


def test_what_serves_is_changed_by_a_step(look: Callable[..., Work]) -> None:
    fleet = fleet_of(chat=CHAT)
    works = [look(fleet, f"gpu{n}", {unit(f"chat-gpu{n}-0"): "older"}) for n in (1, 2)]
    assert [work.now for work in works] == [[], []]
    assert steps(fleet, *works) == [("chat-gpu1-0", Way.CHANGE), ("chat-gpu2-0", Way.CHANGE)]


def test_what_was_left_is_gone_on_with(look: Callable[..., Work]) -> None:
    fleet = fleet_of(chat=CHAT)
    work = look(fleet, "gpu1", marked=["chat-gpu1-0"])
    assert work.now == [] and steps(fleet, work) == [("chat-gpu1-0", Way.CHANGE)]


def test_a_new_one_waits_where_others_make_room(look: Callable[..., Work]) -> None:
    code = service(tensor_parallel_size=1, gpus={"gpu1": [1]}, served_model_name="code")
    one = {**CHAT, "gpus": {"gpu1": [0], "gpu2": [0]}}
    fleet = fleet_of(chat=one, code=code)
    changed = {unit("chat-gpu1-0"): "older", unit("code-gpu1-0"): "absent"}
    work = look(fleet, "gpu1", changed)
    assert work.now == []
    assert steps(fleet, work) == [("chat-gpu1-0", Way.CHANGE), ("code-gpu1-0", Way.START)]


def test_what_leaves_is_drained_first_and_its_service_is_what_gateways_say(
    look: Callable[..., Work],
) -> None:
    fleet = fleet_of(chat=CHAT)
    work = look(fleet, "gpu1", there=[unit("old-talk-gpu1-0")])
    assert work.now == [] and work.leaving == ["old-talk-gpu1-0"]
    states = {"gw1": {"services": {"old-talk": {"replicas": {"old-talk-gpu1-0": {}}}}}}
    (one,) = pending_of(fleet, {"gpu1": work}, states)
    assert (one.service, one.way) == ("old-talk", Way.REMOVE)
    (one,) = pending_of(fleet, {"gpu1": work}, {})
    assert one.service == "old-talk"


def test_what_leaves_two_servers_that_it_spanned_is_one_step(look: Callable[..., Work]) -> None:
    fleet = fleet_of(chat=CHAT)
    gone = [unit("wide-gpu1-0")]
    works = {name: look(fleet, name, there=gone) for name in ("gpu1", "gpu2")}
    (one,) = pending_of(fleet, works, {})
    assert (one.name, one.way, one.hosts) == ("wide-gpu1-0", Way.REMOVE, ("gpu1", "gpu2"))


def test_a_replica_on_two_servers_is_one_step(look: Callable[..., Work]) -> None:
    sizes = {"tensor_parallel_size": 8, "pipeline_parallel_size": 2}
    long = service("llama-3.1-405b-instruct", servers=["gpu1", "gpu2"], **sizes)
    fleet = plan(load_fleet(hosts(cluster(2), {"chat": long})))
    works = [look(fleet, name, {unit("chat-gpu1-0"): "older"}) for name in ("gpu1", "gpu2")]
    (one,) = pending_of(fleet, {work.host.name: work for work in works}, {})
    assert (one.hosts, one.way) == (("gpu1", "gpu2"), Way.CHANGE)
    fresh = [look(fleet, name, {unit("chat-gpu1-0"): "absent"}) for name in ("gpu1", "gpu2")]
    assert steps(fleet, *fresh) == [("chat-gpu1-0", Way.START)]


def test_a_replica_on_two_servers_that_serves_is_never_stopped_without_its_turn(
    look: Callable[..., Work],
) -> None:
    sizes = {"tensor_parallel_size": 8, "pipeline_parallel_size": 2}
    long = service("llama-3.1-405b-instruct", servers=["gpu1", "gpu2"], **sizes)
    fleet = plan(load_fleet(hosts(cluster(2), {"chat": long})))
    other = look(fleet, "gpu2", {unit("chat-gpu1-0"): NOT_ENABLED})
    assert steps(fleet, look(fleet, "gpu1"), other) == [("chat-gpu1-0", Way.CHANGE)]
    assert steps(fleet, other) == [("chat-gpu1-0", Way.CHANGE)]  # --limit gpu2
    dead = look(fleet, "gpu2", {unit("chat-gpu1-0"): "failed"})
    assert steps(fleet, look(fleet, "gpu1"), dead) == [("chat-gpu1-0", Way.START)]


def test_what_leaves_is_of_a_planned_service_by_its_name_where_no_gateway_knows_it(
    look: Callable[..., Work],
) -> None:
    fleet = fleet_of(chat=CHAT)
    work = look(fleet, "gpu1", there=[unit("chat-gpu-9-0")])
    (one,) = pending_of(fleet, {"gpu1": work}, {})
    assert one.service == "chat"


def test_a_server_that_a_replica_spanned_loses_its_process_in_the_same_step(
    look: Callable[..., Work],
) -> None:
    fleet = fleet_of(chat=CHAT)
    works = [
        look(fleet, "gpu1", {unit("chat-gpu1-0"): "older"}),
        look(fleet, "gpu2", {unit("chat-gpu2-0"): "absent"}, there=[unit("chat-gpu1-0")]),
    ]
    first, second = pending_of(fleet, {work.host.name: work for work in works}, {})
    assert (first.name, first.way, first.hosts) == ("chat-gpu1-0", Way.CHANGE, ("gpu1", "gpu2"))
    assert (second.name, second.way) == ("chat-gpu2-0", Way.START)
    assert [one.name for one in startable([first, second], [])] == ["chat-gpu1-0"]


def test_the_only_replica_has_one_beside_it_and_is_alone_without(
    look: Callable[..., Work],
) -> None:
    fleet = fleet_of(chat=service(tensor_parallel_size=1, replicas=1))
    work = look(fleet, "gpu1", {unit("chat-gpu1-0"): "older"})
    beside = "chat-gpu1-0-beside"
    expected = [(beside, Way.START), (beside, Way.REMOVE), ("chat-gpu1-0", Way.CHANGE)]
    assert steps(fleet, work) == expected
    pending = pending_of(fleet, {"gpu1": work}, {})
    assert not is_alone(pending[-1], fleet, pending)
    assert is_alone(pending[-1], fleet, pending[-1:])
    out = {"gw1": {"services": {"chat": {"replicas": {"chat-gpu1-0": {"state": "ejected"}}}}}}
    assert steps(fleet, work, states=out) == [("chat-gpu1-0", Way.CHANGE)]


def test_the_former_link_goes_when_no_step_is_left(look: Callable[..., Work]) -> None:
    fleet = fleet_of(chat=CHAT)
    work = look(fleet, "gpu1", {unit("chat-gpu1-0"): "older"})
    link = next(item for item in module.former_links(fleet.on("gpu1"), settings()))
    former = [module.Change(link, "is not planned any more: remove", {"there": True})]
    with_link = module.Work(**{**vars(work), "former": former})
    assert (with_link.now, with_link.last) == ([], former)
    done = module.Work(**{**vars(with_link), "own": {"chat-gpu1-0": []}})
    assert (done.now, done.last) == (former, [])
