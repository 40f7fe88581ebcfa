"""After the packages: whether a reboot is needed, and whether what runs is what was pinned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rackwright.driver.facts import Facts
from rackwright.driver.plan import DriverPlan


def reboot_reason(plan: DriverPlan, facts: Facts) -> str:
    """Why the planned driver can only be used after a reboot; "" where it can be loaded now.

    Raises Unknown where that cannot be told.
    """
    if facts.nouveau:
        return "nouveau drives the GPUs"
    loaded = facts.module_version
    if loaded is not None and loaded != plan.version:
        return f"module {loaded} is loaded, {plan.version} is installed"
    kind = {True: "open", False: "proprietary", None: plan.modules}[facts.open_module]
    if kind != plan.modules:
        return f"the {kind} module is loaded, the {plan.modules} one is installed"
    return ""


def disagreement(plan: DriverPlan, facts: Facts, probe: Mapping[str, Any]) -> str:
    """How module, library and pin disagree; "" where all three are one version.

    ``probe`` is what ``remote/probe.py`` saw. Raises Unknown where the module is not known.
    """
    nvml = probe.get("nvml")
    library = nvml.get("driver_version") if isinstance(nvml, Mapping) else None
    found = {"loaded module": facts.module_version, "library (NVML)": library}
    wrong = [f"{name} {_or_none(value)}" for name, value in found.items() if value != plan.version]
    return f"pinned {plan.version}, but {', '.join(wrong)}" if wrong else ""


def _or_none(value: object) -> str:
    return str(value) if value else "none"


def fabric_pending(probe: Mapping[str, Any]) -> str:
    """Which GPUs' fabric is not completed yet; "" when all are, or none tells."""
    states = []
    for index, gpu in enumerate(probe.get("gpus") or ()):
        state = ((gpu or {}).get("fabric") or {}).get("state")
        if state in ("not_started", "in_progress"):
            states.append(f"GPU {index}: {state.replace('_', ' ')}")
    return ", ".join(states)
