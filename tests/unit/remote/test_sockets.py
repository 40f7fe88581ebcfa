"""Who listens on this machine: sockets of the test's own are found, each with its process."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from rackwright.remote.host.sockets import first_ephemeral, listening


@pytest.fixture
def listener(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    address: str = request.param
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        one = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip(f"{address} is none of this machine")
    with one:
        yield address, one.getsockname()[1]


@pytest.mark.parametrize("listener", ["127.0.0.1", "0.0.0.0", "::1", "::"], indirect=True)
def test_a_socket_is_told_with_its_address_and_process(listener: tuple[str, int]) -> None:
    address, port = listener
    # Another process may have the port of another address.
    mine = port, os.getpid()
    (found,) = [row for row in listening() if (row["port"], row["pid"]) == mine]
    assert found["address"] == address
    assert found["command"]


@pytest.mark.parametrize("listener", ["127.0.0.1"], indirect=True)
def test_a_connection_is_no_listener(listener: tuple[str, int]) -> None:
    with socket.create_connection(listener) as one:
        own = one.getsockname()[1]
        assert (own, os.getpid()) not in {(row["port"], row["pid"]) for row in listening()}


def test_the_kernel_s_own_range_begins_somewhere() -> None:
    assert 1024 <= first_ephemeral() < 65536
