"""What a fleet is made of, to the file: read, refreshed and compared; one lock file an inventory.

Three values, each below the next:

- ``Pins`` (``pins.py``) is what is pinned today by inventory and group data, per host, read without
  asking anybody: ``pins_of(spec, plan)``. Releases of engines by their folder's name, models by
  revision, the driver by version, apt packages by name alone.
- ``Lock`` (``lock.py``) is the same resolved to files: versions, sizes and SHA-256 of every wheel,
  archive, package and file of a model. Whatever was not resolved is absent: no file has a digest
  that nobody looked up.
- ``Change`` (``changes.py``) is what two locks differ in, and what that means for the fleet.

The keys of ``Pins`` and ``Lock`` are the same, so one says what the other lacks:

- a release: ``vllm/0.32.0-cuda-0123456789ab``, which is its folder below ``root_dir``;
- a model: ``owner/name@revision``, ``owner/name@revision:file.gguf``, ``pull:name`` (Ollama's
  registry) or the path of a folder or file that the operator put on servers;
- a system: ``debian 12 amd64``, of hosts that have one release and architecture;
- a driver: ``580.178.04 on debian 12 amd64``.

Where there is a lock file (``lock_path``: ``inventories/prod.lock.json`` beside
``inventories/prod.py``), a deploy uses only what is in it (``judging.lock_faults``, before any host
is touched; ``applied.locked`` for what is installed).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rackwright.lazily import exports

if TYPE_CHECKING:
    from rackwright.locking.known import known_of
    from rackwright.locking.lock import (
        Deb,
        File,
        Lock,
        LockedArchive,
        LockedDriver,
        LockedModel,
        LockedSystem,
        LockedVenv,
    )
    from rackwright.locking.lock_file import read_lock, write_lock
    from rackwright.locking.pinned import pins_of
    from rackwright.locking.pins import HostPins, ModelPin, Pins, ReleasePin
    from rackwright.locking.place import lock_path
else:
    __getattr__ = exports(
        __name__,
        {
            "known_of": "known",
            "Deb": "lock",
            "File": "lock",
            "Lock": "lock",
            "LockedArchive": "lock",
            "LockedDriver": "lock",
            "LockedModel": "lock",
            "LockedSystem": "lock",
            "LockedVenv": "lock",
            "lock_path": "place",
            "read_lock": "lock_file",
            "write_lock": "lock_file",
            "pins_of": "pinned",
            "HostPins": "pins",
            "ModelPin": "pins",
            "Pins": "pins",
            "ReleasePin": "pins",
        },
    )

__all__ = [
    "Deb",
    "File",
    "HostPins",
    "Lock",
    "LockedArchive",
    "LockedDriver",
    "LockedModel",
    "LockedSystem",
    "LockedVenv",
    "ModelPin",
    "Pins",
    "ReleasePin",
    "known_of",
    "lock_path",
    "pins_of",
    "read_lock",
    "write_lock",
]
