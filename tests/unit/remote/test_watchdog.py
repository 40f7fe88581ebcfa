"""The watchdog as a program: it asks real sockets, keeps notes, says how things are, and acts."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lab.ports import free_port
from rackwright.remote import watchdog
from rackwright.remote.guard import evidence, kept, kernel, left_stopped, service_manager
from rackwright.remote.guard.gpu_faults import Answer, Fault
from rackwright.remote.guard.looking import Asker, ended
from rackwright.remote.guard.peers import Watchdogs, state_of
from rackwright.remote.guard.server_gpus import ServerGpus
from rackwright.remote.guard.signs import COLD_S, UNTOLD_S, Completion
from rackwright.remote.guard.state_page import page_server
from rackwright.remote.guard.watched import Watched
from rackwright.remote.served import engine as served_engine
from rackwright.remote.served.engine import KEPT_BACK
from rackwright.runner.watchdog import packed

METRICS = "vllm:num_requests_running 2\nvllm:generation_tokens_total 7\n"
UNIT = {"ActiveState": "active", "InvocationID": "one", "ControlGroup": "/none", "MainPID": "1"}


class Engine(BaseHTTPRequestHandler):
    """Answers as its class says; ``silent`` keeps everybody waiting."""

    status, body, silent = 200, json.dumps({"choices": []}), threading.Event()
    metrics_status, metrics = 200, METRICS

    def do_GET(self) -> None:
        self.silent.wait()
        if self.path == "/metrics":
            self._say(self.metrics_status, self.metrics)
        else:
            self._say(200, "")

    def do_POST(self) -> None:
        self.silent.wait()
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(self.status, self.body)

    def _say(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def engine() -> Iterator[tuple[type[Engine], int]]:
    kind = type("Own", (Engine,), {"silent": threading.Event()})
    kind.silent.set()
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield kind, server.server_address[1]
        kind.silent.set()
        server.shutdown()


def replica(port: int, **more: Any) -> dict[str, Any]:
    return {
        "name": "chat-gpu1-0",
        "service": "chat",
        "unit": "rackwright-chat-gpu1-0.service",
        "address": "127.0.0.1",
        "port": port,
        "health_path": "/health",
        "metrics_path": "/metrics",
        "figures": {
            "requests_running": ["vllm:num_requests_running", ""],
            "tokens_generated": ["vllm:generation_tokens_total", ""],
        },
        "canary": {"path": "/v1/chat/completions", "body": {"model": "chat"}},
        "key_variable": None,
        "environment_path": "/nowhere",
        "stall_s": 20.0,
        "step_s": 20.0,
        "start_s": 60,
        "ranks": [],
        **more,
    }


def config(tmp_path: Path, port: int, **more: Any) -> dict[str, Any]:
    (tmp_path / "watchdog").mkdir(exist_ok=True)
    return {
        "format": 1,
        "unit": "rackwright-watchdog.service",
        "host": "gpu1",
        "address": "127.0.0.1",
        "port": 0,
        "state_dir": str(tmp_path),
        "restarts_an_hour": 3,
        "replicas": [replica(port)],
        "peers": {},
        "ranks": [],
        "gpus": [],
        "fatal_xids": {},
        "fatal_by_text": {},
        **more,
    }


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- asking --------------------------------------------------------------------------------------


def test_an_engine_is_asked_for_its_figures_and_a_completion(
    engine: tuple[type[Engine], int],
) -> None:
    asker = Asker(replica(engine[1]))
    asker.ask_once()
    assert (asker.answers, asker.seen()) == (2, (2.0, 7.0, (7.0, None, None, None)))
    found: list[Completion | None] = []
    asker.complete()
    wait_for(lambda: bool(found.append(asker.completed()) or found[-1]))
    assert found[-1] == Completion(True) and asker.completed() is None


def test_what_writes_nothing_lives_by_the_prompts_that_it_reads(
    engine: tuple[type[Engine], int],
) -> None:
    figures = {
        "requests_running": ["vllm:num_requests_running", ""],
        "prompt_tokens": ["vllm:prompt_tokens_total", ""],
    }
    engine[0].metrics = "vllm:num_requests_running 2\nvllm:prompt_tokens_total 9\n"
    told = replica(engine[1], figures=figures, life="prompt_tokens")
    asker = Asker(told)
    asker.ask_once()
    assert asker.seen() == (2.0, 9.0, (None, 9.0, None, None)) and not asker.untold
    assert Watched(told, 3).rules.counts
    engine[0].metrics = "vllm:prompt_tokens_total 9\n"
    asker.ask_once()
    assert not asker.untold, "it tells what it lives by"


@pytest.mark.parametrize(
    ("status", "metrics", "untold"),
    [
        (200, METRICS, False),
        (200, METRICS + "x" * (5 << 20), False),
        (200, "#" * (5 << 20) + METRICS, True),  # beyond what is read
        (200, "vllm:requests 2\n", True),
        (200, "", True),
        (401, METRICS, True),
    ],
)
def test_figures_that_are_refused_or_renamed_are_known_as_such(
    engine: tuple[type[Engine], int], status: int, metrics: str, untold: bool
) -> None:
    engine[0].metrics_status, engine[0].metrics = status, metrics
    asker = Asker(replica(engine[1]))
    asker.ask_once()
    assert (asker.untold, asker.answers) == (untold, 2)
    assert (asker.seen()[0] is None) is untold
    assert asker._longest_s() >= (UNTOLD_S if untold else COLD_S)


def test_figures_that_want_the_key_are_asked_for_with_it(
    engine: tuple[type[Engine], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read each time: a step may bring another one."""
    keys: list[str | None] = []

    def say(asked: Engine, status: int, text: str) -> None:
        keys.append(asked.headers.get("Authorization"))
        fits = keys[-1] == f"Bearer {environment.read_text().split('=')[1].strip()}"
        really(asked, status if fits or asked.path == "/health" else 401, text)

    really, environment = Engine._say, tmp_path / "env"
    monkeypatch.setattr(served_engine, "is_of", lambda *_: True)  # the unit's own process
    monkeypatch.setattr(engine[0], "_say", say)
    told = replica(engine[1], environment_path=str(environment), key_variable="VLLM_API_KEY")
    asker = Asker(told)
    for key in ("first-key", "second-key"):
        environment.write_text(f"VLLM_API_KEY={key}\n")
        asker.ask_once()
        assert (asker.untold, asker.seen()[1]) == (False, 7.0)
    assert keys == [None, "Bearer first-key", None, "Bearer second-key"], "health wants none"


