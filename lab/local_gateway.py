"""The gateway on loopback: the project's own configuration and Lua in this release's Nginx.

For tests of the Lua and for benchmarks; without hosts, without root, on ports of the caller's.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lab.fleet import ROOT
from lab.local_nginx import START_S, LocalNginx, local_nginx, wait_for
from rackwright.desired.gateway_config import Places, gateway_config
from rackwright.desired.gateway_places import GOODBYE_S

NAME = "localhost"
LUA = ROOT / "templates/gateway.lua"


class UnixConnection(http.client.HTTPConnection):
    """HTTP to a socket of the file system."""

    def __init__(self, path: Path, timeout_s: float = 30) -> None:
        """``path`` is the socket's."""
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """To the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass
class LocalGateway:
    """A gateway in a folder of its own; ``fleet`` and ``keys`` are what its data files say."""

    folder: Path
    port: int
    fleet: Mapping[str, Any]
    keys: Mapping[str, Any] = field(default_factory=lambda: {"format": 1, "keys": []})
    secrets: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 2
    host_names: Sequence[str] = (NAME,)
    settings: Mapping[str, Any] = field(default_factory=dict)
    resolvers: Sequence[str] = ("127.0.0.1",)
    trusted: str = "/etc/ssl/certs/ca-certificates.crt"
    nginx: LocalNginx = field(default_factory=local_nginx)
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where clients ask."""
        return f"https://{NAME}:{self.port}"

    @property
    def certificate(self) -> Path:
        """What clients trust."""
        return self.folder / "gateway.crt"

    @property
    def socket_path(self) -> Path:
        """Of the live state."""
        return self.folder / "state.sock"

    @property
    def state(self) -> Path:
        """The folder that outlives restarts."""
        return self.folder / "state"

    @property
    def access_log(self) -> Path:
        """A line of JSON a request."""
        return self.folder / "access.log"

    @property
    def error_log(self) -> Path:
        """What went wrong, of Nginx and of the Lua."""
        return self.folder / "error.log"

    def write_data(self) -> None:
        """Data files as they are now; the gateway has them after ``ask("POST", "/load")``."""
        for name in ("fleet", "keys", "secrets"):
            (self.folder / f"{name}.json").write_text(json.dumps(getattr(self, name)))

    def write(self) -> None:
        """Everything that it runs from."""
        for name in ("state", "temp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.write_data()
        if not self.certificate.exists():
            make_certificate(self.certificate, self.folder / "gateway.key", self.host_names)
        (self.folder / "gateway.lua").write_bytes(LUA.read_bytes())
        (self.folder / "gateway.conf").write_bytes(self._config())
        (self.folder / "nginx.conf").write_text(self._main())
        if os.geteuid() == 0:  # workers are nobody then, and write there
            for path in (self.state, self.folder / "temp"):
                shutil.chown(path, "www-data", "www-data")

    def _config(self) -> bytes:
        limits = {"client_max_body_size": "32m", "hsts_max_age_s": None}
        times = {"nginx_connect_timeout_s": 2, "nginx_read_timeout_s": 60}
        places = Places(
            folder=str(self.folder),
            state=str(self.state),
            socket=str(self.socket_path),
            certificate=str(self.certificate),
            certificate_key=str(self.folder / "gateway.key"),
            trusted=self.trusted,
            access_log=str(self.access_log),
            error_log=str(self.error_log),
        )
        settings = SimpleNamespace(**{**limits, **times, **self.settings})
        return gateway_config(self.port, self.host_names, places, settings, self.resolvers)

    def _main(self) -> str:
        temp = self.folder / "temp"
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        lines = [
            "daemon off;",
            *(["user www-data;"] if os.geteuid() == 0 else []),
            f"worker_processes {self.workers};",
            "worker_rlimit_nofile 20000;",
            f"pid {self.folder}/nginx.pid;",
            f"error_log {self.error_log} notice;",
            *(f"load_module {module};" for module in self.nginx.modules),
            "events { worker_connections 8192; }",
            "http {",
            *(f"{kind}_temp_path {temp}/{kind};" for kind in kinds),
            f"include {self.folder}/gateway.conf;",
            "}",
        ]
        return "\n".join(lines) + "\n"

    @contextmanager
    def running(self, prefix: Sequence[str] = ()) -> Iterator[LocalGateway]:
        """The gateway, up for the block."""
        self.write()
        self.socket_path.unlink(missing_ok=True)  # of one that was killed
        with self.nginx.running(self.folder / "nginx.conf", prefix) as self.process:
            wait_for(self.socket_path)
            wait_until(self._answers)
            yield self

    def _answers(self) -> bool:
        """Whether the socket does: its file is there before anybody listens."""
        try:
            return self.ask("GET", "/state")[0] == 200
        except ConnectionRefusedError:
            return False

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask the local socket: status, and the answer decoded where it is JSON."""
        connection = UnixConnection(self.socket_path)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        is_json = "json" in (answer.headers["Content-Type"] or "")
        return answer.status, json.loads(text) if is_json and text else text

    def nginx_pids(self) -> list[int]:
        """The master, and its workers."""
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *map(int, children.split())]

    def restart(self) -> None:
        """End it and start it again: what it shared in memory is gone."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(START_S)
        self.process.args, argv = self.process.args, self.process.args
        self.process.__init__(argv, env=self.nginx.environment, text=True, start_new_session=True)  # type: ignore[misc]
        wait_for(self.socket_path)
        wait_until(self._answers)

    def reload(self) -> None:
        """As `systemctl reload nginx` does on a gateway."""
        assert self.process
        self.ask("POST", "/reloading")
        time.sleep(GOODBYE_S)
        self.ask("GET", "/reloading")
        self.process.send_signal(signal.SIGHUP)

    def log_lines(self) -> list[dict[str, Any]]:
        """The access log, a value a request."""
        whole, _, _ = self.access_log.read_text().rpartition("\n")  # the last may be half written
        return [json.loads(line) for line in whole.splitlines()]

    def line_of(self, answer: Mapping[str, str]) -> dict[str, Any]:
        """The access log's, of the request whose answer had these headers: written behind it."""

        def lines() -> list[dict[str, Any]]:
            asked = answer["x-request-id"]
            return [line for line in self.log_lines() if line["request_id"] == asked]

        wait_until(lambda: bool(lines()))
        return lines()[0]


def make_certificate(certificate: Path, key: Path, names: Sequence[str]) -> None:
    """A self-signed one, for a day."""
    alternative = ",".join(f"DNS:{name}" for name in names)
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
            ),
            *("-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "1"),
            *("-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={alternative}"),
        ],
        check=True,
        capture_output=True,
    )


def wait_until(holds: Callable[[], bool], timeout_s: float = START_S) -> None:
    """Wait for a condition; AssertionError when it does not come."""
    until = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until, f"not within {timeout_s:.0f} s"
        time.sleep(0.02)
