"""The GPUs that a probe saw: those that can be declared, by type, and why others are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rackwright.catalog import GpuType
from rackwright.inventory.gpu_keys import Group, Joined, switch_elsewhere
from rackwright.planning.topology_text import listed

Gpu = Mapping[str, Any]
MOST = 16
"""GPUs of one type that an inventory declares of a server."""


Gpus = Sequence[Gpu | None]
Types = Sequence[GpuType | None]
"""By index; None for a GPU that is lost, and for one whose type is not known."""


def by_type(gpus: Gpus, types: Types) -> dict[GpuType, list[int]]:
    """The indexes to declare, by type: of GPUs that answer, are known, and are whole."""
    return {kind: indexes[:MOST] for kind, indexes in _whole(gpus, types).items()}


def _whole(gpus: Gpus, types: Types) -> dict[GpuType, list[int]]:
    kinds: dict[GpuType, list[int]] = {}
    for index, (gpu, kind) in enumerate(zip(gpus, types, strict=True)):
        if gpu and kind and not _sliced(gpu):
            kinds.setdefault(kind, []).append(index)
    return kinds


def _sliced(gpu: Gpu) -> bool:
    mode = gpu.get("mig_mode")
    return isinstance(mode, Mapping) and bool(mode.get("current"))


def ecc_of(gpus: Gpus, groups: Sequence[Group]) -> dict[GpuType, bool]:
    """ECC of the types whose cards, all of them, have it another way than they are shipped."""
    found = {group.kind: {_ecc(gpus[index]) for index in group.indexes} for group in groups}
    return {
        kind: not kind.inline_ecc
        for kind, modes in found.items()
        if kind.inline_ecc is not None and modes == {not kind.inline_ecc}
    }


def _ecc(gpu: Gpu | None) -> bool | None:
    mode = (gpu or {}).get("ecc_mode")
    now = mode.get("current") if isinstance(mode, Mapping) else None
    return now if isinstance(now, bool) else None


def left_out(gpus: Gpus, types: Types) -> Iterator[str]:
    """What is not declared, and why."""
    there = {index: gpu for index, gpu in enumerate(gpus) if gpu}
    names = Counter(str(gpu.get("name")) for gpu in there.values())
    strange = Counter(str(gpu.get("name")) for i, gpu in there.items() if types[i] is None)
    for name, count in strange.items():
        yield (
            f"{count} x {name} is not in the catalog: declare it in an inventory's `gpu_types` "
            "(docs/inventory.md) and name that with --inventory"
        )
    if len(names) > 1:
        yield f"mixed GPUs ({', '.join(f'{count} x {name}' for name, count in names.items())})"
    if sliced := [index for index, gpu in there.items() if _sliced(gpu)]:
        numbers = ",".join(map(str, sliced))
        yield (
            f"GPU {numbers}: MIG is on, and engines need whole GPUs: left out below, until "
            f"`nvidia-smi --id={numbers} --multi-instance-gpu=0`, with nothing running on them"
        )
    if lost := len(gpus) - len(there):
        yield f"{lost} GPU(s) lost: left out below"
    for kind, indexes in _whole(gpus, types).items():
        if len(indexes) > MOST:
            yield f"{len(indexes)} x {kind.name}: only the first {MOST} are declared below"


def about(
    groups: Sequence[Group], kinds: Mapping[GpuType, Sequence[int]], joined: Joined
) -> Iterator[str]:
    """What is to be known of those that are declared."""
    if len(groups) > 1:
        kind = groups[0].kind.name
        yield f"a service that names no `gpus` of this server gets the {kind}"
    for group in groups:
        if len(group.indexes) < len(kinds[group.kind]):
            yield f"nothing is known to join several {group.kind.name}: only one is declared below"
        if group.interconnect == "nvswitch" and (down := {*group.indexes} - joined.to_switch):
            yield f"GPU {listed([(index,) for index in sorted(down)])}: no NVLink to a switch is up"
    if switch_elsewhere(groups, joined):
        yield (
            f"links lead to an NVSwitch that is not this machine's own ({joined.elsewhere}): the "
            "host of this guest, or the rack, runs its fabric manager, so none is installed here"
        )
