"""The way through jump hosts: what ssh is told, and a way that ends."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from rackwright.runner.access import jump
from rackwright.runner.access.jump import Tunnel, tunnel
from tests.samples.access import SETTINGS


def argv(monkeypatch: pytest.MonkeyPatch, hops: str, config_file: str | None = None) -> str:
    started: list[list[str]] = []
    monkeypatch.setattr(jump, "Tunnel", lambda name, argv: started.append(argv))
    tunnel(replace(SETTINGS, jump=hops, config_file=config_file), 10)
    options = "-o ConnectTimeout=10 -o ServerAliveInterval=15 -o ControlMaster=no"
    return " ".join(started[0]).replace(options, "...")


def test_the_last_hop_is_gone_to_through_those_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert argv(monkeypatch, "a") == "ssh ... -W [192.0.2.9]:2200 -- ssh://a"
    assert argv(monkeypatch, "a:1,b,u@c:22", "f") == (
        "ssh -F f ... -J a:1,b -W [192.0.2.9]:2200 -- ssh://u@c:22"
    )
    assert argv(monkeypatch, "ssh://u@c:22").endswith("-- ssh://u@c:22")


def test_without_jump_hosts_there_is_none() -> None:
    assert tunnel(SETTINGS, 10) is None


def test_a_proxy_command_is_spoken_through() -> None:
    way = tunnel(replace(SETTINGS, command="sh -c 'echo 192.0.2.9; cat'"), 10)
    assert way is not None
    way.await_host(10)
    way.socket.sendall(b"asked\n")
    heard = b""
    while not heard.endswith(b"asked\n"):
        heard += way.socket.recv(100)
    assert heard == b"192.0.2.9\nasked\n"
    way.close()


def test_a_way_that_ends_says_why() -> None:
    way = Tunnel("gate", ["sh", "-c", "echo no route >&2"])
    with pytest.raises(ConnectionError, match="the way through gate ended"):
        way.await_host(10)
    assert way.words() == "no route"
    way.close()


def test_a_way_that_will_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jump, "END_S", 0.2)
    stubborn = "trap '' TERM; echo 192.0.2.9; exec 0<&-; while :; do sleep 1; done"
    way = Tunnel("gate", ["sh", "-c", stubborn])
    way.await_host(10)
    way.close()
    assert way._process.returncode == -signal.SIGKILL


def test_of_a_way_that_says_much_a_part_is_read() -> None:
    way = Tunnel("gate", ["sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x >&2"])
    with pytest.raises(ConnectionError):
        way.await_host(10)
    assert len(way.words()) == jump.MOST_WORDS
    way.close()
