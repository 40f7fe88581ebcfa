"""What hosts say while they work: pyinfra prints it line by line, progress goes into one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import click
from pyinfra.api.output import set_echo

from rackwright.report.progress import Progress

MARK = "\r"
"""What a line of progress begins with (``remote/downloads/progress.py``)."""
os.environ.setdefault("PYINFRA_PROGRESS", "off")  # its spinner wipes the line five times a second


@contextmanager
def in_one_line() -> Iterator[None]:
    """While hosts work: their progress in one line, gone when the next word is said."""
    progress = _before_pyinfras_own()
    try:
        yield
    finally:
        progress.clear()


@cache
def _before_pyinfras_own() -> Progress:
    """Hears, from now on, every line before pyinfra prints it."""
    progress = Progress(sys.stderr)

    def echo(message: Any = None, **options: Any) -> None:
        source, mark, text = click.unstyle(str(message)).partition(MARK)
        if mark:  # where a program rewrote the line itself, its last state
            progress.show(source + text.rpartition(MARK)[2], source)
            return
        progress.clear()
        click.echo(message, **options)

    set_echo(echo)
    return progress
