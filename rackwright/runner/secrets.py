"""Secrets come from the operator's environment and travel on standard input only."""

from __future__ import annotations

import os


def secret(variable: str, source: str | None) -> dict[str, str]:
    """``{variable: value}`` from the controller's variable named ``source``; empty when unset."""
    value = os.environ.get(source, "") if source else ""
    return {variable: value} if value else {}
