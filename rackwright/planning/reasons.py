"""Why a layout is not the one, in words an operator can argue with; empty where nothing is wrong.

Sizes are in GiB a GPU.
"""

from __future__ import annotations

from rackwright.plan import Speed
from rackwright.planning.topology import Topology
from rackwright.sizing import GIB, GpuMemory, Limits, Split
from rackwright.spec import ServiceSpec, Target

_OVER = {
    "pcie": "across PCIe",
    "numa": "from one NUMA node to another",
    "network": "from one server to another",
}


def too_small(memory: GpuMemory, limits: Limits) -> str:
    """Why a GPU is too small for its part of a replica; empty where it is not."""
    if memory.kv_cache_bytes < 0:
        return (
            f"{_gib(memory.usable_bytes)} GiB a GPU are usable, weights need "
            f"{_gib(memory.weights_bytes)}, activations and overhead "
            f"{_gib(memory.peak_activation_bytes + memory.overhead_bytes)}: "
            f"{_gib(-memory.kv_cache_bytes)} GiB too few"
        )
    if memory.sequences < 1:
        return (
            f"{_gib(memory.kv_cache_bytes)} GiB a GPU are left for the KV cache, "
            f"{memory.kv_cache_tokens:,} tokens, fewer than one sequence of "
            f"{limits.max_model_len:,}"
        )
    beside = memory.total_bytes - memory.usable_bytes
    leaves = f"gpu_memory_utilization {limits.gpu_memory_utilization} leaves {_gib(beside)} GiB"
    if memory.unused_bytes < 0:
        return f"{leaves} a GPU, CUDA graphs and context need {_gib(memory.outside_bytes)}"
    if beside < memory.context_bytes and not memory.has_cache:  # it wants its share free at start
        return f"{leaves} a GPU, CUDA's context needs {_gib(memory.context_bytes)}"
    return ""


def too_few_slots(memory: GpuMemory, limits: Limits) -> str:
    """An engine that gives every slot its whole context at the start has all of them or none."""
    if memory.sequences >= limits.max_num_seqs:
        return ""
    return (
        f"{_gib(memory.kv_cache_bytes)} GiB a GPU are left for the KV cache, enough for "
        f"{memory.sequences} of {limits.max_num_seqs} slots of {limits.max_model_len:,} tokens "
        "(max_num_seqs, kv_cache_dtype)"
    )


def too_many_sequences(memory: GpuMemory, limits: Limits, most: int) -> str:
    """An engine that keeps a block for the state of each sequence does not start with more."""
    return (
        f"{memory.kv_cache_blocks:,} blocks of KV cache, and the engine captures CUDA graphs only "
        f"with one for the state of each sequence: max_num_seqs {limits.max_num_seqs:,} must be "
        f"{most:,} at most, or left out"
    )


def too_few_sequences(held: int, wanted: int | None, tokens: int, cached: bool = True) -> str:
    """All replicas together hold fewer sequences of ``tokens`` than are wanted.

    ``cached``: in a KV cache; else a step has room for no more of them (max_num_seqs).
    """
    if not wanted or held >= wanted:
        return ""
    if not cached:
        return f"steps of up to {held:,} requests (max_num_seqs), {wanted:,} are wanted"
    return f"KV cache for {held} sequences of {tokens:,}, {wanted} are wanted"


def too_slow(service: ServiceSpec, busy: Speed) -> str:
    """A target's time a token is missed."""
    goal = service.objective
    if isinstance(goal, Target) and busy.tpot_ms > goal.tpot_ms:
        return (
            f"{busy.tpot_ms:.1f} ms a token with {goal.sequences} sequences of {goal.tokens:,}, "
            f"{goal.tpot_ms:g} are wanted"
        )
    return ""


def crosses(split: Split, topology: Topology, crossing: str, alone: Speed | None) -> str:
    """It would run, but its ranks talk over something slow, which an operator may accept."""
    largest = max(len(island) for island in topology.islands)
    reach = f"NVLink joins {largest} of them" if largest > 1 else "NVLink joins none of them"
    speed = f", at {alone.tpot_ms:.1f} ms a token" if alone else ""
    return (
        f"fits, but a group of {split.tensor} would talk {_OVER[crossing]} at every layer "
        f"({reach}); tensor_parallel_size={split.tensor} accepts that{speed}"
    )


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / GIB:.1f}"
