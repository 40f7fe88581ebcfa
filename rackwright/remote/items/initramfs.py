"""The image that a host boots from, made anew after what is in it changed."""

from __future__ import annotations

from typing import Any

from rackwright.remote.host.running import run
from rackwright.remote.items import stamps

Values = dict[str, Any]


def seen(query: Values) -> Values:
    """What it was last made for; nothing where it never was."""
    stamp = stamps.read(f"{query['key']}.initramfs")
    return {"stamp": stamp} if stamp else {}


def make(change: Values) -> None:
    """By the tool that the host has; one without any boots without such an image."""
    from shutil import which  # who only looks needs none of it

    if which("update-initramfs"):
        run("update-initramfs", "-u", "-k", "all")
    elif which("dracut"):
        run("dracut", "--regenerate-all", "--force")
    stamps.put(f"{change['key']}.initramfs", change["stamp"])
