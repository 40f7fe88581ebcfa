"""The lab's fleet, whose operator goes on with a server in quarantine for a while."""

from datetime import date, timedelta

from inventories import lab as _lab

_soon = str(date.today() + timedelta(days=30))

lab = _lab.gpu_servers + _lab.gateways
all = (
    lab,
    {
        "services": _lab._services,
        "models": _lab._models,
        "accepted": [
            {"host": "gpu2", "check": "quarantine", "until": _soon, "why": "a card is ordered"}
        ],
    },
)
