"""Nginx's configuration as crossplane reads it: Nginx's own makers' parser, not ours."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import crossplane

Directive = dict[str, Any]
"""``directive`` is its name; ``args``; ``block`` are the directives in it, where it has one."""


def directives(text: str, *, strictly: bool = True) -> list[Directive]:
    """Those of a file that is included in ``http``.

    ``strictly``: each must be allowed in its place, and have as many arguments as it takes.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:  # it reads nothing but files
        file.write(f"http {{\n{text}\n}}\n")
        file.flush()
        payload = crossplane.parse(file.name, single=True, check_ctx=strictly, check_args=strictly)
    assert payload["status"] == "ok", payload["errors"]
    (http,) = payload["config"][0]["parsed"]
    return list(http["block"])


def named(block: Sequence[Directive], name: str) -> Iterator[Directive]:
    """Every directive of that name, also inside others."""
    for directive in block:
        if directive["directive"] == name:
            yield directive
        yield from named(directive.get("block", ()), name)


def values(block: Sequence[Directive], name: str) -> list[list[str]]:
    """What each directive of that name is given."""
    return [directive["args"] for directive in named(block, name)]
