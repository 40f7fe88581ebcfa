"""On a server: the mark of a step, and what ran before its change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote import turns as script
from rackwright.remote.items import stamps, turns
from rackwright.remote.served.key_id import key_id
from tests.samples.commands import Command

UNIT = """[Service]
ExecStart=/opt/rackwright/vllm/current/bin/python -m vllm
ExecStartPost=/opt/rackwright/bin/await-ready 192.0.2.11 {port} /health 1800
"""
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command) -> Path:
    """A server's folders; systemctl notes what it is told."""
    for name in ("units", "stamps", "turns"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(turns, "UNITS", tmp_path / "units")
    monkeypatch.setattr(stamps, "FOLDER", tmp_path / "stamps")
    monkeypatch.setattr(script, "LOCK", tmp_path / "lock")
    command("systemctl", f'echo "$*" >> {tmp_path}/systemctl')
    write(tmp_path, "one", 8000)
    return tmp_path


def write(place: Path, text: str, port: int) -> None:
    """What a deploy would have put there."""
    (place / "units/a.service").write_text(UNIT.format(port=port) + f"# {text}\n")
    (place / "a.env").write_text(f"KEY={text}\n")
    (place / "a.env").chmod(0o640)
    (place / "stamps/a.service.json").write_text(json.dumps({"restart": text}))


def read(place: Path) -> tuple[str, str, str]:
    files = ("units/a.service", "a.env", "stamps/a.service.json")
    unit, environment, stamp = ((place / name).read_text() for name in files)
    return unit.splitlines()[-1][2:], environment.strip()[4:], json.loads(stamp)["restart"]


@pytest.fixture
def ask(place: Path) -> Ask:
    def asked(do: str, owner: str = "me", **more: Any) -> dict[str, Any]:
        request = {
            "do": do,
            "folder": str(place / "turns"),
            "replica": "a",
            "unit": "a.service",
            "environment": str(place / "a.env"),
            "owner": owner,
            **more,
        }
        return script.main(request)

    return asked


def note(ask: Ask, stage: str, owner: str = "me", **more: Any) -> dict[str, Any]:
    return ask("note", owner, stage=stage, lease_s=90, **more)


def test_a_mark_says_who_and_where_until_it_ends(ask: Ask, place: Path) -> None:
    said = note(ask, "preflight")
    assert said == {
        "before": {},
        "listens": {"address": "192.0.2.11", "port": 8000},
        "there": True,
    }
    again = note(ask, "change")
    assert (again["before"]["stage"], again["before"]["owner"]) == ("preflight", "me")
    seen = turns.seen({"key": "a", "folder": str(place / "turns")})
    assert seen["until_unix_s"] - seen["began_unix_s"] >= 90
    assert (place / "turns/a.json").stat().st_mode & 0o777 == 0o600
    assert ask("end", "another") == {} and turns.mark_of(place / "turns", "a")
    assert ask("end") == {} and turns.mark_of(place / "turns", "a") == {}


def test_nobody_else_begins_while_it_lasts(ask: Ask) -> None:
    note(ask, "wait")
    said = note(ask, "preflight", "another")
    assert said["held"]["owner"] == "me" and 0 < said["left_s"] <= 90
    assert ask("held", "another")["held"]["owner"] == "me"
    assert ask("held", "me") == {}


def test_whose_step_is_gone_on_with_stands_in_nobodys_way(ask: Ask) -> None:
    note(ask, "wait", "dead")
    assert "held" in note(ask, "preflight", "me", heir_of="another")
    assert note(ask, "preflight", "me", heir_of="dead")["before"]["stage"] == "wait"


def test_one_whose_time_is_up_is_gone_on_with(ask: Ask) -> None:
    ask("note", "dead", stage="start", lease_s=-1)
    said = note(ask, "preflight")
    assert said["before"]["owner"] == "dead"


@pytest.mark.parametrize("text", ["", "[]", "{", "\0"])
def test_a_mark_that_cannot_be_read_is_a_step_that_was_left(
    text: str, ask: Ask, place: Path
) -> None:
    (place / "turns/a.json").write_text(text)
    assert turns.seen({"key": "a", "folder": str(place / "turns")})["stage"]
    assert note(ask, "preflight")["before"]["owner"] == "somebody"


def test_nothing_begins_where_something_is_missing(ask: Ask, place: Path) -> None:
    said = note(ask, "preflight", needs=[str(place), str(place / "weights")])
    assert said == {"missing": [str(place / "weights")]}
    assert turns.mark_of(place / "turns", "a") == {}


def test_what_ran_before_is_kept_and_put_back(ask: Ask, place: Path) -> None:
    note(ask, "change")
    assert ask("keep") == {}
    write(place, "two", 8001)
    kept = place / "turns/a.before"
    assert kept.stat().st_mode & 0o777 == 0o700
    assert {one.stat().st_mode & 0o777 for one in kept.iterdir()} <= {0o600, 0o644}
    assert (kept / "environment").stat().st_mode & 0o077 == 0
    assert ask("look", replicas=["a", "b"]) == {
        "a": {"listens": {"address": "192.0.2.11", "port": 8000}},
        "b": None,
    }
    assert ask("restore") == {}
    assert read(place) == ("one", "one", "one")
    assert (place / "a.env").stat().st_mode & 0o777 == 0o640
    told = (place / "systemctl").read_text().splitlines()
    assert told == ["daemon-reload", "reset-failed a.service", "--no-block restart a.service"]


def test_what_is_not_there_yet_is_not_stopped(ask: Ask, place: Path) -> None:
    """systemd knows no such unit and would refuse, and no replica of several ranks would come."""
    told = place / "systemctl"
    assert ask("stop") == {} and told.read_text() == "stop a.service\n"
    (place / "units/a.service").unlink()
    assert ask("stop") == {} and told.read_text() == "stop a.service\n"


def test_what_was_left_half_done_never_becomes_what_ran_before(ask: Ask, place: Path) -> None:
    note(ask, "change")
    ask("keep")
    write(place, "half", 8000)
    note(ask, "change")
    ask("keep")  # of the run that goes on
    ask("restore")
    assert read(place)[0] == "one"


def test_once_a_step_has_ended_the_next_keeps_anew(ask: Ask, place: Path) -> None:
    for text in ("two", "three"):
        note(ask, "change")
        ask("keep")
        write(place, text, 8000)
        ask("end")
    note(ask, "change")
    ask("restore", swap=True)
    assert read(place)[0] == "two"


def test_a_rollback_swaps_and_twice_is_forward_again(ask: Ask, place: Path) -> None:
    note(ask, "change")
    ask("keep")
    write(place, "two", 8001)
    ask("end")
    for expected in ("one", "two", "one"):
        note(ask, "change")
        assert ask("restore", swap=True) == {}
        assert read(place) == (expected, expected, expected)
        ask("end")


def test_a_rollback_that_was_cut_off_goes_on_and_not_forward(ask: Ask, place: Path) -> None:
    note(ask, "change")
    ask("keep")
    write(place, "two", 8001)
    ask("end")
    note(ask, "change")
    ask("restore", swap=True)
    note(ask, "change")  # the next run
    ask("restore", swap=True)
    assert read(place)[0] == "one"


def test_nothing_kept_is_said(ask: Ask, place: Path) -> None:
    assert "nothing is kept" in ask("restore", swap=True)["error"]
    turns._write_mark(place / "turns", {"replica": "a", "owner": "me", "changed": True})
    assert "nothing is kept" in ask("restore")["error"]


def test_what_ran_from_the_former_link_is_put_back_without_it(ask: Ask, place: Path) -> None:
    link = place / "current"
    link.symlink_to("/opt/rackwright/vllm/0.32.0-cuda-1234")
    unit = place / "units/a.service"
    unit.write_text(unit.read_text().replace("/opt/rackwright/vllm/current", str(link)))
    note(ask, "change")
    ask("keep", links=[str(link), str(place / "no-link")])
    ask("restore")
    assert "ExecStart=/opt/rackwright/vllm/0.32.0-cuda-1234/bin/python" in unit.read_text()


def two_releases(ask: Ask, place: Path) -> None:
    """The step from one to two has ended well."""
    note(ask, "change")
    ask("keep")
    write(place, "two", 8001)
    ask("end")


def test_what_was_not_changed_by_this_step_is_not_put_back_further(ask: Ask, place: Path) -> None:
    two_releases(ask, place)
    note(ask, "change")  # and what runs could not be kept
    assert ask("restore") == {}
    assert read(place) == ("two", "two", "two")
    ask("restore", swap=True)
    assert read(place)[0] == "one"


@pytest.mark.parametrize("stage", ["keep", "put", "mark"])
def test_a_way_back_that_is_cut_off_loses_neither(
    stage: str, ask: Ask, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_releases(ask, place)
    note(ask, "change")
    name = {"keep": "_keep", "put": "put_back", "mark": "_write_mark"}[stage]
    with monkeypatch.context() as patch:
        patch.setattr(turns, name, full_disk)
        assert "No space" in ask("restore", swap=True)["error"]
    assert ask("look", replicas=["a"])["a"]["listens"]["port"] == 8000
    note(ask, "change")
    assert ask("restore", swap=True) == {}
    assert read(place) == ("one", "one", "one")
    ask("end")
    note(ask, "change")
    assert ask("restore", swap=True) == {}
    assert read(place) == ("two", "two", "two")


@pytest.mark.parametrize("stage", ["_keep", "put_back", "_write_mark", ""])
def test_a_way_back_that_fails_is_undone_and_is_still_there(
    stage: str, ask: Ask, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_releases(ask, place)
    note(ask, "change")
    with monkeypatch.context() as patch:
        if stage:
            patch.setattr(turns, stage, full_disk)
        ask("restore", swap=True)
    assert ask("restore") == {}
    assert read(place) == ("two", "two", "two")
    assert ask("look", replicas=["a"])["a"]["listens"]["port"] == 8000


def test_a_rollout_after_a_way_back_that_was_cut_off_keeps_what_ran(
    ask: Ask, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_releases(ask, place)
    note(ask, "change")
    with monkeypatch.context() as patch:
        patch.setattr(turns, "restart", full_disk)
        ask("restore", swap=True)
    note(ask, "change")
    ask("keep")
    write(place, "three", 8002)
    assert ask("restore") == {}
    assert read(place) == ("two", "two", "two")


def test_what_was_never_proven_is_no_way_back_of_a_rollback(ask: Ask, place: Path) -> None:
    note(ask, "change")
    ask("keep")
    write(place, "half", 8001)  # and the rollout is killed
    note(ask, "change")
    ask("restore", swap=True)
    assert read(place)[0] == "one"
    ask("end")
    note(ask, "change")
    ask("restore", swap=True)
    assert read(place)[0] == "one"


def test_a_start_that_never_was_is_not_noted(
    ask: Ask, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note(ask, "change")
    ask("keep")
    write(place, "two", 8001)
    with monkeypatch.context() as patch:
        patch.setattr(turns, "restart", full_disk)
        ask("restore")
    assert not (place / "stamps/a.service.json").exists()
    ask("restore")
    assert read(place) == ("one", "one", "one")


def full_disk(*words: Any) -> None:
    raise OSError(28, "No space left on device")


def test_of_a_replica_that_is_gone_nothing_is_kept(ask: Ask, place: Path) -> None:
    two_releases(ask, place)
    note(ask, "change", "dead")
    assert ask("forget") == {}
    assert list((place / "turns").iterdir()) == []


def test_keys_of_engines_now_and_before(ask: Ask, place: Path) -> None:
    """The one that runs is told by its id alone."""
    note(ask, "change")
    assert ask("former key", variable="KEY") == {"key": ""}
    ask("keep")
    write(place, "two", 8000)
    assert ask("key id", variable="KEY") == {"id": key_id("two")}
    assert ask("former key", variable="KEY") == {"key": "one"}
    (place / "a.env").write_text('KEY="a\\"b$"\n')
    assert ask("key id", variable="KEY") == {"id": key_id('a"b$')}
    assert ask("key id", variable="OTHER") == {"id": ""}


def listening_at(place: Path, name: str, port: str, gpus: str) -> None:
    wait = f"ExecStartPost=/opt/x/await-ready 192.0.2.11 {port} /health 1800"
    environment = place / f"{name}.env"
    text = f"EnvironmentFile={environment}\n{wait}\n"
    (place / f"units/ours-{name}.service").write_text(text)
    environment.write_text(f'CUDA_DEVICE_ORDER=PCI_BUS_ID\nCUDA_VISIBLE_DEVICES="{gpus}"\n')


def test_what_units_take_is_told_of_each(ask: Ask, place: Path) -> None:
    listening_at(place, "a", "8000", "GPU-0,GPU-1")
    listening_at(place, "b", "8001", "")
    (place / "units/ours-c.service").write_text("[Service]\n")
    (place / "units/theirs.service").write_text("[Service]\n")
    said = ask("places", pattern="ours-*.service")
    assert said == {"a": ["port 8000", "GPU GPU-0", "GPU GPU-1"], "b": ["port 8001"], "c": []}


def test_a_process_whose_port_is_another_servers_takes_none(ask: Ask, place: Path) -> None:
    listening_at(place, "a", "8000", "GPU-0")
    unit = place / "units/ours-a.service"
    unit.write_text(unit.read_text().replace(" 1800", " 1800 elsewhere"))
    assert ask("places", pattern="ours-*.service") == {"a": ["GPU GPU-0"]}


def test_what_was_never_proven_has_the_places_that_it_may_be_put_back_to(
    ask: Ask, place: Path
) -> None:
    """So the next run knows again who exchanged places with whom."""
    listening_at(place, "a", "8000", "GPU-0")
    note(ask, "wait")
    own = {"unit": "ours-a.service", "environment": str(place / "a.env")}
    ask("keep", **own)
    listening_at(place, "a", "8001", "GPU-1")
    said = ask("places", pattern="ours-*.service")
    assert said == {"a": ["port 8001", "port 8000", "GPU GPU-1", "GPU GPU-0"]}
    ask("end")
    said = ask("places", pattern="ours-*.service")
    assert said == {"a": ["port 8001", "GPU GPU-1"]}
