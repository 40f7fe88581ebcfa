"""How GPUs reach one another, as NVML tells."""

from __future__ import annotations

from typing import Any

from rackwright.remote.nvidia.answers import named
from rackwright.remote.nvidia.questions import ask
from rackwright.remote.reader import Question, Reader

ANCESTORS = {0: "INTERNAL", 10: "PIX", 20: "PXB", 30: "PHB", 40: "NODE", 50: "SYS"}
P2P_CAPABILITIES = ("read", "write", "nvlink", "atomics", "pcie")
P2P_STATUS = dict(enumerate(("OK", "CNS", "GNS", "TNS", "DR", "NS", "U")))


def topology(reader: Reader, nvml: Any, handles: list[Any]) -> dict[str, Any]:
    """The common ancestor of every pair of GPUs, and what each pair can do directly."""
    ancestor = ask("TopologyCommonAncestor", then=named(ANCESTORS))
    p2p = {
        name: ask("P2PStatus", code, then=named(P2P_STATUS))
        for code, name in enumerate(P2P_CAPABILITIES)
    }
    path = "topology.p2p"
    return {
        "common_ancestor": _matrix(reader, "topology.common_ancestor", ancestor, nvml, handles),
        "p2p": {
            name: _matrix(reader, f"{path}.{name}", question, nvml, handles)
            for name, question in p2p.items()
        },
    }


def _matrix(reader: Reader, path: str, question: Question, nvml: Any, handles: list[Any]) -> Any:
    """``question`` for every ordered pair of GPUs; null on the diagonal and for a lost GPU."""

    def cell(row: int, column: int) -> Any:
        if row == column or handles[row] is None or handles[column] is None:
            return None
        at = (nvml, handles[row], handles[column])
        return reader.read(f"{path}[{row}][{column}]", question, *at)

    numbers = range(len(handles))
    return [[cell(row, column) for column in numbers] for row in numbers]
