"""On the host: many questions at once, each answered as its own script would.

Only what looks is asked so. The scripts travel beside this one (``runner/travelling.py``).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

from rackwright.remote.host import systemd
from rackwright.remote.items import packages

ONLY_LOOKS = True
ROOM = "rackwright.remote"

Question = Sequence[Any]
"""The name of a script, and what its ``main`` is called with."""


def main(questions: Sequence[Question]) -> list[dict[str, Any]]:
    """For each ``answer``; or ``error``, why there is none: the next is asked all the same."""
    systemd.ask_together(_units(questions))
    packages.ask_once()
    return [_answered(name, arguments) for name, *arguments in questions]


def _units(questions: Sequence[Question]) -> Iterator[str]:
    """Units that more than one of them asks about: a call of systemctl takes 20 ms."""
    for name, *arguments in questions:
        if name == "firewall":
            yield from importlib.import_module(f"{ROOM}.{name}").UNITS
        elif name == "state":
            items = arguments[0].get("items", ())
            yield from (item["key"] for item in items if item["kind"] == "unit")


def _answered(name: str, arguments: Sequence[Any]) -> dict[str, Any]:
    try:
        script = importlib.import_module(f"{ROOM}.{name}")
        return {"answer": script.main(*arguments)}
    except (Exception, SystemExit) as error:
        return {"error": f"{type(error).__name__}: {error}"}
