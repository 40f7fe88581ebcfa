"""The wheels of a release: which they are on this host, by URL, size and digest; and having them.

uv resolves them as it would to install: what it lists is what its requirements pin by hash, of this
Python and platform. Whatever is odd about them, an index that wants a password for one, leaves the
release to uv alone.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

READ = (
    "import json, sys, tomllib\n"
    "packages = tomllib.load(open(sys.argv[1], 'rb'))['packages']\n"
    "print(json.dumps([[p['name'], [[w.get('url'), w.get('size'), w['hashes'].get('sha256')]\n"
    "                               for w in p.get('wheels', ())]] for p in packages]))\n"
)
"""By the release's own Python, which reads TOML (3.11); the host's may be older."""
PINNED = re.compile(r"--hash=sha256:([0-9a-f]{64})")
WOULD = re.compile(r"^Would download (\d+) packages?$", re.MULTILINE)
LIMIT_S = 300
WORDS = 500

Row = list[Any]


class Unlisted(Exception):
    """What is installed cannot be told beforehand, in words."""


def wheels_of(uv: str, python: str, requirements: str, words: Sequence[str] = ()) -> list[Row]:
    """``[name, size_bytes, digest, url]`` of each wheel that may be installed. Raises Unlisted.

    ``words`` are what uv is told of its index.
    """
    with tempfile.TemporaryDirectory(prefix="rackwright-") as folder:
        lock = f"{folder}/pylock.toml"
        argv = [uv, "pip", "compile", "--quiet", "--no-deps", "--no-header", "--python", python,
                "--format", "pylock.toml", "-o", lock, *words, requirements]  # fmt: skip
        _said_by(argv)
        packages = json.loads(_said_by([python, "-I", "-c", READ, lock]))
    _require_most_absent([uv, "pip", "sync", "--dry-run", "--require-hashes", "--python", python,
                          *words, requirements], len(packages))  # fmt: skip
    pinned = set(PINNED.findall(Path(requirements).read_text()))
    return [_row(wheel, pinned) for name, wheels in packages for wheel in _some(name, wheels)]


def _require_most_absent(argv: list[str], count: int) -> None:
    """Raise Unlisted where uv has half of the packages in its cache: it needs only the others."""
    found = WOULD.search(_said_by(argv, stderr=subprocess.STDOUT))
    if int(found[1] if found else 0) * 2 <= count:
        raise Unlisted("most of them are in its cache")


def _said_by(argv: list[str], stderr: int = subprocess.PIPE) -> str:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            timeout=LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unlisted(str(error)) from None
    if done.returncode != 0:
        raise Unlisted((done.stderr or done.stdout).strip()[-WORDS:])
    return done.stdout


def _some(name: str, wheels: list[Any]) -> list[Any]:
    if not wheels:
        raise Unlisted(f"{name} is no wheel")
    return wheels


def _row(wheel: Any, pinned: set[str]) -> Row:
    url, size_bytes, sha256 = wheel
    parts = urlsplit(url or "")
    name = unquote(parts.path.rpartition("/")[2])
    if parts.scheme not in ("http", "https") or parts.username or not size_bytes:
        raise Unlisted(f"{name or 'a wheel'} has no plain URL with a size")
    if sha256 not in pinned:
        raise Unlisted(f"{name} is not pinned by its SHA-256")
    return [name, size_bytes, f"sha256:{sha256}", url]
