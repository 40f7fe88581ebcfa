"""Hosts as they are declared: GPU servers and gateways."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from pydantic import Field

from rackwright.catalog import GpuType, Interconnect
from rackwright.schema.fields import (
    AbsolutePath,
    Address,
    Entry,
    GpuGroups,
    HostName,
    InterfaceName,
    NvmlIndex,
    PcieGenerations,
    PcieLanes,
    RdmaDevice,
    UnitName,
)
from rackwright.schema.ports import GatewayPort
from rackwright.spec.acme import AcmeSpec


class GpuSpec(Entry):
    """GPUs of one server: all of one ``type``, a key of the catalog's ``gpus.yaml``.

    ``indexes`` are NVML's, as many as ``count``; without them GPUs 0 to count - 1 are meant, and
    no others are expected. ``power_limit_w`` is of each GPU; ``ecc`` None leaves their memory as it
    is. ``pcie_lanes`` and ``pcie_generation`` are what slots give, one of all GPUs or one of each,
    the lowest index first, where that is less than the cards could have.
    """

    type: str
    count: int = Field(strict=True, ge=1, le=16)
    indexes: tuple[NvmlIndex, ...] | None = None
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

    @property
    def nvml_indexes(self) -> tuple[int, ...]:
        """The GPUs by index, ascending: as NVML counts them, and CUDA in the order of the bus."""
        return tuple(range(self.count)) if self.indexes is None else tuple(sorted(self.indexes))


def _of_each(values: tuple[int, ...] | None, count: int) -> tuple[int | None, ...]:
    if values is None:
        return (None,) * count
    return values * count if len(values) == 1 else values


class OtherGpuSpec(GpuSpec):
    """GPUs of another type in the same server. ``interconnect`` joins them among themselves."""

    interconnect: Interconnect = "none"


class ServerSpec(Entry):
    """One server. ``address`` is where the gateway reaches it; engines listen there only.

    ``gpus`` are those that a service gets which names none, ``other_gpus`` further ones of other
    types; what is in neither is left alone. ``interconnect`` joins its GPUs. ``fabric_manager`` of
    an NVSwitch is the server's own, or that of the host whose guest it is. ``nvlink_islands`` and
    ``numa_nodes`` list GPU indexes that belong together where that is not as usual.
    ``network_gbit_per_s`` joins it to other servers, over ``network_interface`` where a replica
    spans several. ``rdma_devices`` are InfiniBand or RoCE devices for that; none: TCP alone; None:
    the engine's NCCL chooses.
    """

    name: HostName
    address: Address
    gpus: GpuSpec
    interconnect: Interconnect = "none"
    fabric_manager: Literal["own", "host"] = "own"
    nvlink_islands: GpuGroups | None = None
    numa_nodes: GpuGroups | None = None
    other_gpus: tuple[OtherGpuSpec, ...] = ()
    network_gbit_per_s: float = Field(10, strict=True, ge=1, allow_inf_nan=False)
    network_interface: InterfaceName | None = None
    rdma_devices: tuple[RdmaDevice, ...] | None = None

    @property
    def runs_fabric_manager(self) -> bool:
        """Whether the server itself needs one: it has an NVSwitch, and is not a guest beside it."""
        kinds = {self.interconnect, *(other.interconnect for other in self.other_gpus)}
        return "nvswitch" in kinds and self.fabric_manager == "own"

    @property
    def kinds(self) -> tuple[ServerSpec, ...]:
        """The server as so many, each with the GPUs of one type alone; itself where all are."""
        if not self.other_gpus:
            return (self,)
        others = (self._with(other, other.interconnect) for other in self.other_gpus)
        return (self._with(self.gpus, self.interconnect), *others)

    def kind_of(self, gpus: Collection[int] | None) -> ServerSpec | None:
        """The one of ``kinds`` that has all these GPUs, the first for None; None where none has."""
        if gpus is None:
            return self.kinds[0]
        return next((kind for kind in self.kinds if {*gpus} <= {*kind.gpus.nvml_indexes}), None)

    def kinds_of(self, gpus: Collection[int] | None) -> tuple[ServerSpec, ...]:
        """Those of ``kinds`` that have any of these GPUs, the first for None."""
        if gpus is None:
            return self.kinds[:1]
        return tuple(kind for kind in self.kinds if {*gpus} & {*kind.gpus.nvml_indexes})

    def together(self, gpus: Collection[int]) -> ServerSpec:
        """The server with these GPUs of several types as if they were of the first one's.

        What joins two types is PCIe.
        """
        named = {"count": len(gpus), "indexes": tuple(sorted(gpus))}
        slots = {"pcie_lanes": None, "pcie_generation": None}
        first = self.kinds_of(gpus)[0].gpus
        return self._with(first.model_copy(update=named | slots), "none")

    def _with(self, gpus: GpuSpec, interconnect: Interconnect) -> ServerSpec:
        indexes = set(gpus.nvml_indexes)
        islands = _within(self.nvlink_islands, indexes)
        changed = {
            "gpus": gpus,
            "interconnect": interconnect,
            "nvlink_islands": islands if interconnect == "nvlink" else None,
            "numa_nodes": _within(self.numa_nodes, indexes),
            "other_gpus": (),
        }
        return self.model_copy(update=changed)

    @property
    def hardware(self) -> tuple[object, ...]:
        """What decides its layouts: equal for servers that are built alike."""
        return (
            self.gpus.type,
            self.gpus.nvml_indexes,
            self.gpus.ecc,
            self.gpus.pcie_lanes,
            self.gpus.pcie_generation,
            self.interconnect,
            self.nvlink_islands,
            self.numa_nodes,
            self.network_gbit_per_s,
        )


def _within(groups: GpuGroups | None, indexes: Collection[int]) -> GpuGroups | None:
    """The groups, cut down to these GPUs; empty ones are left out."""
    if groups is None:
        return None
    cut = (tuple(index for index in group if index in indexes) for group in groups)
    return tuple(group for group in cut if group)


class GatewaySpec(Entry):
    """One gateway. ``certificate`` and its key are PEM files on the gateway, or both None.

    Then a CA issues one (``acme``), or the gateway makes one itself. Clients ask for it by
    ``server_name`` or one of ``other_names``, or by a host name of a service; by no other.
    ``address`` is where servers see it come from; None: the gateway itself is asked.
    ``ask_keys``: each must send a key of its own; None where nothing says so. ``default`` is the
    service of requests that name no model.
    """

    name: HostName
    server_name: Address
    other_names: tuple[Address, ...] = ()
    address: Address | None = None
    port: GatewayPort = 443
    certificate: AbsolutePath | None = None
    certificate_key: AbsolutePath | None = None
    acme: AcmeSpec | None = None
    ask_keys: bool | None = Field(None, strict=True)
    default: UnitName | None = None

    @property
    def renewer(self) -> Literal["files", "acme", "self"]:
        """Who renews the certificate: its owner, a CA that is asked for it, or each deploy."""
        return "files" if self.certificate else "acme" if self.acme else "self"

    @property
    def public_ports(self) -> tuple[int, ...]:
        """TCP ports that others reach: of clients; and 80, which the CA asks for its challenge."""
        return (self.port, 80) if self.acme else (self.port,)
