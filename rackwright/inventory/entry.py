"""From what the probe saw of a server to the inventory entry that declares it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pprint import pformat
from typing import Any

from rackwright.catalog import GpuType, find_gpu, gpu_types
from rackwright.errors import Fault, SpecError, nearest
from rackwright.planning.topology import Topology, declared, observed
from rackwright.planning.topology_text import differences, listed, matrix_text, named, read_matrix
from rackwright.spec import ServerSpec

_WIDTH = 88


@dataclass(frozen=True)
class Discovered:
    """One host: the inventory's ``server`` dict (None where there is nothing to declare).

    ``notes`` say what an operator should know before pasting it.
    """

    host: str
    server: dict[str, Any] | None
    notes: tuple[str, ...]

    def text(self) -> str:
        """The entry as it is pasted into an inventory, below its notes as comments."""
        lines = [f"# {self.host}: {note}" for note in self.notes]
        if self.server is not None:
            address = self.server["address"]
            data = {"ssh_hostname": address, "server": self.server}
            entry = (f"@rackwright/{self.host}", data) if self.host[0] != "@" else (self.host, data)
            if self.host[0] == "@":
                del data["ssh_hostname"]
            lines.append(f"{pformat(entry, width=_WIDTH, sort_dicts=False)},")
        return "\n".join(lines)


def discovered(
    host: str, answer: Mapping[str, Any], types: Mapping[str, GpuType] | None = None
) -> Discovered:
    """The entry of ``host`` from the probe's answer, or from ``{"error": why}``.

    ``types`` are the catalog's, unless an inventory has its own beside them.
    """
    if "error" in answer:
        return Discovered(host, None, (str(answer["error"]),))
    gpus = [gpu for gpu in answer.get("gpus") or () if gpu]
    if not gpus:
        why = (answer.get("unavailable") or {}).get("nvml", "the driver shows none")
        return Discovered(host, None, (f"no NVIDIA GPU is seen: {why}",))
    kinds = Counter(str(gpu.get("name")) for gpu in gpus)
    name, count = kinds.most_common(1)[0]
    kind = find_gpu(name, _memory_bytes(name, gpus), types)
    if kind is None:
        rule = (
            "is not in the catalog: declare it in an inventory's `gpu_types` (docs/inventory.md) "
            "and name that with --inventory"
        )
        return Discovered(host, None, (f"{count} x {name} {rule}",))
    server = {"address": _address(host), "gpus": {"type": kind.key, "count": count}}
    server |= links_entry(kind, count, observed(answer))
    return Discovered(host, server, tuple(_notes(answer, kinds, kind)))


def _memory_bytes(name: str, gpus: Sequence[Mapping[str, Any]]) -> int | None:
    """What a GPU of that name has, which tells types apart that NVML calls alike."""
    memory = (gpu.get("memory") or {} for gpu in gpus if gpu.get("name") == name)
    totals = (each.get("total_bytes") for each in memory)
    return next((total for total in totals if isinstance(total, int)), None)


def _address(host: str) -> str:
    return "127.0.0.1" if host == "@local" else host.rpartition("@")[2]


def links_entry(kind: GpuType, count: int, seen: Topology) -> dict[str, Any]:
    """``interconnect``, and islands and NUMA nodes where they are not as usual."""
    if count == 1:
        return {"interconnect": "none"}
    entry: dict[str, Any] = {"interconnect": "pcie"}
    joined = [island for island in seen.islands if len(island) > 1]
    if len(seen.islands) == 1 and "nvswitch" in kind.interconnects:
        entry["interconnect"] = "nvswitch"
    elif joined and "nvlink" in kind.interconnects:
        entry = {"interconnect": "nvlink", "nvlink_islands": [list(each) for each in joined]}
    if len(seen.numa_nodes) > 1:
        entry["numa_nodes"] = [list(node) for node in seen.numa_nodes]
    return entry


def _notes(answer: Mapping[str, Any], kinds: Counter[str], kind: GpuType) -> Iterator[str]:
    nvml, system = answer.get("nvml") or {}, answer.get("os") or {}
    driver, cuda = nvml.get("driver_version"), nvml.get("cuda_version")
    release = f"{system.get('id')} {system.get('version_id')}, kernel {system.get('kernel')}"
    yield f"driver {driver}, CUDA {cuda}; {release}"
    if len(kinds) > 1:
        others = ", ".join(f"{count} x {name}" for name, count in kinds.items())
        yield f"mixed GPUs ({others}): only {kind.name} is declared below"
    if lost := sum(gpu is None for gpu in answer.get("gpus") or ()):
        yield f"{lost} GPU(s) lost: not counted below"
    if len(answer["gpus"]) > 1:
        yield from matrix_text(answer).splitlines()


def topo_text(
    text: str,
    gpu: str | None,
    server: ServerSpec | None,
    types: Mapping[str, GpuType] | None = None,
) -> tuple[str, bool]:
    """What a matrix says, in words, and whether it agrees with what is declared of a server.

    ``gpu`` names a GPU type, for which the keys of an inventory entry are said as well; ``types``
    are the catalog's, unless an inventory has its own beside them. Raises SpecError where the text
    or the type is not known.
    """
    known = gpu_types() if types is None else types
    seen = read_matrix(text)
    kind = find_gpu(gpu, types=types) if gpu else None
    if gpu and kind is None:
        raise SpecError([Fault("gpu", nearest(gpu, known, "GPU type"), gpu)], "in what was asked")
    count = sum(map(len, seen.islands))
    lines = [
        f"{count} GPU{'s' * (count > 1)}; NVLink joins {named(seen.islands)}; "
        f"NUMA nodes {listed(seen.numa_nodes)}"
    ]
    if kind:
        entry = {"gpus": {"type": kind.key, "count": count}, **links_entry(kind, count, seen)}
        lines.append(pformat(entry, sort_dicts=False))
    found = list(differences(declared(server, known[server.gpus.type]), seen)) if server else []
    if server:
        lines += found or [f"as {server.name} is declared"]
    return "\n".join(lines), not found
