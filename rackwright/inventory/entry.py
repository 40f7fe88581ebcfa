"""From what the probe saw of a server to the inventory entry that declares it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pprint import pformat
from typing import Any

from rackwright.catalog import GpuType, find_gpu, gpu_types
from rackwright.errors import Fault, SpecError, nearest
from rackwright.inventory.gpu_keys import gpu_keys, groups_of, joined_by_probe
from rackwright.inventory.matrix import compared, in_words, keys_of
from rackwright.inventory.rules.declared import Declared
from rackwright.inventory.rules.servers import server_faults
from rackwright.inventory.seen_gpus import about, by_type, ecc_of, left_out
from rackwright.planning.matrix_rows import gpu_rows
from rackwright.planning.topology_text import matrix_text, topology_of
from rackwright.printable import printable
from rackwright.schema.probe_answer import probe_answer
from rackwright.schema.validation import parse
from rackwright.spec import FleetSpec, ServerSpec

_WIDTH = 88


@dataclass(frozen=True)
class Discovered:
    """One host: the inventory's ``server`` dict (None where there is nothing to declare).

    ``notes`` say what an operator should know before pasting it; ``access`` is the host data by
    which it was reached (``ssh_port``, ``_sudo``).
    """

    host: str
    server: dict[str, Any] | None
    notes: tuple[str, ...]
    access: Mapping[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """The entry as it is pasted into an inventory, below its notes as comments.

        A note is one comment whatever a host says in it; the entry is made of ``repr`` alone.
        """
        lines = [printable(f"# {self.host}: {note}") for note in self.notes]
        if self.server is not None:
            lines.append(f"{pformat(self._entry(self.server), width=_WIDTH, sort_dicts=False)},")
        return "\n".join(lines)

    def _entry(self, server: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        if self.host[0] == "@":
            return self.host, {"server": server}
        user, _, address = self.host.rpartition("@")
        data = {"ssh_hostname": address, **self.access, **({"ssh_user": user} if user else {})}
        return f"@rackwright/{name_of(self.host)}", {**data, "server": server}


def name_of(host: str) -> str:
    """What an inventory calls a host that ``ssh`` takes by this name."""
    if host[0] == "@":
        return host
    return re.sub(r"[^A-Za-z0-9.-]", "-", host.rpartition("@")[2]).strip("-.")


def discovered(
    host: str, answer: Mapping[str, Any], types: Mapping[str, GpuType] | None = None
) -> Discovered:
    """The entry of ``host`` from the probe's answer, or from ``{"error": why}``.

    What is declared passes the inventory's own rules; where that cannot be, the notes say why.
    ``types`` are the catalog's, unless an inventory has its own beside them.
    """
    answer = probe_answer(answer)
    known = gpu_types() if types is None else types
    if "error" in answer:
        return Discovered(host, None, (str(answer["error"]),))
    gpus = list(answer.get("gpus") or ())
    if not any(gpus):
        why = (answer.get("unavailable") or {}).get("nvml", "the driver shows none")
        return Discovered(host, None, (f"no NVIDIA GPU is seen: {why}",))
    found = [find_gpu(str(gpu.get("name")), _bytes(gpu), known) if gpu else None for gpu in gpus]
    kinds, left = by_type(gpus, found), tuple(left_out(gpus, found))
    if not kinds:
        return Discovered(host, None, left)
    joined = joined_by_probe(answer)
    groups = groups_of(kinds, joined)
    keys = gpu_keys(groups, joined, len(gpus), ecc_of(gpus, groups))
    server = {"address": _address(host), **keys}
    notes = (*_system(answer), *left, *about(groups, kinds, joined), *_matrix(answer))
    if faults := _faults(name_of(host), server, known):
        return Discovered(host, None, (*notes, *faults))
    return Discovered(host, server, notes)


def _address(host: str) -> str:
    return "127.0.0.1" if host == "@local" else host.rpartition("@")[2]


def _bytes(gpu: Mapping[str, Any]) -> int | None:
    """The memory of a GPU, which tells types apart that NVML calls alike."""
    total = (gpu.get("memory") or {}).get("total_bytes")
    return total if isinstance(total, int) else None


def _faults(name: str, server: Mapping[str, Any], types: Mapping[str, GpuType]) -> list[str]:
    """What an inventory would be refused for that has this entry."""
    faults: list[Fault] = []
    spec = parse(ServerSpec, {"name": name, **server}, f"servers[{name}]", faults)
    if spec is not None:
        nothing: dict[str, Any] = {"gateways": {}, "services": {}, "models": {}, "settings": {}}
        alone = FleetSpec(servers={name: spec}, gpu_types=dict(types), **nothing)
        faults.extend(server_faults(spec, alone, Declared.of({})))
    return [f"cannot be declared: {fault}" for fault in faults]


def _system(answer: Mapping[str, Any]) -> Iterator[str]:
    nvml, system = answer.get("nvml") or {}, answer.get("os") or {}
    driver, cuda = nvml.get("driver_version"), nvml.get("cuda_version")
    release = f"{system.get('id')} {system.get('version_id')}, kernel {system.get('kernel')}"
    yield f"driver {driver}, CUDA {cuda}; {release}"


def _matrix(answer: Mapping[str, Any]) -> list[str]:
    return matrix_text(answer).splitlines() if len(answer["gpus"]) > 1 else []


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
    rows = gpu_rows(text)
    seen = topology_of(rows)
    kind = find_gpu(gpu, types=types) if gpu else None
    if gpu and kind is None:
        raise SpecError([Fault("gpu", nearest(gpu, known, "GPU type"), gpu)], "in what was asked")
    lines = [in_words(seen), *(keys_of(rows, kind) if kind else ())]
    found = list(compared(server, known, seen)) if server else []
    if server:
        lines += found or [f"as {server.name} is declared"]
    return "\n".join(lines), not found
