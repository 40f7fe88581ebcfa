"""Faults of hardware as edits of a profile of the NVML stand-in, and the one check that must tell.

Each is of the first GPU, but for the one that goes missing: the last.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Fault(NamedTuple):
    """What is replaced in a profile (a regular expression), by what, and who says what of it."""

    old: str
    new: str
    check: str
    status: str

    def break_(self, profile: str) -> str:
        """The profile of a server with this fault; as it was where the card cannot have it."""
        return re.sub(self.old, self.new, profile, count=1, flags=re.MULTILINE)


FAULTS = {
    "a missing GPU": Fault(r"\n\[gpu [1-9]\](?!(.|\n)*\[gpu)(.|\n)*", "", "GPUs", "CRITICAL"),
    "a lost GPU": Fault(r"^\[gpu 0\]\n", "[gpu 0]\nHandle=!15\n", "GPUs", "CRITICAL"),
    "another GPU": Fault(r"^Name=.*", "Name=NVIDIA H100 PCIe", "GPUs", "CRITICAL"),
    "another memory": Fault(r"^MemoryInfo_v2=\d+", "MemoryInfo_v2=25757220864", "GPUs", "CRITICAL"),
    "a link down": Fault(r"^NvLinkState=1,", "NvLinkState=0,", "links", "CRITICAL"),
    "every link of a GPU down": Fault(
        r"^NvLinkState=[1,]+", "NvLinkState=" + ",".join("0" * 18), "links", "CRITICAL"
    ),
    # The stand-in's GPUs are on no bus, so that their slots are hidden as in a virtual machine.
    "x4 instead of x16": Fault(r"^CurrPcieLinkWidth=16", "CurrPcieLinkWidth=4", "PCIe", "WARN"),
    "generation 3 instead of 4 or 5": Fault(
        r"^MaxPcieLinkGeneration=[45]", "MaxPcieLinkGeneration=3", "PCIe", "WARN"
    ),
    "generation 3 while it works": Fault(
        r"^CurrPcieLinkGeneration=[45]((.|\n)*?)Rates=0,0((.|\n)*?)ThrottleReasons=1$",
        r"CurrPcieLinkGeneration=3\1Rates=97,40\3ThrottleReasons=0",
        "PCIe",
        "CRITICAL",
    ),
    "errors not corrected": Fault(
        r"^TotalEccErrors=0,0,0,0", "TotalEccErrors=0,0,5,5", "memory errors", "CRITICAL"
    ),
    "ECC that changes at the next reset": Fault(
        r"^EccMode=1,1", "EccMode=1,0", "memory errors", "WARN"
    ),
    "rows to remap": Fault(
        r"^RemappedRows=0,0,0,0", "RemappedRows=0,1,1,0", "memory errors", "WARN"
    ),
    "a row that cannot be remapped": Fault(
        r"^RemappedRows=0,0,0,0", "RemappedRows=0,1,0,1", "memory errors", "CRITICAL"
    ),
    "thermal slowdown": Fault(
        r"^CurrentClocksThrottleReasons=1",
        "CurrentClocksThrottleReasons=72",
        "throttling",
        "CRITICAL",
    ),
    "heat, by the driver": Fault(
        r"^CurrentClocksThrottleReasons=1",
        "CurrentClocksThrottleReasons=32",
        "throttling",
        "WARN",
    ),
    "a driver of another version than its module": Fault(
        r"^DriverVersion", "Init=!18\nDriverVersion", "driver", "CRITICAL"
    ),
    "MIG left on": Fault(r"^MigMode=0,0", "MigMode=1,1", "MIG", "CRITICAL"),
    "persistence off": Fault(r"^PersistenceMode=1", "PersistenceMode=0", "persistence", "WARN"),
    "somebody else's process": Fault(
        r"^\[gpu 0\]\n", "[gpu 0]\nprocess=1,9663676416\n", "processes", "CRITICAL"
    ),
    "a fabric in progress": Fault(
        r"^GpuFabricInfo=0,0,3", "GpuFabricInfo=0,0,2", "fabric", "CRITICAL"
    ),
    "a fabric that failed": Fault(
        r"^GpuFabricInfo=0,0,3", "GpuFabricInfo=999,0,3", "fabric", "CRITICAL"
    ),
}
