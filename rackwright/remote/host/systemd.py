"""What systemd says of units."""

from __future__ import annotations

from rackwright.remote.host.running import Failed, output

OF_A_SERVICE = (
    "LoadState,ActiveState,SubState,MainPID,NRestarts,Result,ControlGroup,LimitNOFILE,"
    "ActiveEnterTimestampMonotonic,ExecMainStartTimestampMonotonic,NeedDaemonReload"
)


def show(properties: str, *units: str) -> list[dict[str, str]]:
    """These properties of each unit, in their order. OSError where systemd cannot be asked."""
    blocks = output("systemctl", "show", "--property", properties, *units).strip().split("\n\n")
    if len(blocks) != len(units):
        raise Failed(f"systemctl answered for {len(blocks)} of {len(units)} units")
    return [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks
    ]


def service_unit(name: str) -> dict[str, str]:
    """What is observed of a service's unit; nothing where systemd cannot be asked."""
    try:
        return show(OF_A_SERVICE, name)[0]
    except OSError:
        return {}
