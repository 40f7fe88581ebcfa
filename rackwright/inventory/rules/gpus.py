"""Rules of a server's GPUs: their types and indexes, what joins them, and who is near to whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from rackwright.errors import Fault, nearest
from rackwright.inventory.rules.declared import Declared
from rackwright.spec import FleetSpec, GpuSpec, ServerSpec

_ONCE = "each at most once"


def gpu_faults(server: ServerSpec, fleet: FleetSpec, declared: Declared) -> Iterator[Fault]:
    """Types can be joined so, a GPU is of one type, and groups are of GPUs that are there."""
    path = f"servers[{server.name}]"
    others = [f"{path}.other_gpus[{place}]" for place in range(len(server.other_gpus))]
    places = zip((f"{path}.gpus", *others), (path, *others), strict=True)
    for kind, (gpus_path, links_path) in zip(server.kinds, places, strict=True):
        yield from _type(kind, fleet, declared, gpus_path)
        yield from _interconnect(kind, fleet, links_path)
        yield from _indexes(kind.gpus, gpus_path)
        yield from _power(kind, fleet, gpus_path)
        yield from _slots(kind, fleet, gpus_path)
    if server.fabric_manager == "host" and "nvswitch" not in _interconnects(server):
        rule = "must be left out where interconnect is not nvswitch"
        yield Fault(f"{path}.fabric_manager", rule, server.fabric_manager)
    yield from _claimed_twice(server, path)
    yield from _islands(server, fleet, path)
    yield from _nodes(server, path)


def named(indexes: Sequence[int]) -> str:
    """GPUs in words: ``0 to 3``, or ``1, 2, 5``."""
    if len(indexes) > 1 and list(indexes) == list(range(len(indexes))):
        return f"0 to {len(indexes) - 1}"
    return ", ".join(map(str, indexes))


def _interconnects(server: ServerSpec) -> set[str]:
    return {kind.interconnect for kind in server.kinds}


def _type(kind: ServerSpec, fleet: FleetSpec, declared: Declared, path: str) -> Iterator[Fault]:
    name = kind.gpus.type
    if name not in fleet.gpu_types and name not in declared.gpu_types:
        rule = nearest(name, fleet.gpu_types, "GPU type")
        if "did you mean" not in rule:  # else all of them, which nobody reads
            rule = "is not a known GPU type: declare it in `gpu_types` (docs/inventory.md)"
        yield Fault(f"{path}.type", rule, name)


def _interconnect(kind: ServerSpec, fleet: FleetSpec, path: str) -> Iterator[Fault]:
    gpu = fleet.gpu_types.get(kind.gpus.type)
    if gpu and kind.interconnect not in gpu.interconnects:
        can = ", ".join(sorted(gpu.interconnects - {"none"}))
        rule = f"{gpu.name} has {can} only" if can else f"{gpu.name} comes one to a server"
        yield Fault(f"{path}.interconnect", rule, kind.interconnect)
    if kind.interconnect == "none" and kind.gpus.count > 1:
        rule = f"must be pcie, nvlink or nvswitch for {kind.gpus.count} GPUs"
        yield Fault(f"{path}.interconnect", rule, kind.interconnect)


def _indexes(gpus: GpuSpec, path: str) -> Iterator[Fault]:
    if gpus.indexes is not None and len(set(gpus.indexes)) < len(gpus.indexes):
        yield Fault(f"{path}.indexes", f"must name GPUs {_ONCE}", gpus.indexes)
    elif gpus.indexes is not None and len(gpus.indexes) != gpus.count:
        yield Fault(f"{path}.indexes", f"must name {gpus.count} GPUs, as count says", gpus.indexes)


def _power(kind: ServerSpec, fleet: FleetSpec, path: str) -> Iterator[Fault]:
    """The driver refuses a limit beyond the card's, and leaves it as it was."""
    gpu, limit = fleet.gpu_types.get(kind.gpus.type), kind.gpus.power_limit_w
    if gpu and limit and gpu.max_power_w and limit > gpu.max_power_w:
        rule = f"must be at most {gpu.max_power_w}, the most of {gpu.name}"
        yield Fault(f"{path}.power_limit_w", rule, limit)


def _slots(kind: ServerSpec, fleet: FleetSpec, path: str) -> Iterator[Fault]:
    """A slot is declared of every GPU, or one of each; none gives more than the card takes."""
    gpu, count = fleet.gpu_types.get(kind.gpus.type), kind.gpus.count
    for key, most, values in (
        ("pcie_lanes", gpu and gpu.pcie_lanes, kind.gpus.pcie_lanes),
        ("pcie_generation", gpu and gpu.pcie_generation, kind.gpus.pcie_generation),
    ):
        if values and len(values) not in (1, count):
            rule = f"must be one for all GPUs, or {count}, one for each"
            yield Fault(f"{path}.{key}", rule, list(values))
        if gpu and most and values and max(values) > most:
            yield Fault(
                f"{path}.{key}", f"must be at most {most}, which {gpu.name} has", max(values)
            )


def _claimed_twice(server: ServerSpec, path: str) -> Iterator[Fault]:
    """A GPU is of one type; without indexes it is GPUs 0 to count - 1 that are claimed."""
    times = Counter(index for kind in server.kinds for index in set(kind.gpus.nvml_indexes))
    if twice := sorted(index for index, count in times.items() if count > 1):
        rule = "must be of GPUs that are not named already: give each type its indexes"
        yield Fault(f"{path}.other_gpus", rule, ", ".join(f"GPU {index}" for index in twice))


def _islands(server: ServerSpec, fleet: FleetSpec, path: str) -> Iterator[Fault]:
    groups, path = server.nvlink_islands, f"{path}.nvlink_islands"
    joined = [kind for kind in server.kinds if kind.interconnect == "nvlink"]
    if groups is None:
        yield from _unlisted(joined, fleet, path)
    elif not joined:
        yield Fault(path, "must be left out where interconnect is not nvlink", groups)
        yield from _strangers(groups, server.kinds[0].gpus.nvml_indexes, path)
    else:
        known = sorted(index for kind in joined for index in kind.gpus.nvml_indexes)
        yield from _strangers(groups, known, path)
        if any(server.kind_of(group) is None for group in groups if set(group) <= set(known)):
            yield Fault(path, "must each name GPUs of one type", groups)


def _unlisted(joined: Sequence[ServerSpec], fleet: FleetSpec, path: str) -> Iterator[Fault]:
    """Which of some GPUs are neighbours is known only where all that can be joined are named."""
    for kind in joined:
        gpu = fleet.gpu_types.get(kind.gpus.type)
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
        rule = f"must name GPUs {named(sorted(known))}, {_ONCE}; gpus.indexes declares others"
        yield Fault(path, rule, groups)
