"""An inventory's file as it was written: pyinfra hands on merged data, and drops what it overrides.

Faults that only the file shows: a host that is no (name, data), and data that group data replaces
without a word, since pyinfra lets a file of group_data/ win over what an inventory says in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import click
from pyinfra.api.inventory import Inventory
from pyinfra.context import ctx_inventory

from rackwright.errors import Fault
from rackwright.inventory.execution import execute
from rackwright.inventory.group_data import group_data
from rackwright.runner.named_twice import named_twice
from rackwright.runner.one_machine import one_machine_twice, unreachable

_PAIR = "must be a name, or a name and a dict of its data"
_GROUP = "must be a list of hosts, or (hosts, data)"


@dataclass(frozen=True)
class InventoryFile:
    """Groups by name as the file has them, and the folders whose group data is merged over them."""

    path: Path
    groups: Mapping[str, Any]
    folders: tuple[Path, ...]

    @classmethod
    def read(cls, path: str, folder: str, more: tuple[str, ...] = ()) -> InventoryFile:
        """Execute the file, as pyinfra run from ``folder`` would. Raises whatever it raises.

        ``more`` are the folders of pyinfra's ``--group-data``.
        """
        names = _executed(path)
        public = {name: value for name, value in names.items() if not name.startswith("_")}
        groups = {name: _kept(value) for name, value in public.items() if _is_meant(name, value)}
        beside = Path(path).resolve().parent
        folders = [Path(folder) / "group_data", beside / "group_data", *map(Path, more)]
        return cls(Path(path), groups, tuple(dict.fromkeys(folders)))

    def malformed(self) -> Iterator[Fault]:
        """What stands in a group, and is no host."""
        said = set()
        for name, group in self.groups.items():
            pair = isinstance(group, tuple)
            if (pair and _data(group) is None) or not isinstance(_hosts(group), list | tuple):
                yield Fault(name, _GROUP, group)
                continue
            for index, host in enumerate(_hosts(group)):
                if not _is_host(host) and id(host) not in said:
                    said.add(id(host))  # it may be listed in several groups
                    yield Fault(f"{name}[{index}]", _PAIR, host)

    def twice(self) -> Iterator[Fault]:
        """Hosts that are written twice."""
        return named_twice({name: _hosts(group) for name, group in self.groups.items()})

    def unreadable(self) -> Iterator[Path]:
        """Files of group data that are none: pyinfra would wait for a pipe to be written."""
        files = (file for folder in self.folders for file in folder.glob("*.py"))
        yield from (file for file in files if not file.is_file())

    def overridden(self) -> Iterator[Fault]:
        """Data of a group that a file of group data replaces with another value."""
        for name, group in self.groups.items():
            if data := _data(group):
                for file in self._files_over(name):
                    yield from self._replaced(name, data, file)

    def _files_over(self, group: str) -> Iterator[Path]:
        """A group's own file; over ``all`` also the one named like the inventory."""
        names = (group, self.path.stem) if group == "all" else (group,)
        files = [folder / f"{name}.py" for name in names for folder in self.folders]
        yield from (file for file in files if file.is_file())

    def _replaced(self, group: str, data: Mapping[str, Any], file: Path) -> Iterator[Fault]:
        values = group_data(file).values
        for key in data:
            if key in values and values[key] != data[key]:
                places = f"is given in {self.path} and in {_short(file)}, which pyinfra lets win"
                remedy = f"put it into group_data/{self.path.stem}.py or a host's own data"
                yield Fault(f"{group}.{key}", f"{places}: {remedy}", data[key])


def _short(path: Path) -> Path:
    """As one would type it from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _is_group(value: Any) -> bool:
    """What pyinfra takes for one: a list of nothing but names and tuples, or such a list and data.

    It warns of another list and ignores it.
    """
    if not isinstance(value, list | tuple) or not isinstance(_hosts(value), list | tuple):
        return False
    return all(isinstance(host, str | tuple) for host in _hosts(value))


def _is_meant(name: str, value: Any) -> bool:
    """Whether it is a group, or was to be one: a host as a list costs pyinfra's whole group."""
    hosts = _hosts(value) if isinstance(value, list | tuple) else ()
    written = isinstance(hosts, list | tuple) and any(map(_is_pair, hosts))
    return name == "all" or _is_group(value) or written


def _is_pair(host: Any) -> bool:
    pair = isinstance(host, list | tuple) and len(host) == 2
    return pair and isinstance(host[0], str) and isinstance(host[1], dict)


def _hosts(group: Any) -> Any:
    return group[0] if isinstance(group, tuple) and group else group


def _data(group: Any) -> dict[str, Any] | None:
    """What a group says of all its hosts; None where it does not, or is no group."""
    pair = isinstance(group, tuple) and len(group) == 2
    return group[1] if pair and isinstance(group[1], dict) else None


def _kept(group: Any) -> Any:
    """A group with a copy of its data: pyinfra merges group data into the very dict."""
    data = _data(group)
    return group if data is None else (group[0], dict(data))


def _is_host(host: Any) -> bool:
    if isinstance(host, str):
        return bool(host)
    return isinstance(host, tuple) and _is_pair(host) and bool(host[0]) and type(host[1]) is dict


def _executed(path: str) -> dict[str, Any]:
    """The names of an inventory's file, run as pyinfra runs it."""
    names: dict[str, Any] = {"__file__": path}
    execute(Path(path), names)
    return names


_files: WeakKeyDictionary[Inventory, InventoryFile] = WeakKeyDictionary()


def remember(inventory: Inventory, file: InventoryFile) -> None:
    """Keep which file an inventory was made of."""
    _files[inventory] = file


def path_of(inventory: Inventory) -> Path | None:
    """The file an inventory was made of; None where that is not known."""
    file = _files.get(inventory)
    return file.path if file else _path_given_to_pyinfra()


def file_faults(inventory: Inventory) -> list[Fault]:
    """What is wrong with an inventory's hosts, and with the file that it was made of, if it was."""
    file = _files.get(inventory) or _given_to_pyinfra()
    machines = [*unreachable(inventory), *one_machine_twice(inventory)]
    if file is None:
        return machines
    with ctx_inventory.use(inventory):  # which files of group data may ask, as under pyinfra
        malformed = list(file.malformed())
        return [*machines, *(malformed or file.twice()), *file.overridden()]


def _given_to_pyinfra() -> InventoryFile | None:
    """The file on pyinfra's own command line."""
    path = _path_given_to_pyinfra()
    if path is None:
        return None
    return InventoryFile.read(str(path), str(Path.cwd()), tuple(_given().get("group_data") or ()))


def _path_given_to_pyinfra() -> Path | None:
    path = _given().get("inventory")
    return Path(path) if isinstance(path, str) and Path(path).is_file() else None


def _given() -> dict[str, Any]:
    """The words of the command line that runs."""
    given: dict[str, Any] = getattr(click.get_current_context(silent=True), "params", {})
    return given
