"""Units of systemd: those that are planned, and none but those."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from rackwright.desired.items.certificates import Certificate
from rackwright.desired.items.files import File, Symlink
from rackwright.desired.items.item import Observed
from rackwright.desired.items.nginx_limits import NginxLimits
from rackwright.desired.items.stamps import digest_of


@dataclass(frozen=True)
class Unit:
    """A systemd unit that is enabled and running what the host now has on disk.

    ``restart_on`` and ``reload_on`` are items of the same list. Their digest is kept on the host
    when the unit was last (re)started, so that a run which is cut off between writing a file and
    restarting is repaired by the next. ``validate`` runs before a start or reload; when it fails
    the files of this run are put back.
    """

    key: str
    restart_on: tuple[File | Symlink, ...] = ()
    reload_on: tuple[File | Symlink | Certificate | NginxLimits, ...] = ()
    validate: tuple[str, ...] = ()
    start_timeout_s: int = 90
    kind: ClassVar[str] = "unit"

    @property
    def stamp(self) -> dict[str, str]:
        """Digests of what the unit was started with, and of what it last loaded."""
        return {"restart": digest_of(self.restart_on), "reload": digest_of(self.reload_on)}

    def query(self) -> dict[str, Any]:
        """Its name; and what it loads of which only the host has the content."""
        of_host = (Certificate, NginxLimits)
        return {"loads": [one.key for one in self.reload_on if isinstance(one, of_host)]}

    def payload(self) -> dict[str, Any]:
        """Stamps, validation, and which files to put back when validation fails."""
        guarded = [item.key for item in (*self.restart_on, *self.reload_on)]
        own = {"stamp": self.stamp, "validate": list(self.validate), "guarded": guarded}
        return {**self.query(), **own}

    def difference(self, seen: Observed) -> str | None:
        """What has to happen to the unit: enable, start, restart, reload, or wait for it."""
        if not seen:
            return "not there yet: enable and start"
        if seen["enabled"] == "masked":
            return "is masked: unmask and enable"
        if seen["active"] not in ("active", "reloading", "activating"):
            return f"is {seen['active']}: start"
        if seen["stamp"].get("restart", "") != self.stamp["restart"]:
            return "runs with older settings: restart"
        if seen["active"] == "activating":
            return "still starting: wait"
        if seen["stamp"].get("reload", "") != self.stamp["reload"]:
            return "has older configuration loaded: reload"
        fine = seen["enabled"] in (
            "enabled",
            "static",
        )  # static: others start it, nothing to enable
        return None if fine else f"is {seen['enabled']}: enable"


@dataclass(frozen=True)
class NoOtherUnits:
    """No unit of ours but those to ``keep``: what left the plan is stopped and taken away.

    ``key`` is a pattern of names, ``ours-*.service``; ours are those of them that hold a line that
    begins with ``mark``. ``beside`` are paths made for a unit, with ``{name}`` for what the star
    stands for; they go with it.
    """

    key: str
    mark: str
    keep: tuple[str, ...]
    beside: tuple[str, ...] = ()
    kind: ClassVar[str] = "units"

    def query(self) -> dict[str, Any]:
        """How to tell which are ours and which stay."""
        return {"mark": self.mark, "keep": list(self.keep)}

    def payload(self) -> dict[str, Any]:
        """The same, and what goes with a unit."""
        return {**self.query(), "beside": list(self.beside)}

    def difference(self, seen: Observed) -> str | None:
        """Units that are there and not planned."""
        if not seen["units"]:
            return None
        return f"{', '.join(seen['units'])} left the plan: stop and remove"
