"""How many connections Nginx may hold: two numbers in a file that is the distribution's."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from rackwright.desired.items.item import Observed


@dataclass(frozen=True)
class NginxLimits:
    """Numbers that Nginx reads from its main file alone; raised there, and nothing else changed.

    One that is high enough stays as it is, so an operator's own is kept.
    """

    worker_connections: int
    worker_rlimit_nofile: int
    key: str = "/etc/nginx/nginx.conf"
    kind: ClassVar[str] = "limits"

    @property
    def wanted(self) -> dict[str, int]:
        """By Nginx's name of each."""
        return {name: value for name, value in asdict(self).items() if name != "key"}

    def query(self) -> dict[str, Any]:
        """Only its path."""
        return {}

    def payload(self) -> dict[str, Any]:
        """The least that each must be."""
        return {"least": self.wanted}

    def difference(self, seen: Observed) -> str | None:
        """Those that are lower than they must be, or not said."""
        low = {name: seen.get(name) for name in self.wanted if self._is_low(name, seen.get(name))}
        words = (
            f"{name} is {now or 'not set'}, not {self.wanted[name]}" for name, now in low.items()
        )
        return ", ".join(words) or None

    def _is_low(self, name: str, now: int | None) -> bool:
        return now is None or now < self.wanted[name]
