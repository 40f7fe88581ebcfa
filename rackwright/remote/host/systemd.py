"""What systemd says of units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rackwright.remote.host.running import Failed, output

OF_A_SERVICE = (
    "LoadState,ActiveState,SubState,MainPID,NRestarts,Result,ControlGroup,LimitNOFILE,"
    "ActiveEnterTimestampMonotonic,ExecMainStartTimestampMonotonic,NeedDaemonReload"
)


SHARED = "LoadState,ActiveState,UnitFileState,NeedDaemonReload,NRestarts,Result,Job"
"""What several questions of one command ask of units (``ask_together``)."""
_together: tuple[str, ...] = ()
_shown: dict[str, dict[str, str]] = {}


def ask_together(units: Iterable[str]) -> None:
    """Have systemd asked of all these units at once, when the first of them is asked about."""
    global _together
    _together = tuple(dict.fromkeys(units))
    _shown.clear()


def show(properties: str, *units: str) -> list[dict[str, str]]:
    """These properties of each unit, in their order. OSError where systemd cannot be asked."""
    wanted = properties.split(",")
    if not set(units) <= set(_together) or not set(wanted) <= set(SHARED.split(",")):
        return _asked(properties, units)
    if not _shown:
        _shown.update(zip(_together, _asked(SHARED, _together)))
    return [{k: v for k, v in _shown[unit].items() if k in wanted} for unit in units]


def _asked(properties: str, units: Sequence[str]) -> list[dict[str, str]]:
    blocks = output("systemctl", "show", "--property", properties, *units).strip().split("\n\n")
    if len(blocks) != len(units):
        raise Failed(f"systemctl answered for {len(blocks)} of {len(units)} units")
    return [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks
    ]


def states(*units: str) -> dict[str, dict[str, str]]:
    """``ActiveState`` and ``UnitFileState`` of each; nothing where systemd cannot be asked."""
    try:
        return dict(zip(units, show("ActiveState,UnitFileState", *units)))
    except OSError:
        return {unit: {} for unit in units}


def service_unit(name: str) -> dict[str, str]:
    """What is observed of a service's unit; nothing where systemd cannot be asked."""
    try:
        return show(OF_A_SERVICE, name)[0]
    except OSError:
        return {}
