"""What `rackwright watch` shows: a reading of the fleet as rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from rackwright.checks.observed import part_of
from rackwright.checks.server.processes import units_of
from rackwright.checks.server.quarantine import quarantine_words
from rackwright.desired.paths import unit_name
from rackwright.engines import ENGINES
from rackwright.plan import FleetPlan, Replica
from rackwright.printable import all_printable
from rackwright.schema.probe_answer import probe_answer
from rackwright.spec import AcceptedFinding

Answer = Mapping[str, Any]
FIGURES = ("requests_running", "requests_waiting", "kv_cache_share", "tokens_generated")
"""What is read of an engine's metrics, by the names of its ``figures``."""
_GIB = 1024**3


@dataclass(frozen=True)
class GpuRow:
    """One GPU; None for what could not be read. ``others`` are processes that are not planned."""

    host: str
    index: int
    name: str
    utilization_percent: int | None
    used_gib: float | None
    total_gib: float | None
    temperature_c: int | None
    draw_w: float | None
    limit_w: float | None
    replicas: tuple[str, ...]
    others: int


@dataclass(frozen=True)
class ReplicaRow:
    """One replica's process; None for what it did not tell. ``kv_cache`` is a share, 0 to 1.

    ``state`` is what systemd calls its unit, or ``no answer`` where it is active and yet silent.
    ``tokens_per_s`` are generated tokens, between two readings.
    """

    host: str
    name: str
    state: str
    running: float | None = None
    waiting: float | None = None
    kv_cache: float | None = None
    tokens_per_s: float | None = None


@dataclass(frozen=True)
class Reading:
    """The fleet at one time. ``silent`` are hosts that gave no answer, with the reason.

    ``quarantined`` are servers in quarantine, with the words of it; ``accepted`` are findings that
    the operator goes on with, on the day ``today``; nothing is checked here.
    """

    gpus: list[GpuRow] = field(default_factory=list)
    replicas: list[ReplicaRow] = field(default_factory=list)
    silent: dict[str, str] = field(default_factory=dict)
    quarantined: dict[str, str] = field(default_factory=dict)
    accepted: list[AcceptedFinding] = field(default_factory=list)
    today: date = date.min


def reading(
    plan: FleetPlan, now: Mapping[str, Answer], before: Mapping[str, Answer] | None = None
) -> Reading:
    """The rows of the answers ``now`` of each server, rates from those ``before``.

    Answers are as of ``remote/watching.py``, or ``{"error": why}``; a server without one was
    not heard of yet. Their texts are made harmless here, whichever is shown.
    """
    rows = Reading()
    for host in plan.servers:
        answer = all_printable(probe_answer(now.get(host)) or {"error": "connecting"})
        told = part_of(answer, "quarantine")
        if told.get("there") is True:
            rows.quarantined[host] = quarantine_words(told)
        if "error" in answer:
            rows.silent[host] = str(answer["error"])
            continue
        planned = plan.on(host)
        for index, gpu in enumerate(answer.get("gpus") or ()):
            rows.gpus.append(_gpu(host, index, gpu, planned))
        if not answer.get("gpus"):
            why = (answer.get("unavailable") or {}).get("nvml", "the driver shows none")
            rows.silent[host] = f"no GPU is seen: {why}"
        past = probe_answer((before or {}).get(host))
        rows.replicas.extend(_replica(host, replica, answer, past) for replica in planned)
    return rows


def _gpu(host: str, index: int, gpu: Answer | None, planned: tuple[Replica, ...]) -> GpuRow:
    seen = gpu or {}
    memory, power = seen.get("memory") or {}, seen.get("power") or {}
    own = [replica for replica in planned if index in replica.gpus]
    units = {unit_name(replica) for replica in own}
    others = [each for each in seen.get("processes") or () if not units & units_of(each)]
    return GpuRow(
        host=host,
        index=index,
        name=str(seen.get("name") or "?").removeprefix("NVIDIA ") if gpu else "lost",
        utilization_percent=(seen.get("utilization_percent") or {}).get("gpu"),
        used_gib=_gib(memory.get("used_bytes")),
        total_gib=_gib(memory.get("total_bytes")),
        temperature_c=seen.get("temperature_c"),
        draw_w=power.get("draw_w"),
        limit_w=power.get("limit_w"),
        replicas=tuple(replica.name for replica in own),
        others=len(others),
    )


def _gib(size_bytes: int | None) -> float | None:
    return None if size_bytes is None else size_bytes / _GIB


def _replica(host: str, replica: Replica, now: Answer, past: Answer) -> ReplicaRow:
    seen = (now.get("replicas") or {}).get(replica.name) or {}
    state = str(seen.get("unit") or "unknown")
    if not replica.answers or ENGINES[replica.service.engine].metrics_path is None:
        return ReplicaRow(host, replica.name, state)
    if seen.get("status") != 200:
        return ReplicaRow(host, replica.name, "no answer" if state == "active" else state)
    before = (past.get("replicas") or {}).get(replica.name) or {}
    told, told_before = seen.get("figures") or {}, before.get("figures") or {}
    return ReplicaRow(
        host=host,
        name=replica.name,
        state=state,
        running=told.get("requests_running"),
        waiting=told.get("requests_waiting"),
        kv_cache=told.get("kv_cache_share"),
        tokens_per_s=_rate(
            told_before.get("tokens_generated"),
            told.get("tokens_generated"),
            (now.get("time_unix_s") or 0) - (past.get("time_unix_s") or 0),
        ),
    )


def _rate(before: float | None, now: float | None, seconds: float) -> float | None:
    """None before a second reading, and where the engine was restarted in between."""
    if before is None or now is None or seconds <= 0 or now < before:
        return None
    return (now - before) / seconds
