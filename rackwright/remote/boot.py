"""On the host, where what travels was here before: goes on with what was compiled then.

The text of this file is what ``python3 -c`` is given, as that of ``loader.py`` is elsewhere: of a
run that changes nothing, to send, unpack and parse the rest once more was a tenth.
"""

from __future__ import annotations

import gc
import marshal
import os
import stat
import sys

KEPT = "/run/rackwright-code"
LOADER = "rackwright.remote.loader"
LACKS = 75
"""The exit code where it is not here: EX_TEMPFAIL of sysexits.h."""


def _lacks() -> None:
    """End once all was said: what is still written to a closed channel ends the connection."""
    sys.stdin.read()
    sys.exit(LACKS)


def main(digest: str, line: str) -> None:
    """Have the loader that is kept here call what a message names (``travelling.opening``)."""
    gc.disable()  # it ends with its answer: what it loads is no garbage until then
    place = f"{KEPT}/{digest}-{sys.implementation.cache_tag}-{sys.hexversion:x}.parts"
    try:
        folder = os.lstat(KEPT)
        if not stat.S_ISDIR(folder.st_mode) or folder.st_uid != 0 or folder.st_mode & 0o077:
            _lacks()
        with open(place, "rb") as file:  # noqa: PTH123 (pathlib takes longer to load than this)
            codes = marshal.loads(file.read())
        names = {"__name__": LOADER}
        exec(marshal.loads(codes[LOADER]), names)
    except (OSError, EOFError, ValueError, TypeError, KeyError):
        _lacks()
        return
    names["main"](line, codes)  # type: ignore[operator]
