"""keys, usage and gateway, run as an operator runs them, on stand-ins for gateways' sockets."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.samples.gateway_socket import Gateway, listening, replica, state
from tests.samples.gateway_verbs import Door, Verbs, verbs_here

KEY = re.compile(r"rw-[A-Za-z0-9_-]{43}\n")
USED = {"prompt_tokens": 30, "cached_tokens": 10, "completion_tokens": 12, "overflow_requests": 0}


class Fleet(NamedTuple):
    """Two gateways, stood in for, and the verbs that ask them."""

    verbs: Verbs
    gateways: dict[str, Gateway]


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    gateways = {name: Gateway(tmp_path / name) for name in ("gw1", "gw2")}
    doors = {name: Door(gateway.socket, gateway.keys) for name, gateway in gateways.items()}
    with ExitStack() as listeners:
        for gateway in gateways.values():
            gateway.folder.mkdir()
            gateway.state = state(chat_gpu1_0=replica(), chat_gpu2_0=replica())
            listeners.enter_context(listening(gateway))
        yield Fleet(verbs_here(monkeypatch, tmp_path, doors), gateways)


def test_a_key_is_printed_once_and_alone(fleet: Fleet) -> None:
    done = fleet.verbs.run("keys", "add", "alice", "--models", "chat", "--in-flight", "8")
    assert done.exit_code == 0, done.output
    assert KEY.fullmatch(done.stdout)
    digest = hashlib.sha256(done.stdout.strip().encode()).hexdigest()
    (key,) = fleet.verbs.clients["alice"].keys
    assert key.sha256 == digest and key.id in done.stderr
    assert fleet.verbs.known("gw1") == fleet.verbs.known("gw2") == {"alice"}
    for kept in (done.stderr, fleet.verbs.file.read_text(), fleet.gateways["gw1"].keys.read_text()):
        assert done.stdout.strip() not in kept


def test_a_key_that_cannot_be_printed_is_no_key(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(text: str, err: bool = False) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(import_module("rackwright.runner.key_changes"), "tell", full)
    done = fleet.verbs.run("keys", "add", "alice")
    assert done.exit_code == 65 and "the key cannot be printed (No space left" in done.stderr
    assert not fleet.verbs.file.exists() and not fleet.gateways["gw1"].asked


def test_without_applying_no_gateway_is_asked(fleet: Fleet) -> None:
    assert fleet.verbs.run("keys", "add", "alice", "--no-apply").exit_code == 0
    assert not any(gateway.asked for gateway in fleet.gateways.values())
    assert fleet.verbs.run("keys", "apply").exit_code == 0
    assert fleet.verbs.known("gw1") == {"alice"}


def test_a_gateway_without_an_answer_is_said(fleet: Fleet) -> None:
    fleet.verbs.silent["gw2"] = "no answer within 10 s"
    done = fleet.verbs.run("keys", "add", "alice")
    assert done.exit_code == 69 and KEY.fullmatch(done.stdout)
    assert "gw2: no answer within 10 s; the next deploy has them know the keys" in done.stderr
    assert "gw1: knows the keys" in done.stderr and fleet.verbs.known("gw1") == {"alice"}
    assert set(fleet.verbs.clients) == {"alice"}
    listed = fleet.verbs.run("keys", "list", "--live")
    assert listed.exit_code == 69 and "gw2: no answer" in listed.stderr
    assert listed.stdout.splitlines()[1].endswith(" gw1")


def test_rotated_and_revoked(fleet: Fleet) -> None:
    first = fleet.verbs.run("keys", "add", "alice", "--class", "batch").stdout
    second = fleet.verbs.run("keys", "rotate", "alice", "--keep", "2h")
    assert second.exit_code == 0 and KEY.fullmatch(second.stdout) and second.stdout != first
    old, new = fleet.verbs.clients["alice"].keys
    assert old.expires is not None and (old.expires - new.made).total_seconds() == 7200
    assert new.expires is None and fleet.verbs.clients["alice"].class_ == "batch"
    listed = fleet.verbs.run("keys", "list", "--live").stdout.splitlines()
    assert [line.split()[:2] for line in listed[1:]] == [["alice", old.id], ["alice", new.id]]
    assert all(line.endswith("gw1, gw2") for line in listed[1:])
    assert fleet.verbs.run("keys", "revoke", "alice", "--key", old.id).exit_code == 0
    assert fleet.verbs.clients["alice"].keys == (new,)
    assert fleet.verbs.run("keys", "revoke", "alice").exit_code == 0
    assert fleet.verbs.clients == {} and fleet.verbs.known("gw2") == set()
    assert fleet.verbs.run("keys", "list").stdout.startswith("no clients yet")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("add", "a b", "--models", "caht"), 65, ("client.models: is not a known model, did you "
         "mean 'chat'? (got 'caht')", "client.name: must be letters")),
        (("add", "a", "--models", ","), 65, ("client.models: must not be empty",)),
        (("add", "a", "--in-flight", "0"), 64, ("0 is not in the range",)),
        (("add", "a", "--expires", "2020-01-01"), 64, ("must be in the future",)),
        (("add", "a", "--class", "fast"), 64, ("'fast' is not one of",)),
        (("rotate", "alise"), 67, ("client 'alise' is not known, did you mean 'alice'?",)),
        (("rotate", "alice", "--keep", "1w"), 64, ("must be minutes, hours or days",)),
        (("revoke", "alice", "--key", "x"), 67, ("key 'x' is none of client 'alice'",)),
        (("add", "alice"), 67, ("`rotate` makes another",)),
        ((), 64, ("Missing command",)),
        (("ad",), 64, ("No such command",)),
    ],
)  # fmt: skip
def test_what_is_refused_changes_nothing(
    fleet: Fleet, words: tuple[str, ...], code: int, said: tuple[str, ...]
) -> None:
    fleet.verbs.run("keys", "add", "alice", "--no-apply")
    before = fleet.verbs.file.read_bytes()
    done = fleet.verbs.run("keys", *words)
    assert done.exit_code == code and done.stdout == "", done.output
    assert all(each in done.stderr for each in said), done.stderr
    assert fleet.verbs.file.read_bytes() == before and not fleet.gateways["gw1"].asked


def test_a_file_with_faults_is_left_as_it_is(fleet: Fleet) -> None:
    fleet.verbs.file.write_text("format: 1\nclients: {alice: {}}\n")
    for words in (("list",), ("add", "bob"), ("revoke", "alice"), ("apply",)):
        done = fleet.verbs.run("keys", *words)
        assert done.exit_code == 65 and "clients[alice].keys: is required" in done.stderr
        assert done.stdout == "" and not fleet.gateways["gw1"].asked


def test_usage_is_summed_over_the_gateways(fleet: Fleet) -> None:
    row = {"client": "alice", "model": "chat", "requests": 3, **USED}
    fleet.gateways["gw1"].usage = [{**row, "day": "2026-10-31"}, {**row, "day": "2026-11-02"}]
    fleet.gateways["gw2"].usage = [{**row, "day": "2026-11-02"}, {**row, "client": "bob",
                                   "day": "2026-11-03"}]  # fmt: skip
    done = fleet.verbs.run("usage", "--since", "2026-11-01")
    assert done.stdout.splitlines() == [
        "CLIENT  MODEL  REQUESTS  PROMPT  CACHED  COMPLETION  OVERFLOW",
        "alice   chat          6      60      20          24         0",
        "bob     chat          3      30      10          12         0",
        "all                   9      90      30          36         0",
    ]
    told = fleet.verbs.run("usage", "--since", "2026-11-01", "--by", "day", "--csv").stdout
    rows = list(csv.DictReader(told.splitlines()))
    assert [(each["day"], each["client"], each["requests"]) for each in rows] == [
        ("2026-11-02", "", "6"),
        ("2026-11-03", "", "3"),
    ]
    assert list(rows[0]) == ["client", "model", "day", "requests", "prompt_tokens",
                             "cached_tokens", "completion_tokens", "overflow_requests",
                             "audio_seconds"]  # fmt: skip


def test_seconds_of_sound_have_a_column_where_somebody_sends_some(fleet: Fleet) -> None:
    row = {"client": "alice", "model": "ear", "day": "2026-11-02", "requests": 3, **USED}
    fleet.gateways["gw1"].usage = [{**row, "audio_seconds": 95}]
    lines = fleet.verbs.run("usage", "--since", "2026-11-01").stdout.splitlines()
    assert lines[0].endswith("OVERFLOW  AUDIO S")
    assert lines[1].split()[-1] == "95"


def test_usage_says_who_is_missing(fleet: Fleet) -> None:
    fleet.verbs.silent["gw1"] = "gone"
    fleet.gateways["gw2"].usage = [{"day": "2999-01-01", "client": "a", "model": "m"}]
    done = fleet.verbs.run("usage", "--csv")
    assert done.exit_code == 69 and len(done.stdout.splitlines()) == 2
    assert "gw1: gone; what they counted is not in these sums" in done.stderr
    fleet.gateways["gw2"].usage = [{"day": "2999-01-01", "requests": "many"}]
    done = fleet.verbs.run("usage")
    assert done.exit_code == 69 and "gw2: " in done.stderr
    assert fleet.verbs.run("usage", "--by", "hour").exit_code == 64
    assert fleet.verbs.run("usage", "--since", "yesterday").exit_code == 64


def test_status_is_a_line_a_service_a_replica_and_a_client(fleet: Fleet) -> None:
    del fleet.gateways["gw2"].state["services"]["chat"]["replicas"]["chat-gpu2-0"]
    overflow = {"today": {"requests": 17, "tokens": 51234}, "in_flight": 1}
    fleet.gateways["gw2"].state["services"]["chat"]["overflow"] = overflow
    told = fleet.verbs.run("gateway", "status").stdout
    assert re.sub(" +", " ", told).splitlines() == [
        "GATEWAY SERVICE REPLICAS IN IN FLIGHT WAITING OVERFLOW TODAY REQUESTS TODAY TOKENS",
        "gw1 chat 2 of 2 2 1 - - -",
        "gw2 chat 1 of 1 2 1 1 17 51,234",
        "",
        "GATEWAY REPLICA STATE SINCE IN FLIGHT WEIGHT REQUESTS FAILURES TURN WHY",
        "gw1 chat-gpu1-0 in 2026-09-21 14:13:20 2 / 256 1 1,234 0 - -",
        "gw1 chat-gpu2-0 in 2026-09-21 14:13:20 2 / 256 1 1,234 0 - -",
        "gw2 chat-gpu1-0 in 2026-09-21 14:13:20 2 / 256 1 1,234 0 - -",
        "",
        "GATEWAY CLIENT IN FLIGHT TOKENS THIS MONTH",
        "gw1 alice 2 51,234",
        "gw2 alice 2 51,234",
    ]
    one = fleet.verbs.run("gateway", "status", "--on", "gw2", "--json")
    assert json.loads(one.stdout)["gateways"] == {"gw2": fleet.gateways["gw2"].state}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            {"turn": {"owner": "ops@desk", "until": 1790000142, "hold_s": 60}, "why": "rollout"},
            "ops@desk, 42 s rollout",
        ),
        ({"turn": {"owner": "ops", "until": 1790000099, "hold_s": 0}, "why": "r"}, "ops, 0 s r"),
        (
            {"why": "watchdog: out: no token for 90 s", "watchdog": "out: no token for 90 s"},
            "- watchdog: out: no token for 90 s",
        ),
        ({"watchdog": "suspected: no token for 9 s"}, "- watchdog: suspected: no token for 9 s"),
        ({"watchdog": "silent"}, "- watchdog: silent"),
        ({"watchdog": "well", "turn": None}, "- -"),
    ],
)
def test_status_says_who_has_a_turn_and_what_watchdogs_say(
    fleet: Fleet, more: dict[str, Any], told: str
) -> None:
    fleet.gateways["gw1"].state["services"]["chat"]["replicas"]["chat-gpu1-0"] |= more
    status = re.sub(" +", " ", fleet.verbs.run("gateway", "status", "--on", "gw1").stdout)
    (line,) = [one for one in status.splitlines() if one.startswith("gw1 chat-gpu1-0 ")]
    assert line.partition(" 1,234 0 ")[2] == told


def test_status_of_a_silent_gateway(fleet: Fleet) -> None:
    fleet.verbs.silent["gw1"] = "gone"
    done = fleet.verbs.run("gateway", "status", "--json")
    assert done.exit_code == 69 and "gw1: gone" in done.stderr
    assert json.loads(done.stdout)["gateways"]["gw1"] == {"error": "gone"}


def test_a_replica_is_drained_on_all_gateways_or_one(fleet: Fleet) -> None:
    done = fleet.verbs.run("gateway", "drain", "chat-gpu2-0", "--why", "a new disk")
    line = "chat-gpu2-0 is drained (a new disk), weight 1, 2 in flight"
    assert done.stdout.splitlines() == [f"gw1: {line}", f"gw2: {line}"]
    done = fleet.verbs.run("gateway", "undrain", "chat-gpu2-0", "--on", "gw1")
    assert done.stdout.splitlines() == ["gw1: chat-gpu2-0 is in, weight 1, 2 in flight"]
    done = fleet.verbs.run("gateway", "weight", "chat-gpu1-0", "0.5")
    assert done.stdout.splitlines()[1] == "gw2: chat-gpu1-0 is in, weight 0.5, 2 in flight"
    assert fleet.gateways["gw2"].asked[0] == (
        "PUT", "/replicas/chat-gpu2-0", {"drained": True, "why": "a new disk"}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ("drain", "chat-gpu1"),
            67,
            "replica 'chat-gpu1' is not known, did you mean 'chat-gpu1-0'",
        ),
        (("drain", "chat-gpu1-0", "--on", "gw3"), 67, "gateway 'gw3' is not known, did you mean"),
        (("status", "--on", "gw3"), 67, "gateway 'gw3' is not known, did you mean"),
        (("weight", "chat-gpu1-0", "0"), 64, "0.0 is not in the range"),
        (("weight", "chat-gpu1-0", "nan"), 64, "Invalid value for 'WEIGHT'"),
        (("weight", "chat-gpu1-0", "half"), 64, "'half' is not a valid float"),
    ],
)
def test_names_that_are_not_there_touch_no_gateway(
    fleet: Fleet, words: tuple[str, ...], code: int, said: str
) -> None:
    done = fleet.verbs.run("gateway", *words)
    assert done.exit_code == code and said in done.stderr, done.output
    assert not any(gateway.asked for gateway in fleet.gateways.values())


def test_a_replica_that_a_gateway_does_not_have_yet(fleet: Fleet) -> None:
    del fleet.gateways["gw2"].state["services"]["chat"]["replicas"]["chat-gpu2-0"]
    done = fleet.verbs.run("gateway", "drain", "chat-gpu2-0")
    assert done.exit_code == 69 and "gw2: 404: no replica chat-gpu2-0" in done.stderr
    assert done.stdout.startswith("gw1: chat-gpu2-0 is drained")
