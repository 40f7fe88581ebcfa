"""On the host: the wheels of releases that are missing, listed, and taken from other servers.

They come as the engines' user, and are given while they come, as weights are. uv compares each with
its pinned hash again, which is root's to read. It ends with the connection.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rackwright.remote.downloads.progress import say
from rackwright.remote.downloads.wheels import Unlisted, wheels_of
from rackwright.remote.host.alone import alone
from rackwright.remote.host.as_user import as_user, hand_over
from rackwright.remote.host.supplies import of_uv, of_uv_python
from rackwright.remote.release import beside, have_installer, is_complete, wheels_dir
from rackwright.remote.sideways.content import content_of
from rackwright.remote.sideways.exchange import Exchange, Share

ENDS_WITH_CONNECTION = True
LOCK = Path("/run/rackwright-wheels.lock")

Values = dict[str, Any]


def main(request: Values) -> Any:
    """``do`` is list, or take."""
    return listed(request) if request["do"] == "list" else take(request)


def listed(request: Values) -> Values:
    """By folder of a release that is missing: ``label``, ``files`` and their ``key``.

    None of one that is left to uv alone.

    The installer is there afterwards, and the Python that releases get.
    """
    have_installer(request)
    found: Values = {}
    for release in request["releases"]:
        if release["kind"] == "venv" and not is_complete(Path(release["folder"])):
            label = "/".join(Path(release["folder"]).parts[-2:])
            try:
                files = _wheels_of({**request, **release})
            except (Unlisted, OSError, ValueError) as error:
                say(f"{label}: uv fetches its wheels here: {error}")
            else:
                key = content_of({"label": label, "files": files}).key
                found[release["folder"]] = {"label": label, "files": files, "key": key}
    return found


def _wheels_of(request: Values) -> list[Any]:
    uv = f"{request['uv']}/bin/uv"
    with tempfile.TemporaryDirectory(prefix="rackwright-") as home:
        wanted, places = of_uv_python(request)
        argv = [uv, "venv", "--quiet", *wanted, f"{home}/venv"]
        environment = {**os.environ, **beside(request), **places}
        made = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environment, check=False
        )
        if made.returncode != 0:
            raise Unlisted("there is no Python for it")
        words, _ = of_uv(request)
        return wheels_of(uv, f"{home}/venv/bin/python", request["requirements"], words)


def take(request: Values) -> str:
    """Have the wheels of releases, each in a folder of its name; exits where one fails."""
    below = wheels_dir(request)
    with alone(LOCK, "download of wheels"):
        shares = [_share(below / Path(name).name, one) for name, one in request["wheels"].items()]
        for share in shares:
            hand_over(share.folder, below.parent, request["user"])
        words = as_user(request["user"], Exchange(request["sideways"], shares, {}).run, {})
    if words:
        sys.exit(words)
    return f"wheels of {len(shares)} release(s) are there"


def _share(folder: Path, one: Values) -> Share:
    return Share(content_of(one), folder, lambda store: None)
