"""Which GPUs make a replica, what its ranks and stages talk over, and what that crosses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rackwright.catalog import Link, link, network
from rackwright.planning.layouts import Site
from rackwright.planning.speed import Wires
from rackwright.planning.topology import Island, Topology, declared, within
from rackwright.sizing import Split


class SiteLinks(NamedTuple):
    """The islands of a site, and its links: inside an island, beside it, and between servers."""

    topology: Topology
    inside: Link | None
    beside: Link | None
    between: Link | None


class Grouping(NamedTuple):
    """GPUs of each replica on a server, and what its tensor parallel groups cross ("" nothing)."""

    groups: tuple[Island, ...]
    crossing: str


def links_of(site: Site) -> SiteLinks:
    """How the GPUs of a site are joined."""
    server, gpu = site.server, site.gpu
    known = declared(server, gpu)
    islands = tuple(within(known.islands, site.gpus))
    topology = Topology(islands, tuple(within(known.numa_nodes, site.gpus)))
    own = link(server.interconnect, gpu) if server.interconnect != "none" else None
    beside = link("pcie", gpu) if "pcie" in gpu.interconnects else own
    several = len(site.servers) > 1
    return SiteLinks(topology, own, beside, network(server.network_gbit_per_s) if several else None)


def grouped(split: Split, site: Site, topology: Topology) -> Grouping:
    """The replicas that fit on each server of a site. Data parallel groups are one: they share
    experts at every layer.

    Ranks of one group on several servers, where no stage divides them, are only there if asked for.
    """
    nodes = len(site.servers)
    if split.pipeline % nodes:
        in_server = _in_server(split.gpus // nodes, 1, site, topology)
        return in_server._replace(crossing="network")
    return _in_server(split.expert_ranks, split.pipeline // nodes, site, topology)


def _in_server(tensor: int, stages: int, site: Site, topology: Topology) -> Grouping:
    for candidates, crossing in (
        (topology.islands, ""),
        (topology.numa_nodes, "pcie"),
        ((site.gpus,), "pcie" if len(topology.numa_nodes) == 1 else "numa"),
    ):
        if groups := _replica_groups(tensor, stages, candidates):
            return Grouping(groups, crossing)
    return Grouping((), "pcie")


def _replica_groups(tensor: int, stages: int, candidates: Sequence[Island]) -> tuple[Island, ...]:
    """Tensor parallel groups inside the candidates, one for each stage of a replica."""
    inside = [group for island in candidates for group in _chunks(island, tensor)]
    staged = [inside[i : i + stages] for i in _starts(inside, stages)]
    return tuple(tuple(gpu for group in groups for gpu in group) for groups in staged)


def _chunks(island: Island, size: int) -> list[Island]:
    return [island[i : i + size] for i in _starts(island, size)]


def _starts(items: Sequence[object], size: int) -> range:
    """Where each whole group of ``size`` starts; what is left over makes none."""
    return range(0, len(items) - size + 1, size)


def wires(split: Split, grouping: Grouping, links: SiteLinks) -> Wires:
    """The links of the worst replica: of its ranks, and from stage to stage."""
    crossed = {"": links.inside, "network": links.between}
    ranks = crossed.get(grouping.crossing, links.beside) if split.expert_ranks > 1 else None
    if split.pipeline == 1:
        return Wires(ranks)
    islands = [set(island) for island in links.topology.islands]
    joined = all(any(set(group) <= island for island in islands) for group in grouping.groups)
    stages = links.between or (links.inside if joined and links.inside else links.beside)
    return Wires(ranks, stages)
