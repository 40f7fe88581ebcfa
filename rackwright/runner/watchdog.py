"""The watchdog on a server: its program packed, and what only the host knows: its GPUs."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Generator, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import host

from rackwright.checks.observed import part_of
from rackwright.desired.paths import watchdog_dir
from rackwright.desired.watchdog import PROGRAM_MARK, watchdog_items
from rackwright.errors import HostError
from rackwright.runner import packed_before, travelling
from rackwright.runner.fleet import FleetRun
from rackwright.runner.operations import converge, refuse
from rackwright.runner.probing import gpu_names
from rackwright.runner.replicas import LeftAlone
from rackwright.runner.travelling import ROOM, closure, file_of

SCRIPT = "watchdog"
HEAD = f"""#!/usr/bin/python3 -IB
{PROGRAM_MARK}: Python modules in a zip archive; `python3 -m zipfile -e FILE FOLDER` unpacks them.
"""
MAIN = f"from {ROOM}.{SCRIPT} import main\n\nmain()\n"
FIRST_TIME = (1980, 1, 1, 0, 0, 0)


@operation()
def converge_watchdog(fleet: FleetRun) -> Generator[FunctionCommand]:
    """Have the watchdog that watches what is planned here; none where none is wanted."""
    try:
        gpus = gpus_to_watch(fleet, host)
    except LeftAlone as words:
        host.noop(str(words))
        return
    except HostError as error:
        yield refuse(str(error))
        return
    items = watchdog_items(host.name, fleet.spec, fleet.plan, gpus, packed())
    yield from converge._inner(items=items)


def gpus_to_watch(fleet: FleetRun, server: Host) -> list[Any]:
    """What the server tells of its GPUs, by index; none where no watchdog is wanted.

    Raises LeftAlone where one that is planned is not there, for a watchdog that was told anew would
    not know of it; HostError without an answer, or where nobody would tell of a quarantine.
    """
    replicas = fleet.plan.on(server.name)
    if not replicas:
        return []
    observed = gpu_names(server, watchdog_dir(fleet.settings(server.name)))
    if server.name not in fleet.watchdogs:
        if part_of(observed, "quarantine").get("there") is True:
            words = f'{server.name} is in quarantine; with watchdog = "off" no gateway would know'
            raise HostError(f"{words}: `rackwright return INVENTORY {server.name}` first")
        return []
    gpus: list[Any] = observed["gpus"]
    used = sorted({index for replica in replicas for index in replica.gpus})
    if absent := [i for i in used if i >= len(gpus) or not (gpus[i] or {}).get("uuid")]:
        words = f"{server.name} does not show GPU {', '.join(map(str, absent))}"
        raise LeftAlone(f"{words}: its watchdog was left as it is")
    return gpus


@cache
def packed() -> bytes:
    """The program as one file: modules as they are, the same bytes on every machine."""
    made = packed_before.packed((str(file_of(f"{ROOM}.{SCRIPT}")), HEAD, MAIN), _pack)
    return base64.b64decode(made["program"])


def _pack() -> tuple[packed_before.Packed, list[Path]]:
    found = closure(SCRIPT)
    made = {"program": base64.b64encode(_archive(found)).decode()}
    return made, [*map(file_of, found), *(Path(by) for by in (__file__, travelling.__file__))]


def _archive(found: Mapping[str, str]) -> bytes:
    modules = {_place(name): source for name, source in found.items()}
    folders = {parent for place in modules for parent in place.parents} - {PurePosixPath(".")}
    empty = {folder / "__init__.py": "" for folder in folders}
    content = {**empty, **modules, PurePosixPath("__main__.py"): MAIN}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for place in sorted(content):
            archive.writestr(zipfile.ZipInfo(str(place), FIRST_TIME), content[place])
    return HEAD.encode() + buffer.getvalue()


def _place(module: str) -> PurePosixPath:
    return PurePosixPath(module.replace(".", "/") + ".py")
