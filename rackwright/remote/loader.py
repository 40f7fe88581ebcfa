"""On the host, before all else: makes what travelled importable there, and calls the script.

The text of this file is what ``python3 -c`` is given; see ``runner/travelling.py``.
"""

from __future__ import annotations

import base64
import importlib
import json
import sys
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


def main(line: str) -> None:
    """Call the script of a message (``travelling.message``) and print its reply.

    A reply that is a text is printed as it is, any other as JSON.
    """
    message = json.loads(line)
    sources = json.loads(zlib.decompress(base64.b64decode(message["modules"])))
    sys.meta_path.insert(0, Travelled(sources))
    reply = importlib.import_module(message["script"]).main(*message["arguments"])
    print(reply if isinstance(reply, str) else json.dumps(reply), flush=True)
