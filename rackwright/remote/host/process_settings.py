"""What the main process of a unit was started with: its command line, and its environment.

Variables that may be shown come as they are, all others as a digest that is good for one question:
two that are equal are told, and no secret is.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from typing import Any

from rackwright.remote.host.processes import PROC

Values = dict[str, Any]


def process_settings(pid: int, shown: Collection[str], nonce: str) -> Values | None:
    """``argv``, ``variables`` and ``digests`` by name; None of a process that is gone.

    Both are null where it has written something else over them, as programs do that change the
    title they have in a list of processes.
    """
    try:
        argv = _words(pid, "cmdline")
        pairs = [word.partition("=") for word in _words(pid, "environ") if "=" in word]
    except OSError:
        return None
    values = {name: value for name, _, value in pairs}
    intact = "INVOCATION_ID" in values  # systemd gives it to every process of a service
    return {
        "argv": argv if len(argv) > 1 else None,
        "variables": {n: v for n, v in values.items() if n in shown} if intact else None,
        "digests": {n: digest(v, nonce) for n, v in values.items()} if intact else None,
    }


def digest(value: str, nonce: str) -> str:
    """Of a value, for the question that has this nonce."""
    return hmac.new(
        nonce.encode(), value.encode(errors="surrogateescape"), hashlib.sha256
    ).hexdigest()


def _words(pid: int, name: str) -> list[str]:
    content = (PROC / str(pid) / name).read_bytes()
    return [word.decode(errors="surrogateescape") for word in content.split(b"\0") if word]
