"""A fleet as one HTML page: each server's GPUs and links drawn, memory, and what the checks say."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from rackwright.checks.results import CheckResult, Status
from rackwright.plan import FleetPlan
from rackwright.planning.topology_text import matrix_text
from rackwright.printable import all_printable
from rackwright.report.arcs import BOX
from rackwright.report.drawing import Drawing, drawing
from rackwright.report.plan import server_gpus
from rackwright.schema.probe_answer import probe_answer

_environment = Environment(
    loader=PackageLoader("rackwright.report", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["coded"] = lambda text: Markup(
    re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
)
"""Escaped text in which what stands between backticks is set as code."""


@dataclass(frozen=True)
class HostSection:
    """One host of the page: what it is, how it is, its drawing, and results, the worst first."""

    name: str
    about: str
    status: Status
    drawing: Drawing
    matrix: str
    faults: list[CheckResult]
    fine: list[CheckResult]


def page(
    plan: FleetPlan, results: Sequence[CheckResult], observations: Mapping[str, Mapping[str, Any]]
) -> str:
    """The page, whole in one file; ``observations`` as of ``rackwright verify``."""
    names = dict.fromkeys([*plan.servers, *(result.host for result in results)])
    hosts = [
        _host(name, plan, results, all_printable(observations.get(name) or {})) for name in names
    ]
    counts = Counter(result.status for result in results if not result.accepted)
    return _environment.get_template("page.html.j2").render(
        hosts=sorted(hosts, key=lambda host: host.status, reverse=True),
        counts=sorted(counts.items(), reverse=True),
        accepted=sum(result.accepted is not None for result in results),
        made=time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        box=BOX,
    )


def _host(
    name: str, plan: FleetPlan, results: Sequence[CheckResult], seen: Mapping[str, Any]
) -> HostSection:
    probe = probe_answer(seen.get("probe"))
    own = sorted((r for r in results if r.host == name), key=lambda r: r.status, reverse=True)
    return HostSection(
        name=name,
        about=_about(name, plan),
        status=max((result.counts_as for result in own), default=Status.UNKNOWN),
        drawing=_drawing(name, plan, probe),
        matrix=matrix_text(probe) if len(probe.get("gpus") or ()) > 1 else "",
        faults=[result for result in own if result.status is not Status.OK],
        fine=[result for result in own if result.status is Status.OK],
    )


def _about(name: str, plan: FleetPlan) -> str:
    server = plan.servers.get(name)
    if server is None:
        served = (f"{u.service.served_as} from {len(u.replicas)} replicas" for u in plan.upstreams)
        return f"gateway: {', '.join(served)}"
    return f"{server_gpus(server, plan.types_of(name))}, {server.address}"


def _drawing(name: str, plan: FleetPlan, probe: Mapping[str, Any]) -> Drawing:
    server = plan.servers.get(name)
    if server is None:
        return drawing({})
    tenants = [
        (
            index,
            replica.name.replace(f"-{name}-", "-"),
            replica.memory_of(index).total_bytes - replica.memory_of(index).unused_bytes,
        )
        for replica in plan.on(name)
        for index in replica.gpus
    ]
    joined = any(kind.interconnect in ("nvlink", "nvswitch") for kind in server.kinds)
    usual = plan.gpus[name].name
    declared = 1 + max(index for kind in server.kinds for index in kind.gpus.nvml_indexes)
    return drawing(probe, declared, joined, tenants, usual)