def test_what_fails_in_asking_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An asker that ended would leave the last figures standing, and its engine dead."""
    asked: list[int] = []

    def fail(asker: Asker) -> None:
        asked.append(asker.answers)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Asker, "ask_once", fail)
    monkeypatch.setattr("rackwright.remote.guard.looking.LOOK_S", 0.01)
    Asker(replica(9)).start()
    wait_for(lambda: len(asked) > 2)


def test_a_completion_that_could_not_be_asked_for_is_no_fault_of_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("rackwright.remote.guard.looking.http", fail)
    asker, found = Asker(replica(9)), list[Completion | None]()
    asker.complete()
    wait_for(lambda: bool(found.append(asker.completed()) or found[-1]))
    assert found[-1] is not None and found[-1].refused


def test_one_that_is_gone_or_silent_answers_nothing(
    engine: tuple[type[Engine], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rackwright.remote.guard.looking.ASK_S", 0.2)
    engine[0].silent.clear()
    for port in (engine[1], 9):
        asker = Asker(replica(port))
        asker.ask_once()
        assert (asker.answers, asker.seen()) == (0, (None, None, None))


def test_what_an_earlier_start_completes_is_forgotten(engine: tuple[type[Engine], int]) -> None:
    asker = Asker(replica(engine[1]))
    asker.ask_once()
    engine[0].silent.clear()
    asker.complete()
    asker.forget()
    engine[0].silent.set()
    asker.complete()  # of the start that runs
    found: list[Completion | None] = []
    wait_for(lambda: bool(found.append(asker.completed()) or found[-1]))
    assert asker.completed() is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("7 1 5 0 1", "gave up after 5 starts that never became ready"),
        ("7 1 5 0 0", ""),
        ("", ""),
        ("junk", ""),
    ],
)
def test_a_unit_that_gave_up_says_after_how_many_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    monkeypatch.setattr(service_manager, "STARTS", tmp_path)
    (tmp_path / "unit").write_text(words)
    assert service_manager.gave_up("unit") == said
    assert service_manager.gave_up("other") == ""


def test_that_nobody_was_seen_to_hold_a_port_is_no_verdict_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[dict[str, Any]] = [{}, {"7-of-the-test": [["/own"]]}]
    monkeypatch.setattr(served_engine, "_holders", lambda _: seen.pop(0))
    assert not served_engine.is_of("/own", ["7-of-the-test"])
    assert served_engine.is_of("/own", ["7-of-the-test"])
    assert served_engine.is_of("/own", ["7-of-the-test"])  # known now


@pytest.mark.parametrize(
    ("reply", "completion"),
    [
        ({"status": 200, "body": {"choices": []}}, Completion(True)),
        ({"status": 200, "body": "text"}, Completion(False, "HTTP 200, and no completion")),
        ({"status": 200, "body": {"error": "x"}}, Completion(False, "HTTP 200, and no completion")),
        ({"status": 401, "body": ""}, Completion(False, "HTTP 401", refused=True)),
        ({"status": 429, "body": ""}, Completion(False, "HTTP 429", refused=True, busy=True)),
        ({"status": 500, "body": ""}, Completion(False, "HTTP 500")),
        ({"status": 503, "body": ""}, Completion(False, "HTTP 503", busy=True)),
        ({"error": "TimeoutError: x"}, Completion(False, "TimeoutError: x")),
        ({"error": KEPT_BACK}, Completion(False, KEPT_BACK, refused=True)),  # a stranger's port
    ],
)
def test_how_a_completion_ended(reply: dict[str, Any], completion: Completion) -> None:
    assert ended(reply) == completion


# --- the page ------------------------------------------------------------------------------------


def test_the_page_is_read_only_and_is_what_peers_read() -> None:
    with page_server("127.0.0.1", 0, lambda: {"replicas": {}}) as page:
        threading.Thread(target=page.serve_forever, daemon=True).start()
        address, port = page.server_address[:2]
        server = (str(address), int(port))
        assert state_of(server) == {"replicas": {}}
        for method, path, status in (
            ("GET", "/", 404),
            ("GET", "/state/../x", 404),
            ("POST", "/state", 501),
            ("PUT", "/state", 501),
        ):
            connection = HTTPConnection(*server, timeout=5)
            connection.request(method, path)
            assert connection.getresponse().status == status
            connection.close()
        others = Watchdogs({server, ("127.0.0.1", 9)})

        def heard() -> bool:
            others.ask()
            return others.said == {server: {"replicas": {}}}

        wait_for(heard)
        page.shutdown()


def test_who_holds_many_connections_open_takes_no_more_threads_than_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rackwright.remote.guard.state_page.MOST_AT_ONCE", 4)
    monkeypatch.setattr("rackwright.remote.guard.state_page.LONGEST_S", 0.5)
    with page_server("127.0.0.1", 0, lambda: {"replicas": {}}) as page:
        threading.Thread(target=page.serve_forever, daemon=True).start()
        server = (str(page.server_address[0]), int(page.server_address[1]))
        before = threading.active_count()
        idle = [socket.create_connection(server, timeout=30) for _ in range(20)]
        for connection in idle:  # hung up on at once, or once its time is over
            connection.sendall(b"GET /st")
            with contextlib.suppress(ConnectionError):
                assert connection.recv(1) == b""
            assert threading.active_count() - before <= 2 * 4
            connection.close()
        wait_for(lambda: state_of(server) == {"replicas": {}})
        page.shutdown()


@pytest.mark.parametrize(
    "junk", [None, [], "x", {"replicas": None}, {"replicas": {"a": None}}, {"replicas": []}]
)
def test_junk_of_another_watchdog_is_nothing(junk: Any) -> None:
    assert kept.said_by(junk, ["a"]) == []


# --- notes ---------------------------------------------------------------------------------------


def test_a_note_is_for_root_alone_and_the_first_of_two_stays(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    assert kept.write_first(path, {"why": "one"}) and not kept.write_first(path, {"why": "two"})
    assert kept.read(path) == {"why": "one"}
    kept.write(path, {"why": "three"})
    assert kept.read(path) == {"why": "three"} and path.stat().st_mode & 0o777 == 0o600
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("broken", ["", "{", "[]", "\0", '{"a": ' * 2000])
def test_a_broken_note_is_none_but_a_broken_quarantine_is_one(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "note.json"
    path.write_text(broken)
    assert kept.read(path) is None
    found = kept.quarantine_of(path)
    assert found is not None and "cannot be read" in found["why"]
    assert kept.quarantine_of(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("turn", "live"),
    [
        (None, False),
        ({}, False),
        ({"until_unix_s": "x"}, False),
        ({"until_unix_s": 999.0}, False),
        ({"until_unix_s": 1060.0}, True),
        ({"until_unix_s": 1_000_000.0}, False),  # a clock was set back
    ],
)
def test_a_turn_is_live_until_its_end(turn: dict[str, Any] | None, live: bool) -> None:
    assert kept.has_live_turn(turn, 1000.0) is live


def test_restarts_of_the_future_were_just_now() -> None:
    noted = {"a": [900.0, 5000.0, "x"], "b": None}
    assert kept.restarts_of(noted, "a", 1000.0) == [100.0, 0.0]
    assert kept.restarts_of(noted, "b", 1000.0) == kept.restarts_of(None, "a", 1000.0) == []


# --- all of it -----------------------------------------------------------------------------------


@pytest.fixture
def dog(
    tmp_path: Path, engine: tuple[type[Engine], int], monkeypatch: pytest.MonkeyPatch
) -> Iterator[watchdog.Watchdog]:
    """One over a real engine's sockets, and systemd's answers; nothing runs by itself."""
    monkeypatch.setattr(service_manager, "show", lambda _, *units: [dict(UNIT) for _ in units])
    made = watchdog.Watchdog(config(tmp_path, engine[1]))
    yield made
    made.page.server_close()


def test_a_replica_is_well_and_the_page_says_so(dog: watchdog.Watchdog) -> None:
    assert dog.state()["replicas"]["chat-gpu1-0"]["state"] == "suspected"
    dog.replicas[0].asker.ask_once()
    dog.look()
    dog.look()
    state = dog.state()
    assert (state["format"], state["host"], state["quarantine"]) == (1, "gpu1", None)
    one = state["replicas"]["chat-gpu1-0"]
    assert (one["state"], one["why"], one["service"], one["claims"]) == ("well", "", "chat", False)


def test_a_turn_and_a_quarantine_are_read_at_each_look(
    dog: watchdog.Watchdog, tmp_path: Path
) -> None:
    turn = tmp_path / "turns/chat-gpu1-0.json"
    turn.parent.mkdir()
    dog.look()
    turn.write_text(json.dumps({"until_unix_s": time.time() + 60}))
    dog.look()
    assert dog.state()["replicas"]["chat-gpu1-0"]["state"] == "in turn"
    turn.unlink()
    dog.gpus.file.write_text(json.dumps({"why": "GPU 0: lost", "since": 7}))
    dog.look()
    assert dog.state()["quarantine"] == {"why": "GPU 0: lost", "since": 7}
    dog.gpus.file.unlink()
    dog.look()
    dog.look()
    assert dog.state()["quarantine"] is None
    assert dog.state()["replicas"]["chat-gpu1-0"]["state"] == "well"


def test_a_restart_is_noted_before_it_is_done(
    dog: watchdog.Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    noted: list[bool] = []

    def run(*argv: str) -> str:
        noted.append((dog.folder / "restarts.json").exists())
        ran.append(" ".join(argv))
        return ""

    monkeypatch.setattr(service_manager, "run", run)
    dog.look()
    dog._act(dog.replicas[0], "restart")
    wait_for(lambda: len(ran) == 3)
    unit = "rackwright-chat-gpu1-0.service"
    assert ran == [
        f"systemctl kill --signal=KILL {unit}",
        f"systemctl reset-failed {unit}",
        f"systemctl --no-block restart {unit}",
    ]
    assert all(noted)
    again = watchdog.Watchdog({**dog.config, "port": 0})
    again.look()
    assert again.replicas[0].course is not None and len(again.replicas[0].course.restarts) == 1
    again.page.server_close()
    dog._act(dog.replicas[0], "forget")  # a step has proven it
    assert dog.restarts.ago_s("chat-gpu1-0") == []
    kept.write(dog.folder / "restarts.json", {"chat-gpu1-0": [time.time() - 3601], "gone": [1.0]})
    dog.restarts.add("chat-gpu1-0")
    noted = kept.read(dog.folder / "restarts.json") or {}
    assert set(noted) == {"chat-gpu1-0"} and len(noted["chat-gpu1-0"]) == 1


def test_what_an_earlier_start_told_is_nothing_of_the_one_that_runs(
    dog: watchdog.Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens of before would prove it."""
    watched = dog.replicas[0]
    watched.asker.ask_once()
    assert watched.look(UNIT).tokens == 7.0
    assert watched.look({**UNIT, "InvocationID": "two"}).tokens is None
    watched.asker.ask_once()
    assert watched.look({**UNIT, "InvocationID": "two"}).tokens == 7.0


