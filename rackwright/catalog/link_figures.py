"""What links carry: between GPUs of a server, and between servers."""

from __future__ import annotations

from functools import cache, lru_cache
from math import log2
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from rackwright.catalog.data import read
from rackwright.catalog.gpus import GpuType, Interconnect

ByRanks = dict[int, Annotated[float, Field(gt=0)]]
"""A figure for 2, 4 and 8 ranks."""
_BYTES_PER_US = 1000  # of 1 GB/s


class Link(BaseModel):
    """What one link carries, one direction. Times are in microseconds, sizes in bytes.

    ``bandwidth_gb_per_s`` is between two ranks, ``all_reduce_gb_per_s`` the bus bandwidth of a
    large all-reduce in a CUDA graph, ``eager_gb_per_s`` of one outside, and
    ``all_reduce_latency_us`` the time of a small one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    bandwidth_gb_per_s: float = Field(gt=0)
    all_reduce_gb_per_s: ByRanks
    eager_gb_per_s: ByRanks
    all_reduce_latency_us: ByRanks
    send_latency_us: float = Field(gt=0)
    source: str = Field(min_length=1)

    def __hash__(self) -> int:
        """By what sets one link apart from another."""
        return hash((self.bandwidth_gb_per_s, self.send_latency_us))

    def all_reduce_us(self, size_bytes: int, ranks: int, captured: bool = True) -> float:
        """Time to sum ``size_bytes`` over ``ranks``, which is nothing for one.

        ``captured``: in a CUDA graph, as tokens are decoded; long prompts are read outside of it.

        A number of ranks without a figure takes the next larger one's; beyond the largest the
        latency grows with the ranks.
        """
        if ranks < 2:
            return 0.0
        listed = sorted(self.all_reduce_latency_us)
        near = next((count for count in listed if count >= ranks), listed[-1])
        latency_us = self.all_reduce_latency_us[near] * max(1.0, ranks / near)
        moved_bytes = 2 * (ranks - 1) / ranks * size_bytes
        carried = self.all_reduce_gb_per_s if captured else self.eager_gb_per_s
        return latency_us + moved_bytes / (carried[near] * _BYTES_PER_US)

    def gather_us(self, size_bytes: int, ranks: int) -> float:
        """Time until each of ``ranks`` has ``size_bytes`` of which each had a share; or to sum so
        much where each keeps a share.

        NCCL's, so with the bandwidth of an all-reduce outside CUDA graphs. That the latency is a
        send's, once each time that the ranks double, is assumed.
        """
        if ranks < 2:
            return 0.0
        listed = sorted(self.eager_gb_per_s)
        near = next((count for count in listed if count >= ranks), listed[-1])
        moved_bytes = (ranks - 1) / ranks * size_bytes
        latency_us = self.send_latency_us * log2(ranks)
        return latency_us + moved_bytes / (self.eager_gb_per_s[near] * _BYTES_PER_US)

    def send_us(self, size_bytes: int) -> float:
        """Time to send ``size_bytes`` from one rank to another."""
        return self.send_latency_us + size_bytes / (self.bandwidth_gb_per_s * _BYTES_PER_US)


class LinkFigures(BaseModel):
    """An entry of ``links.yaml``: shares of a nominal bandwidth, and latencies."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    share: ByRanks
    eager_share: ByRanks | None = None
    all_reduce_latency_us: ByRanks
    send_latency_us: float = Field(gt=0)
    source: str = Field(min_length=1)

    def of(self, nominal_gb_per_s: float) -> Link:
        """The link with this nominal bandwidth, GB/s in one direction."""
        carried = {ranks: share * nominal_gb_per_s for ranks, share in self.share.items()}
        eager = self.eager_share or self.share
        return Link(
            bandwidth_gb_per_s=carried[2],
            all_reduce_gb_per_s=carried,
            eager_gb_per_s={ranks: share * nominal_gb_per_s for ranks, share in eager.items()},
            all_reduce_latency_us=self.all_reduce_latency_us,
            send_latency_us=self.send_latency_us,
            source=self.source,
        )


class PcieLinks(BaseModel):
    """PCIe: GB/s of a lane by generation, and what GPUs get of it with and without peer access."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    gb_per_s_per_lane: dict[int, float]
    peer_to_peer: LinkFigures
    through_host: LinkFigures


class NetworkTier(LinkFigures):
    """Networks from one speed on, Gbit/s."""

    from_gbit_per_s: int


class Links(BaseModel):
    """``links.yaml``: NVLink by generation, PCIe, and networks from the slowest tier up."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    nvlink: dict[int, LinkFigures]
    pcie: PcieLinks
    network: tuple[NetworkTier, ...]


@cache
def links() -> Links:
    """What every kind of link carries."""
    return Links(**read("links.yaml"))


@lru_cache(maxsize=1024)
def link(kind: Interconnect, gpu: GpuType, peer_access: bool | None = None) -> Link:
    """The link between GPUs of one type in one server. Raises ValueError where there is none.

    ``peer_access`` is what the host allows over PCIe, where that is known; else what the driver
    allows the card. Over NVLink without a switch this is the link of a group as large as the
    island: in a smaller one each rank has (ranks - 1) / (island - 1) of the bandwidth.
    """
    if kind == "pcie" and kind in gpu.interconnects:
        pcie = links().pcie
        direct = gpu.pcie_peer_access if peer_access is None else peer_access
        figures = pcie.peer_to_peer if direct else pcie.through_host
        return figures.of(pcie.gb_per_s_per_lane[gpu.pcie_generation] * gpu.pcie_lanes)
    if kind in ("nvlink", "nvswitch") and kind in gpu.interconnects and gpu.nvlink:
        return links().nvlink[gpu.nvlink.generation].of(gpu.nvlink.bandwidth_gb_per_s / 2)
    raise ValueError(f"{gpu.name} has no link of kind {kind!r}")


@lru_cache(maxsize=1024)
def network(gbit_per_s: float) -> Link:
    """The link between servers, one rank each, at that nominal speed. Raises ValueError below 1."""
    tiers = [tier for tier in links().network if tier.from_gbit_per_s <= gbit_per_s]
    if not tiers:
        raise ValueError(f"a network must have 1 Gbit/s or more (got {gbit_per_s})")
    return tiers[-1].of(gbit_per_s / 8)
