"""One replica's entry in a gateway's data, put or taken away between two deploys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote import gateway_entries

A = {"name": "a", "host": "192.0.2.1", "port": 8000, "slots": 4, "weight": 1.0}
B = {"name": "b", "host": "192.0.2.2", "port": 8000, "slots": 4, "weight": 0.5}


class Place:
    """A gateway's data, and a socket that answers ``status``; what it was asked is kept."""

    def __init__(self, folder: Path) -> None:
        self.path, self.asked, self.status = folder / "fleet.json", 0, 200
        data = {"format": 1, "services": {"chat": {"replicas": [A, B]}}}
        self.path.write_text(json.dumps(data, indent=1) + "\n")
        self.path.chmod(0o640)

    def ask(self, *words: Any) -> tuple[int, Any]:
        self.asked += 1
        return self.status, {"error": "no"} if self.status != 200 else {}

    def put(
        self,
        name: str,
        entry: Any,
        service: str = "chat",
        router: str | None = None,
        look: bool = False,
    ) -> dict[str, Any]:
        request = {"path": str(self.path), "socket": "/x", "service": service, "router": router}
        return gateway_entries.main({**request, "name": name, "entry": entry, "look": look})

    @property
    def replicas(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.path.read_text())["services"]["chat"][
            "replicas"
        ]
        return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    place = Place(tmp_path)
    monkeypatch.setattr(gateway_entries, "ask", place.ask)
    monkeypatch.setattr(gateway_entries, "LOCK", tmp_path / "lock")
    return place


def test_one_that_moved_is_replaced_and_the_gateway_hears_of_it(place: Place) -> None:
    moved = {**A, "port": 8009}
    assert place.put("a", moved) == {"before": A}
    assert place.replicas == [B, moved] and place.asked == 1
    assert place.path.stat().st_mode & 0o777 == 0o640
    assert place.put("a", A) == {"before": moved}


def test_one_in_the_same_place_is_left_for_the_next_deploy(place: Place) -> None:
    before = place.path.read_bytes()
    assert place.put("a", {**A, "weight": 0.7}) == {"before": A}
    assert place.path.read_bytes() == before
    assert place.asked == 1, "who wrote it may have ended before it was loaded"


def test_a_new_one_comes_and_one_that_leaves_goes(place: Place) -> None:
    new = {**B, "name": "c"}
    assert place.put("c", new) == {"before": None}
    assert place.put("a", None) == {"before": A}
    assert place.put("a", None) == {"before": None}
    assert place.replicas == [B, new] and place.asked == 3


def test_what_a_gateway_does_not_know_is_passed_over(place: Place) -> None:
    assert "skipped" in place.put("a", A, service="code")
    place.path.unlink()
    assert "skipped" in place.put("a", A)


def test_data_that_are_refused_are_put_back(place: Place) -> None:
    before, place.status = place.path.read_bytes(), 422
    assert "refuses" in place.put("a", None)["error"]
    assert place.path.read_bytes() == before


@pytest.mark.parametrize(
    ("error", "stays"), [(ConnectionRefusedError(), True), (TimeoutError(), False)]
)
def test_one_that_does_not_run_reads_it_as_it_starts(
    error: OSError, stays: bool, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*words: Any) -> Any:
        raise error

    monkeypatch.setattr(gateway_entries, "ask", refuse)
    said = place.put("a", None)
    assert ("error" in said) != stays and (A not in place.replicas) == stays


def test_one_with_another_key_of_engines_keeps_what_a_deploy_said(place: Place) -> None:
    asked = {**A, "weight": 0.7, "key": "0123456789ab"}
    assert place.put("a", asked) == {"before": A}
    keyed = {**A, "key": "0123456789ab"}
    assert place.replicas == [B, keyed] and place.asked == 1
    assert place.put("a", asked) == {"before": keyed} and place.replicas == [B, keyed]
    assert place.put("a", A) == {"before": keyed} and place.replicas == [B, A]


def test_who_looks_changes_nothing(place: Place) -> None:
    before = place.path.read_bytes()
    assert place.put("a", None, look=True) == {"before": A}
    assert place.put("c", None, look=True) == {"before": None}
    assert place.path.read_bytes() == before and place.asked == 0


def test_one_behind_a_router_is_entered_there(place: Place) -> None:
    router = {"name": "router-chat", "host": "127.0.0.1", "port": 8700, "slots": 4, "weight": 1.0}
    chat = {"replicas": [router], "behind": [A]}
    place.path.write_text(json.dumps({"services": {"chat": chat}}))
    assert place.put("b", B, router="router-chat") == {"before": None}
    data = json.loads(place.path.read_text())["services"]["chat"]
    assert (data["behind"], data["replicas"]) == ([A, B], [router])


def test_data_of_an_older_release_know_a_router_alone(place: Place) -> None:
    chat = {"replicas": [{**A, "name": "router-chat"}]}
    place.path.write_text(json.dumps({"services": {"chat": chat}}))
    before = place.path.read_bytes()
    assert "skipped" in place.put("b", B, router="router-chat")
    assert place.path.read_bytes() == before


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_an_answer_that_is_lost_is_asked_for_again(
    lost: int, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lost twice, the file is as before, and so is what the gateway read of it last."""
    read: list[bytes] = []

    def ask(*words: Any) -> tuple[int, Any]:
        read.append(place.path.read_bytes())
        if len(read) <= lost:
            raise ConnectionResetError
        return 200, {}

    before = place.path.read_bytes()
    monkeypatch.setattr(gateway_entries, "ask", ask)
    said = place.put("a", None)
    assert read[-1] == place.path.read_bytes()
    assert ("error" in said) == (lost > 1) == (place.path.read_bytes() == before)
