"""What hosts say while they work: pyinfra prints it line by line, progress goes into one.

A host may say anything: of its lines only what can be printed reaches the terminal.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import click
from pyinfra.api.output import set_echo

from rackwright.printable import coloured, printable
from rackwright.report.progress import Progress

MARK = "\r"
"""What a line of progress begins with (``remote/downloads/progress.py``)."""
BEAT = re.compile(r"\[[^\]]*\] *")
"""An empty line of a host: it finds out so whether anybody hears it (``remote/loader.py``)."""
os.environ.setdefault("PYINFRA_PROGRESS", "off")  # its spinner wipes the line five times a second


@contextmanager
def in_one_line() -> Iterator[None]:
    """While hosts work: their progress in one line, gone when the next word is said."""
    progress = heard_first()
    try:
        yield
    finally:
        progress.clear()


@cache
def heard_first() -> Progress:
    """Hears, from now on, every line before pyinfra prints it, and what pyinfra logs."""
    progress = Progress(sys.stderr)

    def echo(message: Any = None, **options: Any) -> None:
        source, mark, text = click.unstyle(str(message)).partition(MARK)
        if mark:  # where a program rewrote the line itself, its last state
            progress.show(printable(source + text.rpartition(MARK)[2]), source)
            return
        if BEAT.fullmatch(source):
            return
        progress.clear()
        click.echo("" if message is None else coloured(str(message)), **options)

    def logged(record: logging.LogRecord) -> bool:
        progress.clear()
        return _harmless(record)

    set_echo(echo)
    logging.getLogger("pyinfra").addFilter(logged)
    return progress


def _harmless(record: logging.LogRecord) -> bool:
    """A filter of logged lines: all are logged, as text that can be printed."""
    record.msg, record.args = coloured(record.getMessage()), ()
    return True
