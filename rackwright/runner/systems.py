"""What the hosts of a fleet are, asked: by which the files of a bundle are chosen."""

from __future__ import annotations

from typing import Any

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.bundling.system import System, system_of
from rackwright.errors import HostError
from rackwright.runner.asking import ask_all
from rackwright.runner.fleet import fleet_of
from rackwright.runner.remote_call import call

LIMIT_S = 120


def systems_of(inventory: Inventory) -> dict[str, System]:
    """The system of every host, by name. Raises HostError with all hosts that gave no answer."""
    fleet = fleet_of(inventory)

    def question(host: Host) -> dict[str, Any]:
        system = call(host, "system", timeout_s=LIMIT_S, kind=dict)
        if host.name in fleet.spec.servers and fleet.settings(host.name).driver_source != "none":
            request = {"do": "observe"}
            system["driver"] = call(host, "driver", request, timeout_s=LIMIT_S, kind=dict)
        return {"system": system}

    answers = ask_all(inventory, question)
    silent = {name: said["error"] for name, said in answers.items() if "error" in said}
    if silent:
        lines = [f"  {name}: {why}" for name, why in sorted(silent.items())]
        words = "hosts gave no answer; where they cannot be asked from here, see --systems"
        raise HostError("\n".join([f"{len(silent)} {words}", *lines]))
    return {name: system_of(name, said["system"]) for name, said in answers.items()}
