"""Which architectures an engine's release lists: known to us or not, it tries to serve them."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from rackwright.catalog.data import read


class Listed(NamedTuple):
    """``architectures`` of one engine's ``version``; ``no_longer`` names the last that had one.

    ``plugins`` are what serves some beside it, by the repository on GitHub. ``drafts`` it loads
    beside the model that they draft for, and by themselves never.
    """

    engine: str
    version: str
    architectures: frozenset[str]
    no_longer: dict[str, str]
    plugins: dict[str, str]
    drafts: frozenset[str]


@cache
def listed() -> Listed:
    """What the pinned vLLM lists: the only engine whose list is kept here."""
    ((engine, entry),) = read("architectures.yaml").items()
    names = frozenset(entry["architectures"])
    gone, plugins = dict(entry["no_longer"]), dict(entry["plugins"])
    drafts = frozenset(entry["drafts"])
    return Listed(engine, entry["version"], names, gone, plugins, drafts)
