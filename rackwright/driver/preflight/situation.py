"""A server, what is planned for it and what is known of it: what predictions are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rackwright.catalog import GpuType
from rackwright.checks.results import Status
from rackwright.driver.facts import Facts, Unknown
from rackwright.driver.offers import Offers
from rackwright.driver.plan import DriverPlan, Unsupported
from rackwright.spec import ServerSpec, Settings


@dataclass(frozen=True)
class Trouble:
    """What would go wrong, and what to do about it."""

    sentence: str
    remedy: str
    status: Status = Status.CRITICAL


@dataclass(frozen=True)
class Situation:
    """A server, what is planned for it, and what is known of it.

    ``others`` are GPU types beside the first, whose driver is the same. ``plan`` is None where none
    could be made (``undecided`` says why) and where the provider manages the driver; ``offers`` is
    None where no package is to change; ``interrupts`` says whether those who use the driver have to
    stop. ``our_units`` and ``engines`` are those of the planned replicas; ``month`` is the current
    one, ``2026-11``.
    """

    settings: Settings
    server: ServerSpec
    gpu: GpuType
    facts: Facts
    others: tuple[GpuType, ...] = ()
    plan: DriverPlan | None = None
    undecided: Unknown | Unsupported | None = None
    offers: Offers | None = None
    interrupts: bool = False
    our_units: frozenset[str] = frozenset()
    engines: frozenset[str] = frozenset()
    month: str = ""

    @property
    def installing(self) -> DriverPlan | None:
        """The plan where packages are to change; what is installed already needs no prediction."""
        return self.plan if self.offers else None

    @property
    def version(self) -> str | None:
        """The driver that will run: the planned one, or what is loaded where that stays."""
        return self.facts.module_version if self.provided else self.settings.driver_version

    @property
    def provided(self) -> bool:
        """Whether the server's provider manages the driver."""
        return self.settings.driver_source == "none"


Prediction = Callable[[Situation], Iterator[Trouble]]
