"""Ranks over several servers: who starts with whom, and who ends because another did. Simulated."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote import gather
from rackwright.remote.gather import DOWN, GATHERS, JOINED, Place, Told, as_told, told_of
from rackwright.remote.guard import service_manager
from rackwright.remote.guard.ranks import Rank, Ranks, why_end
from tests.samples.commands import Command

UP = {"ActiveState": "active", "SubState": "running", "InvocationID": "a1"}
PLACES = [Place(rank, f"gpu{rank + 1}", f"192.0.2.{11 + rank}", 7979) for rank in range(4)]
DELAY_S = 10
"""Between the end of a rank and its next start: systemd's and the backoff's, of the first."""


# --- one rank --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "noted", "phase"),
    [
        (UP, {"start": "a1", "epoch": "e"}, JOINED),
        (UP, {"start": "a1", "epoch": ""}, GATHERS),
        (UP, {"start": "a0", "epoch": "e"}, DOWN),
        (UP, {}, DOWN),
        ({**UP, "ActiveState": "activating", "SubState": "start-pre"}, {"start": "a1"}, GATHERS),
        ({**UP, "ActiveState": "activating", "SubState": "auto-restart"}, {"start": "a1"}, DOWN),
        ({**UP, "ActiveState": "failed", "SubState": "failed"}, {"start": "a1"}, DOWN),
        ({**UP, "SubState": "stop-sigterm"}, {"start": "a1", "epoch": "e"}, DOWN),
        ({}, {"start": ""}, DOWN),
    ],
)
def test_a_rank_is_what_systemd_and_its_own_note_say(
    shown: Mapping[str, str], noted: dict[str, Any], phase: str
) -> None:
    assert told_of(shown, noted).phase == phase


def test_a_rank_that_gave_up_says_so() -> None:
    told = told_of({**UP, "SubState": "failed"}, {}, "gave up after 5 starts")
    assert (told.phase, told.why) == (DOWN, "gave up after 5 starts")


@pytest.mark.parametrize("said", [None, [], {}, {"phase": 1}, {"phase": "joined", "start": "a"}])
def test_what_makes_no_sense_was_not_said(said: Any) -> None:
    assert as_told(said) is None


def test_a_rank_arrives_as_it_was_told() -> None:
    told = Told(JOINED, "a", "a", {"1": "b"}, "well")
    assert as_told(json.loads(json.dumps(told._asdict()))) == told


# --- in words --------------------------------------------------------------------------------


def test_what_is_waited_for_is_said() -> None:
    here, busy, down = (
        Told(GATHERS, "a"),
        Told(JOINED, "b", "e"),
        Told(DOWN, "c", why="its unit is failed (failed)"),
    )
    members, words = gather.all_gathered(dict(zip(PLACES, (None, here, busy, down), strict=True)))
    assert members is None
    assert words == (
        "rank 0 on gpu1: its watchdog (192.0.2.11, port 7979) does not answer; "
        "rank 2 on gpu3: it still runs with an older start of rank 0; "
        "rank 3 on gpu4: its unit is failed (failed)"
    )
    assert gather.all_gathered({PLACES[1]: here}) == ({"1": "a"}, "")


def test_a_rank_starts_only_where_its_own_start_is_named() -> None:
    first = PLACES[0]
    named = Told(JOINED, "e", "e", {"1": "a"})
    assert gather.named_by(first, named, 1, "a") == ("e", "")
    assert gather.named_by(first, named, 1, "later")[0] == ""
    assert "it still runs without this start" in gather.named_by(first, named, 1, "later")[1]
    assert "does not answer" in gather.named_by(first, None, 1, "a")[1]
    assert "it waits for all ranks" in gather.named_by(first, Told(GATHERS, "e"), 1, "a")[1]


def test_who_is_not_heard_of_ends_nobody() -> None:
    leader, other = Told(JOINED, "e", "e", {"1": "a"}), Told(JOINED, "a", "e")
    assert why_end(0, leader, {PLACES[1]: None}) == ""
    assert why_end(1, other, {PLACES[0]: None}) == ""
    assert why_end(0, leader, {PLACES[1]: other}) == why_end(1, other, {PLACES[0]: leader}) == ""


def test_who_ended_is_named() -> None:
    leader, other = Told(JOINED, "e", "e", {"1": "a"}), Told(JOINED, "a", "e")
    gone = Told(DOWN, "a", why="its unit is failed (failed)")
    assert why_end(0, leader, {PLACES[1]: gone}) == (
        "rank 1 on gpu2 ended: its unit is failed (failed)"
    )
    again = why_end(0, leader, {PLACES[1]: Told(GATHERS, "b")})
    assert again == "rank 1 on gpu2 was started anew"
    assert why_end(1, other, {PLACES[0]: Told(GATHERS, "f")}) == "rank 0 on gpu1 was started anew"
    assert why_end(1, other, {PLACES[2]: gone}) == "", "rank 0 sees to that"
    assert why_end(1, Told(GATHERS, "a"), {PLACES[0]: gone}) == "", "it waits anyway"


# --- simulated -------------------------------------------------------------------------------


class Simulated:
    """One rank on its server: systemd, its gathering, its watchdog; a tick is a second."""

    def __init__(self, rank: int, fleet: Fleet) -> None:
        self.rank, self.fleet = rank, fleet
        self.starts, self.state = 0, "auto-restart"
        self.due_s, self.silent_until_s = 0, 0
        self.noted: dict[str, Any] = {}
        self._read: Told | None = None

    def told(self) -> Told:
        shown = {"SubState": self.state, "InvocationID": f"{self.rank}.{self.starts}"}
        return told_of(shown, self.noted)

    def answer(self) -> Told | None:
        return None if self.fleet.now_s < self.silent_until_s else self.told()

    def end(self, for_s: int = DELAY_S) -> None:
        self.state, self.due_s = "auto-restart", max(self.due_s, self.fleet.now_s + for_s)

    def systemd(self) -> None:
        if self.state == "auto-restart" and self.fleet.now_s >= self.due_s:
            self.starts, self.state = self.starts + 1, "start-pre"
            self.noted = {"start": f"{self.rank}.{self.starts}"}

    def gathers(self) -> None:
        if self.state != "start-pre":
            return
        start = self.noted["start"]
        if self.rank == 0:
            members, _ = gather.all_gathered(self.fleet.others(self.rank))
            epoch = start if members is not None else ""
        else:
            members = None
            place = PLACES[0]
            epoch, _ = gather.named_by(place, self.fleet.ranks[0].answer(), self.rank, start)
        if epoch:
            self.noted = {"start": start, "epoch": epoch, "members": members}
            self.state = "running"

    def watchdog(self) -> None:
        """Reads its own rank, is slow, and asks the others a tick later."""
        own, self._read = self._read, self.told()
        if own and why_end(self.rank, own, self.fleet.others(self.rank)) and self.told() == own:
            self.end()


class Fleet:
    """The ranks of one replica."""

    def __init__(self, size: int, seed: int) -> None:
        self.now_s, self._dice = 0, random.Random(seed)
        self.ranks = [Simulated(rank, self) for rank in range(size)]

    def others(self, rank: int) -> dict[Place, Told | None]:
        return {PLACES[r.rank]: r.answer() for r in self.ranks if r.rank != rank}

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now_s += 1
            acts = [a for r in self.ranks for a in (r.systemd, r.gathers, r.watchdog)]
            self._dice.shuffle(acts)
            for act in acts:
                act()

    @property
    def together(self) -> bool:
        """Whether all run, joined to one start of rank 0, which named the starts they are."""
        tolds = [rank.told() for rank in self.ranks]
        named = [tolds[0].start, *tolds[0].members.values()]
        return (
            all(t.phase == JOINED and t.epoch == tolds[0].start for t in tolds)
            and [told.start for told in tolds] == named
        )

    @property
    def starts(self) -> list[int]:
        return [rank.starts for rank in self.ranks]


def started(size: int, seed: int) -> Fleet:
    fleet = Fleet(size, seed)
    fleet.run(15)
    assert fleet.together and fleet.starts == [1] * size
    return fleet


@pytest.mark.parametrize("away_s", [0, 1, DELAY_S])
@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("seed", range(10))
def test_after_the_end_of_one_each_ends_once_and_all_start_together(
    size: int, away_s: int, seed: int
) -> None:
    """Also where it is started again before anybody has noticed."""
    for ends in range(size):
        fleet = started(size, seed)
        fleet.ranks[ends].end(away_s)
        fleet.run(40)
        assert fleet.together
        fleet.run(300)
        assert fleet.together and fleet.starts == [2] * size


@pytest.mark.parametrize("seed", range(20))
def test_a_server_that_is_away_for_long_costs_the_others_one_start(seed: int) -> None:
    """No engine starts before it is back, and none in vain."""
    for away in range(3):
        fleet = started(3, seed)
        fleet.ranks[away].end(for_s=600)
        fleet.ranks[away].silent_until_s = fleet.now_s + 590
        fleet.run(500)
        fleet.run(140)
        assert fleet.together and fleet.starts == [2] * 3


@pytest.mark.parametrize("seed", range(10))
def test_a_rank_that_is_stopped_leaves_no_engine_behind_that_nobody_can_use(seed: int) -> None:
    for stopped in range(3):
        fleet = started(3, seed)
        fleet.ranks[stopped].end(for_s=600)
        fleet.run(30)
        assert not any(rank.told().phase == JOINED for rank in fleet.ranks)
        fleet.run(600)
        assert fleet.together and fleet.starts == [2] * 3


@pytest.mark.parametrize("seed", range(20))
def test_a_watchdog_that_does_not_answer_ends_nothing(seed: int) -> None:
    fleet = started(3, seed)
    for rank in fleet.ranks:
        rank.silent_until_s = fleet.now_s + 20 + 10 * rank.rank
    fleet.run(300)
    assert fleet.together and fleet.starts == [1] * 3


@pytest.mark.parametrize("seed", range(100))
def test_ends_in_any_order_come_to_rest_within_a_minute(seed: int) -> None:
    dice = random.Random(seed)
    fleet = started(dice.choice([2, 3, 4]), seed)
    for _ in range(dice.randint(2, 12)):
        rank = dice.choice(fleet.ranks)
        if dice.random() < 0.3:
            rank.silent_until_s = fleet.now_s + dice.randint(1, 15)
        rank.end(for_s=dice.choice([0, 1, DELAY_S, 20]))
        fleet.run(dice.randint(0, 25))
    fleet.run(60)
    assert fleet.together
    before = fleet.starts
    fleet.run(300)
    assert fleet.together and fleet.starts == before


# --- acting ----------------------------------------------------------------------------------


@pytest.fixture
def leader(request: pytest.FixtureRequest) -> tuple[Place, dict[str, Any]]:
    """The watchdog of rank 0's server, and what it says: each answer once, the last for ever."""
    said: dict[str, Any] = {"answers": [{}]}

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = said["answers"]
            body = json.dumps(answers.pop(0) if len(answers) > 1 else answers[0]).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    request.addfinalizer(server.server_close)
    request.addfinalizer(server.shutdown)
    return Place(0, "gpu1", "127.0.0.1", server.server_port), said


