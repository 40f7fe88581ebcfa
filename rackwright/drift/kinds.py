"""Every kind of drift by its name, and what is done about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

DEPLOY = "deploy"


@dataclass(frozen=True)
class Kind:
    """A way in which a host differs from its plan.

    ``means`` says it in a sentence, ``remedy`` what ends it: ``deploy`` where the next one does.
    """

    name: str
    means: str
    remedy: str = DEPLOY


class Drift(NamedTuple):
    """One difference on one host: what is there, and what should be; None for nothing.

    ``diff`` has the lines of a text that differ, of files that hold no secret.
    """

    host: str
    kind: Kind
    path: str
    there: str | None
    planned: str | None
    diff: tuple[str, ...] = ()


MISSING = Kind("missing", "a file, folder, link, user or unit that is planned is not there")
EDITED = Kind("edited file", "a file has another content than the plan renders")
MODE = Kind("mode", "a file or folder has another mode")
OWNER = Kind("owner", "a file or folder is of another user or group")
WRONG_TYPE = Kind(
    "wrong type",
    "something else lies where a file, folder or link should",
    "move it away, then deploy",
)
FOREIGN = Kind(
    "not ours",
    "a folder or user of that name was not made by Rackwright",
    "name another one in group data, or say that it is Rackwright's (docs/inventory.md)",
)
LINK = Kind("link elsewhere", "a link leads somewhere else")
USER = Kind("user", "the engines' user has another home, or lacks a group")

PACKAGE_MISSING = Kind("package missing", "a package is not installed, or only half")
UPGRADED = Kind("package upgraded", "a package is newer than it was pinned, or noted")
DOWNGRADED = Kind("package downgraded", "a package is older than it was pinned, or noted")
HELD = Kind(
    "held package",
    "a package is on hold, and the plan holds it not: no upgrade reaches it",
    "apt-mark unhold it; the next deploy notes it where it is meant",
)
NOT_HELD = Kind("package not held", "a package that the plan holds may be upgraded by others")
RELEASE = Kind(
    "changed release",
    "a Python package in an engine's release came, went or has another version",
    "remove the folder's .complete, then deploy: it is installed anew",
)

MASKED = Kind("masked unit", "a unit is masked: nobody can start it")
DISABLED = Kind("disabled unit", "a unit does not start with the host")
STOPPED = Kind("stopped unit", "a unit is not active")
OLDER = Kind("older settings", "a unit was started, or has loaded, what lay there before")
OVERRIDDEN = Kind(
    "overridden unit",
    "a drop-in that is not Rackwright's changes what a unit says",
    "move what it says into the inventory, remove it, `systemctl daemon-reload`, restart",
)
PROCESS = Kind(
    "process differs",
    "the running process was started with other arguments or variables than its unit says",
    "rackwright restart INVENTORY REPLICA; of others `systemctl restart UNIT`",
)

LEFT_OVER = Kind("left over", "a unit, file or folder of Rackwright's is not planned any more")
SOCKET = Kind(
    "open socket",
    "a socket listens where none should, or where somebody else's should",
    "end the process; if it is meant to be there, give it another port",
)
FIREWALL = Kind("firewall", "the rules that are loaded, or what loads them, are others")
WEIGHTS = Kind(
    "changed weights",
    "a file of weights has another size, time or content",
    "put it back; what was fetched: move it away, then deploy",
)

CERTIFICATE = Kind("certificate", "a certificate that the host makes is not as it must be")
DATA = Kind("older data", "a running gateway has loaded older data than lie there")
LIMITS = Kind("low limit", "Nginx may hold fewer connections than are planned")
BOOT = Kind("older boot image", "the image that the host boots from lacks a file")
STEP = Kind("step under way", "a change of a replica has begun and not ended")
DRIVER = Kind("driver", "the loaded NVIDIA driver is not the pinned one")

NO_MANIFEST = Kind("no manifest", "no whole deploy has ended here, or its manifest is gone")
OTHER_PLAN = Kind("other plan", "the manifest is of another plan than the inventory's now")
OPEN_MANIFEST = Kind("open manifest", "others than root may read the manifest")

KINDS = (
    *(MISSING, EDITED, MODE, OWNER, WRONG_TYPE, FOREIGN, LINK, USER),
    *(PACKAGE_MISSING, UPGRADED, DOWNGRADED, HELD, NOT_HELD, RELEASE),
    *(MASKED, DISABLED, STOPPED, OLDER, OVERRIDDEN, PROCESS),
    *(LEFT_OVER, SOCKET, FIREWALL, WEIGHTS),
    *(CERTIFICATE, DATA, LIMITS, BOOT, STEP, DRIVER),
    *(NO_MANIFEST, OTHER_PLAN, OPEN_MANIFEST),
)
"""All of them; docs/drift.md has their table."""
