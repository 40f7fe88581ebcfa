"""What every engine answers. An engine is one module that fulfils ``Engine``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rackwright.engines.release import Archive, Download
from rackwright.errors import Fault, PlanError

if TYPE_CHECKING:
    from rackwright.catalog import GpuType
    from rackwright.engines.release import Release
    from rackwright.models import Shape
    from rackwright.plan import Replica
    from rackwright.schema.fields import Digests
    from rackwright.sizing import GpuMemory, Limits, Split
    from rackwright.spec import ServiceSpec, Settings


class Ask(NamedTuple):
    """A question to a replica beside the usual ones: a GET, or a POST where there is a body."""

    name: str
    path: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Loaded:
    """What an engine says that it holds; None where it does not say.

    ``context`` is the tokens of one request, ``slots`` how many requests at a time.
    ``on_gpu_bytes`` of ``total_bytes`` lie in the memory of GPUs. ``digest`` is of the weights.
    """

    context: int | None = None
    slots: int | None = None
    total_bytes: int | None = None
    on_gpu_bytes: int | None = None
    digest: str | None = None


class Engine(Protocol):
    """How one engine is installed, started, asked, and what memory it takes. It plans nothing.

    What has a default here is left out by an engine that is as usual.

    A path is None for what the engine does not offer. ``figures`` says where its metrics tell
    ``requests_running``, ``requests_waiting``, ``kv_cache_tokens``, ``kv_cache_share`` (in use, 0
    to 1) and ``tokens_generated`` (since its start): a series, and a label or "" for its value.
    ``timed_options`` are what a completion that is timed asks for beside its question: to go on
    until it has all its tokens, and to count them as they come.
    ``key_variable`` is the environment variable of its API key, None where it has no such thing.
    ``serves_gguf``: its weights are one GGUF file; else a directory of a repository, fetched by
    ``downloader``, a program of its release; ``torch_program`` is the interpreter of one that
    brings torch. ``pulls``: it fetches models from a registry itself.
    ``splits_layers``: it deals layers to as few GPUs as hold them; else ranks and stages.
    ``spans_servers``: one replica may take several servers. ``predicts``: its speed can be
    predicted. ``lists_context``: its list of models says the context. ``service_keys`` are keys of
    a service that not all engines understand, and it does.
    """

    name: str
    documentation: str
    health_path: str = "/health"
    models_path: str = "/v1/models"
    completions_path: str = "/v1/chat/completions"
    version_path: str | None = None
    metrics_path: str | None = None
    figures: Mapping[str, tuple[str, str]] = MappingProxyType({})
    timed_options: Mapping[str, object] = MappingProxyType({})
    key_variable: str | None = None
    downloader: str | None = None
    torch_program: str | None = None
    serves_gguf: bool = False
    pulls: bool = False
    splits_layers: bool = False
    spans_servers: bool = False
    predicts: bool = False
    lists_context: bool = True
    service_keys: frozenset[str] = frozenset()
    kv_cache_dtypes: tuple[str, ...] = ("auto",)
    scripts: tuple[str, ...] = ()
    """Programs of ``remote`` that its units run, without ``.py``."""

    def version(self, settings: Settings) -> str:
        """The version that ``version_path`` must tell."""
        return self.release(settings).version

    def batch_limits(self, gpu: GpuType) -> tuple[int, int]:
        """Sequences and tokens a step on such a GPU, unless the operator says otherwise."""
        ...

    def memory_share(self, total_bytes: int, limits: Limits) -> float:
        """The share of a GPU that it may take, unless the operator says otherwise."""
        return limits.gpu_memory_utilization

    def memory(self, shape: Shape, split: Split, total_bytes: int, limits: Limits) -> GpuMemory:
        """Memory of the fullest GPU of a replica."""
        ...

    def unjudged(self, shape: Shape) -> str:
        """Why the engine's memory for such a model cannot be computed; empty where it can."""
        return ""

    def flag_faults(self, extra_args: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        """Flag and rule for each extra flag that is not the operator's to set."""
        return iter(())

    def setting_faults(self, settings: Settings) -> Iterator[tuple[str, str]]:
        """Setting and rule for each that a host with this engine lacks."""
        return iter(())

    def uses_gpus(self, settings: Settings) -> bool:
        """Whether its build there runs on GPUs."""
        ...

    def release(self, settings: Settings) -> Release:
        """What is installed for it. Only asked where ``setting_faults`` finds none."""
        ...

    def program(self, settings: Settings) -> str:
        """The program of its units, relative to the release."""
        ...

    def argv(self, replica: Replica, model_path: str, settings: Settings) -> tuple[str, ...]:
        """The command line after the program."""
        ...

    def after_start(self, replica: Replica, model_path: str) -> tuple[str, ...]:
        """A script and its arguments that make it ready once it answers; empty where it is."""
        return ()

    def environment(
        self, replica: Replica, settings: Settings, gpu_uuids: Sequence[str] | None
    ) -> dict[str, str]:
        """Environment of the process, without secrets.

        ``gpu_uuids`` are those of all GPUs of the host by index, or None where they are not
        known. Raises PlanError where the host shows fewer GPUs than the replica needs.
        """
        ...

    def listed(self, body: Any) -> dict[str, int | None] | None:
        """Served name to context length from its list of models; None when it is not one."""
        return models_listed(body)

    def questions(self, replica: Replica) -> tuple[Ask, ...]:
        """What ``loaded`` needs to be asked."""
        return ()

    def loaded(self, served_model_name: str, answers: Mapping[str, Any]) -> Loaded | None:
        """What the engine holds, from its answers by name; None where it was not asked.

        Raises ValueError with what is wrong in words: another model, or an answer of no sense.
        """
        return None


def service_faults(engine: Engine, service: ServiceSpec) -> Iterator[tuple[str, str]]:
    """Key and rule for each key of a service that its engine does not understand."""
    given = service.model_fields_set & _OF_SOME_ENGINES
    for key in sorted(given - engine.service_keys):
        yield key, f"must be left out, engine {engine.name} has no such thing"
    allowed = engine.kv_cache_dtypes
    if service.kv_cache_dtype not in allowed:
        yield "kv_cache_dtype", f"must be one of {', '.join(allowed)} with engine {engine.name}"
    if not (engine.predicts or isinstance(service.objective, str)):
        rule = f"must be latency or throughput, the speed of engine {engine.name} is not predicted"
        yield "objective", rule
    many = (service.servers_per_replica or 1) > 1
    if many and "servers_per_replica" in engine.service_keys and not engine.spans_servers:
        yield "servers_per_replica", f"must be 1, engine {engine.name} runs on one server"


_OF_SOME_ENGINES = frozenset(
    (
        "enforce_eager",
        "expert_parallel",
        "extra_args",
        "max_num_batched_tokens",
        "pipeline_parallel_size",
        "quantization",
        "servers_per_replica",
        "tensor_parallel_size",
    )
)


def models_listed(body: Any, context_key: str = "max_model_len") -> dict[str, int | None] | None:
    """Served name to context from an OpenAI list of models; None when it is not one."""
    rows = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        return None
    return {str(row.get("id")): row.get(context_key) for row in rows}


def visible_gpus(replica: Replica, gpu_uuids: Sequence[str] | None) -> dict[str, str]:
    """CUDA's choice of GPUs. UUIDs do not move when a card is lost; an index then means another.

    Raises PlanError where the host shows fewer GPUs than planned.
    """
    if gpu_uuids is not None and max(replica.gpus) >= len(gpu_uuids):
        rule = f"{replica.name} needs GPU {max(replica.gpus)}, the host shows {len(gpu_uuids)} GPUs"
        raise PlanError([Fault(f"servers[{replica.server.name}].gpus.count", rule)])
    chosen = [gpu_uuids[i] if gpu_uuids is not None else str(i) for i in replica.gpus]
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(chosen)}


