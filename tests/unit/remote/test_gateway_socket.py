"""A gateway asked on its own host, of a stand-in for its socket."""

from __future__ import annotations

import base64
import grp
import hashlib
import json
import os
import pwd
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote import gateway_keys, gateway_state
from tests.samples.gateway_socket import Gateway, listening


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    here = Gateway(tmp_path)
    monkeypatch.setattr(gateway_state, "SOCKET", str(here.socket))
    monkeypatch.setattr(gateway_keys, "LOCK", tmp_path / "lock")
    with listening(here):
        yield here


def item(gateway: Gateway, *digests: str) -> dict[str, Any]:
    content = json.dumps({"format": 1, "keys": [{"sha256": one} for one in digests]}).encode()
    return {
        "kind": "file",
        "key": str(gateway.keys),
        "content": base64.b64encode(content).decode(),
        "mode": 0o640,
        "owner": pwd.getpwuid(os.getuid()).pw_name,
        "group": grp.getgrgid(os.getgid()).gr_name,
    }


def put(gateway: Gateway, *digests: str) -> dict[str, Any]:
    return gateway_keys.main({"do": "put", "item": item(gateway, *digests)})


def look(gateway: Gateway) -> dict[str, Any]:
    return gateway_keys.main({"do": "look", "item": item(gateway)})


def test_a_question_has_its_answer(gateway: Gateway) -> None:
    said = gateway_state.main({"method": "GET", "path": "/state", "body": None})
    assert said == {"status": 200, "body": gateway.state}
    wanted = {"drained": True, "why": "a new disk"}
    said = gateway_state.main({"method": "PUT", "path": "/replicas/chat-gpu1-0", "body": wanted})
    assert (said["body"]["state"], said["body"]["why"]) == ("drained", "a new disk")
    assert gateway.asked[-1] == ("PUT", "/replicas/chat-gpu1-0", wanted)


def test_a_no_is_an_answer_too(gateway: Gateway) -> None:
    said = gateway_state.main({"method": "PUT", "path": "/replicas/x", "body": {}})
    assert said == {"status": 404, "body": {"error": "no replica x"}}


def test_where_nobody_listens_that_is_said(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = gateway.folder / "stale.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(stale))
    for path in (stale, gateway.folder / "none.sock"):
        monkeypatch.setattr(gateway_state, "SOCKET", str(path))
        assert "does not run here" in gateway_state.ask("GET", "/state")["error"]


def test_one_that_gives_no_answer_is_given_up(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = gateway.folder / "silent.sock"
    monkeypatch.setattr(gateway_state, "SOCKET", str(path))
    monkeypatch.setattr(gateway_state, "TIMEOUT_S", 0.2)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        said = gateway_state.ask("GET", "/state")
    assert said == {"error": "the gateway gave no answer (TimeoutError: timed out)"}


def test_keys_are_written_for_nginx_alone_and_loaded(gateway: Gateway) -> None:
    assert put(gateway, "a" * 64) == {"loaded": {"fleet": "f" * 64, "keys": 1}}
    assert stat.S_IMODE(gateway.keys.stat().st_mode) == 0o640
    assert look(gateway) == {"known": ["a" * 64]}


def test_what_the_gateway_refuses_is_put_back(gateway: Gateway) -> None:
    put(gateway, "a" * 64)
    gateway.refuses = "keys[0]: no client"
    said = put(gateway, "b" * 64)
    assert said == {"error": "the gateway refused the keys: {'error': 'keys[0]: no client'}"}
    assert look(gateway) == {"known": ["a" * 64]}
    gateway.keys.unlink()
    put(gateway, "b" * 64)
    assert not gateway.keys.exists()


def test_keys_that_are_not_loaded_are_not_known(gateway: Gateway) -> None:
    put(gateway, "a" * 64)
    gateway.keys.write_text('{"keys": [{"sha256": "b"}]}')
    assert look(gateway) == {"known": []}
    gateway.keys.write_text("{}")
    assert "cannot be read" in look(gateway)["error"]


def test_a_gateway_that_is_stopped_has_them_when_it_starts(gateway: Gateway) -> None:
    content = base64.b64decode(item(gateway, "a" * 64)["content"])
    moved = gateway.socket.rename(gateway.folder / "moved.sock")
    said = put(gateway, "a" * 64)
    moved.rename(gateway.socket)
    assert said["error"].endswith("it has the keys when it starts")
    digest = hashlib.sha256(gateway.keys.read_bytes()).hexdigest()
    assert digest == hashlib.sha256(content).hexdigest()


def test_a_host_that_is_no_gateway_yet_is_left_as_it_is(gateway: Gateway) -> None:
    absent = gateway.folder / "nginx" / "keys.json"
    said = gateway_keys.main({"do": "put", "item": {**item(gateway), "key": str(absent)}})
    assert said == {"error": "no gateway was deployed here yet"}
    assert not absent.parent.exists()
