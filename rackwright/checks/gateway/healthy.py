"""Two gateways that share an address of each family, on which all is well; the first holds both."""

from __future__ import annotations

from rackwright.checks.check import Sample, When
from rackwright.checks.planned import PlannedGateway
from rackwright.checks.replica.healthy import MODELS, answer

SHARED = ("192.0.2.100", "2001:db8::100")
NAME = "llm.example.com"
ANSWERS = {one: answer(MODELS, replica="-") for one in SHARED}
GATEWAY = Sample(
    PlannedGateway(
        host="gw1",
        gateways=("gw1", "gw2"),
        unit="keepalived-rackwright.service",
        addresses=SHARED,
        records={NAME: SHARED},
    ),
    {
        "unit": {"ActiveState": "active"},
        "held": {"gw1": list(SHARED), "gw2": []},
        "answers": ANSWERS,
        "names": {NAME: {"addresses": list(SHARED)}},
    },
)
WHERE_SHARED = When[PlannedGateway](
    "that shares an address with others", lambda planned, seen: bool(planned.addresses)
)
