"""Who takes part in an exchange, and what each is told: hosts are stood in for by their answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.errors import HostError
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner import sideways, weights, wheels
from rackwright.runner.fleet import FleetRun
from tests.samples.fleet import REVISION, hosts, server, service

MODEL = f"meta-llama/Llama-3.1-8B-Instruct@{REVISION}"
FOLDER = f"/var/lib/rackwright/models/meta-llama--Llama-3.1-8B-Instruct/{REVISION}"
FILES = [["config.json", 2, f"git:{'a' * 40}"], ["model.safetensors", 9, f"sha256:{'b' * 64}"]]
NAMES = ("gpu1", "gpu2", "gpu3")


class FakeInventory(dict[str, Any]):
    """Hosts by name; hashed by what it is, as pyinfra's."""

    __hash__ = object.__hash__  # type: ignore[assignment]


class Rack:
    """Three servers of one model. ``wrong`` lack it, ``silent`` say nothing, ``noted`` know files.

    What is asked of them to fetch or give is in ``asked``.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
        chat = service(servers=list(NAMES), gpus={name: [0] for name in NAMES})
        servers = {name: server(11 + number) for number, name in enumerate(NAMES)}
        data = hosts(servers, {"chat": chat}, **more)
        spec = load_fleet(data)
        self.fleet = FleetRun(spec, plan(spec))
        self.inventory = FakeInventory()
        state = SimpleNamespace(active_hosts=[])
        for name in NAMES:
            log: list[str] = []
            self.inventory[name] = SimpleNamespace(
                name=name, inventory=self.inventory, state=state, log=log.append, said=log
            )
        self.state = state
        self.wrong: set[str] = set()
        self.silent: set[str] = set()
        self.noted: set[str] = set()
        self.mute = False
        self.asked: dict[tuple[str, str], dict[str, Any]] = {}
        monkeypatch.setattr(weights, "call", self._call)
        monkeypatch.setattr(sideways, "reach", lambda inventory, name: inventory[name])

    def _call(self, host: Any, script: str, request: dict[str, Any], **_: Any) -> Any:
        assert script == "weights"
        self.asked[request["do"], host.name] = request
        if host.name in self.silent:
            raise HostError(f"{host.name} gave no answer")
        if request["do"] == "look":
            wrong = "is not there" if host.name in self.wrong else ""
            files = FILES if host.name in self.noted else None
            return {FOLDER: {"wrong": wrong, "files": files}}
        if request["do"] == "tell" and self.mute:
            raise HostError(f"{host.name}: HTTP 401")
        return FILES if request["do"] == "tell" else "done"

    def have(self, name: str, *in_run: str) -> dict[str, Any]:
        """What a host is told, in a run of those hosts."""
        self.state.active_hosts = [self.inventory[one] for one in (name, *in_run)]
        assert weights.have_weights(self.fleet, self.inventory[name]) == "done"
        return self.asked["fetch", name]


@pytest.fixture(autouse=True)
def no_threads_of_gevent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is spawned is done at once."""

    def spawn(act: Any, *arguments: Any) -> Any:
        done = act(*arguments)
        return SimpleNamespace(get=lambda: done)

    monkeypatch.setattr(sideways.gevent, "spawn", spawn)


def test_who_lacks_it_takes_and_who_has_it_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    rack = Rack(monkeypatch, sideways_mbit_per_s=800)
    rack.wrong, rack.noted = {"gpu1", "gpu2"}, {"gpu3"}
    told = rack.have("gpu1", "gpu2")
    (key,) = told["sideways"]["takers"]
    assert told["models"][0]["known_files"] == FILES
    assert told["sideways"] == {
        "token": told["sideways"]["token"],
        "me": "gpu1",
        "address": "192.0.2.11",
        "port": 7980,
        "peers": {"gpu2": ("192.0.2.12", 7980), "gpu3": ("192.0.2.13", 7980)},
        "takers": {key: ["gpu1", "gpu2"]},
        "holders": {key: ["gpu3"]},
        "bytes_per_s": 100_000_000,
    }
    given = rack.asked["give", "gpu3"]
    label = MODEL
    assert given["whole"] == [{"label": label, "files": FILES, "folder": FOLDER}]
    assert given["sideways"]["token"] == told["sideways"]["token"]
    assert given["sideways"]["me"] == "gpu3" and given["environment"] == {}
    assert ("tell", "gpu1") not in rack.asked, "gpu3 knows its files"


def test_where_nobody_has_it_one_that_lacks_it_is_told_the_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rack = Rack(monkeypatch)
    rack.wrong = set(NAMES)
    told = rack.have("gpu2", "gpu1", "gpu3")
    assert list(told["sideways"]["takers"].values()) == [list(NAMES)]
    assert [what for what in rack.asked if what[0] == "tell"] == [("tell", "gpu1")]
    assert not [what for what in rack.asked if what[0] == "give"]


def test_what_is_taken_and_told_is_from_where_a_host_has_its_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    way = {"bundle": {"url": "http://127.0.0.1:1/word"}}
    monkeypatch.setattr(
        "rackwright.runner.supplies.with_supply", lambda host, script, request: {**request, **way}
    )
    rack = Rack(monkeypatch)
    rack.wrong = set(NAMES)
    assert rack.have("gpu2", "gpu1", "gpu3")["bundle"] == way["bundle"]
    assert rack.asked["tell", "gpu1"]["bundle"] == way["bundle"]