def test_a_rank_waits_until_it_is_named_and_notes_with_whom(
    leader: tuple[Place, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, answers = leader
    monkeypatch.setattr(gather, "FOLDER", tmp_path / "ranks")
    monkeypatch.setattr(gather, "EVERY_S", 0)
    named = Told(JOINED, "e", "e", {"1": "a"})._asdict()
    answers["answers"] = [
        "no object",
        {"ranks": {"chat": {"phase": "?"}}},
        {"ranks": {"chat": Told(GATHERS, "e")._asdict()}},
        {"ranks": {"chat": named}},
    ]
    said: list[str] = []
    assert gather.gather("chat", "a", 1, [place], said.append) == "e"
    assert gather.noted("chat") == {"start": "a", "epoch": "e", "members": {}}
    assert said[-1] == "waits for rank 0 on gpu1: it waits for all ranks"
    assert len(said) == 2, "each thing once"


def test_the_first_rank_names_all_that_wait(
    leader: tuple[Place, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, answers = leader
    monkeypatch.setattr(gather, "FOLDER", tmp_path)
    other = place._replace(rank=1, server="gpu2")
    answers["answers"] = [{"ranks": {"chat": Told(GATHERS, "b")._asdict()}}]
    assert gather.gather("chat", "a", 0, [other], print) == "a"
    assert gather.noted("chat") == {"start": "a", "epoch": "a", "members": {"1": "b"}}


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_note_that_cannot_be_read_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(gather, "FOLDER", tmp_path)
    (tmp_path / "chat.json").write_text(text)
    assert gather.noted("chat") == gather.noted("other") == {}


SHOWN = "ActiveState=active\nSubState=running\nInvocationID={start}\n"


@pytest.fixture
def rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command) -> Rank:
    """Rank 1, joined to start "e" of rank 0; what systemctl is told is in ``asked``."""
    monkeypatch.setattr(gather, "FOLDER", tmp_path)
    monkeypatch.setattr(service_manager, "STARTS", tmp_path / "starts")
    gather.note("chat", "a", "e")
    shown = f"case $1 in show) printf '{SHOWN.format(start='a')}';; esac"
    command("systemctl", f'echo "$*" >> {tmp_path}/asked; {shown}')
    place = dict(PLACES[0]._asdict())
    entry = {"name": "chat", "unit": "chat.service", "rank": 1, "others": [place]}
    return Rank({"ranks": [entry]}, entry)


def killed(folder: Path) -> int:
    asked = (folder / "asked").read_text().splitlines()
    return asked.count("kill --signal=KILL chat.service")


def test_a_rank_whose_first_is_another_is_ended_and_that_is_said_once(
    rank: Rank, tmp_path: Path
) -> None:
    said: list[str] = []
    for _ in range(2):
        rank.look(lambda place, name: Told(GATHERS, "f"), said.append)
    assert killed(tmp_path) == 2, "as long as it is not gone"
    assert (tmp_path / "starts/chat.service.with-others").exists(), "it is not delayed"
    assert said == ["chat: rank 1 ends with the others: rank 0 on gpu1 was started anew"]


@pytest.mark.parametrize("answer", [None, Told(JOINED, "e", "e", {"1": "a"})])
def test_a_rank_whose_first_is_well_or_silent_goes_on(
    rank: Rank, tmp_path: Path, answer: Told | None
) -> None:
    rank.look(lambda place, name: answer, print)
    assert killed(tmp_path) == 0
    assert not (tmp_path / "starts").exists()


def test_a_rank_that_has_changed_while_others_were_asked_is_left_alone(
    rank: Rank, tmp_path: Path
) -> None:
    def ask(place: Place, name: str) -> Told:
        gather.note("chat", "later")
        return Told(GATHERS, "f")

    rank.look(ask, print)
    assert killed(tmp_path) == 0


def test_what_others_are_told_of_a_server_is_each_of_its_ranks(rank: Rank, tmp_path: Path) -> None:
    ranks = Ranks({"ranks": []})
    ranks.ranks = [rank]
    assert as_told(ranks.told()["chat"]) == Told(JOINED, "a", "e")
    (tmp_path / "fake-bin/systemctl").write_text("#!/bin/sh\nexit 1\n")
    assert ranks.told() == {}
