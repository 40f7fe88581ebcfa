"""Hosts asked for drift: one question each, all at once, and judged when all have answered."""

from __future__ import annotations

import secrets as random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.drift.comparing import drifts, unread
from rackwright.drift.host import PlannedHost
from rackwright.drift.kinds import Drift
from rackwright.drift.question import Question, question
from rackwright.errors import RefusedError, nearest
from rackwright.runner.asking import GARBLED, LIMIT_S, ask_all
from rackwright.runner.fleet import FleetRun
from rackwright.runner.remote_call import call
from rackwright.runner.secrets import engine_key_id, key_files, secret
from rackwright.runner.watchdog import packed

SCRIPT = "drift"
DEEP_LIMIT_S = 4 * 3600
"""For hundreds of GB of weights, on a disk of a hundred MB a second."""
Answer = dict[str, Any]


@dataclass
class Found:
    """Drifts of all hosts that were asked; ``silent`` are those that gave no answer, and why.

    ``answers`` are what the others said, ``questions`` what they were asked.
    """

    drifts: list[Drift] = field(default_factory=list)
    silent: dict[str, str] = field(default_factory=dict)
    questions: dict[str, Question] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)


def named_hosts(fleet: FleetRun, names: Collection[str]) -> list[str]:
    """Hosts as an operator names them, all where none is named. Raises RefusedError."""
    known = list(fleet.spec.settings)
    for name in names:
        if name not in known:
            raise RefusedError(f"{name!r} {nearest(name, known, 'host')}")
    return [name for name in known if not names or name in names]


def look(
    fleet: FleetRun,
    inventory: Inventory,
    names: Collection[str],
    said: Callable[[str, Answer], None] = lambda name, answer: None,
    deep: bool = False,
) -> Found:
    """Ask these hosts, and compare each with the plan. Nothing is changed on any.

    Of gateways that alone know where they come from the same is asked, where they are not among
    them: rules of the others name them.
    """
    found = Found()
    planned = {name: _planned(fleet, name) for name in names}
    nonce = random.token_hex(16)
    found.questions = {name: question(host, nonce, deep) for name, host in planned.items()}
    asked = {one for host in planned.values() if host.firewall for one in host.firewall.asked}
    for name in asked - {*names}:
        found.questions[name] = question(_planned(fleet, name), nonce)
    limit_s = DEEP_LIMIT_S if deep else LIMIT_S
    answers = ask_all(inventory, lambda host: _answer(host, found), said, found.questions, limit_s)
    for name in names:
        _judge(found, name, answers)
    return found


def _planned(fleet: FleetRun, name: str) -> PlannedHost:
    settings = fleet.settings(name)
    return PlannedHost(
        name,
        fleet.spec,
        fleet.plan,
        program=packed(),
        api_key=secret("key", settings.engine_api_key_env).get("key", ""),
        key_id=engine_key_id(settings),
        keys=key_files(fleet.clients, fleet.spec, name),
        lock=fleet.lock,
    )


def _answer(host: Host, found: Found) -> Answer:
    request = found.questions[host.name].request()
    answer: Answer = call(host, SCRIPT, request, kind=dict)
    return answer


def _judge(found: Found, name: str, answers: Mapping[str, Answer]) -> None:
    answer, asked = answers[name], found.questions[name]
    if "error" in answer:
        found.silent[name] = answer["error"]
        return
    try:
        if missing := unread(answer):
            found.silent[name] = "; ".join(missing)
        found.drifts += drifts(asked, answer, _sources(asked.host, answers))
        found.answers[name] = answer
    except (*GARBLED, ValueError) as error:
        found.silent[name] = f"its answer cannot be read ({type(error).__name__}: {error})"


def _sources(host: PlannedHost, answers: Mapping[str, Answer]) -> list[str]:
    """Addresses of the gateways that alone know them, as each says."""
    asked = host.firewall.asked if host.firewall else ()
    known = ((answers.get(one) or {}).get("known") or {} for one in asked)
    ways = (said.get("routes") or {} for said in known)
    return list(dict.fromkeys(address for way in ways for address in way.values()))
