"""What does not fit, and by how much."""

from __future__ import annotations

import pytest

from rackwright.planning.reasons import too_small
from rackwright.sizing import GIB, GpuMemory, Limits, Split
from tests.samples.fleet import judged, server

LIMITS = Limits(0.9, 256, 2048, 8192)


def memory(**changed: float) -> GpuMemory:
    """A GPU of 100 GiB that is full to 90, sizes in GiB."""
    sizes = {"total": 100, "usable": 90, "weights": 40, "peak_activation": 8, "overhead": 2}
    sizes |= {"kv_cache": 40, "cuda_graph": 5, "graphs_inside": 0, "context": 0}
    counts = {"kv_cache_tokens": 80_000, "sequences": 9}
    counts |= {key: int(changed.pop(key)) for key in tuple(changed) if key in counts}
    parts = {f"{key}_bytes": round(size * GIB) for key, size in (sizes | changed).items()}
    return GpuMemory(**parts, **counts)


SMALL: dict[str, tuple[GpuMemory, str]] = {
    "enough": (memory(), ""),
    "just enough": (memory(kv_cache=0, sequences=1, cuda_graph=10), ""),
    "weights": (
        memory(weights=131.4, kv_cache=-51.4, sequences=0),
        "90.0 GiB a GPU are usable, weights need 131.4, activations and overhead 10.0: "
        "51.4 GiB too few",
    ),
    "the KV cache": (
        memory(kv_cache=1.5, kv_cache_tokens=4096, sequences=0),
        "1.5 GiB a GPU are left for the KV cache, 4,096 tokens, fewer than one sequence of 8,192",
    ),
    "graphs": (
        memory(cuda_graph=10.5),
        "gpu_memory_utilization 0.9 leaves 10.0 GiB a GPU, CUDA graphs and context need 10.5",
    ),
    "graphs beside a share that has no cache": (
        memory(kv_cache=0, kv_cache_tokens=0, cuda_graph=45, context=5),
        "",
    ),
    "graphs that such a share has no room for": (
        memory(kv_cache=0, kv_cache_tokens=0, cuda_graph=46, context=5),
        "gpu_memory_utilization 0.9 leaves 10.0 GiB a GPU, CUDA graphs and context need 51.0",
    ),
    "a share that is not free when the engine starts": (
        memory(kv_cache=0, kv_cache_tokens=0, context=11),
        "gpu_memory_utilization 0.9 leaves 10.0 GiB a GPU, CUDA's context needs 11.0",
    ),
    "graphs and what CUDA keeps itself": (
        memory(cuda_graph=10, context=0.5),
        "gpu_memory_utilization 0.9 leaves 10.0 GiB a GPU, CUDA graphs and context need 10.5",
    ),
    "graphs that the engine counts itself": (memory(cuda_graph=12, graphs_inside=3), ""),
}


@pytest.mark.parametrize(("found", "reason"), SMALL.values(), ids=SMALL)
def test_a_gpu_is_large_enough_or_it_is_said_by_how_much_not(found: GpuMemory, reason: str) -> None:
    assert too_small(found, LIMITS) == reason


def test_weights_that_are_too_large_are_named_for_each_size() -> None:
    found = judged("llama-3.3-70b-instruct")
    assert "weights need 131.4, activations" in found[Split(1)].reason
    assert found[Split(1)].reason.endswith(" GiB too few")
    assert not found[Split(2)].reason


def test_a_context_must_fit_whole() -> None:
    found = judged("llama-3.1-8b-instruct", server(1, "l4-24gb", 1, "none"), max_model_len=131072)
    assert found[Split()].reason.endswith("tokens, fewer than one sequence of 131,072")


def test_graphs_must_fit_beside_the_share_of_the_engine() -> None:
    box = server(1, "l4-24gb", 1, "none")
    found = judged("llama-3.1-8b-instruct", box, gpu_memory_utilization=0.99)
    assert found[Split()].reason.startswith("gpu_memory_utilization 0.99 leaves 0.2 GiB a GPU, ")
    plain, eager = (
        judged("llama-3.1-8b-instruct", box, enforce_eager=each)[Split()].memory
        for each in (False, True)
    )
    assert plain is not None and eager is not None
    assert plain.free_bytes < eager.free_bytes and eager.cuda_graph_bytes == 0


def test_all_requests_that_are_wanted_must_fit_at_once() -> None:
    found = judged("llama-3.1-8b-instruct", concurrency=100_000)
    for layout in found.values():
        assert layout.memory is not None
        total = layout.memory.sequences * len(layout.groups)
        assert layout.reason == f"KV cache for {total} sequences of 8,192, 100000 are wanted"
    assert not judged("llama-3.1-8b-instruct", concurrency=8)[Split()].reason


def test_replicas_share_the_requests_that_are_wanted() -> None:
    alone = judged("llama-3.1-8b-instruct", replicas=1, concurrency=1)[Split()].memory
    assert alone is not None
    wanted = 2 * alone.sequences
    assert not judged("llama-3.1-8b-instruct", concurrency=wanted)[Split()].reason
    assert judged("llama-3.1-8b-instruct", replicas=1, concurrency=wanted)[Split()].reason


def test_replicas_that_are_asked_for_must_have_room() -> None:
    found = judged("llama-3.1-8b-instruct", replicas=2)
    assert found[Split(2)].reason == "room for 1 of the 2 replicas asked for"
    assert len(found[Split()].groups) == 2 and not found[Split()].reason
