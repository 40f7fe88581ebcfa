"""On a gateway: which of its services complete a request that comes through it."""

from __future__ import annotations

from typing import Any

from rackwright.remote.served.gateway import service

ONLY_LOOKS = True

Values = dict[str, Any]


def main(asked: Values) -> dict[str, str]:
    """What each service answered, by name: ``200``, another status, or an error in words."""
    return {one["name"]: _answer(asked, one) for one in asked["services"]}


def _answer(asked: Values, one: Values) -> str:
    (reply,) = service(asked, {**one, "completions": 1})["completions"]
    return str(reply.get("status") or reply.get("error"))
