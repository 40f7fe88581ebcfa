"""What a gateway has loaded of its data: seen over its socket, and loaded again."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rackwright.desired.items import Change, File, GatewayData, differences, payload, query
from rackwright.remote.host.running import Failed
from rackwright.remote.items import files, gateway_data
from rackwright.remote.state import observe
from tests.samples.gateway_socket import Gateway, listening

FLEET, KEYS = b'{"format": 1}', b'{"format": 1, "keys": []}'


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """One that runs and has loaded what lies there."""
    monkeypatch.setattr(gateway_data, "PATIENCE_S", 0.3)
    monkeypatch.setattr(gateway_data, "_activity", lambda unit: "active")
    door = Gateway(tmp_path)
    (tmp_path / "fleet.json").write_bytes(FLEET)
    door.keys.write_bytes(KEYS)
    door.state["loaded"] = {"fleet": digest(FLEET), "keys": 0, "keys_sha256": digest(KEYS)}
    with listening(door):
        yield door


def item(folder: Path, content: bytes = FLEET) -> GatewayData:
    fleet = File(str(folder / "fleet.json"), content)
    return GatewayData(str(folder / "state.sock"), fleet, str(folder / "keys.json"))


def difference(one: GatewayData) -> str | None:
    (seen,) = observe(query([one]))
    return one.difference(seen)


def load(one: GatewayData, before: dict[str, Any] | None = None) -> None:
    gateway_data.make(payload([Change(one, "", {})]), before or {})


def test_what_is_loaded_is_left_alone(gateway: Gateway) -> None:
    assert difference(item(gateway.folder)) is None
    assert [asked[:2] for asked in gateway.asked] == [("GET", "/state")]


def test_another_plan_or_other_keys_are_loaded(gateway: Gateway) -> None:
    assert difference(item(gateway.folder, b"{}")) == "has an older plan loaded: load"
    gateway.keys.write_bytes(b"{}")
    assert difference(item(gateway.folder)) == "has older keys loaded: load"
    gateway.keys.unlink()
    assert difference(item(gateway.folder)) == "has older keys loaded: load"
    gateway.state["loaded"]["keys_sha256"] = ""
    assert difference(item(gateway.folder)) is None  # none there, none loaded


def test_keys_that_this_run_changes_are_loaded_in_it(gateway: Gateway) -> None:
    one = item(gateway.folder)
    items = [File(str(gateway.keys), b"new"), one]
    changes = differences(items, observe(query(items)))
    assert [change.item for change in changes] == items
    assert changes[-1].reason == "has older keys loaded: load"


@pytest.mark.parametrize("answer", [[], {}, {"loaded": None}, {"loaded": "x"}, "no JSON"])
def test_a_gateway_that_says_nothing_of_use_is_to_load(gateway: Gateway, answer: Any) -> None:
    gateway.state = answer
    assert difference(item(gateway.folder)) == "not loaded: load"


def test_nobody_at_the_socket_is_to_load(tmp_path: Path) -> None:
    assert difference(item(tmp_path)) == "not loaded: load"


def test_a_load_is_asked_for_once(gateway: Gateway) -> None:
    load(item(gateway.folder))
    assert gateway.asked == [("POST", "/load", None)]


def test_what_the_gateway_refuses_is_put_back_and_an_error(gateway: Gateway) -> None:
    fleet = gateway.folder / "fleet.json"
    before = {str(path): files.saved(path) for path in (fleet, gateway.keys)}
    fleet.write_bytes(b"broken")
    gateway.keys.write_bytes(b"broken too")
    gateway.refuses = "fleet.json: no service"
    with pytest.raises(Failed, match=r"goes on with what it has: fleet\.json: no service"):
        load(item(gateway.folder), before)
    assert (fleet.read_bytes(), gateway.keys.read_bytes()) == (FLEET, KEYS)


def test_what_this_run_did_not_write_is_not_put_back(gateway: Gateway) -> None:
    fleet = gateway.folder / "fleet.json"
    before = {str(fleet): files.saved(fleet)}
    gateway.keys.write_bytes(b"of the operator")
    gateway.refuses = "no"
    with pytest.raises(Failed):
        load(item(gateway.folder), before)
    assert gateway.keys.read_bytes() == b"of the operator"


def test_a_gateway_that_starts_reads_its_data_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_data, "_activity", lambda unit: "activating")
    load(item(tmp_path))  # nobody listens, and nobody is asked


def test_a_socket_that_does_not_come_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_data, "PATIENCE_S", 0.0)
    monkeypatch.setattr(gateway_data, "_activity", lambda unit: "active")
    with pytest.raises(Failed, match=r"state\.sock: .*; see journalctl -u nginx\.service"):
        load(item(tmp_path))


def test_a_socket_that_comes_late_is_waited_for(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a reload Nginx opens a new one on its own time."""
    aside = gateway.socket.with_name("aside")
    gateway.socket.rename(aside)
    monkeypatch.setattr(gateway_data, "PATIENCE_S", 60.0)
    asked = threading.Event()
    monkeypatch.setattr(gateway_data.time, "sleep", lambda _: (asked.set(), back()))

    def back() -> None:
        if aside.exists():
            aside.rename(gateway.socket)

    load(item(gateway.folder))
    assert asked.is_set() and gateway.asked == [("POST", "/load", None)]
