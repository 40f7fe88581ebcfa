"""Hosts that are changed one after another, and none after one that did not come back well."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pyinfra.api.host import Host

from rackwright.errors import HostError


class Stopped(HostError):
    """The host cannot go on; the message says why, and what to do."""


class Turns:
    """Turns of this run. ``verb`` says what a host was not that came after one that failed."""

    def __init__(self, verb: str) -> None:
        """``interrupted``, ``changed``."""
        self.verb = verb
        self.failed: list[str] = []
        self._one_at_a_time = threading.Lock()

    @contextmanager
    def take(self, host: Host) -> Iterator[None]:
        """One host at a time. Raises Stopped after one that failed in its turn."""
        with self._one_at_a_time:
            if self.failed:
                raise Stopped(f"{host.name} was not {self.verb}: {self.failed[0]} failed before it")
            try:
                yield
            except BaseException:
                self.failed.append(host.name)
                raise
