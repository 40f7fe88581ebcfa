"""What stands between the changes on a server and the starts that follow from them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.desired.items import Change, Directory, Unit
from rackwright.errors import HostError
from rackwright.runner import starting

HOST: Any = SimpleNamespace(name="gpu1")
FOLDER = Change(Directory("/var/cache/rackwright"), "is not there", {})
UNIT = Change(Unit("rackwright-chat-gpu1-0.service"), "is not there", {})


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []

    def call(host: Any, script: str, asked: dict[str, Any], **_: Any) -> dict[str, Any]:
        kinds = [one["kind"] for one in asked["items"]]
        found.append(kinds)
        return {"error": "no room"} if "refused" in (one["key"] for one in asked["items"]) else {}

    monkeypatch.setattr(starting, "call", call)
    return found


def test_all_else_is_made_before_what_comes_before_a_start(log: list[Any]) -> None:
    starting.make_then_start(HOST, [UNIT, FOLDER], lambda: log.append("before"))
    assert log == [["directory"], "before", ["unit"]]


def test_where_nothing_starts_nothing_comes_before(log: list[Any]) -> None:
    starting.make_then_start(HOST, [FOLDER], lambda: log.append("before"))
    starting.make_then_start(HOST, [], lambda: log.append("before"))
    assert log == [["directory"]]


def test_nothing_starts_where_the_rest_could_not_be_made(log: list[Any]) -> None:
    refused = Change(Directory("refused"), "is not there", {})
    with pytest.raises(HostError, match="no room"):
        starting.make_then_start(HOST, [refused, UNIT], lambda: log.append("before"))
    assert log == [["directory"]]
