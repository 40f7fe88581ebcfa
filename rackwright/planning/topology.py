"""Links between the GPUs of a server: as the inventory declares them, or as a probe saw them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rackwright.catalog import GpuType
    from rackwright.spec import ServerSpec

Island = tuple[int, ...]


class Topology(NamedTuple):
    """GPU indexes that belong together: joined by NVLink, and on one NUMA node."""

    islands: tuple[Island, ...]
    numa_nodes: tuple[Island, ...]

    def of(self, gpus: Collection[int]) -> Topology:
        """Of these GPUs alone."""
        return Topology(tuple(within(self.islands, gpus)), tuple(within(self.numa_nodes, gpus)))


def declared(server: ServerSpec, gpu: GpuType) -> Topology:
    """What the inventory says of a server whose GPUs are of one type.

    One NUMA node where it says nothing.
    """
    everything = (server.gpus.nvml_indexes,)
    return Topology(islands(server, gpu), server.numa_nodes or everything)


def islands(server: ServerSpec, gpu: GpuType) -> tuple[Island, ...]:
    """GPU indexes that reach one another over NVLink, by island: shape (islands, GPUs each).

    NVSwitch joins all; NVLink without a switch joins those that ``nvlink_islands`` lists, or
    neighbours by index, in pairs for bridges or as many as the board has; across PCIe every GPU
    is an island of its own.
    """
    indexes = server.gpus.nvml_indexes
    size = 1
    if server.interconnect == "nvswitch":
        size = len(indexes)
    elif server.interconnect == "nvlink" and server.nvlink_islands is not None:
        listed = {index for island in server.nvlink_islands for index in island}
        return (*server.nvlink_islands, *((i,) for i in indexes if i not in listed))
    elif server.interconnect == "nvlink" and gpu.nvlink:
        size = gpu.nvlink.island
    return tuple(indexes[start : start + size] for start in range(0, len(indexes), size))


def observed(probe: Mapping[str, Any]) -> Topology:
    """What ``rackwright/remote/probe.py`` saw: islands of GPUs with an active NVLink between them.

    Links to an NVSwitch join all GPUs that have them. A GPU whose NUMA node could not be read
    is on node 0; one that is lost (null) is on no island but its own.
    """
    gpus = [gpu or {} for gpu in probe.get("gpus") or ()]
    addresses = [bus_address(gpu.get("pci_bus_id")) for gpu in gpus]
    index_of = {address: index for index, address in enumerate(addresses) if address}
    pairs: set[tuple[int, int]] = set(pairwise(switched(probe)))
    for index, gpu in enumerate(gpus):
        peers = {index_of.get(bus_address(link.get("remote_pci_bus_id"))) for link in _active(gpu)}
        pairs.update((index, peer) for peer in peers if peer is not None)
    return Topology(joined(len(gpus), pairs), grouped(gpu.get("numa_node") or 0 for gpu in gpus))


def switched(probe: Mapping[str, Any]) -> list[int]:
    """The GPUs with an active NVLink to an NVSwitch, be it on the bus of this machine or not."""
    return [
        index
        for index, gpu in enumerate(probe.get("gpus") or ())
        if any(link.get("remote_type") == "switch" for link in _active(gpu or {}))
    ]


def _active(gpu: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [link for link in gpu.get("nvlinks") or () if link.get("active")]


def within(groups: Iterable[Island], gpus: Iterable[int]) -> list[Island]:
    """The groups, cut down to the GPUs that may be used; empty ones are left out."""
    allowed = set(gpus)
    cut = (tuple(index for index in group if index in allowed) for group in groups)
    return [group for group in cut if group]


def grouped(nodes: Iterable[int]) -> tuple[Island, ...]:
    """Indexes by the number of their node, the lowest node first."""
    found: dict[int, list[int]] = {}
    for index, node in enumerate(nodes):
        found.setdefault(node, []).append(index)
    return tuple(tuple(found[node]) for node in sorted(found))


def joined(count: int, pairs: Iterable[tuple[int, int]]) -> tuple[Island, ...]:
    """The islands that pairs of ``count`` indexes make."""
    island = list(range(count))
    for first, second in sorted(pairs):
        old, new = island[second], island[first]
        island = [new if each == old else each for each in island]
    return tuple(
        tuple(i for i in range(count) if island[i] == name) for name in dict.fromkeys(island)
    )


def bus_address(bus_id: object) -> str:
    """PCI addresses come with four or eight digits of domain, in either case; "" for none."""
    domain, _, rest = str(bus_id).lower().partition(":")
    return f"{domain[-4:]}:{rest}" if bus_id else ""
