"""What every router answers. One is a module that fulfils ``RouterKind``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from rackwright.engines.release import Release
    from rackwright.spec import Settings, SettingsModel


class Membership(NamedTuple):
    """How a router is told, while it runs, which replicas it sends to, each by its URL.

    ``GET listing`` answers an object that has their URLs as ``member``; ``add`` and ``remove`` are
    posted with an URL behind them, escaped. Taken off, a replica answers what it has to its end.
    """

    listing: str
    member: str
    add: str
    remove: str


class RouterKind(Protocol):
    """How one router is installed, started and asked. Each service has one of its own.

    ``settings_model`` declares the settings that it alone reads. ``paths`` are those of
    ``ENDPOINTS`` that come through it as they are, with the engines' key. ``health_path``
    answers 200 as soon as it listens; ``readiness_path`` says how many replicas it knows, and how
    many of them are well, as ``readiness`` reads it. After ``notices_s`` seconds it knows that a
    replica is gone, or back.
    """

    name: str
    documentation: str
    settings_model: type[SettingsModel]
    paths: tuple[str, ...]
    health_path: str
    readiness_path: str
    notices_s: int
    membership: Membership

    def release(self, settings: Settings) -> Release:
        """What is installed for it."""
        ...

    def program(self) -> str:
        """The program of its units, relative to the release."""
        ...

    def argv(self, service: Mapping[str, Any], port: int, metrics_port: int) -> tuple[str, ...]:
        """The command line after the program, for a service as ``fleet.json`` has it.

        It listens on loopback alone, for requests and for whoever asks for its metrics.
        """
        ...

    def readiness(self, body: Any) -> tuple[int, int] | None:
        """Replicas that are well, and all that it knows; None where the answer is not one."""
        ...
