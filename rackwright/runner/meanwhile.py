"""Long work of this process alone, in parts: connections that were begun go on between them."""

from __future__ import annotations

from gevent import idle

_begun = False


def others_go_on(begun: bool) -> None:
    """Whether there are any to pause for."""
    global _begun
    _begun = begun


def pause() -> None:
    """Between two parts: until nothing is left to do for anybody else."""
    if _begun:
        idle()
