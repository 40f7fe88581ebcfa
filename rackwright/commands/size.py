"""`rackwright size`: from the words of a command line to what a model needs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import click

from rackwright.catalog import GpuType
from rackwright.engines import ENGINES
from rackwright.errors import Fault, PlanError, SpecError
from rackwright.exits import tell
from rackwright.inventory.group_data import group_data
from rackwright.models import NAMED
from rackwright.models.finding import find_gpus, find_model
from rackwright.models.shape import Shape
from rackwright.models.spec import ModelSpec
from rackwright.planning.buying import COUNTS, Need, Offer, offers
from rackwright.report.size import size_document, size_text
from rackwright.schema.validation import parse
from rackwright.spec import ServiceSpec

USUAL_CONTEXT = 8192
"""Tokens of the longest request where nobody says otherwise, or the model's own if shorter."""
_ENGINE = next(name for name, engine in ENGINES.items() if engine.predicts)
"""Whose memory and speed is told: the first whose speed is predicted."""
_SPEC_KEYS = (
    "concurrency",
    "gpu_memory_utilization",
    "kv_cache_dtype",
    "max_num_seqs",
    "max_num_batched_tokens",
    "enforce_eager",
)


@dataclass(frozen=True)
class Answer:
    """What was tried, for a model and a service."""

    model: ModelSpec
    shape: Shape
    service: ServiceSpec
    offers: list[Offer]

    def text(self) -> str:
        """For a terminal."""
        count = self.shape.parameters / 1e9
        method = self.shape.quantization.method if self.shape.quantization else self.shape.dtype
        kind = f"{self.shape.architecture}, {method}"
        return size_text(
            f"{self.model.name}  {count:,.1f} billion parameters, {kind}",
            self.service,
            self.offers,
        )

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return size_document(self.model.name, self.service, self.offers)


def size_up(name: str, types: Mapping[str, GpuType] | None = None, **asked: Any) -> Answer:
    """What the model called ``name`` needs. ``asked`` are the options of ``rackwright size``;
    ``types`` are the catalog's GPU types, unless an inventory has its own beside them.

    Raises SpecError with every fault of the options, the model and the GPU type.
    """
    faults: list[Fault] = []
    model = _or_none(find_model, name, faults)
    gpus = _or_none(partial(find_gpus, types=types), asked["gpu"], faults)
    service = _service(asked, model, faults)
    if model and asked["quantization"] and model.shape.quantization:
        rule = f"must be left out, {model.name} is released in {model.shape.quantization.method}"
        faults.append(Fault("--quantization", rule, asked["quantization"]))
    faults.extend(_hardware_faults(asked, gpus or []))
    if faults or not (model and gpus and service):
        raise SpecError(faults, heading="in what was asked")
    shape = model.shape
    if asked["quantization"]:
        shape = shape.with_quantization(NAMED[asked["quantization"]])
    joined = asked["interconnect"]
    gpus = [gpu for gpu in gpus if joined is None or joined in gpu.interconnects]
    need = Need(service, shape, group_data().values[f"{_ENGINE}_version"], asked["gpus"], joined)
    return Answer(model, shape, service, [offer for gpu in gpus for offer in offers(need, gpu)])


def _or_none(find: Any, name: str | None, faults: list[Fault]) -> Any:
    try:
        return find(name)
    except SpecError as error:
        faults.extend(error.faults)
        return None


def _service(
    asked: dict[str, Any], model: ModelSpec | None, faults: list[Fault]
) -> ServiceSpec | None:
    longest = model.longest_context if model else USUAL_CONTEXT
    context = asked["max_model_len"] or min(USUAL_CONTEXT, longest)
    if model and context > longest:
        rule = f"must be at most {longest}, the longest context of {model.name}"
        faults.append(Fault("--max-model-len", rule, context))
    many = (asked["concurrency"] or 1) > 1
    objective = asked["objective"] or ("throughput" if many else "latency")
    usual = {"concurrency": 1} if objective == "latency" else {}
    entry = usual | {key: asked[key] for key in _SPEC_KEYS if asked[key] is not None}
    entry |= {
        "name": "size",
        "model": "asked",
        "engine": _ENGINE,
        "servers": ["server0"],
        "max_model_len": context,
        "objective": objective,
    }
    found: list[Fault] = []
    service = parse(ServiceSpec, entry, "", found)
    faults.extend(
        Fault(f"--{fault.path.lstrip('.').replace('_', '-')}", fault.rule, fault.value)
        for fault in found
    )
    return service


def _hardware_faults(asked: dict[str, Any], gpus: list[GpuType]) -> list[Fault]:
    faults: list[Fault] = []
    count, joined, most = asked["gpus"], asked["interconnect"], COUNTS[-1]
    if count and not any(gpu.interconnects != {"none"} for gpu in gpus):
        return faults
    if count and count > most and count % most:
        faults.append(Fault("--gpus", f"above {most} must be full servers of {most}", count))
    if joined and len(gpus) == 1 and joined not in gpus[0].interconnects:
        can = ", ".join(sorted(gpus[0].interconnects - {"none"}))
        rule = f"{gpus[0].name} has {can} only" if can else f"{gpus[0].name} comes one to a server"
        faults.append(Fault("--interconnect", rule, joined))
    return faults


def _known(inventory: str | None) -> dict[str, GpuType] | None:
    """The GPU types of an inventory and the catalog's; None where no inventory is named."""
    if inventory is None:
        return None
    from rackwright.runner.gpu_types import gpu_types_of  # pyinfra, which is slow to load

    return gpu_types_of(inventory)


@click.command(short_help="How few GPUs of each type serve a model")
@click.argument("model")
@click.option("--gpu", help="One GPU type of the catalog; all of them if left out.")
@click.option(
    "--inventory",
    type=click.Path(exists=True, dir_okay=False),
    help="Whose gpu_types are known beside the catalog's.",
)
@click.option("--gpus", type=click.IntRange(1, 128), help="How many GPUs; else the fewest.")
@click.option("--interconnect", type=click.Choice(["pcie", "nvlink", "nvswitch"]))
@click.option("--max-model-len", type=click.IntRange(1), help="Longest request, in tokens.")
@click.option("--concurrency", type=click.IntRange(1), help="Requests at once; see below.")
@click.option("--objective", type=click.Choice(["latency", "throughput"]))
@click.option("--quantization", type=click.Choice(sorted(NAMED)))
@click.option("--kv-cache-dtype", type=click.Choice(["auto", "fp8"]), default="auto")
@click.option("--gpu-memory-utilization", type=float, help="Share of each GPU; 0.9 as a rule.")
@click.option("--max-num-seqs", type=click.IntRange(1), help="Most requests in a step.")
@click.option("--max-num-batched-tokens", type=click.IntRange(1), help="Most tokens in a step.")
@click.option("--enforce-eager", is_flag=True, help="Without CUDA graphs.")
@click.option("--json", "as_json", is_flag=True, help="Print every layout as JSON.")
def size(model: str, inventory: str | None, as_json: bool, **asked: Any) -> None:
    """What MODEL needs: for each GPU type the fewest GPUs, and the smallest cluster, to serve it.

    MODEL is a name of the catalog, a directory with a config.json, or a Hugging Face repository.
    Without --concurrency latency is that of one request, and throughput that of GPUs which are
    full. Exits with 66 where nothing that was asked about can serve it.
    """
    answer = size_up(model, _known(inventory), **asked)
    document = answer.document()
    tell(json.dumps(document, indent=1) if as_json else answer.text())
    if document["chosen"] is None:
        sys.exit(PlanError.exit_code)