def test_who_is_no_part_of_the_run_takes_nothing_and_gives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rack = Rack(monkeypatch)
    rack.wrong, rack.noted = {"gpu1", "gpu3"}, {"gpu2"}
    told = rack.have("gpu3")
    assert list(told["sideways"]["takers"].values()) == [["gpu3"]]
    assert list(told["sideways"]["peers"]) == ["gpu2"]
    assert ("give", "gpu2") in rack.asked


def test_one_that_says_nothing_is_gone_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    rack = Rack(monkeypatch)
    rack.wrong, rack.silent = {"gpu1", "gpu2"}, {"gpu3"}
    told = rack.have("gpu1", "gpu2")
    assert list(told["sideways"]["peers"]) == ["gpu2"]


def test_one_alone_is_told_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    rack = Rack(monkeypatch)
    rack.wrong = {"gpu1", "gpu2", "gpu3"}
    told = rack.have("gpu1")
    assert told["sideways"] == {"bytes_per_s": None} and "known_files" not in told["models"][0]
    rack = Rack(monkeypatch, sideways="off")
    rack.wrong = {"gpu1", "gpu2", "gpu3"}
    told = rack.have("gpu1", "gpu2")
    assert told["sideways"] == {"bytes_per_s": None} and ("look", "gpu2") not in rack.asked


def test_each_exchange_has_a_token_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    rack = Rack(monkeypatch)
    rack.wrong = set(NAMES)
    tokens = {rack.have("gpu1", "gpu2")["sideways"]["token"] for _ in range(2)}
    assert len(tokens) == 2 and all(len(token) > 40 for token in tokens)


def test_an_answer_that_is_junk_is_said_and_each_goes_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rack = Rack(monkeypatch)
    rack.wrong, rack.noted = {"gpu1", "gpu2"}, {"gpu3"}
    monkeypatch.setattr(f"{__name__}.FILES", [["../etc/passwd", 1, "sha256:0"]])
    told = rack.have("gpu1", "gpu2")
    assert told["sideways"] == {"bytes_per_s": None} and "known_files" not in told["models"][0]
    assert "is no path below a folder" in rack.inventory["gpu1"].said[0]


def test_where_no_origin_tells_the_files_each_says_so_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rack = Rack(monkeypatch)
    rack.wrong = set(NAMES)
    rack.mute = True
    assert rack.have("gpu1", "gpu2")["sideways"] == {"bytes_per_s": None}
    assert [what for what in rack.asked if what[0] == "tell"] == [
        ("tell", "gpu1"),
        ("tell", "gpu2"),
    ]
    assert "HTTP 401" in rack.inventory["gpu1"].said[0]


# --- wheels of releases ------------------------------------------------------------------------


class Installing:
    """Three servers that lack a release; ``fails`` is what taking wheels ends with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, alike: bool = True) -> None:
        self.rack = Rack(monkeypatch)
        self.alike, self.fails = alike, ""
        self.done: list[tuple[str, str, str, Any]] = []
        monkeypatch.setattr(wheels, "call", self._call)

    def _call(self, host: Any, script: str, request: dict[str, Any], **_: Any) -> Any:
        self.done.append((host.name, script, request["do"], request))
        (one,) = request["releases"]
        if request["do"] == "observe":
            return ["uv", "vllm"]
        if request["do"] == "list":
            key = "same" if self.alike else host.name
            label = "/".join(one["folder"].split("/")[-2:])
            return {one["folder"]: {"label": label, "files": WHEEL, "key": key}}
        if request["do"] == "take" and self.fails:
            raise HostError(self.fails)
        return "done"

    def have(self, name: str, *in_run: str) -> dict[str, Any]:
        """What the installation on a host is told."""
        self.rack.state.active_hosts = [self.rack.inventory[one] for one in (name, *in_run)]
        assert wheels.have_releases(self.rack.fleet, self.rack.inventory[name]) == "done"
        (request,) = [one[3] for one in self.done if one[:3] == (name, "release", "install")]
        return dict(request["wheels"])

    def asked(self, do: str) -> list[str]:
        return [name for name, _, done, _ in self.done if done == do]


WHEEL = [["a-1-py3-none-any.whl", 1, f"sha256:{'a' * 64}", "https://index.example/a"]]


def test_servers_that_lack_the_same_wheels_take_them_from_one_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Installing(monkeypatch)
    ((folder, place),) = run.have("gpu1", "gpu2").items()
    assert place == f"/opt/rackwright/wheels/{folder.rpartition('/')[2]}"
    (taken,) = [one[3] for one in run.done if one[2] == "take"]
    assert list(taken["sideways"]["peers"]) == ["gpu2"]
    assert list(taken["sideways"]["takers"].values()) == [["gpu1", "gpu2"]]
    assert taken["wheels"][folder]["files"] == WHEEL
    assert run.asked("list") == ["gpu1", "gpu2"], "gpu3 is no part of the run"


def test_wheels_of_another_python_or_of_one_server_are_left_to_uv(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Installing(monkeypatch, alike=False).have("gpu1", "gpu2") == {}
    alone = Installing(monkeypatch)
    assert alone.have("gpu1") == {} and alone.asked("take") == []


def test_wheels_that_do_not_come_are_left_to_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Installing(monkeypatch)
    run.fails = "gpu1: wheels failed: HTTP 404"
    assert run.have("gpu1", "gpu2") == {}
    assert "HTTP 404" in run.rack.inventory["gpu1"].said[0]
