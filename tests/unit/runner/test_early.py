"""Connections that begin while an inventory that was right is judged anew; hosts: tests/lab."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import Event
from pyinfra.api.config import Config
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State

from rackwright.errors import HostError
from rackwright.parts import pause
from rackwright.runner import before_connecting, early
from rackwright.runner.access import secrets
from rackwright.runner.access.connector import Answer, SshAccess
from rackwright.runner.remote_call import begin, call, give_up


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def inventory(*names: str, group: Any = 1, override: Any = None, **data: Any) -> Inventory:
    hosts = [(f"@rackwright-discover/{name}", data) for name in names or ("gpu1", "gw1")]
    return Inventory((hosts, {}), override_data=override, rack=(hosts, {"a": group}))


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> State:
    return State(inventory("gpu1"), Config())


@pytest.fixture
def access(state: State) -> SshAccess:
    found = state.inventory.get_host("gpu1").connector
    assert isinstance(found, SshAccess)
    return found


def test_who_connects_waits_for_what_was_begun_and_the_next_connects_anew(
    access: SshAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, made = Event(), []

    def connect() -> None:
        goes_on.wait()
        made.append(1)

    monkeypatch.setattr(access, "_connect_anew", connect)
    access.begin(Event())
    waits = gevent.spawn(access.connect)
    gevent.idle()
    assert not waits.ready()
    goes_on.set()
    waits.get()
    assert made == [1]
    access.connect()
    assert made == [1, 1]


def test_a_connection_that_fails_says_so_once_it_is_wanted(
    access: SshAccess, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refuses = [ConnectError("no route")]

    def connect() -> None:
        if refuses:
            raise refuses.pop()

    monkeypatch.setattr(access, "_connect_anew", connect)
    access.begin(Event()).join()
    assert capsys.readouterr() == ("", "")
    with pytest.raises(ConnectError, match="no route"):
        access.connect()
    access.connect()


def test_nobody_is_asked_before_the_inventory_was_judged(
    access: SshAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(secrets, "_asked", {})
    monkeypatch.setattr(secrets, "_has_terminal", lambda: True)
    monkeypatch.setattr(secrets, "getpass", lambda prompt: asked.append(prompt) or "word")
    judged = Event()

    def connect() -> None:
        secrets.passphrase("/key", access.may_ask)

    monkeypatch.setattr(access, "_connect_anew", connect)
    access.begin(judged)
    gevent.idle()
    assert not asked
    judged.set()
    access.connect()
    assert asked == ["passphrase of /key: "]


def test_an_inventory_that_is_wrong_after_all_is_hung_up_on(
    state: State, access: SshAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    monkeypatch.setattr(access, "_connect_anew", Event().wait)
    monkeypatch.setattr(access, "disconnect", lambda: ended.append("hung up"))
    early.begin(state)
    pause()
    early.stop(state)
    assert ended == ["hung up"]
    assert access._begun is None
    monkeypatch.setattr(early, "idle", lambda: ended.append("waits for nobody"))
    pause()
    assert ended == ["hung up"]


def test_what_was_right_is_judged_again_while_hosts_are_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    wrong: list[SystemExit] = []

    def judge(*_: Any) -> None:
        done.append("judge")
        if wrong:
            raise wrong[0]

    def init(state: Any, inventory: Inventory) -> None:
        done.append("init")

    monkeypatch.setattr(before_connecting, "refuse_if_faulty", judge)
    monkeypatch.setattr(before_connecting, "_runs_a_deploy_with", lambda word: True)
    for name in ("begin", "go_on", "stop"):
        monkeypatch.setattr(early, name, lambda *_, name=name: done.append(name))
    judged = before_connecting._judging(init, SshAccess)
    state = SimpleNamespace(add_callback_handler=lambda handler: done.append("asks ahead"))

    def order(port: int) -> list[str]:
        done.clear()
        try:
            judged(state, inventory(ssh_port=port))
        except SystemExit:
            done.append("ended")
        return list(done)

    first = ["judge", "init", "asks ahead"]
    assert [order(22), order(2222)] == [first, first]
    assert order(22) == ["init", "begin", "judge", "go_on", "asks ahead"]
    wrong.append(SystemExit(1))
    assert order(22) == ["init", "begin", "judge", "stop", "ended"]
    assert [order(23), order(23)] == [["judge", "ended"]] * 2, "what is wrong is not kept as right"


class Begun:
    """A script that waits on a host, and what it says."""

    def __init__(self, said: str | Exception, status: int = 0) -> None:
        self.said, self.status, self.given = said, status, b""

    def answer(self, given: bytes, timeout_s: int | None) -> Answer:
        self.given = given
        if isinstance(self.said, Exception):
            raise self.said
        output: Any = SimpleNamespace(stdout_lines=self.said.splitlines())
        return Answer(self.status, output)


def ask(
    state: State,
    monkeypatch: pytest.MonkeyPatch,
    begun: Begun | OSError,
    script: str = "questions",
    guess: str | None = None,
) -> tuple[Any, list[Any]]:
    """What is answered, and with what a Python was started anew for it."""
    host = state.inventory.get_host("gpu1")
    anew: list[Any] = []

    def begin_command(*_: Any, **__: Any) -> Any:
        if isinstance(begun, OSError):
            raise begun
        return begun

    def run(*_: Any, **options: Any) -> Any:
        anew.append(options["_stdin"])
        return True, SimpleNamespace(stdout_lines=['"anew"'], stderr_lines=[])

    monkeypatch.setattr(host.connector, "begin_command", begin_command)
    monkeypatch.setattr(host, "run_shell_command", run)
    begin(host, "questions", ("names",), ("names",), lambda: True, guess)
    gevent.idle()
    return call(host, script, ["names"], beside=("names",), looks=True), anew


def test_a_question_is_answered_by_what_waits_for_it(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = Begun('\n"there"\n')
    assert ask(state, monkeypatch, begun) == ("there", [])
    assert begun.given == b'[["names"]]\n'


@pytest.mark.parametrize(
    "begun",
    [OSError("gone"), Begun(OSError("gone")), Begun("", 0), Begun('"there"', 1)],
    ids=["not begun", "gone", "silent", "failed"],
)
def test_where_that_fails_a_host_is_asked_as_ever(
    state: State, monkeypatch: pytest.MonkeyPatch, begun: Any
) -> None:
    answer, anew = ask(state, monkeypatch, begun)
    assert answer == "anew" and len(anew) == 1
    with pytest.raises(HostError, match="anew"):  # what waited was used up, or never was
        call(state.inventory.get_host("gpu1"), "questions", beside=("names",), kind=dict)


def test_who_asks_as_another_user_is_not_answered_by_what_waits(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = state.inventory.get_host("gpu1")
    monkeypatch.setattr(host.connector, "begin_command", lambda *_, **__: Begun("2"))
    begin(host, "questions", (), (), lambda: True)
    gevent.idle()
    ask_as = {"_sudo": True, "_sudo_user": "other"}
    monkeypatch.setattr(host, "current_op_global_arguments", ask_as)
    told = SimpleNamespace(stdout_lines=["1"], stderr_lines=[])
    monkeypatch.setattr(host, "run_shell_command", lambda *_, **__: (True, told))
    assert call(host, "questions", looks=True) == 1


def test_another_question_is_not_what_was_waited_for(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = Begun('"there"')
    assert ask(state, monkeypatch, begun, "glance")[0] == "anew"
    assert begun.given == b""
    give_up(state.inventory.get_host("gpu1"))


# --- asked before it is known what it is to be asked ----------------------------------------------


def test_what_was_guessed_is_asked_at_once_and_answers_that_question(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = Begun('"there"')
    assert ask(state, monkeypatch, begun, guess='[["names"]]') == ("there", [])
    assert begun.given == b'[["names"]]\n'


@pytest.mark.parametrize("said", ['"there"', OSError("gone"), ValueError("no text"), ""])
def test_what_was_guessed_wrongly_or_is_not_answered_is_asked_as_ever(
    state: State, monkeypatch: pytest.MonkeyPatch, said: Any
) -> None:
    guess = '[["other"]]' if said == '"there"' else '[["names"]]'
    answer, anew = ask(state, monkeypatch, Begun(said), guess=guess)
    assert answer == "anew" and len(anew) == 1


def test_an_answer_is_of_one_call(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(state, monkeypatch, Begun('"there"'), guess='[["names"]]')
    host = state.inventory.get_host("gpu1")
    assert call(host, "questions", ["names"], beside=("names",), looks=True) == "anew"
