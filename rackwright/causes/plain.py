"""Errors that are no traceback: of llama.cpp, Ollama, the loader, C++, NCCL, and logged lines."""

from __future__ import annotations

import re

from rackwright.causes.failure import Frame, Raised
from rackwright.causes.lines import LOUD, QUIET, Line

_CERTAIN = re.compile(
    r"Fatal Python error: |error while loading shared libraries: |version `[\w.]{1,40}' not found"
    r"|GGML_ASSERT\(|AMX is not ready to be used"
    r"|^(?:panic|fatal error|runtime error): |terminate called after throwing"
)
_LIKELY = re.compile(
    r"^(?:[\w./-]{1,100}: ?){0,3}[Ee]rror\b[^:]{0,80}: |^(?:CUDA|NCCL|HIP|ROCm) error"
    r"|^(?:ggml|gguf|llama|common|srv|main|load|alloc)[\w ]{0,60}: .*"
    r"(?:failed|couldn't|unable to|cannot|invalid|unknown)"
    r"|\bNCCL WARN |couldn't bind HTTP server socket|\[emerg\]|\blevel=(?:ERROR|FATAL)\b"
    r"|^(?:\w{1,100}\.){0,8}[A-Z]\w{0,100}(?:Error|Exception)(?::|$)"
)
_THROWN = re.compile(r"instance of '([^']{1,300})'")
_CLASSED = re.compile(r"((?:\w{1,100}\.){0,8}[A-Z]\w{0,100}(?:Error|Exception))(?::\s?|$)")
_WHAT = re.compile(r"\s*what\(\):\s*(.*)")
_PLACE = re.compile(
    r'(?:in function (?P<function>[\w:~<>]{1,200}) at |^File "|^\s*File ")?'
    r'(?P<file>/[^\s:"]{1,500})(?::|", line )(?P<line>\d{1,9})(?: in (?P<within>\w{1,200}))?'
)
_SLOG = re.compile(r'\bmsg="([^"]{0,1000})"(?:.{0,1000}?\berror="([^"]{0,1000}))?')
MOST_LINES = 6


class Said:
    """A line that says error, with those after it that say what and where."""

    def __init__(self, at: int, line: Line, certain: bool) -> None:
        """``at`` counts lines of the log."""
        self.at, self.process, self.certain = at, line.process, certain
        self._texts = [line.text]

    def take(self, line: Line) -> bool:
        """Read the next line of its stream; False once it belongs to something else."""
        goes_on = not line.fresh and bool(line.text.strip()) and len(self._texts) < MOST_LINES
        if goes_on:
            self._texts.append(line.text)
        return goes_on

    def raised(self) -> Raised:
        """The error in one value."""
        first, rest = self._texts[0], self._texts[1:]
        whats = [found[1] for text in rest if (found := _WHAT.match(text))]
        thrown = _THROWN.search(first)
        if thrown:
            return Raised(thrown[1], "\n".join(whats), self._frame())
        if classed := _CLASSED.match(first):
            return Raised(classed[1], first[classed.end() :], self._frame())
        if slog := _SLOG.search(first):
            return Raised("", ": ".join(part for part in slog.groups() if part), self._frame())
        return Raised("", first.strip(), self._frame())

    def _frame(self) -> Frame | None:
        """The first place that is named; of Python's fatal errors the innermost."""
        for text in self._texts:
            if found := _PLACE.search(text):
                return Frame(
                    found["file"], int(found["line"]), found["function"] or found["within"] or ""
                )
        return None


def error_at(at: int, line: Line) -> Said | None:
    """The error that a line says; None where it says none."""
    if line.level in QUIET:
        return None
    if _CERTAIN.search(line.text):
        return Said(at, line, certain=True)
    if (line.level in LOUD and line.text.strip()) or _LIKELY.search(line.text):
        return Said(at, line, certain=False)
    return None
