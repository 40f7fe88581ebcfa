"""On the host, before all else: makes what travelled importable there, and calls the script.

The text of this file is what ``python3 -c`` is given; see ``runner/travelling.py``.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import os
import select
import signal
import sys
import threading
import time
import zlib
from importlib.machinery import ModuleSpec
from typing import Any


class Travelled:
    """Finds modules among the sources that came along, before any of that name on the host.

    What only has modules below it is an empty package.
    """

    def __init__(self, sources: dict[str, str]) -> None:
        """Sources by the full names of their modules."""
        self.sources = sources

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """As ``sys.meta_path`` wants it; None for what did not come along."""
        loader: Any = self
        if name in self.sources:
            return ModuleSpec(name, loader)
        package = any(known.startswith(f"{name}.") for known in self.sources)
        return ModuleSpec(name, loader, is_package=True) if package else None

    def create_module(self, spec: ModuleSpec) -> None:
        """None: as Python makes any module."""

    def exec_module(self, module: Any) -> None:
        """Run it; a traceback then names it as the file that it is in the project."""
        name = module.__name__
        place = f"{name.replace('.', '/')}.py"
        exec(compile(self.get_source(name), place, "exec", dont_inherit=True), module.__dict__)

    def get_source(self, name: str) -> str:
        """The text of a module; a traceback quotes it."""
        return self.sources.get(name, "")


BEAT_S, GRACE_S = 2, 5
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


def main(line: str) -> None:
    """Call the script of a message (``travelling.message``) and print its reply.

    A reply that is a text is printed as it is, any other as JSON. A script that only looks
    (``ONLY_LOOKS``) ends with its connection; one that changes something finishes that.
    """
    message = json.loads(line)
    sources = json.loads(zlib.decompress(base64.b64decode(message["modules"])))
    sys.meta_path.insert(0, Travelled(sources))
    script = importlib.import_module(message["script"])
    if not getattr(script, "ONLY_LOOKS", False):
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
