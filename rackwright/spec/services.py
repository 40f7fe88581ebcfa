"""Services as they are declared: a model, its engine, its servers and how it is served."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from rackwright.models import Shape
from rackwright.models.gguf import Gguf, Mmproj
from rackwright.models.spec import ModelSource, ModelSpec, quantized, seeing
from rackwright.schema.fields import (
    WHY_UNSEEN,
    Adapters,
    Address,
    ApiUrl,
    Count,
    Duration,
    Entry,
    Fraction,
    GpuIndex,
    Origin,
    Revision,
    Scalar,
    ServedName,
    UnitName,
    VariableName,
    WeightsPath,
    Whole,
    unseen,
)
from rackwright.schema.ports import EnginePort


class Target(Entry):
    """An objective in numbers: so many ``sequences`` of ``tokens`` each at once on a server.

    ``tpot_ms`` is the most milliseconds a token may take then.
    """

    sequences: Count
    tokens: Count
    tpot_ms: float = Field(strict=True, gt=0, allow_inf_nan=False)


def _plain_flags(value: object) -> object:
    """Engine flags must be plain values, so that each becomes one argument."""
    if not isinstance(value, dict):
        raise ValueError("must be a dict of flag names (no leading dashes) to values")
    for flag, setting in value.items():
        if not isinstance(setting, Scalar):
            raise ValueError(f"must have a text, number, True, False or None for {flag!r}")
        if isinstance(setting, float) and not isfinite(setting):
            raise ValueError(f"must have a number with an end for {flag!r}")
        if isinstance(setting, str) and not setting.isprintable():
            raise ValueError(f"must have one line of printable text for {flag!r}")
        if isinstance(setting, str) and (folder := unseen(setting)):
            raise ValueError(f"must not name a file below {folder} for {flag!r}: {WHY_UNSEEN}")
    return value


Flags = Annotated[dict[str, Scalar], BeforeValidator(_plain_flags)]


class QueueSpec(Entry):
    """Where requests wait for a replica: at most ``length`` of them, for ``wait_s`` seconds each.

    A length of 0: none waits. What is left out is group data's.
    """

    length: Whole | None = None
    wait_s: Duration | None = None


class OverflowSpec(Entry):
    """An outside API that takes what the replicas cannot, within a budget of each day (UTC).

    It begins at ``in_flight`` requests of the service, or when no replica is well. ``key_env`` is
    the variable of the machine that runs pyinfra that has its key, ``model`` its name there.
    """

    url: ApiUrl
    model: ServedName
    key_env: VariableName
    in_flight: Count | None = None
    requests_a_day: Count | None = None
    tokens_a_day: Count | None = None


class ServiceSpec(Entry):
    """One model offered to clients, by the servers that run it.

    ``replicas`` counts per server; ``gpus`` gives GPU indexes per server; ``tensor_parallel_size``
    is one for all or by server; ``port`` is that of a server's first replica. ``revision`` or
    ``path`` says which weights, ``gguf`` which file for an engine that serves those, ``mmproj``
    which projector beside it: then it is served with what sees or hears.
    ``concurrency`` is how many requests are expected at once on a server: so many of
    ``max_model_len`` must fit, and speed is judged with so many; else with full GPUs.
    ``images`` and ``audios`` are how many a prompt may have; with none of either a model that sees
    or hears is served as text.
    ``servers_per_replica`` above 1 makes one replica of several servers. ``data_parallel_size`` is
    of one replica; 1 of it or of ``decode_context_parallel_size`` does without.

    Clients ask for it by ``served_model_name``, one of its ``aliases``, or one of its LoRA
    ``adapters`` (name to folder); by one of its own ``host_names`` without any name.
    ``browser_origins`` are pages that may ask too (CORS). ``sticky``: prompts that begin alike go
    to one replica, while that has room. ``router``: what chooses it, instead of the gateway.
    ``load_format`` is how weights are read, for an engine that has several ways.
    ``rollout``: its replicas are changed one after another, or "all" at once.
    """

    name: UnitName
    model: str
    engine: str
    servers: tuple[str, ...] = Field(min_length=1)
    max_model_len: Count
    objective: Literal["latency", "throughput"] | Target
    served_model_name: ServedName | None = None
    port: EnginePort | None = None
    tensor_parallel_size: Count | dict[str, Count] | None = None
    pipeline_parallel_size: Count | None = None
    expert_parallel: bool | None = Field(None, strict=True)
    data_parallel_size: Count | None = None
    decode_context_parallel_size: Count | None = None
    replicas: Count | None = None
    servers_per_replica: Count | None = None
    gpus: dict[str, tuple[GpuIndex, ...]] | None = None
    gpu_memory_utilization: Fraction = 0.90
    max_num_seqs: Count | None = None
    max_num_batched_tokens: Count | None = None
    concurrency: Count | None = None
    quantization: Literal["fp8"] | None = None
    load_format: Literal["fastsafetensors", "instanttensor"] | None = None
    kv_cache_dtype: Literal["auto", "fp8", "f16", "q8_0", "q4_0"] = "auto"
    enforce_eager: bool = Field(False, strict=True)
    images: Whole | None = None
    audios: Whole | None = None
    revision: Revision | None = None
    path: WeightsPath | None = None
    gguf: Gguf | None = None
    mmproj: Mmproj | None = None
    aliases: tuple[ServedName, ...] = ()
    adapters: Adapters = Field(default_factory=dict)
    host_names: tuple[Address, ...] = ()
    browser_origins: tuple[Origin, ...] = ()
    sticky: bool = Field(True, strict=True)
    router: str | None = None
    queue: QueueSpec = QueueSpec()
    overflow: OverflowSpec | None = None
    rollout: Literal["one", "all"] = "one"
    extra_args: Annotated[dict[str, Scalar], BeforeValidator(_plain_flags)] = Field(
        default_factory=dict
    )

    def ranks_on(self, server: str) -> int | None:
        """The tensor parallel size given for a server; None where the plan is to choose."""
        sizes = self.tensor_parallel_size
        return sizes.get(server) if isinstance(sizes, dict) else sizes

    def shape_of(self, model: ModelSpec) -> Shape:
        """The model as this service loads it."""
        return seeing(quantized(model.shape, self.quantization), self.images or 0, self.audios or 0)

    @property
    def served_as(self) -> str:
        """The model name that clients ask for: ``served_model_name``, or the model's own."""
        return self.served_model_name or self.model

    @property
    def asked_as(self) -> tuple[str, ...]:
        """Every name that clients may ask for."""
        return (self.served_as, *self.aliases, *self.adapters)

    def gguf_of(self, model: ModelSpec) -> Gguf | None:
        """The GGUF file this service runs: its own over the model's."""
        return self.gguf or model.gguf

    def mmproj_of(self, model: ModelSpec) -> Mmproj | None:
        """The projector beside its GGUF file: its own over the model's."""
        return self.mmproj or model.mmproj

    def source_of(self, model: ModelSpec) -> ModelSource:
        """The weights this service runs: its own ``path`` or ``revision`` over the model's."""
        if self.path:
            return ModelSource(path=self.path)
        if self.revision:
            return ModelSource(repo=model.source.repo, revision=self.revision)
        return model.source
