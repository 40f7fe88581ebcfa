"""What an engine can do on a GPU of an age: its builds' oldest, bfloat16, formats of weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rackwright.catalog import BF16_FROM
from rackwright.engines.release import build_of

if TYPE_CHECKING:
    from rackwright.catalog import Capability, GpuType
    from rackwright.engines.protocol import Engine
    from rackwright.models import Shape
    from rackwright.spec import ServiceSpec


NVFP4_CACHE = (
    "these weights ask for a KV cache in NVFP4, whose kernels FlashInfer would compile: "
    "set kv_cache_dtype fp8"
)
"""FlashInfer's backend alone supports it (supports_kv_cache_dtype in v1/attention/backends of vLLM
0.32). What else another engine might make of it was not looked up."""


def dtype_on(gpu: GpuType, shape: Shape) -> str:
    """What a model is computed in there: float16 for bfloat16 where the GPU has none."""
    old = gpu.compute_capability < BF16_FROM
    return "float16" if old and shape.dtype == "bfloat16" else shape.dtype


def oldest_gpu(engine: Engine, version: str | None) -> Capability | None:
    """The oldest compute capability that a version runs on; None where that is not known."""
    build = build_of(engine.cuda_builds, version) if version else None
    return build.oldest_gpu if build else engine.oldest_gpu


def refusals(
    engine: Engine,
    version: str | None,
    gpu: GpuType,
    shape: Shape,
    service: ServiceSpec,
    engines: Iterable[Engine],
) -> Iterator[str]:
    """Why an engine cannot serve a model, as a service asks, on such a GPU; nothing where it can.

    ``engines`` are those that may be taken instead.
    """
    oldest = oldest_gpu(engine, version)
    if oldest and gpu.compute_capability < oldest:
        name = f"{engine.name} {version}" if version else engine.name
        needs = "needs compute capability {}.{}".format(*oldest)
        yield f"{name} {needs}, {gpu.name} has {gpu.capability}{_instead(gpu, engines)}"
        return
    if engine.torch_program and dtype_on(gpu, shape) == "float16" and not shape.float16:
        why = "which is its dtype" if shape.dtype == "float16" else f"{gpu.name} has no bfloat16"
        yield f"{shape.architecture} overflows in float16, {why}{_instead(gpu, engines)}"
    if service.kv_cache_dtype == "auto" and shape.kv_cache_dtype == "nvfp4":
        yield NVFP4_CACHE
    yield from engine.gpu_refusals(gpu, shape, service)


def _instead(gpu: GpuType, engines: Iterable[Engine]) -> str:
    """Engines that serve GGUF files, in which numbers are of no 16-bit format, on such a GPU."""
    able = [
        other.name
        for other in engines
        if other.serves_gguf and other.oldest_gpu and gpu.compute_capability >= other.oldest_gpu
    ]
    return f": take engine {' or '.join(able)}, with a GGUF file" if able else ""
