"""What NVML's mask says of the health of a GPU in an NVSwitch fabric.

Bits as in nvml.h, ``NVML_GPU_FABRIC_HEALTH_MASK_*``: two for each question (0 is not told, 1 true,
2 false), and four for what is wrong with the configuration.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.checks.results import Finding, Status

_LINKS = (
    "see the checks of links and Xid errors, and `nvidia-smi nvlink --status`; then restart "
    "nvidia-fabricmanager while no engine runs, or reboot"
)
_WAIT = "the fabric recovers by itself: ask again; where it stays so, see the fabric manager's log"
_CONFIGURE = "see the fabric manager's log: its configuration, or the board's, is not this GPU's"
_QUESTIONS = (
    (0, Status.CRITICAL, "has less bandwidth than it should", _LINKS),
    (2, Status.WARN, "has routes that are being recovered", _WAIT),
    (4, Status.CRITICAL, "has a route that does not work", _LINKS),
    (6, Status.WARN, "recovers from an access that timed out", _WAIT),
)
"""The lowest bit, how bad it is where it is true, and what it says of the fabric."""
_CONFIGURATION, _CONFIGURATIONS = (
    8,
    {
        2: "the wrong system GUID",
        3: "the wrong serial number of its chassis",
        4: "no partition",
        5: "too few NVLinks",
        6: "firmware that does not fit",
        7: "an invalid location",
        8: "a GPU in an invalid state",
    },
)
_MANAGER, _DISCONNECTED = 14, 2


def faults(mask: int) -> Iterator[Finding]:
    """What is wrong by the mask, in words that follow "the fabric"."""
    if mask < 0:
        raise ValueError(f"a mask of {mask}")
    for shift, status, words, remedy in _QUESTIONS:
        told = mask >> shift & 3
        if told == 1:
            yield Finding(status, words, remedy)
        elif told == 3:
            yield _unknown(mask)
    configured = mask >> _CONFIGURATION & 15
    if words := _CONFIGURATIONS.get(configured, ""):
        yield Finding(Status.CRITICAL, f"is configured with {words}", _CONFIGURE)
    elif configured > max(_CONFIGURATIONS):
        yield _unknown(mask)
    if mask >> _MANAGER & 3 == _DISCONNECTED:
        yield Finding(Status.WARN, "has lost its manager", _CONFIGURE)


def _unknown(mask: int) -> Finding:
    words = f"tells of its health what is not known ({mask:#x})"
    return Finding(Status.UNKNOWN, words, "see `nvidia-smi -q`, Fabric, on the host")
