"""Gateways asked over their local sockets: what they do now, and to do otherwise."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.errors import HostError, RefusedError, nearest
from rackwright.plan import FleetPlan, router_name
from rackwright.remote.gateway_state import ABSENT
from rackwright.runner.asking import Answer, ask_all
from rackwright.runner.fleet import FleetRun
from rackwright.runner.remote_call import call

TIMEOUT_S = 60


class Question(NamedTuple):
    """One request to a gateway's socket."""

    method: str
    path: str
    body: dict[str, Any] | None = None


class Said(NamedTuple):
    """What a gateway answered: the status of HTTP, and a value."""

    status: int
    body: Any

    @property
    def words(self) -> str:
        """Why it said no."""
        said = self.body
        return str(said.get("error", said) if isinstance(said, dict) else said)


def ask_gateways(
    inventory: Inventory, question: Question, only: Collection[str]
) -> dict[str, Answer]:
    """``{"body": ...}`` of each of these gateways by name; ``{"error": why}`` of one without.

    Whatever is no success is an error too, in the gateway's words.
    """
    return ask_all(inventory, lambda host: ask_gateway(host, question), only=only)


def ask_gateway(host: Host, question: Question) -> Answer:
    """One gateway's answer. Raises HostError where it gave none, or said no."""
    said = said_by(host, question)
    if said is None:
        raise HostError(ABSENT)
    if said.status != 200:
        raise HostError(f"{said.status}: {said.words}")
    return {"body": said.body}


def said_by(host: Host, question: Question) -> Said | None:
    """Whatever a gateway answers; None where none runs. Raises HostError where it is silent."""
    said: Answer = call(host, "gateway_state", question._asdict(), timeout_s=TIMEOUT_S, kind=dict)
    if said.get("absent"):
        return None
    if "error" in said:
        raise HostError(str(said["error"]))
    return Said(said["status"], said["body"])


def change_replica(
    inventory: Inventory,
    fleet: FleetRun,
    replica: str,
    wanted: dict[str, Any],
    on: str | None = None,
) -> dict[str, Answer]:
    """Have all gateways, or the one named, see a replica so (``drained``, ``why``, ``weight``).

    Its state on each by the gateway's name; ``{"error": why}`` of one without an answer. Raises
    RefusedError for names that are not there, before any gateway is asked.
    """
    must_be_routed(fleet.plan, replica, weighed="weight" in wanted)
    question = Question("PUT", f"/replicas/{replica}", wanted)
    return ask_gateways(inventory, question, gateways_of(fleet, on))


def gateways_of(fleet: FleetRun, named: str | None = None) -> tuple[str, ...]:
    """The gateways of an inventory, or the one that is named.

    Raises RefusedError where there is none, or none of that name.
    """
    known = tuple(fleet.spec.gateways)
    if not known:
        raise RefusedError("the inventory has no gateway")
    if named is not None and named not in known:
        raise RefusedError(f"gateway {named!r} {nearest(named, known)}")
    return known if named is None else (named,)


def must_be_routed(plan: FleetPlan, replica: str, *, weighed: bool = False) -> None:
    """Raise RefusedError for a replica that gateways do not know, with the nearest name.

    ``weighed``: also for one whose share is not theirs to say.
    """
    behind = {
        one.name: router_name(upstream.service)
        for upstream in plan.upstreams
        for one in upstream.replicas
        if upstream.service.router
    }
    if weighed and replica in behind:
        raise RefusedError(
            f"replica {replica!r} is behind {behind[replica]}, which chooses among the replicas of "
            "its service by itself, and knows no weights"
        )
    replicas = {one.name for upstream in plan.upstreams for one in upstream.replicas}
    known = replicas | {one.name for one in plan.routers}
    if replica not in known:
        raise RefusedError(f"replica {replica!r} {nearest(replica, known)}")


def heard(answers: dict[str, Answer]) -> list[str]:
    """The gateways that gave an answer, by name."""
    return sorted(name for name, said in answers.items() if "error" not in said)


def must_have_answered(answers: dict[str, Answer], remedy: str = "") -> None:
    """Raise HostError that names every gateway without an answer; ``remedy`` is said of them all.

    What the others answered is to be shown before.
    """
    if missing := sorted(answers.keys() - heard(answers)):
        words = "\n".join(f"{name}: {answers[name]['error']}" for name in missing)
        raise HostError(f"{words}{f'; {remedy}' if remedy else ''}")
