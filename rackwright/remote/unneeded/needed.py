"""What is needed on a host of releases and weights, whatever the plan says, and why."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rackwright.remote.unneeded.ours import PARTIAL, entries, without

UNITS = Path("/etc/systemd/system")
PROC = Path("/proc")
MOST_TEXT_BYTES = 1 << 20

Values = dict[str, Any]


class Needed:
    """What is needed on this host: by the plan, by units, by ways back, by what runs."""

    def __init__(self, request: Values) -> None:
        """Looks at all of it once."""
        self.planned = list(map(Path, request["keep"]))
        self.texts = {
            "a replica may go back to it": _text_of(Path(request["turns"]).glob("*/*")),
            "a unit of this host names it": _text_of(_named_by_units(request)),
        }
        self.links = [
            link.resolve() for f in request["releases"] for link in _links(Path(f))
        ]  # fmt: skip
        self.open = _open_paths()

    def why(self, path: Path) -> str:
        """Why it stays, in words; empty where nothing needs it."""
        target = without(path.name, (PARTIAL,))
        places = {path, path.resolve(), path.with_name(target), path.with_name(_first_of(target))}
        pairs = [(one, place) for one in self.planned for place in places]
        if any(_is_within(one, place) or _is_within(place, one) for one, place in pairs):
            return "the plan names it"
        if any(_is_within(link, path.resolve()) for link in self.links):
            return "a link leads to it"
        for why, text in self.texts.items():
            if any(_names(text, place) for place in places):
                return why
        if any(_is_within(one, place) for one in self.open for place in places):
            return "a process has it open"
        return ""


def _first_of(name: str) -> str:
    """The first part of a split GGUF file, which is the one that units name; else the file."""
    return re.sub(r"-[0-9]{5}-of-([0-9]{5}\.gguf)$", r"-00001-of-\1", name)


def _is_within(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _names(text: str, path: Path) -> bool:
    return bool(re.search(rf"{re.escape(str(path))}(?![A-Za-z0-9._+-])", text))


def _named_by_units(request: Values) -> Iterator[Path]:
    yield from UNITS.rglob("*")
    yield from Path(request["config"]).rglob("*.env")
    yield from Path(request["config"]).rglob("*.json")


def _text_of(paths: Iterator[Path]) -> str:
    texts = []
    for path in paths:
        with contextlib.suppress(OSError):
            if path.is_file() and path.stat().st_size <= MOST_TEXT_BYTES:
                texts.append(path.read_text(errors="replace"))
    return "\n".join(texts)


def _links(folder: Path) -> list[Path]:
    return [entry for entry in entries(folder) if entry.is_symlink()]


def _open_paths() -> set[Path]:
    """What processes run, work in, have mapped or open (proc(5))."""
    found: set[str] = set()
    for process in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for name in ("exe", "cwd"):
                found.add(str((process / name).readlink()))
            found |= {str(each.readlink()) for each in (process / "fd").iterdir()}
            for line in (process / "maps").read_text(errors="replace").splitlines():
                found.add(line.partition("/")[1] + line.partition("/")[2])
    return {Path(one) for one in found if one.startswith("/")}
