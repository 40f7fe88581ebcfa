"""A pasted matrix of ``nvidia-smi topo -m`` beside what an inventory declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pprint import pformat

from rackwright.catalog import GpuType, find_gpu, gpu_types
from rackwright.errors import Fault, SpecError, nearest
from rackwright.inventory.gpu_keys import gpu_keys, groups_of, joined_by_matrix
from rackwright.inventory.seen_gpus import about
from rackwright.planning.matrix_rows import Row, gpu_rows
from rackwright.planning.topology import Topology, declared
from rackwright.planning.topology_text import differences, listed, named, topology_of
from rackwright.spec import ServerSpec


def topo_text(text: str, gpu: str | None, server: ServerSpec | None) -> tuple[str, bool]:
    """What a matrix says, in words, and whether it agrees with what is declared of a server.

    ``gpu`` names a GPU type, for which the keys of an inventory entry are said as well. Raises
    SpecError where the text or the type is not known.
    """
    rows = gpu_rows(text)
    seen = topology_of(rows)
    kind = find_gpu(gpu) if gpu else None
    if gpu and kind is None:
        raise SpecError(
            [Fault("gpu", nearest(gpu, gpu_types(), "GPU type"), gpu)], "in what was asked"
        )
    lines = [
        f"{len(rows)} GPU{'s' * (len(rows) > 1)}; NVLink joins {named(seen.islands)}; "
        f"NUMA nodes {listed(seen.numa_nodes)}"
    ]
    if kind:
        lines += _keys(rows, kind)
    found = list(_differences(server, seen)) if server else []
    if server:
        lines += found or [f"as {server.name} is declared"]
    return "\n".join(lines), not found


def _keys(rows: Sequence[Row], kind: GpuType) -> Iterator[str]:
    joined, kinds = joined_by_matrix(rows, kind), {kind: range(len(rows))}
    groups = groups_of(kinds, joined)
    yield from (f"# {note}" for note in about(groups, kinds, joined))
    yield pformat(gpu_keys(groups, joined, len(rows)), sort_dicts=False)


def _differences(server: ServerSpec, seen: Topology) -> Iterator[str]:
    """Where the declared GPUs are joined in another way; others do not count."""
    types = gpu_types()
    parts = [declared(kind, types[kind.gpus.type]) for kind in server.kinds]
    wanted = Topology(
        tuple(island for part in parts for island in part.islands),
        server.numa_nodes
        or (tuple(sorted(i for part in parts for g in part.numa_nodes for i in g)),),
    )
    own = [index for island in wanted.islands for index in island]
    alone = server.gpus.indexes is None and len(parts) == 1
    yield from differences(wanted, seen if alone else seen.of(own))
