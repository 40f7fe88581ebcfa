"""Lines of an engine's log without what is around the words: prefixes, colours, control codes.

Forms of the prefixes: vLLM ``logger.py``, SGLang ``srt/utils/common.py``, uvicorn, glog (PyTorch's
C++ and NCCL's watchdog), llama.cpp ``common/log.cpp``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rackwright.causes.secrets import redacted

LONGEST = 2000
"""Characters of a line that are read; the rest says nothing that the beginning does not."""
QUIET = frozenset({"TRACE", "DEBUG", "INFO", "WARNING", "WARN", "D", "I", "W"})
LOUD = frozenset({"ERROR", "CRITICAL", "FATAL", "E", "F"})

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]{0,40}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,400}(?:\x07|\x1b\\)?|.)?"
)
_CONTROLS = (*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_INVISIBLE = {**dict.fromkeys(_CONTROLS), 9: " "}
"""Control codes, and what turns the direction of text: neither is to reach a terminal."""
_LEVEL = "TRACE|DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL"
_RANK = re.compile(r"\[(rank\d{1,6})\]:[ ]?")
_VLLM = re.compile(
    r"(?:\((?P<process>[^()]{1,80}?) pid=(?P<pid>\d{1,10})\)[ ]?)?"
    rf"(?:(?P<level>{_LEVEL}) \d\d-\d\d [\d:.]{{8,15}} \[(?P<source>[^\]\s]{{1,200}})\][ ]?)?"
)
_GLOG = re.compile(
    r"\[?(?P<level>[DIWEF])\d{4} [\d:.]{8,20} (?:\d{1,10} )?(?P<source>[^\]\s]+:\d+)\] ?"
)
_SGLANG = re.compile(
    r"\[\d{4}-\d\d-\d\d [\d:.,]{8,15}(?P<process> [^\]]{1,60})?\] "
    rf"(?:(?P<level>{_LEVEL}):? +)?"
)
_LLAMA = re.compile(r"\d{1,6}\.\d\d\.\d{3}\.\d{3} (?P<level>[DIWE]) ")
_PLAIN = re.compile(rf"(?P<level>{_LEVEL}):[ ]?")
_RECORDS = (_GLOG, _SGLANG, _LLAMA, _PLAIN)


class Written(NamedTuple):
    """A line as the journal has it: the process that wrote it, and what it wrote."""

    pid: int
    text: str


class Line(NamedTuple):
    """A line's words, with who said them.

    Lines of one ``stream`` continue one another: of a process and, where every line carries it, of
    a place in its source. ``fresh`` lines begin a record. ``level`` is empty where none is told.
    """

    stream: tuple[int | str, ...]
    process: str
    level: str
    fresh: bool
    text: str


def read(written: Iterable[Written]) -> Iterator[Line]:
    """The lines of a log, in their order."""
    return (_line(one.pid, clean(one.text)) for one in written)


def clean(text: str) -> str:
    """One line without control codes or secrets; of a progress bar what it showed last."""
    shown = _ESCAPES.sub("", text[:LONGEST]).rstrip("\r\n").rpartition("\r")[2]
    return redacted(shown.translate(_INVISIBLE).rstrip())


def _line(pid: int, text: str) -> Line:
    rank = _RANK.match(text)
    if rank:
        text = text[rank.end() :]
    found = _VLLM.match(text)
    if found and found.end():
        process, of = found["process"] or (rank[1] if rank else ""), int(found["pid"] or pid)
        words, source = text[found.end() :], found["source"] or ""
        return Line((of, process, source), _named(process, of), found["level"] or "", False, words)
    process = rank[1] if rank else ""
    for form in _RECORDS:
        if record := form.match(text):
            groups = record.groupdict()
            process = (groups.get("process") or process).strip()
            level = groups["level"] or ""
            return Line((pid,), _named(process, pid), level, True, text[record.end() :])
    return Line((pid, process) if process else (pid,), _named(process, pid), "", False, text)


def _named(process: str, pid: int) -> str:
    told = [process] if process else []
    return ", ".join([*told, *([f"pid {pid}"] if pid else [])])
