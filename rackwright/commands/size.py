"""`rackwright size`: from the words of a command line to what a model needs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from rackwright.catalog import GpuType
from rackwright.engines import ENGINES
from rackwright.errors import Fault, PlanError, SpecError
from rackwright.exits import tell
from rackwright.inventory.group_data import group_data
from rackwright.models import NAMED
from rackwright.models.finding import find_gpus, find_model
from rackwright.models.gguf_shape import FileModel, model_of_file
from rackwright.models.given import model_of_figures
from rackwright.models.shape import Shape
from rackwright.models.spec import ModelSpec, seeing
from rackwright.models.tasks import keeps_tokens, task_of
from rackwright.planning.buying import COUNTS, Need, Offer, offers
from rackwright.report.images import tower_words
from rackwright.report.size import size_document, size_text
from rackwright.report.weights import weights_document, weights_words
from rackwright.schema.validation import parse
from rackwright.sizing import GIB, Split, weights_bytes
from rackwright.spec import ServiceSpec

_KV_DTYPES = ("auto", "fp8", "f16", "q8_0", "q4_0")
USUAL_CONTEXT = 8192
"""Tokens of the longest request where nobody says otherwise, or the model's own if shorter."""
_ENGINE = next(name for name, engine in ENGINES.items() if engine.predicts)
"""Whose memory and speed is told: the first whose speed is predicted."""
_OF_FILES = next(name for name, engine in ENGINES.items() if engine.serves_gguf)
"""Who serves a GGUF file that is named."""
_SPEC_KEYS = (
    "concurrency",
    "gpu_memory_utilization",
    "kv_cache_dtype",
    "max_num_seqs",
    "max_num_batched_tokens",
    "enforce_eager",
    "images",
    "audios",
)


@dataclass(frozen=True)
class Answer:
    """What was tried, for a model and a service."""

    model: ModelSpec | FileModel
    shape: Shape
    service: ServiceSpec
    offers: list[Offer]

    def text(self) -> str:
        """For a terminal."""
        shape = self.shape
        method = shape.quantization.method if shape.quantization else shape.dtype
        size = f"{shape.parameters / 1e9:,.1f} billion parameters"
        if isinstance(self.model, FileModel):
            method = self.model.about
        elif shape.margin or self.model.figures:
            size = f"{weights_bytes(shape, Split(), 0) / GIB:,.1f} GiB of weights"
        title = f"{self.model.name}  {size}, {shape.architecture}, {method}"
        words = [*weights_words(shape), *tower_words(shape), *_of_its_name(self.model.name, shape)]
        return size_text(title, self.service, self.offers, words=words, task=task_of(shape))

    def document(self) -> dict[str, Any]:
        """For JSON."""
        task = task_of(self.shape)
        found = size_document(self.model.name, self.service, self.offers, task)
        return {**found, "weights": weights_document(self.shape)}


Types = Mapping[str, GpuType] | None


def _of_its_name(name: str, shape: Shape) -> Iterator[str]:
    """That a model is named after vectors or scores though its class writes."""
    if shape.answers == "text" and any(sign in name.lower() for sign in ("embed", "rerank")):
        yield (
            "by its config it writes, by its name it does not: declared with `answers: vectors` it "
            "is planned for vectors; what follows is of writing"
        )


def size_up(name: str, types: Types | Callable[[], Types] = None, **asked: Any) -> Answer:
    """What the model called ``name`` needs. ``asked`` are the options of ``rackwright size``;
    ``types`` are the catalog's GPU types, unless an inventory has its own beside them: read behind
    the model, for pyinfra changes sockets and threads, and no hub can be asked after that.

    Raises SpecError with every fault of the options, the model and the GPU type.
    """
    faults: list[Fault] = []
    if asked.get("figures"):
        model = _or_none(partial(model_of_figures, given=asked["figures"]), name, faults)
    else:
        find = partial(_find, tensors=asked.get("tensors") or False)
        model = _or_none(find, name, faults)
    known = types() if callable(types) else types
    gpus = _or_none(partial(find_gpus, types=known), asked["gpu"], faults)
    service = _service(asked, model, faults)
    own = model.shape.quantization if model else None
    if model and asked["quantization"] and (own or model.shape.in_file):
        rule = f"must be left out, {model.name} is released in {own.method if own else 'GGUF'}"
        faults.append(Fault("--quantization", rule, asked["quantization"]))
    faults.extend(_item_faults(asked, model))
    if model and service and not keeps_tokens(model.shape):
        faults.extend(_cache_faults(asked, model.name, service.max_model_len))
    faults.extend(_hardware_faults(asked, gpus or []))
    if faults or not (model and gpus and service):
        raise SpecError(faults, heading="in what was asked")
    shape = model.shape
    if asked["quantization"]:
        shape = shape.with_quantization(NAMED[asked["quantization"]])
    shape = seeing(shape, asked.get("images") or 0, asked.get("audios") or 0)
    joined = asked["interconnect"]
    gpus = [gpu for gpu in gpus if joined is None or joined in gpu.interconnects]
    version = group_data().values[f"{service.engine}_version"]
    need = Need(service, shape, version, asked["gpus"], joined)
    return Answer(model, shape, service, [offer for gpu in gpus for offer in offers(need, gpu)])


