"""The way from a host to a bundle: over the SSH connection that is there, or right here."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.request import urlopen

import paramiko
import pytest
from pyinfra.connectors.local import LocalConnector

from rackwright.bundling.manifest import BundledHost
from rackwright.bundling.serving import Shelf
from rackwright.errors import HostError
from rackwright.runner.bundle_way import way_to
from tests.samples.bundles import bundle_in

LARGE = bytes(range(256)) * 40_000
"""More than a window of SSH."""


class Sshd(paramiko.ServerInterface):
    """A host's side of SSH, which opens ways back or refuses them."""

    def __init__(self, port: int) -> None:
        self.port, self.asked = port, 0

    def check_auth_none(self, username: str) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def check_port_forward_request(self, address: str, port: int) -> int:
        assert (address, port) == ("127.0.0.1", 0)
        self.asked += 1
        return self.port


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    files = {"wheels/a.whl": b"wheel", "models/large": LARGE}
    manifest = bundle_in(tmp_path, files, {"gpu1": BundledHost(system="debian 12 amd64")})
    return Shelf(tmp_path, manifest.files)


class Pair:
    """A host that is connected to, and the transport of its own side."""

    def __init__(self, port: int) -> None:
        ours, theirs = socket.socketpair()
        self.sshd = Sshd(port)
        self.server = paramiko.Transport(theirs)
        self.server.add_server_key(paramiko.RSAKey.generate(2048))
        self.server.start_server(event=threading.Event(), server=self.sshd)
        self.client = paramiko.Transport(ours)
        self.client.start_client(timeout=60)
        self.client.auth_none("root")
        connector = SimpleNamespace(client=SimpleNamespace(get_transport=lambda: self.client))
        self.host: Any = SimpleNamespace(name="gpu1", connector=connector)

    def ask(self, url: str, *paths: str) -> bytes:
        """What the host has for requests over one connection to its own port."""
        port = int(url.split(":")[2].split("/")[0])
        channel = self.server.open_forwarded_tcpip_channel(("127.0.0.1", 9), ("127.0.0.1", port))
        word = url.rpartition("/")[2]
        for path in paths:
            close = "Connection: close\r\n" if path == paths[-1] else ""
            channel.sendall(f"GET /{word}/{path} HTTP/1.1\r\n{close}\r\n".encode())
        said = b""
        while block := channel.recv(1 << 16):
            said += block
        return said

    def end(self) -> None:
        self.client.close()
        self.server.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair(4711)
    yield pair
    pair.end()


def test_a_host_asks_its_own_loopback_and_this_process_answers(pair: Pair, shelf: Shelf) -> None:
    url = way_to(shelf, pair.host)
    assert url == f"http://127.0.0.1:4711/{shelf.word}"
    said = pair.ask(url, "wheels/a.whl", "absent", "models/large")
    assert said.startswith(b"HTTP/1.1 200 OK") and b"\r\n\r\nwheelHTTP/1.1 404" in said
    assert said.endswith(LARGE)


def test_one_way_is_enough_for_a_connection(pair: Pair, shelf: Shelf) -> None:
    assert way_to(shelf, pair.host) == way_to(shelf, pair.host)
    assert pair.sshd.asked == 1


def test_a_host_that_hangs_up_ends_its_own_connection_alone(pair: Pair, shelf: Shelf) -> None:
    url = way_to(shelf, pair.host)
    port = int(url.split(":")[2].split("/")[0])
    channel = pair.server.open_forwarded_tcpip_channel(("127.0.0.1", 9), ("127.0.0.1", port))
    channel.sendall(f"GET /{shelf.word}/models/large HTTP/1.1\r\n\r\n".encode())
    channel.close()
    assert pair.ask(url, "wheels/a.whl").endswith(b"wheel")


def test_an_sshd_that_opens_none_is_said_with_what_it_has_to_allow(shelf: Shelf) -> None:
    pair = Pair(0)
    with pytest.raises(HostError, match=r"gpu1: .*AllowTcpForwarding remote"):
        way_to(shelf, pair.host)
    pair.end()


def test_this_machine_itself_is_served_without_ssh(shelf: Shelf) -> None:
    here: Any = SimpleNamespace(name="@local", connector=LocalConnector.__new__(LocalConnector))
    url = way_to(shelf, here)
    assert urlopen(f"{url}/wheels/a.whl").read() == b"wheel"
    assert way_to(shelf, here) == url


def test_a_host_that_is_reached_another_way_is_refused(shelf: Shelf) -> None:
    other: Any = SimpleNamespace(name="box", connector=object())
    with pytest.raises(HostError, match="box: a bundle is served over SSH"):
        way_to(shelf, other)
