"""Hosts as they are declared: GPU servers and gateways."""

from __future__ import annotations

from pydantic import Field

from rackwright.catalog import GpuType, Interconnect
from rackwright.schema.fields import (
    AbsolutePath,
    Address,
    Entry,
    GpuGroups,
    HostName,
    InterfaceName,
    PcieGenerations,
    PcieLanes,
    Port,
)


class GpuSpec(Entry):
    """The GPUs of one server: all of one ``type``, a key of the catalog's ``gpus.yaml``.

    ``power_limit_w`` is of each GPU; ``ecc`` None leaves their memory as it is. ``pcie_lanes`` and
    ``pcie_generation`` are what slots give, one of all GPUs or one of each, where that is less
    than the cards could have.
    """

    type: str
    count: int = Field(strict=True, ge=1, le=16)
    power_limit_w: int | None = Field(None, strict=True, ge=50, le=2000)
    ecc: bool | None = Field(None, strict=True)
    mig: bool = Field(False, strict=True)
    pcie_lanes: PcieLanes | None = None
    pcie_generation: PcieGenerations | None = None

    @property
    def lanes_of_each(self) -> tuple[int | None, ...]:
        """PCIe lanes of each GPU; None where they are not declared."""
        return _of_each(self.pcie_lanes, self.count)

    @property
    def generations_of_each(self) -> tuple[int | None, ...]:
        """PCIe generation of each GPU; None where it is not declared."""
        return _of_each(self.pcie_generation, self.count)

    def as_declared(self, kind: GpuType) -> GpuType:
        """The type as this server's cards are: memory by ``ecc``, the link of the worst slot."""
        slots = (self.pcie_lanes, self.pcie_generation)
        return kind.with_ecc(self.ecc).in_slot(
            *(min(values) if values else None for values in slots)
        )


def _of_each(values: tuple[int, ...] | None, count: int) -> tuple[int | None, ...]:
    if values is None:
        return (None,) * count
    return values * count if len(values) == 1 else values


class ServerSpec(Entry):
    """One server. ``address`` is where the gateway reaches it; engines listen there only.

    ``interconnect`` joins its GPUs. ``nvlink_islands`` and ``numa_nodes`` list GPU indexes that
    belong together where that is not as usual. ``network_gbit_per_s`` joins it to other servers,
    over ``network_interface`` where a replica spans several.
    """

    name: HostName
    address: Address
    gpus: GpuSpec
    interconnect: Interconnect = "none"
    nvlink_islands: GpuGroups | None = None
    numa_nodes: GpuGroups | None = None
    network_gbit_per_s: float = Field(10, ge=1)
    network_interface: InterfaceName | None = None

    @property
    def hardware(self) -> tuple[object, ...]:
        """What decides its layouts: equal for servers that are built alike."""
        return (
            self.gpus.type,
            self.gpus.count,
            self.gpus.ecc,
            self.gpus.pcie_lanes,
            self.gpus.pcie_generation,
            self.interconnect,
            self.nvlink_islands,
            self.numa_nodes,
            self.network_gbit_per_s,
        )


class GatewaySpec(Entry):
    """One gateway. ``certificate`` and its key are PEM files on the gateway, or both None."""

    name: HostName
    server_name: Address
    port: Port = 443
    certificate: AbsolutePath | None = None
    certificate_key: AbsolutePath | None = None
