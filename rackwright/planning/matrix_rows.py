"""The rows of the matrix of ``nvidia-smi topo -m``, however it was copied: what stands in each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rackwright.errors import Fault, SpecError

SELF = "X"
UNREAD = "?"
_CODES = re.compile(r"(?:[\x1b\x9b\u241b\u2190\ufffd]|\^\[|\\e|\\x1b|\\033)?\[[0-9;]*m|\x1b\(B")
"""What underlines the first line, also in a pipe; a paste may have lost or spelled its escape."""
_QUOTED = re.compile(r"^[ \t]*(?:[>|] ?)+", re.MULTILINE)
"""What mails and chats put before each line that they quote."""
_AFFINITIES = re.compile(r"CPU\s*Affinity")
_GLUED = re.compile(r"(?<=\d)(?=(?:GPU|NIC|mlx)\w*\d)")
_GPU = re.compile(r"GPU\d{1,3}")
_LINK = r"X|NV\d{1,3}|PIX|PXB|PHB|NODE|SYS|SOC|INTERNAL|\?"
_LINKS = re.compile(rf"(?:{_LINK})+")


class Row(NamedTuple):
    """What a GPU's row says: links to GPUs by index, and the CPUs and NUMA node near to it.

    ``cpus`` and ``node`` are "" where they are not told.
    """

    links: tuple[str, ...]
    cpus: str
    node: str


class _Head(NamedTuple):
    """The first line: its devices, in the order of their columns, and the columns behind them."""

    devices: tuple[str, ...]
    affinities: int

    @property
    def gpus(self) -> tuple[str, ...]:
        return tuple(name for name in self.devices if _GPU.fullmatch(name))


def gpu_rows(text: str) -> list[Row]:
    """A row a GPU, by index. Raises SpecError where one is not whole, or a GPU would be lost."""
    plain = _CODES.sub("", text.lstrip("\ufeff"))
    lines = _QUOTED.sub("", plain).splitlines()
    heads = [number for number, line in enumerate(lines) if _is_head(line)]
    if not heads:
        _refuse([Fault("topo", "must have a line with GPU0, GPU1, ... and CPU Affinity")])
    head = _head(lines[heads[0]])
    rows = _by_name(lines[heads[0] + 1 :])
    faults = [*_columns(head, heads), *_rows(head, rows)]
    if faults:
        _refuse(faults)
    return [_row(head, rows[name][0]) for name in head.gpus]


def _refuse(faults: Sequence[Fault]) -> None:
    raise SpecError(faults, "in the matrix of nvidia-smi topo -m")


def _is_head(line: str) -> bool:
    found = _AFFINITIES.search(line)
    return bool(found and _GPU.search(line[: found.start()]))


def _head(line: str) -> _Head:
    devices, columns = _AFFINITIES.split(line, maxsplit=1)
    names = _GLUED.sub(" ", devices).split()
    return _Head(tuple(names), 1 + ("NUMA Aff" in columns) + ("NUMA ID" in columns))


def _by_name(lines: Sequence[str]) -> dict[str, list[str]]:
    """The lines that begin with a GPU's name."""
    rows: dict[str, list[str]] = {}
    for line in lines:
        if (words := line.split()) and _GPU.fullmatch(words[0]):
            rows.setdefault(words[0], []).append(line.strip())
    return rows


def _columns(head: _Head, heads: Sequence[int]) -> Iterator[Fault]:
    """Each GPU has one column, from GPU0 on, in one matrix."""
    if len(heads) > 1:
        yield Fault("topo", f"must be one matrix, another begins in line {heads[1] + 1}")
    odd = [name for name in head.devices if "GPU" in name and name not in head.gpus]
    if odd or not head.gpus:
        yield Fault("topo", "must be columns by the names GPU0, GPU1, ...", next(iter(odd), None))
        return
    wanted = [f"GPU{index}" for index in range(len(head.gpus))]
    if list(head.gpus) != wanted:
        rule = f"must be columns {', '.join(wanted)}, in this order"
        yield Fault("topo", rule, ", ".join(head.gpus))


def _rows(head: _Head, rows: dict[str, list[str]]) -> Iterator[Fault]:
    """Each GPU with a column has one whole row, and no other has one."""
    for name in [*dict.fromkeys([*head.gpus, *rows])]:
        lines, path = rows.get(name, []), f"topo[{name}]"
        if name not in head.gpus:
            yield Fault(path, "is a row without a column")
        elif len(lines) > 1:
            yield Fault(path, f"must be one row, there are {len(lines)}: give one matrix")
        elif not lines or not _is_whole(head, _words(lines[0])):
            yield Fault(path, f"must be a row with {len(head.devices)} cells")
        elif _words(lines[0])[head.devices.index(name)] != SELF:
            yield Fault(path, f"must have its {SELF} in column {name}")


def _words(line: str) -> list[str]:
    """What stands behind the name: cells that were glued apart, and none of a text has spaces."""
    glued = [
        re.findall(_LINK, word) if _LINKS.fullmatch(word) else [word] for word in line.split()[1:]
    ]
    return [word for words in glued for word in words]


def _is_whole(head: _Head, words: Sequence[str]) -> bool:
    """Whether there are as many links as columns: no fewer, and no more."""
    count, links = len(head.devices), [bool(_LINKS.fullmatch(word)) for word in words]
    more = [word for word in words[count:] if word != UNREAD and _LINKS.fullmatch(word)]
    return len(words) >= count and all(links[:count]) and not more


def _row(head: _Head, line: str) -> Row:
    words, count = _words(line), len(head.devices)
    links = tuple(words[head.devices.index(name)] for name in head.gpus)
    cells = [cell.strip() for cell in line.split("\t")]
    columned = cells[1 : count + 1] == words[:count]
    near = cells[count + 1 :] if columned else _near(words[count:], head.affinities)
    cpus, node = [*near, "", ""][:2]
    return Row(links, _known(cpus), _known(node) if head.affinities > 1 else "")


def _near(words: Sequence[str], columns: int) -> Sequence[str]:
    """The words behind the links. One that is blank leaves no gap: then only a list is CPUs."""
    certain = len(words) >= columns or bool(words and re.search(r"[-,]", words[0]))
    return words if certain else ()


def _known(word: str) -> str:
    return word if re.match(r"\d{1,4}(?!\d)", word) else ""
