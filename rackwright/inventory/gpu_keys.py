"""From the GPUs that were seen of a server to the keys of the inventory that declare them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from rackwright.catalog import GpuType, Interconnect
from rackwright.planning.matrix_rows import Row
from rackwright.planning.topology import Island, Topology, observed, switched, within
from rackwright.planning.topology_text import nvlinks, topology_of

SWITCH_BOARD = 8
"""GPUs of the smallest board with an NVSwitch: where fewer are seen, others have the rest."""
_NEXT_BEST: dict[str, tuple[Interconnect, ...]] = {
    "nvswitch": ("nvswitch", "nvlink", "pcie"),
    "nvlink": ("nvlink", "pcie", "nvswitch"),
    "pcie": ("pcie", "nvswitch", "nvlink"),
}
"""What is declared of a type whose catalog entry knows no such link."""


class Joined(NamedTuple):
    """How all GPUs of a server are joined: ``to_switch`` are those whose links lead to one.

    ``elsewhere`` says why that switch, and its fabric manager, are not this machine's; "" where
    they are. ``on_bus``: a switch is seen, be its links up or not.
    """

    topology: Topology
    to_switch: frozenset[int]
    elsewhere: str
    on_bus: bool = False


class Group(NamedTuple):
    """The GPUs of one type that are declared: by index, what joins them, and their islands."""

    kind: GpuType
    indexes: tuple[int, ...]
    interconnect: Interconnect
    islands: tuple[Island, ...]


def joined_by_probe(probe: Mapping[str, Any]) -> Joined:
    """As the probe saw them; the lost are counted too."""
    count, on_bus = len(probe.get("gpus") or ()), probe.get("nvswitches")
    elsewhere = _too_few(count)
    if on_bus is not None and not _off_the_bus(probe):
        elsewhere = "" if on_bus else "none is on its PCI bus"
    return Joined(observed(probe), frozenset(switched(probe)), elsewhere, bool(on_bus))


def _too_few(count: int) -> str:
    few = count < SWITCH_BOARD
    return f"boards with one have {SWITCH_BOARD} GPUs or more, {count} are here" if few else ""


def _off_the_bus(probe: Mapping[str, Any]) -> bool:
    """Whether a switch of these GPUs would not be on the PCI bus: that of NVLink 5 is not."""
    links = [link for gpu in probe.get("gpus") or () if gpu for link in gpu.get("nvlinks") or ()]
    return any(not re.match(r"[1-4]\.", str(link.get("version") or "1.")) for link in links)


def joined_by_matrix(rows: Sequence[Row], kind: GpuType) -> Joined:
    """As ``nvidia-smi topo -m`` says, which counts links and does not tell where they lead.

    A GPU has no more links than its type. Where they seem to be more, or more than half go to one
    GPU of a board that joins several, a switch is between.
    """
    counts = nvlinks(rows)
    most, board = (kind.nvlink.links, kind.nvlink.island) if kind.nvlink else (0, 1)
    beyond = any(sum(row) > most for row in counts)
    wide = board != 2 and any(count > most / 2 for row in counts for count in row)
    to_switch = frozenset(range(len(rows)) if beyond or wide else ())
    return Joined(topology_of(rows), to_switch, _too_few(len(rows)))


def groups_of(kinds: Mapping[GpuType, Sequence[int]], joined: Joined) -> list[Group]:
    """The GPUs of each type with what joins them, those with the most memory in all first.

    Of a type that cannot be joined only the first is declared.
    """
    groups = [_group(kind, tuple(indexes), joined) for kind, indexes in kinds.items()]
    return sorted(
        groups, key=lambda group: (-group.kind.memory_mib * len(group.indexes), group.indexes)
    )


def _group(kind: GpuType, indexes: tuple[int, ...], joined: Joined) -> Group:
    islands = tuple(within(joined.topology.islands, indexes))
    several = any(len(island) > 1 for island in islands)
    seen = "nvlink" if several else "pcie"
    if joined.to_switch & set(indexes) or (joined.on_bus and "nvswitch" in kind.interconnects):
        seen = "nvswitch"
    known = [link for link in _NEXT_BEST[seen] if link in kind.interconnects]
    if len(indexes) == 1 or not known:
        return Group(kind, indexes[:1], "none", (indexes[:1],))
    return Group(kind, indexes, known[0], islands)


def gpu_keys(
    groups: Sequence[Group],
    joined: Joined,
    there: int,
    ecc: Mapping[GpuType, bool] = MappingProxyType({}),
) -> dict[str, Any]:
    """``gpus``, ``interconnect``, and what else is not as usual, of ``there`` GPUs in all.

    ``ecc`` has the types whose memory is another than the catalog's by it.
    """
    first, *others = groups
    declared = sorted(index for group in groups for index in group.indexes)
    usual = not others and declared == list(range(there))
    entry: dict[str, Any] = {
        "gpus": _gpus(first, usual, ecc),
        "interconnect": first.interconnect,
    }
    if switch_elsewhere(groups, joined):
        entry["fabric_manager"] = "host"
    if others:
        entry["other_gpus"] = [
            {**_gpus(group, usual, ecc), "interconnect": group.interconnect} for group in others
        ]
    linked = [group for group in groups if group.interconnect == "nvlink"]
    if linked:
        islands = [island for group in linked for island in group.islands if len(island) > 1]
        entry["nvlink_islands"] = [list(island) for island in islands]
    nodes = within(joined.topology.numa_nodes, declared)
    if len(nodes) > 1:
        entry["numa_nodes"] = [list(node) for node in nodes]
    return entry


def _gpus(group: Group, usual: bool, ecc: Mapping[GpuType, bool]) -> dict[str, Any]:
    gpus: dict[str, Any] = {"type": group.kind.key, "count": len(group.indexes)}
    if not usual:
        gpus["indexes"] = list(group.indexes)
    return {**gpus, "ecc": ecc[group.kind]} if group.kind in ecc else gpus


def switch_elsewhere(groups: Sequence[Group], joined: Joined) -> bool:
    """Whether the NVSwitch that joins some of them is that of a guest's host, or of a rack."""
    return bool(joined.elsewhere) and any(group.interconnect == "nvswitch" for group in groups)
