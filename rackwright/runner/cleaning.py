"""Hosts asked what nothing needs any more, and told to remove it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.desired.needed import cleaning_request
from rackwright.runner.asking import Answer, ask_all
from rackwright.runner.fleet import FleetRun
from rackwright.runner.remote_call import call

LOOK_S = 600
"""For one host: releases have 100,000 files, whose sizes are added up."""


class Unneeded(NamedTuple):
    """A release or weights on a host that nothing needs, and what its removal frees."""

    host: str
    kind: str
    path: str
    size_bytes: int


class Looked(NamedTuple):
    """What hosts answered: what nothing needs; why the rest stays; errors by host."""

    unneeded: tuple[Unneeded, ...]
    kept: tuple[tuple[str, str, str], ...]
    silent: Mapping[str, str]


def look(fleet: FleetRun, inventory: Inventory, only: Collection[str] | None) -> Looked:
    """Ask all hosts, or those named, at once."""
    answers = ask_all(inventory, lambda host: _asked(fleet, host, {"do": "look"}), only=only)
    heard = {name: answer for name, answer in answers.items() if "error" not in answer}
    unneeded = (
        Unneeded(name, str(one["kind"]), str(one["path"]), int(one["bytes"]))
        for name, answer in heard.items()
        for one in answer["unneeded"]
    )
    kept = (
        (name, str(one["path"]), str(one["why"]))
        for name, answer in heard.items()
        for one in answer["kept"]
    )
    return Looked(tuple(sorted(unneeded)), tuple(sorted(kept)), _silent(answers))


def remove(
    fleet: FleetRun,
    inventory: Inventory,
    unneeded: Sequence[Unneeded],
    said: Callable[[str, Answer], None],
) -> Mapping[str, str]:
    """Have hosts remove these, where nothing has come to need them; errors by host."""
    paths: dict[str, list[str]] = {}
    for one in unneeded:
        paths.setdefault(one.host, []).append(one.path)

    def question(host: Host) -> Answer:
        return _asked(fleet, host, {"do": "remove", "paths": paths[host.name]})

    return _silent(ask_all(inventory, question, said, only=paths))


def _asked(fleet: FleetRun, host: Host, more: dict[str, Any]) -> Answer:
    name = host.name
    request = cleaning_request(
        fleet.plan.on(name), fleet.plan.routers_on(name), fleet.settings(name)
    )
    answer: Answer = call(host, "cleaning", {**request, **more}, timeout_s=LOOK_S, kind=dict)
    return answer


def _silent(answers: Mapping[str, Answer]) -> dict[str, str]:
    return {name: str(answer["error"]) for name, answer in answers.items() if "error" in answer}
