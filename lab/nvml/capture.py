"""Reads a capture of a real host: ``nvml.json``, completed from what ``nvidia-smi`` said."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FABRIC_STATES = ("Not Supported", "Not Started", "In Progress", "Completed")
"""nvidia-smi's words for nvmlGpuFabricState_t, by number."""


def read_capture(folder: Path) -> dict[str, Any]:
    """The capture in ``folder`` with fabric state, ECC totals and affinities filled in."""
    capture: dict[str, Any] = json.loads((folder / "nvml.json").read_text())
    queries = smi_query((folder / "query.txt").read_text())
    topology = (folder / "topo.txt").read_text()
    for index, (gpu, query) in enumerate(zip(capture["gpus"], queries, strict=True)):
        gpu |= _fabric(query) | _ecc(query) | affinity(topology, index)
    return capture


def smi_query(text: str) -> list[dict[str, Any]]:
    """One nested mapping for each GPU of ``nvidia-smi -q``, keyed by the words printed."""
    return [_tree(part) for part in re.split(r"^GPU \S+:\S+\n", text, flags=re.MULTILINE)[1:]]


def _tree(text: str) -> dict[str, Any]:
    path: list[dict[str, Any]] = [{}]
    for line in filter(str.strip, text.splitlines()):
        depth = (len(line) - len(line.lstrip())) // 4
        key, colon, value = (part.strip() for part in line.partition(" : "))
        del path[depth:]
        path[-1][key] = value if colon else {}
        if not colon:
            path.append(path[-1][key])
    return path[0]


def _fabric(query: Mapping[str, Any]) -> dict[str, Any]:
    fabric = query["Fabric"]
    if fabric["State"] not in FABRIC_STATES or fabric["Status"] != "Success":
        return {}
    info = {"status": 0, "cliqueId": int(fabric["CliqueId"]),
            "state": FABRIC_STATES.index(fabric["State"]),
            "healthMask": 0, "healthSummary": 0}  # fmt: skip
    return {"GpuFabricInfo": info, "GpuFabricClusterUuid": fabric["ClusterUUID"]}


def _ecc(query: Mapping[str, Any]) -> dict[str, list[int]]:
    """NVML's totals: corrected (volatile, aggregate), then uncorrected."""
    if query["ECC Errors"]["Volatile"]["DRAM Correctable"] == "N/A":
        return {}
    return {
        "TotalEccErrors": [
            sum(int(n) for name, n in query["ECC Errors"][since].items() if f" {kind}" in name)
            for kind in ("Correctable", "Uncorrectable")
            for since in ("Volatile", "Aggregate")
        ]
    }


def affinity(topology: str, index: int) -> dict[str, list[int]]:
    """CPU and NUMA masks of one GPU from ``nvidia-smi topo -m``, 64 bits a number, lowest first."""
    heads, *rows = (line.split("\t") for line in topology.splitlines() if "\t" in line)
    row = next(row for row in rows if row[0] == f"GPU{index}")
    cells = dict(zip(heads, row, strict=False))
    return {
        "CpuAffinity": _mask(cells["CPU Affinity"]),
        "MemoryAffinity": _mask(cells["NUMA Affinity"]),
    }


def _mask(ranges: str) -> list[int]:
    bits = 0
    for part in filter(None, ranges.split(",")):
        low, _, high = part.partition("-")
        for bit in range(int(low), int(high or low) + 1):
            bits |= 1 << bit
    return [bits >> shift & (1 << 64) - 1 for shift in range(0, max(bits.bit_length(), 1), 64)]
