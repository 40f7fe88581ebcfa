"""Rules of a server's GPUs: their types and indexes, what joins them, and who is near to whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from rackwright import catalog
from rackwright.errors import Fault, nearest
from rackwright.spec import GpuSpec, ServerSpec

_ONCE = "each at most once"


def gpu_faults(server: ServerSpec) -> Iterator[Fault]:
    """Types can be joined so, a GPU is of one type, and groups are of GPUs that are there."""
    path = f"servers[{server.name}]"
    yield from _of_type(server.kinds[0], f"{path}.gpus", path)
    for place, kind in enumerate(server.kinds[1:]):
        yield from _of_type(kind, f"{path}.other_gpus[{place}]", f"{path}.other_gpus[{place}]")
    if server.fabric_manager == "host" and "nvswitch" not in _interconnects(server):
        rule = "must be left out where interconnect is not nvswitch"
        yield Fault(f"{path}.fabric_manager", rule, server.fabric_manager)
    yield from _claimed_twice(server, path)
    yield from _islands(server, path)
    yield from _nodes(server, path)


def named(indexes: Sequence[int]) -> str:
    """GPUs in words: ``0 to 3``, or ``1, 2, 5``."""
    if len(indexes) > 1 and list(indexes) == list(range(len(indexes))):
        return f"0 to {len(indexes) - 1}"
    return ", ".join(map(str, indexes))


def _interconnects(server: ServerSpec) -> set[str]:
    return {kind.interconnect for kind in server.kinds}


def _of_type(kind: ServerSpec, gpus_path: str, links_path: str) -> Iterator[Fault]:
    gpus, types = kind.gpus, catalog.gpu_types()
    gpu = types.get(gpus.type)
    if gpu is None:
        yield Fault(f"{gpus_path}.type", nearest(gpus.type, types, "GPU type"), gpus.type)
    elif kind.interconnect not in gpu.interconnects:
        can = ", ".join(sorted(gpu.interconnects - {"none"})) or "none"
        yield Fault(f"{links_path}.interconnect", f"{gpu.name} has {can} only", kind.interconnect)
    if kind.interconnect == "none" and gpus.count > 1:
        rule = f"must be pcie, nvlink or nvswitch for {gpus.count} GPUs"
        yield Fault(f"{links_path}.interconnect", rule, kind.interconnect)
    yield from _indexes(gpus, gpus_path)


def _indexes(gpus: GpuSpec, path: str) -> Iterator[Fault]:
    if gpus.indexes is not None and len(set(gpus.indexes)) < len(gpus.indexes):
        yield Fault(f"{path}.indexes", f"must name GPUs {_ONCE}", gpus.indexes)
    elif gpus.indexes is not None and len(gpus.indexes) != gpus.count:
        yield Fault(f"{path}.indexes", f"must name {gpus.count} GPUs, as count says", gpus.indexes)


def _claimed_twice(server: ServerSpec, path: str) -> Iterator[Fault]:
    """A GPU is of one type; without indexes it is GPUs 0 to count - 1 that are claimed."""
    times = Counter(index for kind in server.kinds for index in set(kind.gpus.nvml_indexes))
    if twice := sorted(index for index, count in times.items() if count > 1):
        rule = "must be of GPUs that are not named already: give each type its indexes"
        yield Fault(f"{path}.other_gpus", rule, ", ".join(f"GPU {index}" for index in twice))


def _islands(server: ServerSpec, path: str) -> Iterator[Fault]:
    groups, path = server.nvlink_islands, f"{path}.nvlink_islands"
    joined = [kind for kind in server.kinds if kind.interconnect == "nvlink"]
    if groups is None:
        yield from _unlisted(joined, path)
    elif not joined:
        yield Fault(path, "must be left out where interconnect is not nvlink", groups)
        yield from _strangers(groups, server.kinds[0].gpus.nvml_indexes, path)
    else:
        known = sorted(index for kind in joined for index in kind.gpus.nvml_indexes)
        yield from _strangers(groups, known, path)
        if any(server.kind_of(group) is None for group in groups if set(group) <= set(known)):
            yield Fault(path, "must each name GPUs of one type", groups)


def _unlisted(joined: Sequence[ServerSpec], path: str) -> Iterator[Fault]:
    """Which of some GPUs are neighbours is known only where all that can be joined are named."""
    for kind in joined:
        gpu = catalog.gpu_types().get(kind.gpus.type)
        if gpu and gpu.nvlink and kind.gpus.indexes and gpu.nvlink.island < kind.gpus.count:
            rule = f"is required beside indexes: NVLink joins up to {gpu.nvlink.island} {gpu.name}"
            yield Fault(path, rule)


def _nodes(server: ServerSpec, path: str) -> Iterator[Fault]:
    if (groups := server.numa_nodes) is None:
        return
    path = f"{path}.numa_nodes"
    known = sorted({index for kind in server.kinds for index in kind.gpus.nvml_indexes})
    faults = list(_strangers(groups, known, path))
    yield from faults
    if not faults and sum(map(len, groups)) < len(known):
        yield Fault(path, f"must name all {len(known)} GPUs", groups)


def _strangers(
    groups: Sequence[Sequence[int]], known: Collection[int], path: str
) -> Iterator[Fault]:
    """GPUs that are named twice, or that the server does not have."""
    indexes = [index for group in groups for index in group]
    if len(set(indexes)) < len(indexes) or set(indexes) - set(known):
        yield Fault(path, f"must name GPUs {named(sorted(known))}, {_ONCE}", groups)
