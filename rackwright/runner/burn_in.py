"""What a server is asked for its burn-in, and what is planned of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rackwright import checks
from rackwright.checks.burn_in.planned_burn_in import PlannedBurnIn
from rackwright.checks.replica.bandwidth import CHECK as BANDWIDTH
from rackwright.checks.replica.bandwidth import SIZES_BYTES
from rackwright.checks.replica.planned_links import PlannedLinks
from rackwright.checks.results import CheckResult
from rackwright.desired.paths import release_dir, unit_name
from rackwright.engines import ENGINES, Engine
from rackwright.planning.topology import islands
from rackwright.remote.burn_in import DCGM_S, START_S
from rackwright.runner.fleet import FleetRun

LINKS_S = 120
"""For one group of GPUs: torch, NCCL and the GPUs are started for each."""
SIZE, SMALL_SIZE, CPU_SIZE = 8192, 4096, 256
"""Of the matrices: large enough to heat a GPU, small enough to fit beside its memory's patterns."""
SMALL_BYTES = 12 << 30
MARGIN_S = 120
CPU_BYTES = 64 << 20
"""Of the memory that is tested where there are no GPUs."""
UNIFIED_SHARE = 0.5
"""Of what is free where GPU and CPU share it: the system needs the rest."""


class Torch(NamedTuple):
    """Whose torch burns in: an interpreter, who runs it, and with what environment."""

    python: str
    user: str | None
    environment: Mapping[str, str]


class BurnIn(NamedTuple):
    """``request`` is what the server is asked, ``limit_s`` how long that may take in all."""

    planned: PlannedBurnIn
    links: tuple[PlannedLinks, ...]
    request: dict[str, Any]
    limit_s: int

    def results(self, answer: dict[str, Any]) -> list[CheckResult]:
        """Every check of what ``remote/burn_in.py`` answered."""
        asked = checks.checks_about(PlannedBurnIn)
        rows = [check.ask(self.planned, answer) for check in asked]
        copies = answer.get("copies") or {}
        nothing = {"error": "no answer"}
        return [*rows, *(BANDWIDTH.ask(one, copies.get(one.name) or nothing) for one in self.links)]


def burn_in(
    planned: PlannedBurnIn, links: tuple[PlannedLinks, ...], torch: Torch, minutes: float
) -> BurnIn:
    """How GPUs and the links among them are burned in, for so many minutes; no unit is stopped."""
    request = {
        **torch._asdict(),
        "units": [],
        "gpus": list(planned.gpus),
        "links": {**torch._asdict(), **_links_request(planned, links)},
        "burn": _burn_request(planned, minutes),
        "dcgm": True,
    }
    limit_s = minutes * 60 + LINKS_S * (1 + len(links)) + START_S + DCGM_S + MARGIN_S
    return BurnIn(planned, links, request, round(limit_s))


def _burn_request(planned: PlannedBurnIn, minutes: float) -> dict[str, Any]:
    types = planned.gpus.values()
    smallest = min(gpu.memory_bytes for gpu in types)
    size = SMALL_SIZE if smallest < SMALL_BYTES else SIZE
    return {
        "device": "cuda" if planned.uses_gpus else "cpu",
        "burn_s": minutes * 60,
        "size": size if planned.uses_gpus else CPU_SIZE,
        "share": UNIFIED_SHARE if any(gpu.unified_memory for gpu in types) else 1.0,
        "most_bytes": None if planned.uses_gpus else CPU_BYTES,
    }


def _links_request(planned: PlannedBurnIn, links: tuple[PlannedLinks, ...]) -> dict[str, Any]:
    """One process copies to and from each GPU; then each group of GPUs among themselves."""
    to_host = {"name": planned.host, "gpus": list(planned.gpus), "pairs": [], "ranks": 1}
    groups = [{"name": one.name, "gpus": one.gpus, "pairs": one.pairs} for one in links]
    return {
        "device": "cuda" if planned.uses_gpus else "cpu",
        "backend": "nccl" if planned.uses_gpus else "gloo",
        "sizes": SIZES_BYTES if planned.uses_gpus else SIZES_BYTES[:2],
        "limit_s": LINKS_S,
        "groups": [{**to_host, "to_host": True}, *groups],
    }


def torch_engine(fleet: FleetRun, server: str) -> Engine | None:
    """The engine of a server whose release brings torch, one for GPUs first; None without one."""
    settings = fleet.settings(server)
    names = dict.fromkeys(replica.service.engine for replica in fleet.plan.on(server))
    able = [ENGINES[name] for name in names if ENGINES[name].torch_program]
    return max(able, key=lambda engine: engine.uses_gpus(settings), default=None)


def burn_in_of(fleet: FleetRun, server: str, engine: Engine, minutes: float) -> BurnIn:
    """How a server is burned in by an engine's torch, its replicas' units stopped meanwhile."""
    settings, spec = fleet.settings(server), fleet.spec.servers[server]
    uses_gpus = engine.uses_gpus(settings)
    gpus = {
        index: fleet.spec.gpu_of(kind) for kind in spec.kinds for index in kind.gpus.nvml_indexes
    }
    links = tuple(_links(fleet, server, engine)) if uses_gpus else ()
    python = f"{release_dir(engine, settings)}/{engine.torch_program}"
    torch = Torch(python, settings.engine_user, settings.engine_environment)
    alone = burn_in(PlannedBurnIn(server, gpus, uses_gpus), links, torch, minutes)
    units = [unit_name(replica) for replica in fleet.plan.on(server)]
    longer_s = alone.limit_s + settings.stop_timeout_s
    return alone._replace(request={**alone.request, "units": units}, limit_s=longer_s)


def _links(fleet: FleetRun, server: str, engine: Engine) -> Iterable[PlannedLinks]:
    """The GPUs of each type in the server, where it has several."""
    for kind in fleet.spec.servers[server].kinds:
        gpu = fleet.spec.gpu_of(kind)
        if kind.gpus.count > 1:
            yield PlannedLinks(
                name=f"GPUs {', '.join(map(str, kind.gpus.nvml_indexes))}",
                host=server,
                unit="",
                engine=engine.name,
                gpus=kind.gpus.nvml_indexes,
                gpu=gpu,
                interconnect=kind.interconnect,
                islands=islands(kind, gpu),
            )
