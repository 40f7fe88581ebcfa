"""Files of the operator's Python, executed to see what pyinfra does not hand on."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from rackwright.errors import InputError
from rackwright.schema.files import text_of


def execute(path: Path, names: dict[str, Any], types: bool = False) -> None:
    """Run a file in ``names``. Raises InputError where it cannot be read, and whatever it raises.

    Annotations are not looked at, as pyinfra does not; with ``types`` they are what they name.

    pyinfra executes the same files, so what one prints is said here only where it fails; else it
    would be printed twice.
    """
    try:
        text = text_of(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    code = compile(text, str(path), "exec", dont_inherit=types)
    printed = StringIO()
    try:
        with redirect_stdout(printed):
            exec(code, names)
    except BaseException:
        print(printed.getvalue(), end="")
        raise