@pytest.mark.parametrize(
    ("mark", "state", "started"),
    [
        ({"stage": "start", "until_unix_s": -1}, "inactive", 1),
        ({"stage": "start", "until_unix_s": 60}, "inactive", 0),
        ({"stage": "wait", "until_unix_s": -1}, "inactive", 0),
        ({"stage": "start", "until_unix_s": -1}, "active", 0),
        ({"stage": "start", "until_unix_s": -1}, "failed", 0),
        (None, "inactive", 0),
    ],
    ids=str,
)
def test_what_a_step_stopped_that_is_heard_of_no_more_is_started_once(
    mark: dict[str, Any] | None,
    state: str,
    started: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if mark:
        (tmp_path / "turns").mkdir()
        until = time.time() + mark["until_unix_s"]
        text = json.dumps({**mark, "until_unix_s": until})
        (tmp_path / "turns/wide-gpu2-0.json").write_text(text)
    units = {"wide-gpu2-0": "rackwright-wide-gpu2-0.service"}
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        service_manager, "units_now", lambda asked: [{"ActiveState": state} for _ in asked]
    )
    monkeypatch.setattr(left_stopped, "run", lambda *argv: ran.append(argv))
    left = left_stopped.LeftStopped(units, tmp_path / "turns")
    for _ in range(2):
        left.start(lambda words: None)
    assert ran == [("systemctl", "--no-block", "start", *units.values())] * started