def archive_of(url: str, digests: Digests, version: str, smoke_test: tuple[str, ...]) -> Archive:
    """An archive from settings: a URL with ``{version}`` and ``{arch}``, and its digests."""
    known = {"amd64": digests} if isinstance(digests, str) else digests
    downloads = {
        arch: Download(url.replace("{version}", version).replace("{arch}", arch), sha256)
        for arch, sha256 in known.items()
    }
    return Archive(downloads, smoke_test)


def flag(name: str, value: object) -> str:
    """One argument a flag: True and None are the bare flag, False its ``--no-`` form."""
    word = name.replace("_", "-")
    if value is True or value is None:
        return f"--{word}"
    return f"--no-{word}" if value is False else f"--{word}={value}"


def owned_flags(
    extra_args: Mapping[str, object], own: frozenset[str], unjudged: frozenset[str]
) -> Iterator[tuple[str, str]]:
    """Extra flags that the plan sets or cannot judge, by any prefix that a parser would take."""
    for given in extra_args:
        name = given.replace("_", "-").partition(".")[0]
        if not name or not name.replace("-", "").isalnum() or name.startswith("-"):
            yield given, "must be a flag's name without its leading dashes"
            continue
        positive = name.removeprefix("no-")
        if any(each.startswith(positive) for each in own):
            yield given, "is set by Rackwright, use the service's own keys"
        elif any(each.startswith(positive) for each in unjudged):
            yield given, "changes memory or placement in a way that cannot be judged yet"
