"""What a host is asked, in one question: see ``remote/drift.py`` for the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rackwright.desired.addresses import is_ip
from rackwright.desired.firewall import ruleset_path
from rackwright.desired.gateway_places import SECRETS
from rackwright.desired.items import Item, Manifest, query
from rackwright.drift.expected import expected
from rackwright.drift.host import Known, PlannedHost, guessed
from rackwright.drift.of_units import started_units

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Question:
    """A question with what it was made from; ``nonce`` is new for each."""

    host: PlannedHost
    nonce: str
    asked: Sequence[Item]
    deep: bool = False

    def request(self) -> dict[str, Any]:
        """As the host gets it. It carries no secret."""
        host = self.host
        started = started_units(self.asked, host.secret_variables)
        return {
            "items": query(self.asked),
            "manifest": query([self.manifest])[0],
            "processes": {one.unit: one.shown for one in started},
            "known": self._known(),
            "firewall": {
                "file": ruleset_path(host.settings),
                "names": host.firewall.names if host.firewall else [],
            },
            "nonce": self.nonce,
            "deep": self.deep,
        }

    @property
    def manifest(self) -> Manifest:
        """That of the plan; what it says of files depends on what the host knows."""
        return next(item for item in self.asked if isinstance(item, Manifest))

    def _known(self) -> dict[str, Any]:
        host, server = self.host, self.host.server
        own = [server.address] if server and not is_ip(server.address) else []
        return {
            "gpus": bool(host.replicas),
            "names": [*dict.fromkeys((*host.names, *own))],
            "secrets": SECRETS if host.gateway else None,
            "interfaces": host.shares_address,
            "routes": host.server_addresses if host.gateway else None,
            "driver": host.has_driver,
        }


def question(host: PlannedHost, nonce: str, deep: bool = False) -> Question:
    """All that is to be asked of a host. ``deep`` has every file of weights read."""
    return Question(host, nonce, expected(host, guessed(host)), deep)


def known_of(answer: Values) -> Known:
    """What a host said of itself."""
    said = answer["known"]
    gateway = said["gateway"] or {}
    return Known(
        gpus=said["gpus"],
        names=said["names"],
        nameservers=tuple(str(one) for one in gateway.get("nameservers", ())),
        interfaces=said["interfaces"] or (),
        driver=said["driver"],
    )
