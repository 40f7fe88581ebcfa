"""What a host answered, judged before anybody reads it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.errors import HostError
from rackwright.runner.asking import ask
from rackwright.runner.remote_call import call


class FakeHost:
    """A host that answers every command with one line."""

    name = "gpu1"
    current_op_global_arguments: dict[str, Any] = {"_sudo": True}  # noqa: RUF012

    def __init__(self, line: str) -> None:
        self.line, self.connected = line, False

    def run_shell_command(self, *_: Any, **__: Any) -> tuple[bool, Any]:
        return True, SimpleNamespace(stdout_lines=[self.line], stderr_lines=[])

    def connect(self, **_: Any) -> None:
        self.connected = True

    def disconnect(self) -> None:
        self.connected = False


@pytest.mark.parametrize("line", ["[]", "null", "42", '"bye"', "true", '[["a", 1]]'])
def test_an_answer_of_another_kind_is_none(line: str) -> None:
    with pytest.raises(HostError, match="gpu1: glance answered no dict, but "):
        call(FakeHost(line), "glance", kind=dict)  # type: ignore[arg-type]
    assert call(FakeHost('{"gpus": []}'), "glance", kind=dict) == {"gpus": []}  # type: ignore[arg-type]


@pytest.mark.parametrize("line", ["{}", '{"a": null}', '{"a": 5}', '{"a": []}', '{"a": {"b": 0}}'])
def test_one_that_cannot_be_read_is_its_host_s_alone(line: str) -> None:
    """The others are asked on, and the host is hung up on."""
    host = FakeHost(line)

    def question(asked: Any) -> dict[str, Any]:
        read = 1 / call(asked, "glance", kind=dict)["a"]["b"]
        return {"read": read}

    answer = ask(host, question)  # type: ignore[arg-type]
    assert answer["error"].startswith("its answer cannot be read (")
    assert not host.connected


def test_how_far_it_was_is_no_reason_why_it_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost("")
    said = ["\r  model: 1 of 9 MiB", "no space left", "\r  model: 2 of 9 MiB"]
    failed = SimpleNamespace(stdout_lines=[], stderr_lines=said)
    monkeypatch.setattr(host, "run_shell_command", lambda *_, **__: (False, failed))
    with pytest.raises(HostError) as caught:
        call(host, "weights")  # type: ignore[arg-type]
    assert str(caught.value) == "gpu1: weights failed: no space left"
