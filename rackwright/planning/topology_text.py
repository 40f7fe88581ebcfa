"""The matrix that ``nvidia-smi topo -m`` prints: read, and written from what the probe saw."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from rackwright.planning.matrix_rows import SELF, UNREAD, Row
from rackwright.planning.topology import Island, Topology, bus_address, grouped, joined

_NVLINK = re.compile(r"NV(\d{1,3})")


def topology_of(rows: Sequence[Row]) -> Topology:
    """Islands (``NV#``) and NUMA nodes of the rows of a matrix.

    A GPU whose NUMA node is not told is with those that have its CPUs, else on node 0.
    """
    pairs = {
        (index, peer)
        for index, links in enumerate(nvlinks(rows))
        for peer, number in enumerate(links)
        if number
    }
    return Topology(joined(len(rows), pairs), grouped(_nodes(rows)))


def nvlinks(rows: Sequence[Row]) -> list[list[int]]:
    """How many NVLinks join each GPU to each other, by index."""
    found = [[_NVLINK.fullmatch(link) for link in row.links] for row in rows]
    return [[int(match[1]) if match else 0 for match in row] for row in found]


def _nodes(rows: Sequence[Row]) -> list[int]:
    """The node of each GPU: as told, else that of its CPUs, by a number that is free."""
    told = [int(re.split(r"\D", row.node)[0]) if row.node else None for row in rows]
    of_cpus = {row.cpus: node for row, node in zip(rows, told, strict=True) if node is not None}
    unused = (number for number in count() if number not in told)
    for row in rows:
        if row.cpus and row.cpus not in of_cpus:
            of_cpus[row.cpus] = next(unused)
    known = zip(rows, told, strict=True)
    return [of_cpus.get(row.cpus, 0) if node is None else node for row, node in known]


def matrix_text(probe: Mapping[str, Any]) -> str:
    """What the probe saw as ``nvidia-smi topo -m`` would print it; "" where no GPU was seen.

    ``?`` stands for what could not be read, as of a lost GPU.
    """
    gpus = [gpu or {} for gpu in probe.get("gpus") or ()]
    names = [f"GPU{index}" for index in range(len(gpus))]
    lines = [["", *names, "CPU Affinity", "NUMA Affinity"]]
    for index, gpu in enumerate(gpus):
        cells = [_cell(probe, gpus, index, peer) for peer in range(len(gpus))]
        node = gpu.get("numa_node")
        near = [str(gpu.get("cpu_affinity") or UNREAD), UNREAD if node is None else str(node)]
        lines.append([names[index], *cells, *near])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in (lines if gpus else ())
    )


def _cell(probe: Mapping[str, Any], gpus: Sequence[Mapping[str, Any]], row: int, peer: int) -> str:
    if row == peer:
        return SELF
    if links := links_between(gpus, row, peer):
        return f"NV{links}"
    levels = (probe.get("topology") or {}).get("common_ancestor") or []
    known = row < len(levels) and peer < len(levels[row])
    return str((known and levels[row][peer]) or UNREAD)


def links_between(gpus: Sequence[Mapping[str, Any]], row: int, peer: int) -> int:
    """How many NVLinks that are up join two GPUs: directly, else through a switch that both see."""
    far = bus_address(gpus[peer].get("pci_bus_id"))
    up = [link for link in gpus[row].get("nvlinks") or () if link.get("active")]
    direct = sum(bool(far) and bus_address(link.get("remote_pci_bus_id")) == far for link in up)
    if direct:
        return direct
    return min(_to_switch(gpus[row]), _to_switch(gpus[peer]))


def _to_switch(gpu: Mapping[str, Any]) -> int:
    links = gpu.get("nvlinks") or ()
    return sum(bool(link.get("active")) and link.get("remote_type") == "switch" for link in links)


def differences(wanted: Topology, seen: Topology) -> Iterator[str]:
    """Where two topologies differ, in words; nothing where they agree."""
    there = sum(map(len, seen.islands))
    if (wished := sum(map(len, wanted.islands))) != there:
        yield f"GPUs: {wished} declared, {there} there"
        return
    if sorted(wanted.islands) != sorted(seen.islands):
        said, found = named(wanted.islands), named(seen.islands)
        yield f"NVLink is declared to join {said}, it joins {found}"
    if sorted(wanted.numa_nodes) != sorted(seen.numa_nodes):
        said, found = listed(wanted.numa_nodes), listed(seen.numa_nodes)
        yield f"NUMA nodes are declared as {said}, they are {found}"


def named(islands: Sequence[Island]) -> str:
    """The islands of more than one GPU: ``0-1, 2-3``, or ``none``."""
    return listed([island for island in islands if len(island) > 1]) or "none"


def listed(groups: Sequence[Island]) -> str:
    """Groups of GPUs in words: ``0-1, 2``."""
    return ", ".join("-".join(map(str, group)) for group in groups)
