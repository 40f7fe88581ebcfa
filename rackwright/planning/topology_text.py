"""The matrix that ``nvidia-smi topo -m`` prints: read, and written from what the probe saw."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rackwright.errors import Fault, SpecError
from rackwright.planning.topology import Island, Topology, bus_address, grouped, joined

_GPU = re.compile(r"GPU\d+")
_AFFINITIES = "CPU Affinity"
_NVLINK = re.compile(r"NV\d+")
_SELF = "X"
_UNREAD = "?"


def read_matrix(text: str) -> Topology:
    """Islands (``NV#``) and NUMA nodes of the text of ``nvidia-smi topo -m``.

    Network cards among its rows, columns copied as spaces, and text around it do not matter. A GPU
    whose NUMA affinity is not told is on node 0. Raises SpecError where there is no matrix, or
    rows of it are missing or cut off.
    """
    devices, rows = _rows(text)
    gpus = [place for place, name in enumerate(devices) if _GPU.fullmatch(name)]
    faults = [
        Fault(f"topo[{devices[place]}]", f"must be a row with {len(devices)} cells")
        for place in gpus
        if len(rows.get(devices[place], ())) < len(devices)
    ]
    if not gpus:
        faults = [Fault("topo", "must have a line with GPU0, GPU1, ... and CPU Affinity")]
    if faults:
        raise SpecError(faults, "in the matrix of nvidia-smi topo -m")
    cells = [[rows[devices[row]][place] for place in gpus] for row in gpus]
    pairs = {
        (row, column)
        for row, values in enumerate(cells)
        for column, value in enumerate(values)
        if _NVLINK.fullmatch(value)
    }
    nodes = [_node(rows[devices[place]][len(devices) :]) for place in gpus]
    return Topology(joined(len(gpus), pairs), grouped(nodes))


def _rows(text: str) -> tuple[list[str], dict[str, list[str]]]:
    """The devices of the first line, and each device's cells. None of a cell's text has spaces."""
    devices: list[str] = []
    rows: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not devices and _AFFINITIES in line and _GPU.search(line):
            devices = line.partition(_AFFINITIES)[0].split()
        elif devices and (words := line.split()) and words[0] in devices:
            rows.setdefault(words[0], words[1:])
    return devices, rows


def _node(affinities: Sequence[str]) -> int:
    """The first NUMA node of ``CPU Affinity, NUMA Affinity, ...``; 0 where none is told."""
    found = re.match(r"\d+", affinities[1]) if len(affinities) > 1 else None
    return int(found[0]) if found else 0


def matrix_text(probe: Mapping[str, Any]) -> str:
    """What the probe saw as ``nvidia-smi topo -m`` would print it; "" where no GPU was seen.

    ``?`` stands for what could not be read, as of a lost GPU.
    """
    gpus = [gpu or {} for gpu in probe.get("gpus") or ()]
    names = [f"GPU{index}" for index in range(len(gpus))]
    lines = [["", *names, _AFFINITIES, "NUMA Affinity"]]
    for index, gpu in enumerate(gpus):
        cells = [_cell(probe, gpus, index, peer) for peer in range(len(gpus))]
        node = gpu.get("numa_node")
        near = [str(gpu.get("cpu_affinity") or _UNREAD), _UNREAD if node is None else str(node)]
        lines.append([names[index], *cells, *near])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in (lines if gpus else ())
    )


def _cell(probe: Mapping[str, Any], gpus: Sequence[Mapping[str, Any]], row: int, peer: int) -> str:
    if row == peer:
        return _SELF
    if links := links_between(gpus, row, peer):
        return f"NV{links}"
    levels = (probe.get("topology") or {}).get("common_ancestor") or []
    known = row < len(levels) and peer < len(levels[row])
    return str((known and levels[row][peer]) or _UNREAD)


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
    if (count := sum(map(len, wanted.islands))) != there:
        yield f"GPUs: {count} declared, {there} there"
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
