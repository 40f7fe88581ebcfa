"""The order of operations is the one that pyinfra finds, wherever an operation is called from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pyinfra
import pytest
from pyinfra.api.arguments import all_global_arguments, pop_global_arguments
from pyinfra.api.config import Config
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.api.util import get_operation_order_from_stack

from rackwright.runner import each_operation
from rackwright.runner.each_operation import _arguments, order_from_frames, pop_arguments


def both(state: Any) -> tuple[list[Any], list[Any]]:
    """Asked in one line, so that lines agree."""
    return order_from_frames(state), get_operation_order_from_stack(state)


def deeper(state: Any, depth: int) -> tuple[list[Any], list[Any]]:
    return deeper(state, depth - 1) if depth else both(state)


@pytest.mark.parametrize("deploy", [__file__, None, "/nowhere/deploy.py"])
@pytest.mark.parametrize("depth", [0, 3])
@pytest.mark.parametrize("is_cli", [True, False])
def test_it_is_what_pyinfra_finds(
    monkeypatch: pytest.MonkeyPatch, deploy: str | None, depth: int, is_cli: bool
) -> None:
    monkeypatch.setattr(pyinfra, "is_cli", is_cli)
    state = SimpleNamespace(current_deploy_filename=deploy, current_op_file_number=7)
    ours, theirs = deeper(state, depth)
    assert ours == theirs
    assert (deploy == __file__) == (len(ours) == depth + 3 + is_cli)


def test_arguments_are_pyinfra_s() -> None:
    assert list(_arguments()) == all_global_arguments()


def test_arguments_of_a_host_are_what_pyinfra_finds_in_its_data() -> None:
    """In group data, in its own, in a call; what is in none of them is pyinfra's."""
    own = ("@rackwright-discover/gpu1", {"_sudo": True, "_retries": 2})
    gpus = (["@rackwright-discover/gpu1"], {"_env": {"A": "b"}, "_retries": 5})
    inventory = Inventory(([own], {"_timeout": 7}), gpus=gpus)
    state = State(inventory, Config())
    host = inventory.get_host("gpu1")
    host.data.answer = 42
    given: dict[str, Any] = {"_su_user": "engine", "path": "/srv"}
    ours = pop_arguments(state, host, mine := dict(given))
    theirs = pop_global_arguments(state, host, yours := dict(given))
    assert ours == theirs and mine == yours == {"path": "/srv"}
    assert (ours[0]["_retries"], ours[0]["_env"], ours[0]["_timeout"]) == (2, {"A": "b"}, 7)
    assert host.data.answer == 42


@pytest.fixture
def run() -> tuple[State, Any]:
    inventory = Inventory((["@rackwright-discover/gpu1"], {"_retries": 5, "_env": {"A": "b"}}))
    state = State(inventory, Config(INHERIT_ENV=("LAB_WORD",)))
    return state, inventory.get_host("gpu1")


def same(run: tuple[State, Any]) -> dict[str, Any]:
    """Of a call that says none of them, as of pyinfra."""
    ours = pop_arguments(*run, {"path": "/srv"})
    assert ours == pop_global_arguments(*run, {"path": "/srv"})
    return dict(ours[0])


def test_a_call_that_says_none_is_told_what_the_last_was(
    run: tuple[State, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    same(run)
    monkeypatch.setattr(each_operation, "pop_global_arguments", None)
    assert pop_arguments(*run, {})[0]["_env"] == {"A": "b"}
    pop_arguments(*run, {})[0]["_env"]["B"] = "of one call"
    assert pop_arguments(*run, {})[0]["_env"] == {"A": "b"}
    with pytest.raises(TypeError):
        pop_arguments(*run, {"_retries": 1})


def test_whatever_they_are_found_by_is_looked_at_each_time(
    run: tuple[State, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, host = run
    assert same(run)["_env"] == {"A": "b"}
    monkeypatch.setenv("LAB_WORD", "word")
    assert same(run)["_env"] == {"A": "b", "LAB_WORD": "word"}
    state.config.ENV["C"] = "d"
    assert same(run)["_env"]["C"] == "d"
    state.config.RETRY = 3
    host.data._retry_delay = 8
    assert same(run)["_retry_delay"] == 8
    host.current_deploy_kwargs = {"_retries": 1}
    assert same(run)["_retries"] == 1
    host.current_deploy_kwargs = None
    assert same(run)["_retries"] == 5
