"""Inventory data as validated values: what the operator declares, and nothing decided yet."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from rackwright.architectures import Figures, Shape, read_shape, shape_by_hand
from rackwright.architectures.quantization import NAMED
from rackwright.catalog import Interconnect
from rackwright.errors import Fault, SpecError
from rackwright.settings import AbsolutePath, Port, Settings, Sha256

__all__ = [
    "FleetSpec",
    "GatewaySpec",
    "Gguf",
    "GpuSpec",
    "ModelSource",
    "ModelSpec",
    "ServerSpec",
    "ServiceSpec",
    "Settings",
    "load_fleet",
]


def _whole_address(value: str) -> str:
    """Digits and dots alone are an IPv4 address; 10.20.0.300 is no host name either."""
    if value.replace(".", "").isdigit():
        try:
            ip_address(value)
        except ValueError:
            raise ValueError("must be an IPv4 address or a host name") from None
    return value


def _whole_gguf(value: str) -> str:
    """A model in several files is loaded by its first, whose digest says nothing of the others."""
    if re.search(r"-[0-9]{5}-of-[0-9]{5}\.gguf$", value):
        raise ValueError("must be one file, merge a split one with llama-gguf-split --merge")
    return value


Count = Annotated[int, Field(strict=True, ge=1)]
HostName = Annotated[
    str,
    Field(
        pattern=r"^@?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
        max_length=64,
        description="must be a host name of letters, digits, dots and hyphens, or @local",
    ),
]
UnitName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        max_length=63,
        description="must be named with lower case letters, digits and hyphens",
    ),
]
Address = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
        max_length=253,
        description="must be an IPv4 address or a host name",
    ),
    AfterValidator(_whole_address),
]
InterfaceName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$",
        description="must be the name of a network interface, at most 15 characters",
    ),
]
Repo = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="must be a Hugging Face repository: owner/name",
    ),
]
Revision = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{40}$",
        description="must be a full commit hash, 40 hex digits (branches and tags move)",
    ),
]
GgufName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._@+-]+(/[A-Za-z0-9._@+-]+)*\.gguf$",
        description="must be a file of the repository that ends in .gguf",
    ),
    AfterValidator(_whole_gguf),
]
GgufPath = Annotated[
    str,
    Field(
        pattern=r"^(/[A-Za-z0-9._@+-]+)+\.gguf$",
        description="must be an absolute path of a .gguf file, of letters, digits and ._@+-",
    ),
    AfterValidator(_whole_gguf),
]
PulledName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*:[A-Za-z0-9._-]+$",
        description="must be a model and its tag, such as llama3.2:3b",
    ),
]
ServedName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$",
        description="must be letters, digits and ._:/- only",
    ),
]
Scalar = str | int | float | bool | None


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


GpuIndex = Annotated[int, Field(strict=True, ge=0)]
GpuGroups = tuple[tuple[GpuIndex, ...], ...]


class GpuSpec(_Spec):
    """The GPUs of one server: all of one ``type``, a key of the catalog's ``gpus.yaml``.

    ``power_limit_w`` is of each GPU; ``ecc`` None leaves their memory as it is.
    """

    type: str
    count: int = Field(strict=True, ge=1, le=16)
    power_limit_w: int | None = Field(None, strict=True, ge=50, le=2000)
    ecc: bool | None = Field(None, strict=True)
    mig: bool = Field(False, strict=True)


class ServerSpec(_Spec):
    """One server. ``address`` is where the gateway reaches it; engines listen there only.

    ``interconnect`` joins its GPUs. ``nvlink_islands`` and ``numa_nodes`` list GPU indexes that
    belong together where that is not as usual. ``network_gbit_per_s`` joins it to other servers,
    over ``network_interface`` where a replica spans several.
    """

    name: HostName
    address: Address
    gpus: GpuSpec
    interconnect: Interconnect = "none"
    nvlink_islands: GpuGroups | None = None
    numa_nodes: GpuGroups | None = None
    network_gbit_per_s: float = Field(10, ge=1)
    network_interface: InterfaceName | None = None

    @property
    def hardware(self) -> tuple[object, ...]:
        """What decides its layouts: equal for servers that are built alike."""
        return (
            self.gpus.type,
            self.gpus.count,
            self.interconnect,
            self.nvlink_islands,
            self.numa_nodes,
            self.network_gbit_per_s,
        )


class GatewaySpec(_Spec):
    """One gateway. ``certificate`` and its key are PEM files on the gateway, or both None."""

    name: HostName
    server_name: Address
    port: Port = 443
    certificate: AbsolutePath | None = None
    certificate_key: AbsolutePath | None = None


class ModelSource(_Spec):
    """Where weights come from: a repository at a pinned revision, or a directory on the server.

    A catalog entry has the repository only; it is pinned once a service adds a revision.
    """

    repo: Repo | None = None
    revision: Revision | None = None
    path: AbsolutePath | None = None

    @property
    def pinned(self) -> bool:
        """Whether this names exactly one set of weights."""
        return bool(self.path) or bool(self.repo and self.revision)


class Gguf(_Spec):
    """One GGUF file: in a repository at a pinned revision, at a path on the server, or pulled.

    ``sha256`` is of the file; of a model to ``pull`` from Ollama's registry it is the digest that
    `ollama list` shows. ``size_bytes`` decides how many GPUs it needs. ``quantization`` is only
    shown.
    """

    repo: Repo | None = None
    revision: Revision | None = None
    file: GgufName | None = None
    path: GgufPath | None = None
    pull: PulledName | None = None
    sha256: Sha256
    size_bytes: Count
    quantization: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        from_repo = (self.repo, self.revision, self.file)
        kinds = (any(from_repo), bool(self.path), bool(self.pull))
        if sum(kinds) != 1 or (any(from_repo) and not all(from_repo)):
            raise ValueError("must have repo, revision and file, or path, or pull")
        return self


def _config_json(value: object) -> object:
    """A config given as a path is read: a ``config.json``, or the directory that holds it."""
    if not isinstance(value, str):
        return value
    path = Path(value)
    try:
        path = path / "config.json" if path.is_dir() else path
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else "no JSON"
        raise ValueError(f"must be a readable config.json ({what})") from None


class ModelSpec(_Spec):
    """A model: where its weights come from, and the figures that decide how large it is.

    ``gguf`` is its file for engines that serve those, beside or instead of ``source``.
    ``config`` is its Hugging Face ``config.json``, as a dict or as a path to it; ``figures`` are
    given by hand where the architecture is not known. ``max_model_len`` shortens the longest
    context that the figures name. ``published_extra`` is what ``published_parameters`` counts
    beside the model's own weights: vision, scales, layers for drafts.
    """

    name: str
    source: ModelSource
    gguf: Gguf | None = None
    config: Annotated[dict[str, Any] | None, BeforeValidator(_config_json)] = None
    figures: Figures | None = None
    max_model_len: Count | None = None
    dtype: Literal["bfloat16", "float16"] | None = None
    published_parameters: int | None = None
    published_extra: dict[str, int] = {}
    provenance: str = ""

    @model_validator(mode="before")
    @classmethod
    def _from_entry(cls, data: Any) -> Any:
        """Flat entry (``path``, ``repo``, ``revision`` beside the figures) to nested source."""
        if not isinstance(data, dict) or isinstance(data.get("source"), (dict, ModelSource)):
            return data
        entry = {("provenance" if key == "source" else key): data[key] for key in data}
        entry["source"] = {
            key: entry.pop(key) for key in ("repo", "revision", "path") if key in entry
        }
        return entry

    @model_validator(mode="after")
    def _one_kind_of_figures(self) -> Self:
        if (self.config is None) == (self.figures is None):
            raise ValueError("must have either config (its config.json) or figures (by hand)")
        return self

    @cached_property
    def shape(self) -> Shape:
        """The model tensor by tensor. Raises SpecError where its config cannot be judged."""
        if self.figures:
            return shape_by_hand(self.figures)
        own = {"torch_dtype": self.dtype, "dtype": self.dtype} if self.dtype else {}
        return read_shape({**(self.config or {}), **own}, f"models[{self.name}].config")

    @property
    def unjudged(self) -> str:
        """Why the model cannot be sized; empty where it can."""
        try:
            _ = self.shape
        except SpecError as error:
            return "; ".join(_without_model(fault) for fault in error.faults)
        return ""

    @property
    def longest_context(self) -> int:
        """The most tokens of one request, prompt and answer together."""
        return self.max_model_len or self.shape.max_position_embeddings


class Target(_Spec):
    """An objective in numbers: so many ``sequences`` of ``tokens`` each at once on a server.

    ``tpot_ms`` is the most milliseconds a token may take then.
    """

    sequences: Count
    tokens: Count
    tpot_ms: float = Field(gt=0)


def _without_model(fault: Fault) -> str:
    """A fault of a model's figures, for a sentence that names the model already."""
    return str(replace(fault, path=fault.path.partition("].config.")[2]))


