"""On the host, before all else: makes what travelled importable there, and calls the script.

The text of this file is what ``python3 -c`` is given; see ``runner/travelling.py``.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import marshal
import os
import select
import signal
import stat
import sys
import threading
import time
import zlib
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

KEPT = Path("/run/rackwright-code")
"""Compiled modules, by what they were compiled from, root's alone and gone at the next boot.

To parse them anew was most of what a host had to do in a run that changes nothing.
"""
MOST_KEPT = 32


class Travelled:
    """Finds modules among the sources that came along, before any of that name on the host.

    What only has modules below it is an empty package.
    """

    def __init__(
        self, packed: str, digest: str = "", codes: dict[str, bytes] | None = None
    ) -> None:
        """``packed`` are sources by the full names of their modules; see ``travelling.message``.

        None travelled where ``codes`` are: compiled ones that were here.
        """
        self._packed = packed
        self.codes = codes or (kept(digest) if digest else {})
        if not self.codes:
            self.codes = compiled(self.sources())
            if digest:
                keep(digest, self.codes)

    def sources(self) -> dict[str, str]:
        """The text of each module; unpacked only where one is compiled or quoted."""
        if not self._packed:
            return {}
        unpacked: dict[str, str] = json.loads(zlib.decompress(base64.b64decode(self._packed)))
        return unpacked

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """As ``sys.meta_path`` wants it; None for what did not come along."""
        loader: Any = self
        if name in self.codes:
            return ModuleSpec(name, loader)
        package = any(known.startswith(f"{name}.") for known in self.codes)
        return ModuleSpec(name, loader, is_package=True) if package else None

    def create_module(self, spec: ModuleSpec) -> None:
        """None: as Python makes any module."""

    def exec_module(self, module: Any) -> None:
        """Run it, where it is more than a package."""
        if module.__name__ in self.codes:
            exec(marshal.loads(self.codes[module.__name__]), module.__dict__)

    def get_source(self, name: str) -> str:
        """The text of a module; a traceback quotes it."""
        return self.sources().get(name, "")


def compiled(sources: dict[str, str]) -> dict[str, bytes]:
    """Code by the names of modules, each by itself: most of them are not asked for.

    Tracebacks name them as the files that they are here.
    """
    return {name: marshal.dumps(_compiled(name, text)) for name, text in sources.items()}


def _compiled(name: str, text: str) -> Any:
    return compile(text, f"{name.replace('.', '/')}.py", "exec", dont_inherit=True)


def kept(digest: str) -> dict[str, bytes]:
    """What was compiled here from the same sources by the same Python; nothing where there is none.

    Only root's own is trusted: it is run as root.
    """
    try:
        found = marshal.loads(_place(digest).read_bytes()) if _is_ours(KEPT) else {}
    except (OSError, EOFError, ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def keep(digest: str, codes: dict[str, bytes]) -> None:
    """Whole or not at all; without room for it the next run compiles again. The oldest make way."""
    if os.geteuid() != 0:
        return
    fresh = KEPT / f"{os.getpid()}.new"
    with contextlib.suppress(OSError):
        KEPT.mkdir(0o700, exist_ok=True)
        if not _is_ours(KEPT):
            return
        fresh.write_bytes(marshal.dumps(codes))
        fresh.replace(_place(digest))
        by_age = sorted((path.stat().st_mtime, path) for path in KEPT.iterdir())
        for _, path in by_age[:-MOST_KEPT]:
            path.unlink()


def _is_ours(folder: Path) -> bool:
    """Whether root alone can put anything there."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == 0 and not found.st_mode & 0o077


def _place(digest: str) -> Path:
    return KEPT / f"{digest}-{sys.implementation.cache_tag}-{sys.hexversion:x}.parts"


BEAT_S, GRACE_S = 2, 5
ENDS_EARLY = ("ONLY_LOOKS", "ENDS_WITH_CONNECTION")
OUT = 1


class Listener(threading.Thread):
    """Ends this process, and what it started, once nobody is left to hear its reply.

    sshd closes its end of the output when a connection is gone, and says no more. Where sudo
    stands between, it finds that out only when it has something to pass on: an empty line now and
    then, which no reader takes for a reply.
    """

    def __init__(self) -> None:
        """The main thread ends as by an error, so that it ends what it has started."""
        super().__init__(daemon=True)
        self._lock, self._replies, self._hung_up = threading.Lock(), False, False
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("nobody hears the reply"))
        with contextlib.suppress(OSError):  # the first of a session leads its group already
            os.setpgid(0, 0)

    def run(self) -> None:
        """Listen until the reply is written, which fails by itself where nobody hears it."""
        closed = select.poll()
        closed.register(OUT, 0)
        while not closed.poll(BEAT_S * 1000) and self._beat():
            pass
        if self._replies:
            return
        self._hung_up = True
        os.killpg(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_S)
        os.killpg(os.getpid(), signal.SIGKILL)

    def _beat(self) -> bool:
        """Write an empty line, never into the reply; False where there is no use in another."""
        with self._lock, contextlib.suppress(OSError):
            return not self._replies and os.write(OUT, b"\n") > 0
        return False

    def settle(self) -> None:
        """Of a script that has ended for that: wait until what it started is ended too."""
        if self._hung_up:
            self.join()

    def reply(self, text: str) -> None:
        """Write the reply, with no empty line in it."""
        with self._lock:
            self._replies = True
        print(text, flush=True)


def main(line: str, codes: dict[str, bytes] | None = None) -> None:
    """Call the script of a message (``travelling.message``) and print its reply.

    A reply that is a text is printed as it is, any other as JSON. A script that only looks
    (``ONLY_LOOKS``) ends with its connection; one that changes something finishes that, where it
    does not say that it can be cut off anywhere (``ENDS_WITH_CONNECTION``). Where the message
    has no arguments they are the next line, if one comes: until then what it ``loads`` is loaded.
    ``codes`` are modules that were here (``boot``), where none travelled.
    """
    message = json.loads(line)
    packed, digest = message.get("modules", ""), message.get("digest", "")
    sys.meta_path.insert(0, Travelled(packed, digest, codes))
    script = importlib.import_module(message["script"])
    if "arguments" not in message:
        for name in message["loads"]:
            importlib.import_module(name)
        if not (rest := sys.stdin.readline()):
            return
        message["arguments"] = json.loads(rest)
    if not any(getattr(script, name, False) for name in ENDS_EARLY):
        print(_text(script.main(*message["arguments"])), flush=True)
        return
    listener = Listener()
    listener.start()
    try:
        listener.reply(_text(script.main(*message["arguments"])))
    finally:
        listener.settle()


def _text(reply: Any) -> str:
    return reply if isinstance(reply, str) else json.dumps(reply)
