"""What an engine loads and is told: the service's own figures, else the engine's."""

from __future__ import annotations

from functools import lru_cache

from rackwright.catalog import GpuType
from rackwright.engines import ENGINES
from rackwright.engines.keys import understood_keys
from rackwright.models import Shape
from rackwright.models.gguf import Mmproj
from rackwright.models.spec import ModelSpec
from rackwright.sizing import Limits
from rackwright.spec import ServiceSpec

CANVASES, MANY = 8, 128
"""Requests at once of a model that makes its answers a canvas at a time, where so many or more are
asked for (DiffusionGemmaModelForBlockDiffusionConfig in vLLM 0.32: each has logits for every token
of its canvas)."""


def shape_of(service: ServiceSpec, model: ModelSpec) -> Shape:
    """The model as the service's engine loads it."""
    gguf = service.gguf_of(model)
    if ENGINES[service.engine].serves_gguf and gguf:
        projector = projector_of(service, model)
        return _of_file(model.shape, gguf.size_bytes, projector.size_bytes if projector else 0)
    return ENGINES[service.engine].as_loaded(service, service.shape_of(model))


@lru_cache(maxsize=1024)
def _of_file(shape: Shape, size_bytes: int, projector_bytes: int) -> Shape:
    return shape.of_file(size_bytes, projector_bytes)


def projector_of(service: ServiceSpec, model: ModelSpec) -> Mmproj | None:
    """The projector that the service's engine loads; None where it takes none."""
    takes = "mmproj" in understood_keys(ENGINES[service.engine])
    return service.mmproj_of(model) if takes else None


def limits_of(service: ServiceSpec, gpu: GpuType, shape: Shape) -> Limits:
    """What the engine is told on such a GPU: the service's own figures, else the engine's.

    What answers with vectors reads a text in one step, unless it is told that it need not: which
    pooling it has, and so whether it could, stands in a file that is not read here. A step has a
    token for each sequence at least, and room for a canvas.
    """
    engine = ENGINES[service.engine]
    sequences, tokens = engine.batch_limits(gpu)
    sequences = service.max_num_seqs or sequences
    if shape.canvas and sequences >= MANY:
        sequences = CANVASES
    if shape.answers == "vectors":
        tokens = max(tokens, service.max_model_len)
    limits = Limits(
        service.gpu_memory_utilization,
        sequences,
        max(service.max_num_batched_tokens or tokens, sequences, shape.canvas),
        service.max_model_len,
        service.kv_cache_dtype,
        service.enforce_eager,
    )
    if "gpu_memory_utilization" in service.model_fields_set:
        return limits
    share = min(engine.memory_share(gpu.memory_bytes, limits), gpu.most_share)
    return limits._replace(gpu_memory_utilization=share)
