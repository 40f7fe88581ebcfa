"""Hosts as they are declared: GPU servers and gateways."""

from __future__ import annotations

from pydantic import Field

from rackwright.catalog import Interconnect
from rackwright.schema.fields import (
    AbsolutePath,
    Address,
    Entry,
    GpuGroups,
    HostName,
    InterfaceName,
    Port,
)


class GpuSpec(Entry):
    """The GPUs of one server: all of one ``type``, a key of the catalog's ``gpus.yaml``.

    ``power_limit_w`` is of each GPU; ``ecc`` None leaves their memory as it is.
    """

    type: str
    count: int = Field(strict=True, ge=1, le=16)
    power_limit_w: int | None = Field(None, strict=True, ge=50, le=2000)
    ecc: bool | None = Field(None, strict=True)
    mig: bool = Field(False, strict=True)


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
            self.interconnect,
            self.nvlink_islands,
            self.numa_nodes,
            self.network_gbit_per_s,
        )


class GatewaySpec(Entry):
    """One gateway. ``certificate`` and its key are PEM files on the gateway, or both None.

    Clients ask for it by ``server_name`` or one of ``other_names``, and by no other.
    """

    name: HostName
    server_name: Address
    other_names: tuple[Address, ...] = ()
    port: Port = 443
    certificate: AbsolutePath | None = None
    certificate_key: AbsolutePath | None = None
