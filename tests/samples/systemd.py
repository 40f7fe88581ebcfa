"""Units as systemd itself reads them: its own manager in test mode, which starts nothing."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SYSTEMD = Path("/lib/systemd/systemd")
UNITS = "/lib/systemd/system"
WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


@dataclass(frozen=True)
class LoadedUnit:
    """``properties`` as systemd names them, each with all its values; command lines by their kind.

    Specifiers are resolved in command lines; ``$$`` is not yet one ``$``: that is done at start.
    """

    properties: Mapping[str, tuple[str, ...]]
    commands: Mapping[str, tuple[tuple[str, ...], ...]]

    def one(self, name: str) -> str:
        (value,) = self.properties[name]
        return value


def loaded(units: Mapping[str, str]) -> dict[str, LoadedUnit]:
    """What systemd makes of units, by name; fails with its words where it complains of one."""
    with tempfile.TemporaryDirectory(prefix="rackwright-units-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        wanted = {f"tested{number}.service": unit for number, unit in enumerate(units)}
        for file, unit in wanted.items():
            (folder / file).write_text(units[unit])
        (folder / "tested.target").write_text("[Unit]\nWants=" + " ".join(wanted) + "\n")
        head, _, dump = _dump(folder).partition("\n-> By units:")
    complaints = [line for line in head.splitlines() if "tested" in line and "Queued" not in line]
    assert not complaints, complaints
    return {unit: _read(dump, file) for file, unit in wanted.items()}


def _dump(folder: Path) -> str:
    """systemd refuses to be root in test mode."""
    environment = {"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{folder}:{UNITS}"}
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    done = subprocess.run(
        [str(SYSTEMD), "--test", "--system", "--unit=tested.target"],
        env={**environment, "XDG_RUNTIME_DIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
        **nobody,  # type: ignore[call-overload]
    )
    text: str = done.stdout
    assert "-> By units:" in text, text[-2000:]
    return text


def _read(dump: str, file: str) -> LoadedUnit:
    own = dump.partition(f"\t-> Unit {file}:\n")[2].partition("\n\t-> Unit ")[0]
    properties, commands = defaultdict(list), defaultdict(list)
    kind = ""
    for line in own.splitlines():
        name, _, value = line.strip().partition(": ")
        if name.startswith("-> "):
            kind = name.removeprefix("-> ").removesuffix(":")
        elif name == "Command Line":
            commands[kind].append(_words(value))
        else:
            properties[name].append(value.removesuffix(" (origin-file)"))
    return LoadedUnit(
        {name: tuple(values) for name, values in properties.items()},
        {name: tuple(lines) for name, lines in commands.items()},
    )


def _words(line: str) -> tuple[str, ...]:
    """A command line as systemd shows it: quoted, and escaped in quotes, where a word needs it."""
    found = WORD.finditer(line)
    return tuple(
        match[2] if match[2] is not None else re.sub(r"\\(.)", r"\1", match[1]) for match in found
    )
