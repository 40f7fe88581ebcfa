"""What a probe answered, each value of the kind that is read: one of another kind is not there.

A host may answer anything: another version of a script, or a library that is not NVIDIA's. Those
who read an answer ask whether a value is there; here one of the wrong kind becomes None, as one
that could not be read is. Keys that are not named here stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

Form = type | Mapping[str, Any] | tuple[Any] | list[Any]
"""A kind; a form by key (``*``: of every other key); or that of a list's items, in a tuple where
an item has its place and is None, in a list where it is left out."""
MOST = 1e18
"""No count of bytes, watts or tokens is larger."""

_LINK: Form = {"active": bool, "remote_type": str, "remote_pci_bus_id": str}
_PCIE: Form = {"*": int, "card": {"*": int}, "bridge": {"*": int}}
_GPU: Form = {
    **dict.fromkeys(("name", "uuid", "pci_bus_id", "cpu_affinity"), str),
    **{key: {"*": float} for key in ("memory", "power", "utilization_percent")},
    **{"pcie": _PCIE, "temperature_c": float, "numa_node": int},
    **{"nvlinks": [_LINK], "processes": [{"cgroups": [str]}]},
}
_REPLICA: Form = {"figures": {"*": float}}
_ANSWER: Form = {
    "gpus": (_GPU,),
    "topology": {"common_ancestor": ((str,),)},
    "replicas": {"*": _REPLICA},
    "time_unix_s": float,
    **{key: {} for key in ("nvml", "os", "unavailable")},
}


def probe_answer(answer: object) -> dict[str, Any]:
    """The answer of ``remote/probe.py``, ``glance.py`` or ``watching.py``; empty for another."""
    return _fitted(answer, _ANSWER) or {}


def _fitted(value: Any, form: Form) -> Any:
    """The value with None where it, or a part of it, is not of its kind."""
    if isinstance(form, tuple | list):
        items = [_fitted(item, form[0]) for item in value] if isinstance(value, list) else []
        return items if isinstance(form, tuple) else [item for item in items if item is not None]
    if isinstance(form, Mapping):
        if not isinstance(value, Mapping):
            return None
        return {key: _of_key(key, part, form) for key, part in value.items()}
    return value if _is_of(value, form) else None


def _of_key(key: str, part: Any, form: Mapping[str, Any]) -> Any:
    kind = form.get(key, form.get("*"))
    return part if kind is None else _fitted(part, kind)


def _is_of(value: Any, kind: type) -> bool:
    if kind in (int, float):
        number = isinstance(value, int | kind) and not isinstance(value, bool)
        return number and -MOST < value < MOST and isfinite(value)
    return isinstance(value, kind)
