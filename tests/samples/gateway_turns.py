"""A stand-in for a gateway's socket that keeps turns: by the rules of the gateway's Lua, no Nginx.

Its clock is the test's: ``pass_s`` lets seconds go by.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.samples.gateway_socket import Gateway, Values


@dataclass
class TurnKeeper(Gateway):
    """One gateway. A replica that is to prove itself does so when the test says ``complete``."""

    now: float = 1790000100.0
    whys: dict[str, list[str]] = field(default_factory=dict)

    def pass_s(self, seconds: float) -> None:
        self.now += seconds
        for one in self.replicas.values():
            turn = one.get("turn")
            if turn and turn["until"] <= self.now:
                words = f"the turn of {turn['owner']} ended without a word"
                one |= {"turn": None, "state": "ejected", "why": words}

    def complete(self, name: str) -> None:
        """It completes the gateway's own request."""
        one = self.replicas[name]
        if one["state"] == "ejected":
            one |= {"state": "in", "why": ""}

    @property
    def replicas(self) -> dict[str, Values]:
        services = self.state["services"].values()
        return {name: one for service in services for name, one in service["replicas"].items()}

    def _put(self, name: str, body: Values) -> tuple[int, Any]:
        if "turn" not in body or name not in self.replicas:
            return self._by_hand(name, body)
        asked, one = body["turn"], self.replicas[name]
        live = one.get("turn")
        owner = asked["owner"] if asked else body["owner"]
        if live and live["owner"] != owner:
            return 409, {"error": f"{name} has a turn of {live['owner']}", "others": {}}
        if asked is None:
            return self._end(one, body.get("prove", False))
        if not live and asked["alone"] and (why := self._not_alone(name)):
            others = {other: each["state"] for other, each in self._others(name).items()}
            return 409, {"error": why, "others": others}
        until = self.now + asked["for_s"]
        turn = {"owner": owner, "until": until, "hold_s": asked["hold_s"]}
        one |= {"turn": turn, "state": "drained", "why": body["why"]}
        self.whys.setdefault(name, []).append(body["why"])
        return 200, one

    def _by_hand(self, name: str, body: Values) -> tuple[int, Any]:
        """A drain by hand outlives turns; taken back, it ends one."""
        said = super()._put(name, body)
        if "drained" in body and name in self.replicas:
            drained = body.get("why", "by hand") if body["drained"] else None
            self.replicas[name] |= {"by_hand": drained}
            if drained is None:
                self.replicas[name]["turn"] = None
        return said

    def _end(self, one: Values, prove: bool) -> tuple[int, Any]:
        if one.get("turn") is None:
            return 200, one
        one |= {"turn": None, "state": "in", "why": ""}
        if prove:
            one |= {"state": "ejected", "why": "waits for a completion"}
        if one.get("by_hand"):
            one |= {"state": "drained", "why": one["by_hand"]}
        return 200, one

    def _others(self, name: str) -> dict[str, Values]:
        (service,) = [one for one in self.state["services"].values() if name in one["replicas"]]
        return {other: one for other, one in service["replicas"].items() if other != name}

    def _not_alone(self, name: str) -> str:
        others = self._others(name)
        for other, one in others.items():
            if one.get("turn"):
                return f"{other} has a turn of {one['turn']['owner']}"
        is_in = self.replicas[name]["state"] == "in"
        if others and is_in and not any(one["state"] == "in" for one in others.values()):
            return f"no other replica of the service is in than {name}"
        return ""
