"""What a model needs: the fewest GPUs of each type, and the smallest cluster, to serve it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rackwright.catalog import GpuType, Interconnect
from rackwright.engines import ENGINES
from rackwright.engines.abilities import refusals
from rackwright.models import Shape
from rackwright.planning.choosing import choose, last_resort
from rackwright.planning.considering import consider
from rackwright.planning.layouts import Layout, Site
from rackwright.planning.limits import limits_of
from rackwright.sizing import Limits, Split
from rackwright.spec import GpuSpec, ServerSpec, ServiceSpec

COUNTS = (1, 2, 4, 8)
"""GPUs of the servers that are sold."""
SERVERS = tuple(range(2, 17))
"""Servers of the clusters that are tried where one server is too small."""
NETWORK_GBIT_PER_S = 200
"""What joins the servers of such a cluster."""
ONE_SERVER = "a replica is on one server: ask about the GPUs of one, and take more such servers"


@dataclass(frozen=True)
class Need:
    """What is asked of the hardware: ``service`` as in an inventory, and what may be bought.

    ``shape`` is the model as it would be loaded, by ``version`` of the engine. ``gpus`` is how many
    there are in all; None to look for the fewest. ``interconnect`` joins those of a server; None
    for the best its type has.
    """

    service: ServiceSpec
    shape: Shape
    version: str | None = None
    gpus: int | None = None
    interconnect: Interconnect | None = None


@dataclass(frozen=True)
class Offer:
    """All layouts on one choice of hardware, the chosen one apart; None where nothing fits.

    ``refused``: why the engine serves the model on no GPU of the type.
    """

    gpu: GpuType
    gpus: int
    nodes: int
    interconnect: Interconnect
    limits: Limits
    chosen: Layout | None
    others: list[Layout] = field(default_factory=list)
    refused: str = ""

    @property
    def memory_gib(self) -> float:
        """Memory of all GPUs, what a buyer pays for."""
        return self.gpus * self.gpu.memory_bytes / 1024**3


def offers(need: Need, gpu: GpuType) -> Iterator[Offer]:
    """What was tried of one GPU type, from the fewest GPUs up to the first that serves."""
    engine = ENGINES[need.service.engine]
    reasons = refusals(engine, need.version, gpu, need.shape, need.service, ENGINES.values())
    if reason := "; ".join(reasons):
        limits = limits_of(need.service, gpu, need.shape)
        refused = Layout(Split(), reason=reason)
        yield Offer(gpu, need.gpus or 1, 1, "none", limits, None, [refused], reason)
        return
    for gpus, nodes in _amounts(need, gpu):
        offer = _offer(need, gpu, gpus, nodes)
        yield offer
        if offer.chosen:
            return


def best(offered: Sequence[Offer]) -> Offer | None:
    """The smallest of the offers that serve: fewest servers, then GPUs, then memory in all."""
    serving = [offer for offer in offered if offer.chosen]
    return min(serving, key=lambda offer: (offer.nodes, offer.gpus, offer.memory_gib), default=None)


def _amounts(need: Need, gpu: GpuType) -> Iterator[tuple[int, int]]:
    """GPUs in all and the servers they are in. Beyond one server's worth servers are full."""
    counts = COUNTS if gpu.interconnects != {"none"} else COUNTS[:1]
    most = counts[-1]
    if need.gpus:
        yield need.gpus, -(-need.gpus // most)
        return
    yield from ((count, 1) for count in counts)
    if not ENGINES[need.service.engine].splits.servers or need.shape.answers == "vectors":
        return
    yield from ((nodes * most, nodes) for nodes in SERVERS)


def _offer(need: Need, gpu: GpuType, gpus: int, nodes: int) -> Offer:
    per_server = gpus // nodes
    joined = joining(gpu, per_server, need.interconnect)
    servers = tuple(
        ServerSpec(
            name=f"server{number}",
            address=f"server{number}",
            gpus=GpuSpec(type=gpu.key, count=per_server),
            interconnect=joined,
            network_gbit_per_s=NETWORK_GBIT_PER_S,
        )
        for number in range(nodes)
    )
    limits = limits_of(need.service, gpu, need.shape)
    site = Site(servers, gpu, tuple(range(per_server)))
    layouts = consider(need.service, need.shape, site, limits)
    if not layouts:
        layouts = [Layout(Split(), nodes=nodes, reason=ONE_SERVER)]
    chosen, others = choose(need.service, layouts)
    if chosen is None:
        chosen = last_resort(need.service, layouts)
        others = [layout for layout in others if layout is not chosen]
    return Offer(gpu, gpus, nodes, joined, limits, chosen, others)


def joining(gpu: GpuType, count: int, wanted: Interconnect | None) -> Interconnect:
    """How so many GPUs of a type are joined in a server: as wanted, else the best there is."""
    if count == 1:
        return "none"
    if wanted:
        return wanted
    kinds: tuple[Interconnect, ...] = ("nvswitch", "nvlink", "pcie")
    return next(kind for kind in kinds if kind in gpu.interconnects)
