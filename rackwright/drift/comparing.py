"""A host's answer beside its plan: all drifts of it, in the order of ``KINDS``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rackwright.desired.firewall import changes, is_there
from rackwright.desired.items import File, Item, Manifest
from rackwright.drift import kinds
from rackwright.drift.doors import doors
from rackwright.drift.expected import driver_plan, expected
from rackwright.drift.host import Known, PlannedHost, guessed
from rackwright.drift.kinds import KINDS, Drift
from rackwright.drift.of_items import item_drifts
from rackwright.drift.of_notes import noted_drifts
from rackwright.drift.of_sockets import socket_drifts
from rackwright.drift.of_units import started_units, unit_drifts
from rackwright.drift.question import Question, known_of

Values = Mapping[str, Any]
PARTS = ("items", "noted", "units", "sockets", "first_ephemeral", "firewall")
KNOWN = ("gpus", "names", "gateway", "interfaces", "routes", "driver")
"""What only the host knows, and what is planned for it depends on."""


def drifts(question: Question, answer: Values, sources: Sequence[str] = ()) -> list[Drift]:
    """Every drift of a host. ``sources`` are where gateways come from that were asked for that.

    Raises LookupError or TypeError for an answer of another form.
    """
    order = {kind: number for number, kind in enumerate(KINDS)}
    found = _all(question, answer, sources)
    return sorted(found, key=lambda one: (order[one.kind], one.path))


def unread(answer: Values) -> list[str]:
    """What of an answer could not be had, so that no drift of it would be seen."""
    whys: Values = answer["unavailable"]
    missing = [part for part in PARTS if answer[part] is None]
    return [f"{part}: {whys.get(part, 'no answer')}" for part in missing] + [
        f"{part}: {whys[part]}" for part in KNOWN if part in whys
    ]


def _all(question: Question, answer: Values, sources: Sequence[str]) -> Iterator[Drift]:
    host, known = question.host, known_of(answer)
    items = expected(host, known)
    if "gpus" in answer["unavailable"]:
        items = _without_gpus(host, known, items)
    seen = observed(question, answer)
    asked = [item for item in items if (item.kind, item.key) in seen]
    yield from item_drifts(host.name, asked, [seen[one.kind, one.key] for one in asked])
    yield from _of_notes(host.name, items, answer)
    yield from _of_units(question, items, answer)
    if answer["sockets"] is not None:
        names = {name: said.get("addresses", ()) for name, said in known.names.items()}
        end = answer["first_ephemeral"] or 0
        yield from socket_drifts(host.name, doors(host, names), answer["sockets"], end)
    if answer["firewall"] is not None:
        yield from _firewall(host, answer["firewall"], sources)
    yield from _driver(host, known, answer["host"]["driver"])


def _without_gpus(host: PlannedHost, known: Known, items: Sequence[Item]) -> list[Item]:
    """Items that are the same whatever GPUs a host has: of the others nothing can be said."""
    guess = replace(known, gpus=guessed(host).gpus)
    others = {(item.kind, item.key): item for item in expected(host, guess)}
    return [item for item in items if others[item.kind, item.key] == item]


def observed(question: Question, answer: Values) -> dict[tuple[str, str], Values]:
    """What was seen of each item: of those asked about, and of those that the manifest has."""
    answers = zip(question.asked, answer["items"] or (), strict=False)
    found = {(item.kind, item.key): seen for item, seen in answers}
    for name, seen in answer["others"].items():
        kind, _, key = name.partition(" ")
        found.setdefault((kind, key), seen)
    return found


def _of_notes(host: str, items: Sequence[Item], answer: Values) -> Iterator[Drift]:
    before = (answer["manifest"] or {}).get("noted")
    now, item = answer["noted"], items[-1]
    if before and now and isinstance(item, Manifest):
        yield from noted_drifts(host, item, before, now)


def _of_units(question: Question, items: Sequence[Item], answer: Values) -> Iterator[Drift]:
    host = question.host
    ours = frozenset(item.key for item in items if isinstance(item, File))
    started = started_units(items, host.secret_variables)
    yield from unit_drifts(host.name, started, answer["units"] or {}, ours, question.nonce)


def _firewall(host: PlannedHost, seen: Values, sources: Sequence[str]) -> Iterator[Drift]:
    firewall = host.firewall
    if firewall is None:
        if is_there(seen):
            yield Drift(host.name, kinds.FIREWALL, "table inet rackwright", "there", None)
        return
    known = {name: said.get("addresses") or [] for name, said in seen["names"].items()}
    if firewall.asked and not sources:
        sources = list(_let_in(seen["table"]))
    table = firewall._replace(gateways=(*firewall.gateways, *sources)).table(
        known, seen["ssh_ports"]
    )
    for words in changes(table, host.settings, seen):
        yield Drift(host.name, kinds.FIREWALL, "table inet rackwright", words, None)


def _let_in(loaded: Values | None) -> Iterator[str]:
    """Gateways that are let in now: where one said nothing, a deploy lets them stay so."""
    for name in ("gateways4", "gateways6"):
        yield from (loaded or {}).get("sets", {}).get(name, ())


def _driver(host: PlannedHost, known: Known, loaded: str | None) -> Iterator[Drift]:
    plan = driver_plan(host, known)
    if plan and loaded != plan.version:
        yield Drift(host.name, kinds.DRIVER, "/proc/driver/nvidia/version", loaded, plan.version)
