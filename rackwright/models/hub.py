"""Which hub is asked, and what opens its gated repositories."""

from __future__ import annotations

import os

from rackwright.errors import Fault, SpecError
from rackwright.schema.secrets import secret_rule

HUB = "https://huggingface.co"


def hub_address() -> str:
    """The public hub, or what HF_ENDPOINT names instead."""
    return os.environ.get("HF_ENDPOINT", HUB).rstrip("/")


def authorization() -> dict[str, str]:
    """A header with HF_TOKEN; empty where that is not set. Raises SpecError for no token."""
    token = os.environ.get("HF_TOKEN", "").strip()
    if token and (rule := secret_rule(token)):
        raise SpecError([Fault("HF_TOKEN", rule)])
    return {"Authorization": f"Bearer {token}"} if token else {}
