"""A host key that is revoked is refused before a host learns anything."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import paramiko
import pytest

from rackwright.runner.access.connection import Connection
from rackwright.runner.access.revoked import wary
from rackwright.runner.access.ssh_config import SshSettings, ssh_settings

KEY = paramiko.ECDSAKey.generate()
LINE = f"{KEY.get_name()} {KEY.get_base64()}"


class Asked(paramiko.ServerInterface):
    """A server that lets nobody in, and remembers whether it was asked to."""

    was_asked = False

    def check_auth_password(self, username: str, password: str) -> int:
        self.was_asked = True
        return paramiko.common.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password"


@pytest.fixture
def asked() -> Iterator[tuple[int, Asked]]:
    server = Asked()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            transport = paramiko.Transport(listener.accept()[0])
            transport.add_server_key(KEY)
            transport.start_server(event=threading.Event(), server=server)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], server


def settings(known: Path, port: int = 22) -> SshSettings:
    every: dict[str, Any] = {key: meta.default for key, meta in Connection.data_meta.items()}
    found = ssh_settings("127.0.0.1", {**every, "ssh_config_file": "/dev/null", "ssh_port": port})
    return replace(found, known_hosts=(str(known),))


@pytest.mark.parametrize(("hosts", "refused"), [("*", True), ("HOST", True), ("other", False)])
@pytest.mark.parametrize("hashed", [False, True])
def test_a_revoked_key_is_refused_before_a_password_is_sent(
    asked: tuple[int, Asked], tmp_path: Path, hosts: str, refused: bool, hashed: bool
) -> None:
    port, server = asked
    known, where = tmp_path / "known", f"[127.0.0.1]:{port}"
    known.write_text(f"{where} {LINE}\n@revoked {hosts.replace('HOST', where)} {LINE}\n")
    if hashed:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    with pytest.raises(paramiko.SSHException) as failure:
        client.connect(
            "127.0.0.1",
            port,
            "ops",
            "secret",
            allow_agent=False,
            look_for_keys=False,
            transport_factory=wary(settings(known, port)),
        )
    client.close()
    assert ("is @revoked in known_hosts" in str(failure.value)) == refused
    assert server.was_asked == (not refused)


@pytest.mark.parametrize("text", ["", f"127.0.0.1 {LINE}\n", "@revoked\n", "@revoked * x\n"])
def test_where_none_is_revoked_paramiko_connects_as_ever(tmp_path: Path, text: str) -> None:
    (tmp_path / "known").write_text(text)
    assert wary(settings(tmp_path / "known")) is None
    assert wary(settings(tmp_path / "absent")) is None
