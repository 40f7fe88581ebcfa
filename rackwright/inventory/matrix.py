"""A pasted matrix of ``nvidia-smi topo -m`` in words, as keys, and beside what is declared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pprint import pformat

from rackwright.catalog import GpuType
from rackwright.inventory.gpu_keys import (
    SWITCH_BOARD,
    Group,
    gpu_keys,
    groups_of,
    joined_by_matrix,
)
from rackwright.inventory.seen_gpus import about
from rackwright.planning.matrix_rows import Row
from rackwright.planning.topology import Topology, declared
from rackwright.planning.topology_text import differences, listed, named
from rackwright.spec import ServerSpec


def in_words(seen: Topology) -> str:
    """What a matrix says."""
    count = sum(map(len, seen.islands))
    return (
        f"{count} GPU{'s' * (count > 1)}; NVLink joins {named(seen.islands)}; "
        f"NUMA nodes {listed(seen.numa_nodes)}"
    )


def keys_of(rows: Sequence[Row], kind: GpuType) -> Iterator[str]:
    """The keys of an inventory that declare GPUs of a type so, below notes as comments."""
    joined, kinds = joined_by_matrix(rows, kind), {kind: range(len(rows))}
    groups = groups_of(kinds, joined)
    yield from (f"# {note}" for note in (*about(groups, kinds, joined), *_silent(groups)))
    yield pformat(gpu_keys(groups, joined, len(rows)), sort_dicts=False)


def _silent(groups: Sequence[Group]) -> Iterator[str]:
    """A matrix shows no NVSwitch whose links are not up yet, where `discover` sees it."""
    for group in groups:
        board = len(group.indexes) >= SWITCH_BOARD and "nvswitch" in group.kind.interconnects
        if board and group.interconnect == "pcie":
            yield (
                f"{len(group.indexes)} x {group.kind.name} without a link: where their board has "
                "an NVSwitch, no fabric manager runs yet; declare nvswitch, and it is installed"
            )


def compared(server: ServerSpec, types: Mapping[str, GpuType], seen: Topology) -> Iterator[str]:
    """Where the declared GPUs are joined in another way; others do not count."""
    parts = [declared(kind, types[kind.gpus.type]) for kind in server.kinds]
    wanted = Topology(
        tuple(island for part in parts for island in part.islands),
        server.numa_nodes
        or (tuple(sorted(i for part in parts for g in part.numa_nodes for i in g)),),
    )
    own = [index for island in wanted.islands for index in island]
    alone = server.gpus.indexes is None and len(parts) == 1
    yield from differences(wanted, seen if alone else seen.of(own))
