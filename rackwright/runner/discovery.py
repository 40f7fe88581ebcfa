"""Hosts that no inventory names yet, probed over SSH."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyinfra.api.inventory import Inventory

from rackwright.runner.asking import Answer, ask_all
from rackwright.runner.probing import probe


def look_at(hosts: Sequence[str], **ssh: Any) -> dict[str, Answer]:
    """What the probe sees on each host; ``{"error": why}`` of one that gave no answer.

    ``hosts`` are names as ``ssh`` takes them, from its own configuration too, or ``@local``.
    ``ssh`` are pyinfra's connector data (``ssh_user``, ``ssh_port``, ``ssh_key``).
    """
    inventory = Inventory(([*dict.fromkeys(hosts)], ssh))
    return ask_all(inventory, probe)
