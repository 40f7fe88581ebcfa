"""What is done without root's rights, and folders that root hands over without following a link."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
MOST_BYTES = 65536


def as_user(name: str, act: Callable[[], object], environment: Mapping[str, str]) -> str:
    """Act in a child of that user: in folders that others own, a path may turn at any moment.

    Returns what it exited with, or why it could not, in words; empty where it came to its end.
    """
    user = pwd.getpwnam(name)
    reading, writing = os.pipe()
    sys.stderr.flush()
    child = os.fork()
    if child:
        os.close(writing)
        with os.fdopen(reading, "rb") as words:
            said = words.read().decode(errors="replace")
        code = os.waitpid(child, 0)[1]
        return said or (f"the child that does it ended with status {code}" if code else "")
    code = 1
    try:
        os.close(reading)
        os.initgroups(user.pw_name, user.pw_gid)  # as systemd does for a unit's user
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        os.environ.update(environment)
        act()
        code = 0
    except BaseException as error:  # whatever it is, the child must end here
        os.write(writing, _words(error, environment).encode(errors="replace")[:MOST_BYTES])
    finally:
        os._exit(code)


def _words(error: BaseException, environment: Mapping[str, str]) -> str:
    """An error in words, without the token that a library may repeat in it."""
    words = str(error) if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
    token = environment.get("HF_TOKEN")
    return words.replace(token, "***") if token else words


def hand_over(folder: Path, below: Path, name: str) -> None:
    """Have a folder that is the user's, and so are those between it and ``below``, which is root's.

    Each is opened in the one above it, so that no link of the user is followed. Raises OSError
    where there is a link, something else, or a folder of a third user.
    """
    user = pwd.getpwnam(name)
    below.mkdir(parents=True, exist_ok=True)
    opened = [os.open(below, os.O_RDONLY | os.O_DIRECTORY)]
    try:
        for part in folder.relative_to(below).parts:
            with suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=opened[-1])
            opened.append(os.open(part, FOLDER, dir_fd=opened[-1]))
            if os.fstat(opened[-1]).st_uid not in (0, user.pw_uid):
                raise PermissionError(f"{folder}: {part} is another user's, and stays so")
            os.fchown(opened[-1], user.pw_uid, user.pw_gid)
    finally:
        for handle in opened:
            os.close(handle)
