"""Templates to text. A name the plan does not have is an error, never an empty string."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import cache_from_source
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, compiler
from jinja2.bccache import Bucket, FileSystemBytecodeCache

from rackwright.desired.paths import PROJECT
from rackwright.errors import RenderError
from rackwright.own_cache import asked_not_to


def systemd_quote(word: object) -> str:
    """One argument of ``ExecStart=``: specifiers and variables literal (systemd.service(5))."""
    text = str(word).replace("%", "%%").replace("$", "$$")
    if text and not set(text) & set(" \t\n\r\"'\\;"):
        return text
    for special, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(special, escaped)
    return f'"{text}"'


def environment_quote(value: object) -> str:
    """One value of an ``EnvironmentFile=``, always quoted (systemd.exec(5))."""
    text = str(value)
    for special in '\\"`$':
        text = text.replace(special, "\\" + special)
    return f'"{text}"'


def one_line(value: object) -> object:
    """What a template puts into a file. Raises RenderError for what would end its line.

    Every file that a host reads has a thing a line, so this is where a name that no rule refused
    (of a host's answer, of a setting that only a template knows) would become a directive. It may
    be a secret, so it is not shown.
    """
    if not str(value).isprintable():
        raise RenderError("a value that goes into it must be one line of printable text")
    return value


def literal(text: object) -> str:
    """What stands for itself in one of Nginx's expressions: a name or an address."""
    return re.sub(r"([.\[\]])", r"\\\1", str(text))


class Compiled(FileSystemBytecodeCache):
    """What templates were compiled to, beside Python's own caches and by their rules."""

    def __init__(self) -> None:
        """Of this module's options and this release of Jinja2: of others it is made anew."""
        super().__init__(str(Path(cache_from_source(__file__)).parent), "render.%s")
        self._by = self.stamps()

    @staticmethod
    def stamps() -> list[int]:
        """When what compiles templates was last changed, in ns."""
        return [Path(path).stat().st_mtime_ns for path in (__file__, compiler.__file__)]

    def get_source_checksum(self, source: str) -> str:
        """Of a template, and of what compiles it."""
        return super().get_source_checksum(f"{self._by}{source}")

    def load_bytecode(self, bucket: Bucket) -> None:
        """What is damaged is compiled anew."""
        try:
            super().load_bytecode(bucket)
        except (OSError, EOFError, ValueError, TypeError, UnpicklingError):
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Where nothing can be written nothing is kept."""
        with suppress(OSError):
            super().dump_bytecode(bucket)


_environment = Environment(
    bytecode_cache=None if asked_not_to() else Compiled(),
    finalize=one_line,
    loader=FileSystemLoader(PROJECT / "templates"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
)
_environment.filters["systemd"] = systemd_quote
_environment.filters["envfile"] = environment_quote
_environment.filters["literal"] = literal


_names_alone = False


@contextmanager
def names_alone() -> Iterator[None]:
    """Within, nothing is rendered: for those who ask which files there are, not what they hold."""
    global _names_alone
    before, _names_alone = _names_alone, True
    try:
        yield
    finally:
        _names_alone = before


def render(template: str, values: Mapping[str, Any]) -> bytes:
    """Text of a template as UTF-8; RenderError names the template and what is wrong."""
    if _names_alone:
        return b""
    try:
        return _environment.get_template(template).render(values).encode()
    except (TemplateError, RenderError) as error:
        raise RenderError(f"templates/{template}: {error}") from error
