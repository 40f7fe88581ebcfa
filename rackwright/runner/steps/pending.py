"""The steps that servers' differences ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rackwright.plan import FleetPlan
from rackwright.planning.beside import BESIDE, stand_in
from rackwright.runner.named_replicas import ranks_of
from rackwright.runner.steps.gates import States, is_out, replicas_in
from rackwright.runner.steps.kinds import Kind, kind_of
from rackwright.runner.steps.order import Pending, Way
from rackwright.runner.steps.work import Work


def pending_of(plan: FleetPlan, works: Mapping[str, Work], states: States) -> list[Pending]:
    """All steps of these servers, each once, in the plan's order.

    Where a service's only replica is changed and something can stand in for it, that comes first
    and goes last.
    """
    found: dict[str, Pending] = {}
    for name in dict.fromkeys(name for work in works.values() for name in work.later):
        found[name] = _of_planned(name, plan, works, states)
    for work in works.values():
        for name in work.leaving:
            if ranks_of(plan, name):  # it spanned this server, and does no more
                one = found.get(name) or _of_planned(name, plan, works, states)
                hosts = (*one.hosts, work.host.name)
                found[name] = replace(one, way=Way.CHANGE, hosts=hosts)
            else:
                there = found[name].hosts if name in found else ()
                service, hosts = _service_of(name, plan, states), (*there, work.host.name)
                found[name] = Pending(name, service, Way.REMOVE, hosts)
    order = {one.name: number for number, one in enumerate(plan.replicas)}
    steps = sorted(found.values(), key=lambda one: order.get(one.name, len(order)))
    return [*(one for step in steps for one in _beside(step, plan)), *steps]


def _of_planned(name: str, plan: FleetPlan, works: Mapping[str, Work], states: States) -> Pending:
    ranks = ranks_of(plan, name)
    service, hosts = ranks[0].service, tuple(one.server.name for one in ranks)
    known = [works[host] for host in hosts if host in works]
    steps = any(kind_of(work.own.get(name, ())) is Kind.STEP for work in known)
    # Processes on several servers are started anew together, for what interrupts none of them, too.
    steps = steps or (ranks[0].span is not None and all(work.runs(name) for work in known))
    way, together = Way.CHANGE if steps else Way.START, service.rollout == "all"
    return Pending(name, service.name, way, hosts, together, is_out(states, name))


def _beside(step: Pending, plan: FleetPlan) -> Iterator[Pending]:
    """What stands in for a replica that is changed; one that is out is missed by nobody."""
    if step.way is not Way.CHANGE or step.together or step.out:
        return
    if copy := stand_in(plan, ranks_of(plan, step.name)[0]):
        yield Pending(copy.name, step.service, Way.START, step.hosts)
        yield Pending(copy.name, step.service, Way.REMOVE, step.hosts)


def replaced_by(step: Pending, plan: FleetPlan, pending: Sequence[Pending]) -> list[str]:
    """All replicas of its service, where none of them runs before this one has left."""
    planned = {one.name for one in plan.replicas if one.service.name == step.service}
    coming = {one.name for one in pending if one.way is Way.START and one.name in planned}
    return sorted(planned) if planned and planned == coming else []


def is_alone(step: Pending, plan: FleetPlan, pending: Sequence[Pending]) -> bool:
    """Whether requests of its service have nowhere to go while it is changed."""
    others = {one.name for one in plan.replicas if one.service.name == step.service}
    stands_in = any(one.name == f"{step.name}{BESIDE}" for one in pending)
    return step.together or (others <= {step.name, *step.exchange} and not stands_in)


def _service_of(name: str, plan: FleetPlan, states: States) -> str:
    """Of a replica that is planned no more: as gateways have it, else by its name."""
    for said in states.values():
        for service, its in (said.get("services") or {}).items():
            if replicas_in({"": {"services": {service: its}}}, name):
                return str(service)
    planned = {one.service.name for one in plan.replicas if name.startswith(f"{one.service.name}-")}
    return max(planned, key=len, default=name.removesuffix(BESIDE).rsplit("-", 2)[0])
