"""The GPU types that an inventory's file knows: the catalog's and its own."""

from __future__ import annotations

from rackwright.catalog import GpuType
from rackwright.inventory.reading import load_gpu_types
from rackwright.runner.host_data import host_data
from rackwright.runner.inventory import load_inventory


def gpu_types_of(path: str) -> dict[str, GpuType]:
    """By key. The rest of the inventory may be unfinished.

    Raises InputError where the file cannot be executed, SpecError with every fault of its types.
    """
    return load_gpu_types(host_data(load_inventory(path)))