def test_a_systemd_that_gives_no_answer_ends_nothing(
    dog: watchdog.Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def show(*_: str) -> None:
        raise OSError("no")

    monkeypatch.setattr(service_manager, "show", show)
    dog.look()
    assert dog.state()["replicas"]["chat-gpu1-0"]["state"] == "suspected"


def test_a_fatal_line_of_the_kernel_s_log_puts_the_server_in_quarantine_once(
    dog: watchdog.Watchdog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "kmsg"
    log.write_text("")
    monkeypatch.setattr(kernel, "LOG", log)
    monkeypatch.setattr(evidence, "of_server", lambda *_: None)
    gpus = [{"number": 0, "uuid": "GPU-a", "pci_bus_id": "00000000:17:00.0"}]
    told = {**dog.config, "gpus": gpus, "fatal_xids": {"79": "off the bus"}}
    dog.gpus = ServerGpus(told, dog.folder, print)
    monkeypatch.setattr(dog.gpus.nvml, "ask", lambda: None)
    dog.look()
    log.write_text("3,1,1,-;NVRM: Xid (PCI:0000:17:00): 79, gone\n")
    dog.look()
    dog.look()
    assert dog.state()["quarantine"]["why"] == "GPU 0: Xid 79 (off the bus): gone"
    why = dog.state()["replicas"]["chat-gpu1-0"]["why"]
    assert why == "the server is in quarantine: GPU 0: Xid 79 (off the bus): gone"
    dog.gpus.file.unlink()  # as its end
    dog.gpus = ServerGpus(told, dog.folder, print)
    dog.look()
    assert dog.state()["quarantine"] is None


@pytest.mark.parametrize("noted", ['{"boot": "BOOT", "sequence": "x"}', '{"sequence": null}', "["])
def test_a_broken_note_of_the_kernel_s_log_ends_no_watchdog_and_judges_nothing_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted: str
) -> None:
    log, cursor = tmp_path / "kmsg", tmp_path / "kernel_log.json"
    log.write_text("3,7,1,-;NVRM: Xid (PCI:0000:17:00): 79, gone\n")
    monkeypatch.setattr(kernel, "LOG", log)
    cursor.write_text(noted.replace("BOOT", kernel.BOOT.read_text().strip()))
    assert kernel.KernelLog(cursor).new_errors() == []
    assert (kept.read(cursor) or {})["sequence"] == 7


def test_a_disk_or_a_log_that_fails_later_ends_neither_watchdog_nor_quarantine(
    dog: watchdog.Watchdog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("Input/output error")

    log = tmp_path / "kmsg"
    log.write_text("")
    monkeypatch.setattr(kernel, "LOG", log)
    gpus = [{"number": 0, "uuid": "GPU-a", "pci_bus_id": "00000000:17:00.0"}]
    dog.gpus = ServerGpus({**dog.config, "gpus": gpus}, dog.folder, print)
    monkeypatch.setattr(dog.gpus.nvml, "ask", lambda: None)
    dog.gpus.file.write_text(json.dumps({"why": "GPU 0: lost", "since": 7}))
    dog.look()
    with monkeypatch.context() as failing:
        failing.setattr(kept, "quarantine_of", fail)
        failing.setattr(kernel.os, "read", fail)
        dog.look()
    assert dog.state()["quarantine"] == {"why": "GPU 0: lost", "since": 7}


def test_a_quarantine_holds_while_the_disk_is_full(
    dog: watchdog.Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise OSError("No space left on device")

    with monkeypatch.context() as while_full:
        while_full.setattr(kept, "write_first", full)
        while_full.setattr(evidence, "of_server", lambda *_: None)
        dog.gpus.begin([Fault("GPU 0: lost", ("GPU-a",))], [])
        dog.look()
        assert not dog.gpus.file.exists() and dog.state()["quarantine"]["why"] == "GPU 0: lost"
    dog.look()
    noted = kept.read(dog.gpus.file)
    assert noted is not None and (noted["gpus"], noted["by"]) == (["GPU-a"], "watchdog")


def test_a_replica_that_hangs_is_told_to_who_looks_at_the_driver(
    dog: watchdog.Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(dog.gpus, "hang_together", lambda *words: told.append(words))
    dog.look()
    dog.look()
    assert told == []
    course = dog.replicas[0].course
    assert course is not None
    dog.replicas[0].course = course._replace(state="out", why="no answer for 20 s", claims=True)
    dog.look()
    assert told == [("chat-gpu1-0", "no answer for 20 s")]
    assert dog.state()["driver"] == ""


def test_evidence_that_cannot_be_kept_is_said_and_holds_up_nothing(
    dog: watchdog.Watchdog, capsys: pytest.CaptureFixture[str]
) -> None:
    dog.look()
    (dog.folder / "evidence").write_text("")  # no folder
    dog._act(dog.replicas[0], "keep")
    wait_for(lambda: not dog.replicas[0].evidence.is_alive())
    said = capsys.readouterr().err
    assert "no evidence" in said and "Traceback" not in said


# --- evidence ------------------------------------------------------------------------------------


def test_evidence_is_bounded_private_and_without_the_replica_s_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["starts with a-secret-key", "x" * 3_000_000]
    monkeypatch.setattr(evidence, "entries", lambda *_: [{"MESSAGE": line} for line in lines])
    monkeypatch.setattr(evidence, "is_in", lambda group, _: group == "/own")
    monkeypatch.setattr(evidence, "all_pids", lambda: [os.getpid(), 2**22 + 1])
    monkeypatch.setattr(evidence, "asked_apart", lambda: Answer({"GPU-a": {"uncorrected": 0}}))
    monkeypatch.setattr(evidence, "PROGRAMS", str(tmp_path))
    (tmp_path / "env").write_text('VLLM_API_KEY="a-secret-key"\n')
    asked = replica(1, environment_path=str(tmp_path / "env"), control_group="/own")
    for number in range(evidence.MOST_FOLDERS + 3):
        folder = tmp_path / "evidence"
        path = evidence.of_replica(folder, {**asked, "name": f"r{number}"}, "hung", METRICS)
    assert len(list(folder.iterdir())) == evidence.MOST_FOLDERS
    assert path.stat().st_mode & 0o777 == 0o700
    texts = {file.name: file.read_text() for file in path.iterdir()}
    assert set(texts) == {"why.txt", "processes.txt", "py-spy.txt", "metrics.txt", "journal.txt",
                          "gpus.txt"}  # fmt: skip
    assert all(len(text) <= evidence.MOST_BYTES for text in texts.values())
    assert "a-secret-key" not in "".join(texts.values()) and "<hidden>" in texts["journal.txt"]
    assert f"process {os.getpid()}" in texts["processes.txt"]
    assert "hung" in texts["why.txt"] and texts["metrics.txt"] == METRICS


# --- as it lies on a host ------------------------------------------------------------------------


def test_it_is_one_file_that_the_host_s_own_python_runs(tmp_path: Path) -> None:
    """Without anything of this environment, and the same bytes each time it is made."""
    program = tmp_path / "program"
    program.write_bytes(packed())
    packed.cache_clear()
    assert program.read_bytes() == packed()
    port = free_port()
    told = {**config(tmp_path, 9), "port": port, "replicas": []}
    (tmp_path / "config.json").write_text(json.dumps(told))
    argv = [getattr(sys, "_base_executable", sys.executable), "-IB", str(program)]
    asked = subprocess.run([*argv, "gpus"], capture_output=True, text=True, timeout=60, check=True)
    assert set(json.loads(asked.stdout)) == {"gpus", "error"}
    listens = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(listens))
        systemd.settimeout(30)
        argv.append(str(tmp_path / "config.json"))
        with subprocess.Popen(argv, env={"NOTIFY_SOCKET": str(listens)}) as running:
            try:
                assert [systemd.recv(99) for _ in range(2)] == [b"READY=1", b"WATCHDOG=1"]
                wait_for(lambda: (state_of(("127.0.0.1", port)) or {}).get("host") == "gpu1")
            finally:
                running.kill()


def test_a_process_whose_stacks_do_not_come_takes_no_other_s_place_nor_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [0.0]
    monkeypatch.setattr("rackwright.remote.guard.evidence.time.monotonic", lambda: now_s[0])

    def stacks(pid: int) -> str:
        now_s[0] += evidence.COMMAND_S
        if pid == 1:
            raise subprocess.TimeoutExpired("py-spy", evidence.COMMAND_S)
        return f"stacks of {pid}"

    case = evidence.Case(tmp_path, "chat", "hung")
    case.keep_each("py-spy.txt", list(range(1, 33)), stacks)
    said = (case.path / "py-spy.txt").read_text()
    assert "== process 1\nTimeoutExpired" in said and "stacks of 2\nstacks of 3\nthere was" in said
    assert now_s[0] == evidence.ALL_S
