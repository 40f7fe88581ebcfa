"""The one place where a command line prints, and where an error becomes an exit code."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from rackwright.errors import RackwrightError
from rackwright.printable import LINES, coloured, printable

USAGE = 64
"""The command line cannot be read. click's own, 2, is that of CRITICAL."""
INTERNAL = RackwrightError.exit_code
"""Nobody expected it: a fault of Rackwright itself."""
INTERRUPTED = 130
"""128 and the number of SIGINT, as a shell says it."""
NO_READER = 141
"""128 and the number of SIGPIPE: who read the output has gone."""
TRACEBACK = "RACKWRIGHT_TRACEBACK"
"""Set it, and an error is printed with where it came from."""
_SHOWN_CHARACTERS = 500


@contextmanager
def exits() -> Iterator[None]:
    """Whatever ends the program: one message on standard error, and the exit code of its kind."""
    _open_streams()
    try:
        yield
    except RackwrightError as error:
        raise SystemExit(say(str(error), error.exit_code)) from None
    except BrokenPipeError:
        _forget_output()
        raise SystemExit(NO_READER) from None
    except KeyboardInterrupt:
        raise SystemExit(say("interrupted", INTERRUPTED)) from None
    except Exception as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:_SHOWN_CHARACTERS]
        hint = f"a fault of Rackwright itself; {TRACEBACK}=1 shows where"
        raise SystemExit(say(f"{words} ({hint})", INTERNAL)) from None


def tell(text: str, err: bool = False) -> None:
    """Print what a verb has to say: lines in which nothing but our colours is a terminal's code."""
    click.echo(coloured(text), err=err)


def say(message: str, exit_code: int) -> int:
    """Print an error as all are printed; returns its exit code."""
    if os.environ.get(TRACEBACK):
        traceback.print_exc()
    print(f"Error: {printable(message, LINES)}", file=sys.stderr)
    return exit_code


def _open_streams() -> None:
    """Streams that take every text, whatever the locale; what was closed (``>&-``) goes nowhere."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - to the end
            setattr(sys, name, nowhere)


def _forget_output() -> None:
    """What is still buffered would break the pipe once more, when Python ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
