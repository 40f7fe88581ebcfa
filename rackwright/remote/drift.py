"""On the host: everything that drift is found by, in one answer. It only reads.

``request`` has::

    items      queries of ``desired`` items, as for ``state``
    manifest   the query of the host's manifest
    processes  by unit the names of variables that may be shown
    known      what the plan needs to know of a host: gpus (bool), names (to look up), secrets (path
               of a gateway's keys, or null), interfaces (bool), routes (addresses, or null),
               driver (bool)
    firewall   the question of ``remote/firewall.py``
    nonce      a new one for each question
    deep       whether every file of weights is read and digested

The answer has a key for each of ``items``, ``manifest`` (as it lies there), ``noted`` (as it would
be noted now), ``others`` (items of the manifest that were not asked about, by kind and key),
``units``, ``sockets``, ``first_ephemeral``, ``firewall``, ``known``, ``host`` (kernel and driver).
What cannot be read is null, and ``unavailable`` says why.
"""

from __future__ import annotations

import platform
from typing import Any

from rackwright.remote import driver, firewall, routes, state
from rackwright.remote.gateway_host import main as gateway_host
from rackwright.remote.host import noted, sockets
from rackwright.remote.host.addresses import addresses
from rackwright.remote.host.names import looked_up
from rackwright.remote.host.operating_system import nvidia_module_version
from rackwright.remote.host.process_settings import process_settings
from rackwright.remote.host.systemd import show
from rackwright.remote.items import manifest
from rackwright.remote.nvidia.gpu import GPU
from rackwright.remote.nvidia.session import handles, started
from rackwright.remote.reader import Reader

ONLY_LOOKS = True
UNIT = "Id,LoadState,ActiveState,UnitFileState,MainPID,DropInPaths,NeedDaemonReload"
OF_A_GPU = ("name", "uuid", "pci_bus_id")
KINDS = {"files": "file", "folders": "directory", "links": "link", "packages": "package",
         "units": "unit"}  # fmt: skip
"""Parts of a manifest whose keys are those of items."""

Values = dict[str, Any]


def main(request: Values) -> Values:
    """Look at all of it once; see the module's text. Never fails as a whole."""
    reader = Reader()
    query = request["manifest"]
    lies = manifest.kept(query["key"])
    others = _others(lies, request["items"])
    observed = reader.read("items", state.observe, [*request["items"], *others])
    count = len(request["items"])
    return {
        "items": observed and observed[:count],
        "others": _by_name(others, observed[count:]) if observed else {},
        "manifest": lies or None,
        "noted": reader.read("noted", _noted, query, request["deep"]),
        "units": reader.read("units", _units, request["processes"], request["nonce"]),
        "sockets": reader.read("sockets", sockets.listening),
        "first_ephemeral": reader.read("first_ephemeral", sockets.first_ephemeral),
        "firewall": reader.read("firewall", firewall.observe, request["firewall"]),
        "known": _known(reader, request["known"]),
        "host": {
            "kernel": platform.release(),
            "driver": reader.read("driver_version", nvidia_module_version),
        },
        "unavailable": reader.unavailable,
    }


def _others(lies: Values, asked: list[Values]) -> list[Values]:
    """Queries for what the manifest has and nobody asked about."""
    known = {(one["kind"], one["key"]) for one in asked}
    planned = lies.get("planned") or {}
    plain = {"text": False, "owner": "root", "inside": [], "loads": []}
    return [
        {"kind": kind, "key": key, **plain}
        for part, kind in KINDS.items()
        for key in planned.get(part) or ()
        if (kind, key) not in known
    ]


def _by_name(queries: list[Values], seen: list[Values]) -> Values:
    return {f"{query['kind']} {query['key']}": one for query, one in zip(queries, seen)}


def _noted(query: Values, deep: bool) -> Values:
    """As the manifest would have it now. A file that changed is of no known digest, unless deep."""
    facts = manifest.now(query, {} if deep else manifest.notes(query["key"]))
    if deep:
        for folder, files in facts["weights"].items():
            found = noted.digests([noted.place_of(folder, name) for name in files])
            for file, digest in zip(files.values(), found):
                file["sha256"] = digest
    return facts


def _units(shown: dict[str, list[str]], nonce: str) -> Values:
    """Each with what systemd says, and the settings of its main process where it has one."""
    if not shown:
        return {}
    told = show(UNIT, *shown)
    found = {}
    for (name, variables), unit in zip(shown.items(), told):
        pid = int(unit.get("MainPID") or 0)
        found[name] = {**unit, "process": process_settings(pid, variables, nonce) if pid else None}
    return found


def _known(reader: Reader, asked: Values) -> Values:
    secrets = asked["secrets"]
    return {
        "gpus": (reader.read("gpus", _gpus, reader) or []) if asked["gpus"] else [],
        "names": reader.read("names", looked_up, asked["names"]) or {},
        "gateway": reader.read("gateway", gateway_host, [], secrets) if secrets else None,
        "interfaces": reader.read("interfaces", addresses) if asked["interfaces"] else None,
        "routes": reader.read("routes", routes.main, asked["routes"]) if asked["routes"] else None,
        "driver": reader.read("driver", driver.observe) if asked["driver"] else None,
    }


def _gpus(reader: Reader) -> list[Any]:
    """Name, UUID and place of each, in NVML's order."""
    questions = {key: GPU[key] for key in OF_A_GPU}
    with started() as nvml:
        return [
            None if one is None else reader.fill(f"gpus[{index}]", questions, nvml, one)
            for index, one in enumerate(handles(reader, nvml))
        ]
