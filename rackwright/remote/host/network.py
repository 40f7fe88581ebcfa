"""What joins a host to others: a network interface, and InfiniBand or RoCE devices, by sysfs.

See Linux' ``Documentation/ABI``: ``testing/sysfs-class-net`` and ``stable/sysfs-class-infiniband``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rackwright.remote.host.addresses import addresses

NET, INFINIBAND = Path("/sys/class/net"), Path("/sys/class/infiniband")
NO_GID = "0000:0000:0000:0000:0000:0000:0000:0000"
MOST_GIDS = 16

Values = dict[str, Any]


def network(asked: Values) -> Values:
    """The interface that is ``asked`` for, else that of the server's ``address``; all devices."""
    return {"interface": _interface(asked), "rdma": list(_ports())}


def _interface(asked: Values) -> Values:
    """Null for what it does not tell: a virtual one has no speed, one that is down neither."""
    try:
        name = asked["interface"] or _of_address(asked["address"])
    except OSError as error:
        return {"error": str(error)}
    folder = NET / str(name)
    if not name or not folder.is_dir():
        return {"error": f"there is no interface {name or 'with ' + asked['address']}"}
    speed = _number(folder / "speed")
    return {
        "name": name,
        "state": _text(folder / "operstate"),
        "mtu": _number(folder / "mtu"),
        "mbit_per_s": speed if speed and speed > 0 else None,
    }


def _of_address(address: str) -> str:
    found = (one["interface"] for one in addresses() if one["address"] == address)
    return str(next(found, ""))


def _ports() -> Iterator[Values]:
    for folder in sorted(INFINIBAND.glob("*/ports/[0-9]*")):
        yield {
            "device": folder.parent.parent.name,
            "port": int(folder.name),
            "state": _after_colon(folder / "state"),
            "physical": _after_colon(folder / "phys_state"),
            "gbit_per_s": _rate(folder / "rate"),
            "link_layer": _text(folder / "link_layer"),
            "gids": list(_gids(folder)),
        }


def _gids(port: Path) -> Iterator[Values]:
    """Those that are there, each with its kind; of RoCE with the network interface it is for."""
    for number in range(MOST_GIDS):
        gid = _text(port / "gids" / str(number))
        if gid and gid != NO_GID:
            about = port / "gid_attrs"
            kind, interface = about / "types" / str(number), about / "ndevs" / str(number)
            yield {"gid": gid, "type": _text(kind), "interface": _text(interface)}


def _after_colon(path: Path) -> str | None:
    """``4: ACTIVE`` without its number."""
    text = _text(path)
    return text.partition(":")[2].strip() if text else None


def _rate(path: Path) -> float | None:
    """Of ``100 Gb/sec (4X EDR)``."""
    found = re.match(r"(\d{1,5}(?:\.\d{1,2})?) Gb/sec", _text(path) or "")
    return float(found[1]) if found else None


def _number(path: Path) -> int | None:
    text = _text(path) or ""
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else None


def _text(path: Path) -> str | None:
    """A driver that has nothing to say refuses to be read (EINVAL)."""
    try:
        return path.read_text(errors="replace").strip()[:100]
    except OSError:
        return None
