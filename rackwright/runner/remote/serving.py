"""On the host: what its replicas and its gateway do when they are asked. Judges nothing.

Everything is read twice over: what the process says (HTTP) and what the system says of the process
(systemd, /proc), because a stale server on the port answers /health too.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

UNIT_PROPERTIES = (
    "LoadState,ActiveState,SubState,MainPID,NRestarts,Result,ControlGroup,"
    "ActiveEnterTimestampMonotonic,ExecMainStartTimestampMonotonic,NeedDaemonReload"
)
HEALTH_TIMEOUT_S = 10
COMPLETION_TIMEOUT_S = 120
MOST_BYTES = 1 << 20
"""Of an answer; whoever is on the port may send without end."""

Values = dict[str, Any]


def unit(name: str) -> dict[str, str]:
    """What systemd says of a unit; nothing where it cannot be asked."""
    argv = ["systemctl", "show", "--property", UNIT_PROPERTIES, name]
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def listeners(port: int) -> list[Values]:
    """Every process that listens on a TCP port, from /proc: more than one can (SO_REUSEPORT).

    Each with pid, command, control groups, start (seconds after boot) and local addresses.
    """
    listening, found = _listening(port), []
    for entry in Path("/proc").glob("[0-9]*") if listening else ():
        inodes = listening.keys() & _sockets(entry)
        process = _process(entry) if inodes else None
        if process:
            found.append({**process, "addresses": sorted({listening[one] for one in inodes})})
    return found


def _listening(port: int) -> dict[str, str]:
    """Inode to local address (hex) of the sockets that listen on the port (state 0A, proc(5))."""
    found = {}
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        rows = [line.split() for line in lines]
        at = f":{port:04X}"
        found.update({row[9]: row[1] for row in rows if row[3] == "0A" and row[1].endswith(at)})
    return found


def _sockets(entry: Path) -> set[str]:
    try:
        links = [_target(handle) for handle in (entry / "fd").iterdir()]
    except OSError:
        return set()
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def _target(handle: Path) -> str:
    """What an open file is; a busy process has closed it by the time it is asked for."""
    try:
        return str(handle.readlink())
    except OSError:
        return ""


def _process(entry: Path) -> Values | None:
    try:
        command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        groups = (entry / "cgroup").read_text()
        ticks = int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[19])
    except OSError:
        return None
    return {
        "pid": int(entry.name),
        "command": command.strip()[:200],
        "cgroups": sorted({line.split(":", 2)[2] for line in groups.splitlines()}),
        "started_s": ticks / os.sysconf("SC_CLK_TCK"),
    }


def http(
    connection: HTTPConnection,
    method: str,
    path: str,
    body: Values | None = None,
    headers: dict[str, str] | None = None,
) -> Values:
    """One request: status, parsed JSON (or text), chosen headers and seconds; or the error."""
    started = time.monotonic()
    try:
        payload = json.dumps(body) if body is not None else None
        sent = {"Content-Type": "application/json", **(headers or {})}
        connection.request(method, path, payload, sent)
        answer = connection.getresponse()
        text = answer.read(MOST_BYTES).decode(errors="replace")
        replica = answer.headers.get("X-Rackwright-Replica")
    except (OSError, HTTPException) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    except ValueError as error:  # its words may hold the key, as in a header that cannot be sent
        return {"error": f"{type(error).__name__} in the request or its answer"}
    finally:
        connection.close()
    seconds = round(time.monotonic() - started, 3)
    return {"status": answer.status, "body": _json(text), "replica": replica, "seconds": seconds}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text[:500]


def _question(model: str, max_tokens: int) -> Values:
    return {
        "model": model,
        "messages": [{"role": "user", "content": "Answer in one word: what colour is the sky?"}],
        "max_tokens": max_tokens,
        "temperature": 0,
    }


def _authorization(path: str | None) -> dict[str, str]:
    """The API key a replica was given, read from its own environment file."""
    if not path or not Path(path).exists():
        return {}
    for line in Path(path).read_text().splitlines():
        if line.startswith("VLLM_API_KEY="):
            return _bearer(_unquote(line.split("=", 1)[1]))
    return {}


def _unquote(text: str) -> str:
    """The value that ``desired.render.environment_quote`` quoted."""
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def replica(asked: Values) -> Values:
    """Everything about one replica: unit, listeners, health, models and a real completion.

    Of a later server of a replica that spans several only the unit: the first answers for it.
    """

    def ask(method: str, path: str, timeout_s: int, body: Values | None = None) -> Values:
        connection = HTTPConnection(asked["address"], asked["port"], timeout=timeout_s)
        return http(connection, method, asked[path], body, key)

    if not asked.get("answers", True):
        return {"unit": unit(asked["unit"])}
    key = _authorization(asked["environment_path"])
    question = _question(asked["served_model_name"], asked["max_tokens"])
    return {
        "unit": unit(asked["unit"]),
        "listeners": listeners(asked["port"]),
        "health": ask("GET", "health_path", HEALTH_TIMEOUT_S),
        "models": ask("GET", "models_path", HEALTH_TIMEOUT_S),
        "completion": ask("POST", "completions_path", COMPLETION_TIMEOUT_S, question),
    }


def gateway(asked: Values) -> Values:
    """The gateway as a client would see it, from its own host: nginx, TLS, models, completions."""
    services = {service["name"]: _service(asked, service) for service in asked["services"]}
    return {
        "unit": unit("nginx.service"),
        "config_test": _config_test(),
        "services": services,
        "closed_path": _gateway_call(asked, "GET", "/metrics"),
    }


def _config_test() -> Values:
    try:
        nginx = subprocess.run(
            ["nginx", "-t", "-q"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    except OSError as error:
        return {"ok": False, "words": str(error)}
    return {"ok": nginx.returncode == 0, "words": nginx.stderr.strip()[-500:]}


def _service(asked: Values, service: Values) -> Values:
    """Models and completions; the first completion that fails is the last that is asked for."""
    key, prefix = _bearer(service["key"]), service["prefix"]
    question, completions = _question(service["served_model_name"], 8), []
    for _ in range(service["completions"]):
        path = f"{prefix}/v1/chat/completions"
        completions.append(_gateway_call(asked, "POST", path, question, key))
        if completions[-1].get("status") != 200:
            break
    models = _gateway_call(asked, "GET", f"{prefix}/v1/models", None, key)
    return {"models": models, "completions": completions}


def _gateway_call(
    asked: Values,
    method: str,
    path: str,
    body: Values | None = None,
    headers: dict[str, str] | None = None,
) -> Values:
    """Over TLS to this host, by the name the certificate is for; trust is judged separately."""
    try:
        trust = _trust(asked["certificate"])
    except OSError as error:
        return {"error": f"{asked['certificate']}: {error}"}
    connection = _LoopbackConnection(asked["server_name"], asked["port"], trust)
    return http(connection, method, path, body, headers)


@cache
def _trust(certificate: str | None) -> ssl.SSLContext:
    """What the host trusts, and the certificate that was made here; slow to read."""
    trust = ssl.create_default_context()
    if certificate:
        trust.load_verify_locations(certificate)
    return trust


class _LoopbackConnection(HTTPSConnection):
    """HTTPS to the loopback address, with the server's name for SNI, Host and verification."""

    def __init__(self, name: str, port: int, trust: ssl.SSLContext) -> None:
        super().__init__(name, port, timeout=COMPLETION_TIMEOUT_S, context=trust)
        self._trust = trust

    def connect(self) -> None:
        raw = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.sock = self._trust.wrap_socket(raw, server_hostname=self.host)


def main(request: Values) -> Values:
    """``replicas`` and ``gateway`` (or None) as ``runner/verify.py`` asks; host clock included.

    Replicas are asked side by side: one that hangs must not use up the time of the others.
    """
    with ThreadPoolExecutor(max_workers=16) as side_by_side:
        replicas = list(side_by_side.map(replica, request["replicas"]))
    names = [asked["name"] for asked in request["replicas"]]
    return {
        "time_unix_s": time.time(),
        "uptime_s": float(Path("/proc/uptime").read_text().split()[0]),
        "replicas": {names[index]: seen for index, seen in enumerate(replicas)},
        "gateway": gateway(request["gateway"]) if request["gateway"] else None,
    }