def _item_faults(asked: Mapping[str, Any], model: ModelSpec | FileModel | None) -> list[Fault]:
    """What sees and hears must be known, and what is read in one step must fit one."""
    if not model:
        return []
    shape, faults = model.shape, []
    for key, tower, reason, senses in (
        ("images", shape.tower, shape.unseeing, "sees no images"),
        ("audios", shape.ear, shape.unhearing, "hears no sounds"),
    ):
        if asked.get(key) and not tower:
            rule = reason or f"{model.name} {senses} that could be planned for"
            faults.append(Fault(f"--{key}", f"must be left out: {rule}", asked[key]))
    step = asked.get("max_num_batched_tokens")
    if asked.get("audios") and shape.answers == "transcripts":
        rule = f"must be left out: {model.name} hears one sound in each request"
        faults.append(Fault("--audios", rule, asked["audios"]))
    least = seeing(shape, asked.get("images") or 0, asked.get("audios") or 0).least_step
    if step and step < least:
        rule = f"must be at least {least}: {model.name} reads an image or a sound in one step"
        faults.append(Fault("--max-num-batched-tokens", rule, step))
    return faults


def _cache_faults(asked: Mapping[str, Any], name: str, longest: int) -> Iterator[Fault]:
    """What keeps nothing of a token reads a text in one step, and has no cache."""
    step = asked.get("max_num_batched_tokens")
    if step and step < longest:
        rule = f"must be at least {longest}: {name} reads a text in one step"
        yield Fault("--max-num-batched-tokens", rule, step)
    if asked["kv_cache_dtype"] != "auto":
        rule = f"must be left out: {name} has no KV cache"
        yield Fault("--kv-cache-dtype", rule, asked["kv_cache_dtype"])


def _find(name: str, tensors: bool) -> ModelSpec | FileModel:
    """A model by its name, or by the GGUF file that it is in."""
    if name.endswith(".gguf"):
        return model_of_file(Path(name))
    return find_model(name, tensors=tensors)


def _or_none(find: Any, name: str | None, faults: list[Fault]) -> Any:
    try:
        return find(name)
    except SpecError as error:
        faults.extend(error.faults)
        return None


def _service(
    asked: dict[str, Any], model: ModelSpec | FileModel | None, faults: list[Fault]
) -> ServiceSpec | None:
    longest = model.longest_context if model else USUAL_CONTEXT
    context = asked["max_model_len"] or min(USUAL_CONTEXT, longest)
    if model and context > longest:
        rule = f"must be at most {longest}, the longest context of {model.name}"
        faults.append(Fault("--max-model-len", rule, context))
    engine = ENGINES[_OF_FILES if isinstance(model, FileModel) else _ENGINE]
    if model and asked["kv_cache_dtype"] not in engine.kv_cache_dtypes:
        rule = f"must be one of {', '.join(engine.kv_cache_dtypes)} for {engine.name}"
        faults.append(Fault("--kv-cache-dtype", rule, asked["kv_cache_dtype"]))
    many = (asked["concurrency"] or 1) > 1
    objective = asked["objective"] or ("throughput" if many else "latency")
    usual = {"concurrency": 1} if objective == "latency" else {}
    entry = usual | {key: asked[key] for key in _SPEC_KEYS if asked.get(key) is not None}
    entry |= {
        "name": "size",
        "model": "asked",
        "engine": engine.name,
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
@click.option("--tensors", is_flag=True, help="Read the headers of its files: exact weights.")
@click.option(
    "--figures",
    multiple=True,
    metavar="FILE|KEY=VALUE",
    help="Its memory by hand, keys as in an inventory; MODEL is then only its name.",
)
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
@click.option("--kv-cache-dtype", type=click.Choice(_KV_DTYPES), default="auto")
@click.option("--gpu-memory-utilization", type=float, help="Share of each GPU; 0.9 as a rule.")
@click.option("--max-num-seqs", type=click.IntRange(1), help="Most requests in a step.")
@click.option("--max-num-batched-tokens", type=click.IntRange(1), help="Most tokens in a step.")
@click.option("--enforce-eager", is_flag=True, help="Without CUDA graphs.")
@click.option("--images", type=click.IntRange(1), help="Images a prompt; none: served as text.")
@click.option("--audios", type=click.IntRange(1), help="Sounds a prompt, of models that hear.")
@click.option("--json", "as_json", is_flag=True, help="Print every layout as JSON.")
def size(model: str, inventory: str | None, as_json: bool, **asked: Any) -> None:
    """What MODEL needs: for each GPU type the fewest GPUs, and the smallest cluster, to serve it.

    MODEL is a name of the catalog, a directory with a config.json, a Hugging Face repository, or a
    GGUF file (the first of a split one), which llama.cpp serves. Headers of safetensors files are
    read where a directory has some, with --tensors, and where a repository's architecture is not
    known: then they make an estimate.
    Without --concurrency latency is that of one request, and throughput that of GPUs which are
    full. Exits with 66 where nothing that was asked about can serve it.
    """
    answer = size_up(model, partial(_known, inventory), **asked)
    document = answer.document()
    tell(json.dumps(document, indent=1) if as_json else answer.text())
    if document["chosen"] is None:
        sys.exit(PlanError.exit_code)
