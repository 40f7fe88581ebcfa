"""A gateway learns a second key of engines: in its file, by a reload; put back where refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote import engine_keys
from rackwright.remote.host.running import Failed
from rackwright.remote.served.key_id import key_id

OLD, NEW = "of-last-year", "of-this-year"


class Gateway:
    """Its file of secrets; ``loaded`` is what its workers know, ``breaks`` a command that fails."""

    def __init__(self, folder: Path) -> None:
        self.path, self.ran, self.loaded = folder / "secrets.json", [""], ""
        self.breaks, self.runs = "", True
        self.path.write_text(json.dumps({"engine": OLD, "overflow": {"chat": "x"}}))
        self.path.chmod(0o600)

    def run(self, *argv: str) -> str:
        self.ran.append(argv[0])
        if argv[0] == self.breaks:
            raise Failed(f"{argv[0]} said no")
        if argv[0] == "systemctl":
            self.loaded = " ".join(self.secrets.get("engine_keys", {}))
        return ""

    def ask(self, *words: Any) -> tuple[int, Any]:
        if not self.runs:
            raise FileNotFoundError
        return 200, {"loaded": {"engine_keys": self.loaded}}

    def learn(self, *keys: str, awaited: bool = True) -> Any:
        self.ran = []
        request = {"path": str(self.path), "socket": "/x", "keys": keys, "awaited": awaited}
        return engine_keys.main(request)

    @property
    def secrets(self) -> Any:
        return json.loads(self.path.read_text())


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    gateway = Gateway(tmp_path)
    monkeypatch.setattr(engine_keys, "ask", gateway.ask)
    monkeypatch.setattr(engine_keys, "run", gateway.run)
    monkeypatch.setattr(engine_keys, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(engine_keys, "PATIENCE_S", 0.5)
    return gateway


def test_it_knows_both_and_goes_on_with_its_own(gateway: Gateway) -> None:
    assert gateway.learn(NEW) == {}
    both = {key_id(OLD): OLD, key_id(NEW): NEW}
    assert gateway.secrets == {"engine": OLD, "overflow": {"chat": "x"}, "engine_keys": both}
    assert gateway.ran == ["nginx", "systemctl"]
    assert gateway.path.stat().st_mode & 0o777 == 0o600
    assert gateway.learn(NEW) == {} and gateway.ran == []


def test_a_third_takes_none_of_the_others_away(gateway: Gateway) -> None:
    assert gateway.learn(NEW) == gateway.learn("of-next-year") == {}
    assert set(gateway.secrets["engine_keys"].values()) == {OLD, NEW, "of-next-year"}


def test_its_own_key_is_nothing_to_learn(gateway: Gateway) -> None:
    before = gateway.path.read_bytes()
    assert gateway.learn(OLD) == {} == gateway.learn()
    assert gateway.path.read_bytes() == before and gateway.ran == []


def test_what_nginx_refuses_is_put_back(gateway: Gateway) -> None:
    before, gateway.breaks = gateway.path.read_bytes(), "nginx"
    assert "nginx said no" in gateway.learn(NEW)["error"]
    assert gateway.path.read_bytes() == before and gateway.ran == ["nginx"]


def test_what_a_dead_run_wrote_is_loaded_by_the_next(gateway: Gateway) -> None:
    gateway.breaks = "systemctl"
    assert "systemctl said no" in gateway.learn(NEW)["error"]
    gateway.breaks = ""
    assert gateway.learn(NEW) == {} and gateway.ran == ["systemctl"]


def test_workers_that_never_know_it_are_an_error_without_a_key(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_keys, "run", lambda *argv: "")
    error = gateway.learn(NEW)["error"]
    assert "does not know" in error and NEW not in error and OLD not in error


def test_where_none_runs_it_reads_it_as_it_starts(gateway: Gateway) -> None:
    gateway.runs = False
    assert gateway.learn(NEW) == {} and "systemctl" not in gateway.ran
    gateway.path.unlink()
    assert gateway.learn(NEW) == {} and not gateway.path.exists()


def test_a_file_that_is_no_json_is_not_shown(gateway: Gateway) -> None:
    gateway.path.write_text(f"{OLD}, ")
    assert gateway.learn(NEW) == {"error": f"{gateway.path}: is no JSON"}


@pytest.mark.parametrize(("state", "ran"), [("active", ["nginx", "systemctl"]), ("", ["nginx"])])
def test_one_of_an_older_release_is_not_waited_for(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, state: str, ran: list[str]
) -> None:
    monkeypatch.setattr(engine_keys, "show", lambda *words: [{"ActiveState": state}])
    monkeypatch.setattr(engine_keys, "ask", None)
    assert gateway.learn(NEW, awaited=False) == {} and gateway.ran == ran
