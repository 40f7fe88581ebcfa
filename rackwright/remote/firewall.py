"""On the host: our own table of nftables looked at, loaded on trial, kept, or taken away.

What is loaded on trial rolls itself back unless it is kept in time, by a timer of systemd's that
needs neither the connection nor us. Nothing that outlives a reboot is written before that.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

from rackwright.remote.host import nftables
from rackwright.remote.host.names import looked_up
from rackwright.remote.host.running import Failed, ended, run, said_by
from rackwright.remote.host.ssh_ports import ssh_ports
from rackwright.remote.host.systemd import states
from rackwright.remote.items.files import write

LOCK = Path("/run/rackwright-firewall.lock")
TRIAL = Path("/run/rackwright-firewall")
BEFORE, FRESH, ROLLED_BACK = TRIAL / "before.nft", TRIAL / "fresh.nft", TRIAL / "rolled-back"
ROLLBACK = "rackwright-firewall-rollback"
UNIT = "rackwright-firewall.service"
TIMER = f"{ROLLBACK}.timer"
OTHERS = tuple(f"{name}.service" for name in nftables.OTHERS)
UNITS = (UNIT, TIMER, *OTHERS)
"""What systemd is asked about."""
UNIT_FILE = Path("/etc/systemd/system") / UNIT
NO_TABLE = "table inet rackwright\ndelete table inet rackwright\n"
BACK = f"touch {ROLLED_BACK}; nft -f {BEFORE} || nft delete table {' '.join(nftables.TABLE)}"
"""What cannot be put back is taken away: that lets everybody in, and locks nobody out."""

Values = dict[str, Any]


def main(request: Values) -> Values:
    """Dispatch on ``request["do"]``: observe, try, keep or remove."""
    if request["do"] == "observe":
        return observe(request)
    do = {"try": on_trial, "keep": keep, "remove": remove}[request["do"]]
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            do(request)
        except OSError as failure:
            return {"error": str(failure)}
    return {}


def observe(request: Values) -> Values:
    """What is loaded and kept, addresses of ``names``, and where SSH comes in, if that is asked."""
    now = states(*UNITS)
    active = {name for name, state in now.items() if state.get("ActiveState") == "active"}
    return {
        **_table(),
        "nft": nftables.is_there(),
        "file": _text(Path(request["file"])),
        "unit": _text(UNIT_FILE),
        "enabled": now[UNIT].get("UnitFileState") == "enabled",
        "active": UNIT in active,
        "on_trial": TIMER in active,
        "names": looked_up(request["names"]),
        "ssh_ports": ssh_ports() if request.get("asks_ssh", True) else [],
        "others": [name for name, unit in zip(nftables.OTHERS, OTHERS) if unit in active],
    }


def _table() -> Values:
    if not nftables.is_there():
        return {"table": None}
    try:
        return {"table": nftables.loaded()}
    except (OSError, ValueError) as failure:
        return {"table": None, "unread": str(failure)}


def _text(path: Path) -> str | None:
    return path.read_text(errors="replace") if path.is_file() else None


def _is_on_trial() -> bool:
    return said_by("systemctl", "is-active", TIMER) == "active"


def on_trial(request: Values) -> None:
    """Load ``ruleset``, in one piece; in ``confirm_s`` seconds what was before is back."""
    if not nftables.is_there():
        raise Failed("there is no nft here: run the stage base before (stages=base,firewall)")
    _end_trial()  # of a run that was cut off: what it loaded was never confirmed
    TRIAL.mkdir(mode=0o700, exist_ok=True)
    ROLLED_BACK.unlink(missing_ok=True)
    _put(FRESH, request["ruleset"])
    run("nft", "-c", "-f", str(FRESH))
    listed = ended("nft", "list", "table", *nftables.TABLE)
    _put(BEFORE, NO_TABLE + (listed.stdout if listed.returncode == 0 else ""))
    _arm(request["confirm_s"])
    run("nft", "-f", str(FRESH))


def _arm(confirm_s: int) -> None:
    ended("systemctl", "reset-failed", f"{ROLLBACK}.service")
    run(
        "systemd-run", "--quiet", f"--unit={ROLLBACK}", f"--on-active={confirm_s}s",
        "--timer-property=AccuracySec=1s", "/bin/sh", "-c", BACK,
    )  # fmt: skip


def _end_trial() -> None:
    if _is_on_trial():
        run("/bin/sh", "-c", BACK)
        run("systemctl", "stop", TIMER)


def keep(request: Values) -> None:
    """End the trial, and have the same loaded at each boot. Failed where it was rolled back."""
    ended("systemctl", "stop", TIMER)
    if ROLLED_BACK.exists() or not BEFORE.exists():
        raise Failed("the former rules were back before this connection came")
    BEFORE.unlink()
    path = Path(request["file"])
    path.parent.mkdir(mode=0o755, exist_ok=True)
    _put(path, request["ruleset"], 0o644)
    _put(UNIT_FILE, request["unit"], 0o644)
    run("systemctl", "daemon-reload")
    run("systemctl", "enable", "--quiet", UNIT)
    run("systemctl", "start", UNIT)


def remove(request: Values) -> None:
    """Our table, and what loads it. Nobody else's."""
    if _is_on_trial():
        run("systemctl", "stop", TIMER)
    if UNIT_FILE.exists():
        run("systemctl", "disable", "--quiet", "--now", UNIT)
    for path in (Path(request["file"]), UNIT_FILE):
        path.unlink(missing_ok=True)
    run("systemctl", "daemon-reload")
    if nftables.is_there() and nftables.loaded() is not None:
        run("nft", "delete", "table", *nftables.TABLE)


def _put(path: Path, text: str, mode: int = 0o600) -> None:
    write(path, text.encode(), 0, 0, mode)