def _plain_flags(value: object) -> object:
    """Engine flags must be plain values, so that each becomes one argument."""
    if not isinstance(value, dict):
        raise ValueError("must be a dict of flag names (no leading dashes) to values")
    for flag, setting in value.items():
        if not isinstance(setting, Scalar):
            raise ValueError(f"must have a text, number, True, False or None for {flag!r}")
        if isinstance(setting, str) and not setting.isprintable():
            raise ValueError(f"must have one line of printable text for {flag!r}")
    return value


class ServiceSpec(_Spec):
    """One model offered to clients, by the servers that run it.

    ``replicas`` counts per server; ``gpus`` gives GPU indexes per server; ``tensor_parallel_size``
    is one for all or by server; ``port`` is that of a server's first replica. ``revision`` or
    ``path`` says which weights, ``gguf`` which file for an engine that serves those.
    ``concurrency`` is how many requests are expected at once on a server: so many of
    ``max_model_len`` must fit, and speed is judged with so many; else with full GPUs.
    ``servers_per_replica`` above 1 makes one replica of several servers.
    """

    name: UnitName
    model: str
    engine: str
    servers: tuple[str, ...] = Field(min_length=1)
    max_model_len: Count
    objective: Literal["latency", "throughput"] | Target
    served_model_name: ServedName | None = None
    port: Port | None = None
    tensor_parallel_size: Count | dict[str, Count] | None = None
    pipeline_parallel_size: Count | None = None
    expert_parallel: bool | None = None
    replicas: Count | None = None
    servers_per_replica: Count | None = None
    gpus: dict[str, tuple[GpuIndex, ...]] | None = None
    gpu_memory_utilization: float = Field(0.90, gt=0, le=1)
    max_num_seqs: Count | None = None
    max_num_batched_tokens: Count | None = None
    concurrency: Count | None = None
    quantization: Literal["fp8"] | None = None
    kv_cache_dtype: Literal["auto", "fp8", "f16", "q8_0", "q4_0"] = "auto"
    enforce_eager: bool = False
    revision: Revision | None = None
    path: AbsolutePath | None = None
    gguf: Gguf | None = None
    extra_args: Annotated[dict[str, Scalar], BeforeValidator(_plain_flags)] = {}

    def ranks_on(self, server: str) -> int | None:
        """The tensor parallel size given for a server; None where the plan is to choose."""
        sizes = self.tensor_parallel_size
        return sizes.get(server) if isinstance(sizes, dict) else sizes

    def shape_of(self, model: ModelSpec) -> Shape:
        """The model as this service loads it."""
        return quantized(model.shape, self.quantization)

    @property
    def served_as(self) -> str:
        """The model name that clients ask for: ``served_model_name``, or the model's own."""
        return self.served_model_name or self.model

    def gguf_of(self, model: ModelSpec) -> Gguf | None:
        """The GGUF file this service runs: its own over the model's."""
        return self.gguf or model.gguf

    def source_of(self, model: ModelSpec) -> ModelSource:
        """The weights this service runs: its own ``path`` or ``revision`` over the model's."""
        if self.path:
            return ModelSource(path=self.path)
        if self.revision:
            return ModelSource(repo=model.source.repo, revision=self.revision)
        return model.source


@lru_cache(maxsize=1024)
def quantized(shape: Shape, name: str | None) -> Shape:
    """``shape`` with the quantization of that name made of it; itself where that is None."""
    return shape.with_quantization(NAMED[name]) if name else shape


class FleetSpec(_Spec):
    """Everything declared, by name. ``settings`` is per host; ``models`` is catalog and own."""

    servers: dict[str, ServerSpec]
    gateways: dict[str, GatewaySpec]
    services: dict[str, ServiceSpec]
    models: dict[str, ModelSpec]
    settings: dict[str, Settings]


def load_fleet(hosts: Mapping[str, Mapping[str, Any]]) -> FleetSpec:
    """The fleet that inventory and group data declare. ``hosts``: host name -> its merged data.

    Raises SpecError with every fault at once.
    """
    from rackwright.loading import read_fleet  # it needs the models above

    return read_fleet(hosts)
