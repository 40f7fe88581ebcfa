"""What is a host's own taken out of texts, so that those of two hosts can be compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rackwright.drift.host import PlannedHost

Values = Mapping[str, Any]
Neutral = Callable[[str], str]


def neutral(one: PlannedHost, other: PlannedHost, gpus: Sequence[Values | None]) -> Neutral:
    """How a text of ``one`` is made neutral beside ``other``: names, addresses and GPUs of its own.

    Where the two name one another, that is the same on both.
    """
    own = {text: f"<{what}>" for text, what in _own(one)}
    others = {text: f"<other's {what}>" for text, what in _own(other)}
    cards = {text: f"<{what}>" for text, what in _cards(gpus)}
    words = {**others, **own, **cards}
    pattern = _any_of(words)

    def neutralized(text: str) -> str:
        return pattern.sub(lambda match: words[match[0]], text) if pattern else text

    return neutralized


def _any_of(words: Mapping[str, str]) -> re.Pattern[str] | None:
    """Whole words, the longest first: rack1 is no part of rack10, nor 10.0.0.1 of 10.0.0.11."""
    if not words:
        return None
    texts = "|".join(re.escape(text) for text in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<![A-Za-z0-9])(?:{texts})(?![A-Za-z0-9])")


def _own(host: PlannedHost) -> Iterator[tuple[str, str]]:
    yield host.name.removeprefix("@"), "host"
    failover = host.spec.failover
    if host.server:
        yield host.server.address, "address"
    if host.gateway and host.gateway.address:
        yield host.gateway.address, "address"
    if failover and host.name in failover.gateways:
        yield from ((address, "address") for address in failover.gateways[host.name])


def _cards(gpus: Sequence[Values | None]) -> Iterator[tuple[str, str]]:
    for index, gpu in enumerate(gpus):
        for key in ("uuid", "pci_bus_id"):
            if gpu and gpu.get(key):
                yield str(gpu[key]), f"GPU {index} {key}"
