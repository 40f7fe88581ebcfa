"""What a host says of its replicas and gateway, with small servers on loopback in their place."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lab.ports import free_port
from rackwright.desired.render import environment_quote
from rackwright.remote import await_ready, serving
from rackwright.remote.host.listeners import listeners
from rackwright.remote.host.systemd import service_unit
from rackwright.remote.served import engine
from rackwright.remote.served import gateway as door
from rackwright.remote.served.engine import EngineConnection
from rackwright.remote.served.http import MOST_BYTES, http
from rackwright.remote.served.replica import replica

Command = Callable[[str, str], Path]
KEY = 's3cr$t"`\\key%'
METRICS = """
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="llama"} 2.0
vllm:cache_config_info{block_size="16",engine="0",kv_cache_size_tokens="4096"} 1.0
"""
OWN = Path("/proc/self/cgroup").read_text().splitlines()[0].split(":", 2)[2]
"""The control group of this process, whose threads stand in for an engine."""
COMPLETION = {"object": "chat.completion", "model": "llama", "usage": {"completion_tokens": 8}}
LISTEN = """
import socket, sys, time
one = socket.socket()
one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
one.bind((sys.argv[1], int(sys.argv[2])))
one.listen()
print(one.getsockname()[1], flush=True)
time.sleep(60)
"""


class Replica(BaseHTTPRequestHandler):
    """Imitates an engine: /health is open, /v1 wants the key; questions are kept."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.keys += self.headers.get_all("Authorization", [])
        self.server.hosts.add(self.headers["Host"])
        if self.path == "/health":
            self.answer(200, "")
        elif self.headers.get("Authorization") != f"Bearer {KEY}":
            self.answer(401, json.dumps({"error": "key"}))
        elif self.path == "/version":
            self.answer(200, json.dumps({"version": "0.32.0+cpu"}))
        elif self.path == "/metrics":
            self.answer(200, METRICS)
        elif self.path == "/v1/models":
            self.answer(200, json.dumps({"data": [{"id": "llama", "max_model_len": 1024}]}))
        else:
            self.answer(404, "")

    def do_POST(self) -> None:
        sent, kind = (
            self.rfile.read(int(self.headers["Content-Length"])),
            self.headers["Content-Type"],
        )
        is_form = kind.startswith("multipart/")
        body = {"model": "", "form": sent.decode(), "kind": kind} if is_form else json.loads(sent)
        self.server.asked.append({"host": self.headers["Host"], "path": self.path, **body})
        if self.server.together:
            self.server.together.wait()
        if body.get("stream"):
            return self.answer(200, "".join(self.events(body["max_tokens"])))
        self.answer(self.server.status, json.dumps({**COMPLETION, "model": body["model"]}))

    def events(self, tokens: int) -> Iterator[str]:
        yield event({"delta": {"role": "assistant", "content": ""}})
        for _ in range(tokens):
            yield event({"delta": {"content": "a"}})
        yield event(usage={"completion_tokens": tokens})
        yield "data: [DONE]\n\n"

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Rackwright-Replica", "chat-gpu1-0")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


def event(*choices: Any, usage: Any = None) -> str:
    return f"data: {json.dumps({'choices': choices, 'usage': usage})}\n\n"


class Server(ThreadingHTTPServer):
    """On a free port of loopback."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Replica)
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.hosts: set[str] = set()
        self.status = 200
        self.together: threading.Barrier | None = None

    @property
    def port(self) -> int:
        return int(self.server_address[1])


def run(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    yield from run(Server())


@pytest.fixture
def other() -> Iterator[Server]:
    yield from run(Server())


@pytest.fixture
def listen() -> Iterator[Callable[..., tuple[int, int]]]:
    """``listen(address, port)`` starts a process that listens: its pid and port."""
    started: list[subprocess.Popen[str]] = []

    def start(address: str = "127.0.0.1", port: int = 0) -> tuple[int, int]:
        argv = [sys.executable, "-c", LISTEN, address, str(port)]
        one = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        started.append(one)
        assert one.stdout is not None
        return one.pid, int(one.stdout.readline())

    yield start
    for one in started:
        one.kill()
        one.wait()
        assert one.stdout is not None
        one.stdout.close()


# --- who listens -----------------------------------------------------------------------------


def test_a_listener_is_found_with_its_pid_and_control_group(server: Server) -> None:
    (found,) = listeners(server.port)
    groups = Path("/proc/self/cgroup").read_text().splitlines()
    assert found["pid"] == os.getpid()
    assert found["cgroups"] == sorted({line.split(":", 2)[2] for line in groups})
    assert "python" in found["command"] or "pytest" in found["command"]
    assert found["addresses"] == [f"0100007F:{server.port:04X}"]
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    assert 0 < found["started_s"] < uptime_s


def test_a_later_process_started_later(server: Server, listen: Any) -> None:
    pid, port = listen()
    (found,) = listeners(port)
    assert found["pid"] == pid
    assert found["started_s"] > listeners(server.port)[0]["started_s"]


def test_nobody_listens() -> None:
    assert listeners(free_port()) == []


def test_a_connection_to_the_port_is_no_listener(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as one:
        assert listeners(one.getsockname()[1]) == []


def test_both_are_seen_where_two_share_a_port(listen: Any) -> None:
    first, port = listen()
    second, _ = listen("127.0.0.1", port)
    third, _ = listen("127.0.0.2", port)
    found = {one["pid"]: one["addresses"] for one in listeners(port)}
    assert found.keys() == {first, second, third}
    assert found[first] == found[second] != found[third]


def test_files_that_close_while_they_are_looked_at_hide_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy engine opens and closes files all the time."""
    handles = {Path("/proc/self/fd/999999"), *Path(f"/proc/{os.getpid()}/fd").iterdir()}
    monkeypatch.setattr(Path, "iterdir", lambda _self: iter(sorted(handles, reverse=True)))
    assert server.fileno() > 0
    assert await_ready.sockets_of(os.getpid()) >= {
        str(Path(f"/proc/self/fd/{server.fileno()}").readlink())[8:-1]
    }
    assert await_ready.is_ours(os.getpid(), server.port)


# --- what is answered ------------------------------------------------------------------------


def asked(server: Server, tmp_path: Path, **more: Any) -> dict[str, Any]:
    environment = tmp_path / "chat.env"
    environment.write_text(f'# of chat\nA="1"\nVLLM_API_KEY={environment_quote(KEY)}\n')
    usual = {
        "name": "chat-gpu1-0",
        "unit": "rackwright-chat-gpu1-0.service",
        "address": "127.0.0.1",
        "port": server.port,
        "served_model_name": "llama",
        "environment_path": str(environment),
        "health_path": "/health",
        "models_path": "/v1/models",
        "completions_path": "/v1/chat/completions",
        "key_variable": "VLLM_API_KEY",
        "questions": [],
        "version_path": "/version",
        "metrics_path": "/metrics",
        "figures": {
            "requests_running": ("vllm:num_requests_running", ""),
            "kv_cache_tokens": ("vllm:cache_config_info", "kv_cache_size_tokens"),
        },
        "timed_options": {"ignore_eos": True},
        "max_tokens": 8,
        "delivery": {"tokens": 16, "most_s": 5},
        "burst": None,
    }
    return {**usual, **more}


@pytest.fixture(autouse=True)
def systemctl(command: Command) -> None:
    command("systemctl", f"echo ActiveState=active; echo NRestarts=0; echo ControlGroup={OWN}")


def test_everything_about_a_replica(server: Server, tmp_path: Path) -> None:
    seen = json.loads(json.dumps(replica(asked(server, tmp_path))))
    assert seen["unit"] == {"ActiveState": "active", "NRestarts": "0", "ControlGroup": OWN}
    assert [one["pid"] for one in seen["listeners"]] == [os.getpid()]
    assert (seen["health"]["status"], seen["health"]["body"]) == (200, "")
    assert seen["models"]["body"]["data"][0]["max_model_len"] == 1024
    assert seen["completion"]["body"] == COMPLETION
    assert 0 <= seen["completion"]["seconds"] < 5
    assert seen["version"]["body"] == {"version": "0.32.0+cpu"}
    assert seen["metrics"]["body"] == {"requests_running": 2.0, "kv_cache_tokens": 4096.0}
    assert (seen["delivery"]["tokens"], seen["delivery"]["others"]) == (16, 2.0)
    assert 0 < seen["delivery"]["first_s"] <= seen["delivery"]["last_s"] < 5
    question, timed = server.asked
    assert (question["model"], question["max_tokens"]) == ("llama", 8)
    assert (timed["max_tokens"], timed["stream"], timed["ignore_eos"]) == (16, True, True)
    assert KEY not in json.dumps(seen) and "s3cr" not in json.dumps(seen)
    # Ollama on a loopback address answers 403 to the name of another host.
    assert server.hosts | {one["host"] for one in server.asked} == {"localhost"}


def test_a_key_goes_to_the_unit_s_own_process_alone(
    server: Server, tmp_path: Path, command: Command
) -> None:
    """Somebody else is on the port: what they are asked has no key, and no prompt either."""
    for group in (
        "/system.slice/rackwright-chat-gpu1-0.service",
        f"{OWN}/below".replace("//", "/"),
    ):
        command("systemctl", f"echo ActiveState=active; echo ControlGroup={group}")
        seen = replica(asked(server, tmp_path))
        for part in ("health", "models", "version", "metrics", "completion"):
            assert "the API key was not sent" in seen[part]["error"]
    command("systemctl", "echo ActiveState=failed; echo ControlGroup=")  # nobody is of that unit
    assert "was not sent" in replica(asked(server, tmp_path))["models"]["error"]
    assert server.asked == [] and server.keys == []


def test_a_key_is_not_sent_where_a_stranger_shares_the_port(listen: Any, tmp_path: Path) -> None:
    """Two listen (SO_REUSEPORT), and the kernel gives the connection to either."""
    _, port = listen()
    own = {"address": "127.0.0.1", "port": port, "control_group": OWN}
    stranger, _ = listen("127.0.0.1", port)
    with pytest.MonkeyPatch.context() as patch:
        of = {stranger: ["/user.slice"]}
        patch.setattr(engine, "cgroups_of", lambda pid: of.get(pid, [OWN]))
        seen = http(EngineConnection(own, 5), "GET", "/", headers={"Authorization": "Bearer x"})
    assert "the API key was not sent" in seen["error"]


def test_a_key_is_not_sent_to_who_came_while_it_was_connected(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"address": "127.0.0.1", "port": server.port, "control_group": OWN}
    tables = iter([{}, {"1": "00000000:1F40"}])
    monkeypatch.setattr(engine, "listening_sockets", lambda port: next(tables))
    monkeypatch.setattr(engine, "is_of", lambda group, inodes: True)
    seen = http(EngineConnection(own, 5), "GET", "/", headers={"Authorization": "Bearer x"})
    assert "the API key was not sent" in seen["error"]


@pytest.mark.parametrize(
    ("where", "peer", "takes"),
    [
        ("0100007F:1F40", "127.0.0.1", True),
        ("00000000:1F40", "127.0.0.1", True),
        ("0200007F:1F40", "127.0.0.1", False),
        ("00000000000000000000000000000000:1F40", "127.0.0.1", True),
        ("0000000000000000FFFF00000100007F:1F40", "127.0.0.1", True),
        ("00000000000000000000000001000000:1F40", "::1", True),
        ("00000000000000000000000001000000:1F40", "::2", False),
        ("B80D0120000000000000000002000000:1F40", "2001:db8::2", True),
    ],
)
def test_who_takes_a_connection(where: str, peer: str, takes: bool) -> None:
    assert engine.takes(where, peer) == takes


def test_without_a_key_none_is_sent(server: Server, tmp_path: Path) -> None:
    for path in (None, str(tmp_path / "absent")):
        seen = replica(asked(server, tmp_path, environment_path=path))
        assert (seen["health"]["status"], seen["models"]["status"]) == (200, 401)


def test_a_replica_that_is_down_is_an_observation(tmp_path: Path, server: Server) -> None:
    seen = replica(asked(server, tmp_path, port=free_port()))
    assert seen["listeners"] == []
    for part in ("health", "models", "version", "metrics", "completion"):
        assert seen[part]["error"].startswith("ConnectionRefusedError")
    assert seen["delivery"] is None


def test_what_an_engine_does_not_offer_is_not_asked(tmp_path: Path, server: Server) -> None:
    silent = asked(server, tmp_path, version_path=None, metrics_path=None)
    seen = replica(silent)
    assert (seen["version"], seen["metrics"], seen["delivery"]["others"]) == (None, None, None)
    assert seen["delivery"]["tokens"] == 16


def test_a_replica_that_completes_nothing_is_not_timed(tmp_path: Path, server: Server) -> None:
    server.status = 500
    seen = replica(asked(server, tmp_path))
    assert (seen["completion"]["status"], seen["delivery"]) == (500, None)
    assert len(server.asked) == 1


def test_what_does_not_write_is_asked_what_it_can_and_not_timed(
    tmp_path: Path, server: Server
) -> None:
    question = {"model": "bge", "input": "Hi"}
    more = {"completions_path": "/v1/embeddings", "question": question, "delivery": None}
    seen = replica(asked(server, tmp_path, **more))
    assert (seen["completion"]["status"], seen["delivery"]) == (200, None)
    assert server.asked == [{"host": "localhost", "path": "/v1/embeddings", **question}]


def test_a_form_is_sent_as_one(tmp_path: Path, server: Server) -> None:
    body = '--edge\r\nContent-Disposition: form-data; name="model"\r\n\r\near\r\n--edge--\r\n'
    path = "/v1/audio/transcriptions"
    more = {"completions_path": path, "question": body, "delivery": None}
    assert replica(asked(server, tmp_path, **more))["completion"]["status"] == 200
    (got,) = server.asked
    assert (got["form"], got["kind"]) == (body, "multipart/form-data; boundary=edge")


def test_a_burst_is_smaller_by_what_runs_already(
    tmp_path: Path, server: Server, other: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, Any]] = []

    def burst(requests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        sent.extend(requests)
        return {one["name"]: {"tokens": 7} for one in requests}

    monkeypatch.setattr(serving, "burst", burst)
    wanted = {"requests": 8, "tokens": 512, "most_s": 3, "gpus": [1]}
    loaded, left = asked(server, tmp_path, burst=wanted), asked(other, tmp_path, name="chat-gpu1-1")
    seen = serving.main({"replicas": [loaded, left], "gateway": None, "folders": []})["replicas"]
    assert seen["chat-gpu1-0"]["burst"] == {"tokens": 7}
    assert "burst" not in seen["chat-gpu1-1"]
    (one,) = sent
    assert (one["requests"], one["others"], one["gpus"], one["most_s"]) == (6, 2, [1], 3)
    assert (one["body"]["max_tokens"], one["body"]["ignore_eos"]) == (512, True)
    assert one["headers"] == {"Authorization": f"Bearer {KEY}"}


@pytest.fixture
def says() -> Iterator[Callable[[bytes], int]]:
    """``says(words)`` is the port of a server that answers anything with those bytes."""
    sockets: list[socket.socket] = []

    def serve(one: socket.socket, words: bytes) -> None:
        while True:
            try:
                connection, _ = one.accept()
            except OSError:
                return
            with connection, suppress(ConnectionError):  # who has had enough hangs up
                connection.recv(65536)
                connection.sendall(words)

    def start(words: bytes) -> int:
        one = socket.create_server(("127.0.0.1", 0))
        sockets.append(one)
        threading.Thread(target=serve, args=(one, words), daemon=True).start()
        return int(one.getsockname()[1])

    yield start
    for one in sockets:
        one.shutdown(socket.SHUT_RDWR)
        one.close()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (b"hello\r\n", "BadStatusLine"),
        (b"", "RemoteDisconnected"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "IncompleteRead"),
    ],
)
def test_a_garbled_answer_is_an_observation(says: Any, words: bytes, error: str) -> None:
    connection = HTTPConnection("127.0.0.1", says(words), timeout=60)
    assert error in http(connection, "GET", "/health")["error"]


@pytest.mark.parametrize("words", [b"<html>", b"\xff\xfe", b"[" * 100000, b'{"a": '])
def test_text_that_is_no_json_is_kept_short(says: Any, words: bytes) -> None:
    connection = HTTPConnection("127.0.0.1", says(b"HTTP/1.1 200 OK\r\n\r\n" + words), timeout=60)
    seen = http(connection, "GET", "/")
    assert (seen["status"], len(seen["body"]) <= 500) == (200, True)


def test_an_answer_without_end_is_cut(says: Any) -> None:
    words = b"HTTP/1.1 200 OK\r\n\r\n" + b"1" * (2 * MOST_BYTES)
    connection = HTTPConnection("127.0.0.1", says(words), timeout=60)
    assert len(str(http(connection, "GET", "/")["body"])) == 500


@pytest.mark.parametrize("key", ["s3cret\nX-Other: 1", "s3cret\u2026"])
def test_a_key_that_cannot_be_sent_is_not_repeated(server: Server, key: str) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    seen = http(connection, "GET", "/v1/models", headers={"Authorization": key})
    assert "in the request" in seen["error"] and "s3cret" not in seen["error"]


def test_a_replica_that_hangs_does_not_keep_the_others_waiting(
    server: Server, other: Server, tmp_path: Path
) -> None:
    server.together = other.together = threading.Barrier(2, timeout=60)  # each waits for the other
    replicas = [asked(server, tmp_path), asked(other, tmp_path, name="chat-gpu1-1")]
    started = time.monotonic()
    seen = serving.main({"replicas": replicas, "gateway": None, "folders": ["/var/log"]})
    took_s = time.monotonic() - started
    assert seen["disks"]["/var/log"]["free_bytes"] > 0
    assert 0 < seen["elapsed_s"] <= took_s + 0.001  # it is rounded
    assert list(seen["replicas"]) == ["chat-gpu1-0", "chat-gpu1-1"]
    assert {one["completion"]["status"] for one in seen["replicas"].values()} == {200}
    assert seen["gateway"] is None
    assert abs(seen["time_unix_s"] - time.time()) < 5 and seen["uptime_s"] > 0


def test_systemd_that_cannot_be_asked_is_nothing_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert service_unit("a.service") == {}


# --- the gateway -----------------------------------------------------------------------------


NGINX = """# configuration file /etc/hosts:
events {
    worker_connections 1024;
}
"""
DATA = {"services": {"chat": {"replicas": [{"name": "chat-gpu1-0"}]}}}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[tuple[Server, dict[str, Any]]]:
    """A server with a certificate for llm.lab.example, and how to ask it."""
    certificate, key = tmp_path / "a.crt", tmp_path / "a.key"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    make += ["-nodes", "-days", "2", "-subj", "/CN=x", "-addext"]
    make += ["subjectAltName=DNS:llm.lab.example", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(make, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = Server()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    service = {"name": "chat", "prefix": "/chat", "served_model_name": "llama", "completions": 3}
    (tmp_path / "fleet.json").write_text(json.dumps(DATA))
    ask = {
        "server_name": "llm.lab.example",
        "port": server.port,
        "host_names": ["llm.lab.example", "other.lab.example"],
        "certificate": str(certificate),
        "certificate_file": str(certificate),
        "services": [{**service, "key": KEY, "router": None}],
        "names": ["localhost"],
        "loads": [],
        "fleet_path": str(tmp_path / "fleet.json"),
        "socket": str(tmp_path / "state.sock"),
        "failover": None,
    }
    for one in run(server):
        yield one, ask


def test_the_gateway_as_a_client_sees_it(
    gateway: tuple[Server, dict[str, Any]], command: Command
) -> None:
    server, ask = gateway
    command("nginx", f"cat <<'END'\n{NGINX}END")
    seen = serving.main({"replicas": [], "gateway": ask, "folders": []})["gateway"]
    assert (seen["configuration"]["ok"], seen["configuration"]["words"]) == (True, "")
    assert seen["configuration"]["limits"] == {"worker_connections": 1024}
    assert seen["data"]["services"] == DATA["services"] and len(seen["data"]["sha256"]) == 64
    assert "state.sock" in seen["live"]["error"]  # nobody listens
    assert seen["loaded_unix_s"] is None  # this nginx has no process
    assert seen["worker_open_files"] is None
    assert seen["names"]["localhost"]["addresses"] == ["127.0.0.1"]
    assert seen["unit"]["ActiveState"] == "active"
    assert [one["status"] for one in seen["services"]["chat"]["completions"]] == [200] * 3
    assert {one["replica"] for one in seen["services"]["chat"]["completions"]} == {"chat-gpu1-0"}
    assert {one["path"] for one in server.asked} == {"/chat/v1/chat/completions"}
    assert {one["host"].partition(":")[0] for one in server.asked} == {"llm.lab.example"}
    assert seen["services"]["chat"]["models"]["status"] == 404  # the stand-in has no prefixes
    assert seen["closed_path"]["status"] == 401
    shown = seen["certificate"]
    assert (shown["names"], shown["not_for"]) == (["llm.lab.example"], ["other.lab.example"])
    assert (shown["self_signed"], shown["on_disk"]) == (True, {"serial": shown["serial"]})
    assert 0 < shown["ends_in_s"] <= 2 * 86400 and -600 < shown["starts_in_s"] <= 0
    assert "s3cr" not in json.dumps(seen)


def test_a_certificate_that_is_on_disk_alone_is_not_the_one_that_is_shown(gateway: Any) -> None:
    ask = gateway[1]
    Path(ask["certificate_file"]).with_name("other.crt").write_text("no certificate")
    for name, said in (("other.crt", "no certificate"), ("none.crt", "No such file")):
        file = str(Path(ask["certificate_file"]).with_name(name))
        shown = door.gateway({**ask, "certificate_file": file})["certificate"]
        assert said in shown["on_disk"]["error"]
    assert "ConnectionRefused" in door.gateway({**ask, "port": 1})["certificate"]["error"]


def test_a_router_is_asked_on_its_own_port(server: Server) -> None:
    asked = {"host": "127.0.0.1", "port": server.port, "readiness_path": "/health"}
    unit = {"unit": "rackwright-router-chat.service"}
    assert door.router({**asked, **unit})["readiness"]["status"] == 200
    assert "ConnectionRefused" in door.router({**asked, **unit, "port": 1})["readiness"]["error"]
    assert door.router(None) == {}


def test_a_service_that_does_not_write_is_asked_what_it_can_through_the_gateway(
    gateway: Any,
) -> None:
    server, ask = gateway
    question = {"model": "bge", "input": "Hi"}
    own = {**ask["services"][0], "path": "/classify", "question": question}
    seen = door.service(ask, own)
    assert [one["status"] for one in seen["completions"]] == [200] * 3
    assert {(one["path"], one["input"]) for one in server.asked} == {("/chat/classify", "Hi")}


def test_the_first_completion_that_fails_is_the_last(gateway: Any) -> None:
    server, ask = gateway
    server.status = 503
    seen = door.gateway(ask)
    assert [one["status"] for one in seen["services"]["chat"]["completions"]] == [503]


def test_completions_are_asked_for_together_once_one_has_worked(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the least busy replica is another one for each."""
    _, ask = gateway
    together, first = threading.Barrier(2, timeout=60), []

    def answered(asked: Any, method: str, *_: Any) -> dict[str, Any]:
        if method == "POST" and first:
            together.wait()  # fails where the other is not under way too
        first.append(method)
        return {"status": 200}

    monkeypatch.setattr(door, "gateway_call", answered)
    assert door.gateway(ask)["services"]["chat"]["completions"] == [{"status": 200}] * 3


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"server_name": "other.lab.example"}, "Hostname mismatch"),
        ({"certificate": None}, "self-signed certificate"),
        ({"certificate": "/nowhere/a.crt"}, "/nowhere/a.crt"),
        ({"port": 1}, "ConnectionRefusedError"),
    ],
)
def test_a_gateway_that_cannot_be_trusted_or_reached(
    gateway: Any, changed: dict[str, Any], error: str
) -> None:
    server, ask = gateway
    seen = door.gateway({**ask, **changed})
    for one in (seen["closed_path"], seen["services"]["chat"]["models"]):
        assert error in one["error"]
    assert not server.asked


def test_a_faulty_or_absent_nginx_is_an_observation(
    gateway: Any, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("nginx", 'echo "unknown directive" >&2; exit 1')
    faulty = {"ok": False, "words": "unknown directive"}
    assert door.gateway(gateway[1])["configuration"] == faulty
    monkeypatch.setenv("PATH", "/nowhere")
    assert "nginx" in door.gateway(gateway[1])["configuration"]["words"]


# --- readiness -------------------------------------------------------------------------------


def test_what_a_child_listens_on_is_ours(listen: Any) -> None:
    pid, port = listen()
    assert await_ready.is_ours(pid, port)
    assert await_ready.is_ours(os.getpid(), port), "the child's parent"


def test_what_another_process_listens_on_is_not_ours(listen: Any) -> None:
    pid, port = listen()
    stranger, other_port = listen()
    assert not await_ready.is_ours(stranger, port)
    assert not await_ready.is_ours(pid, other_port)
    assert not await_ready.is_ours(pid, free_port())


def test_a_port_that_is_shared_with_a_stranger_is_not_ours(listen: Any) -> None:
    pid, port = listen()
    stranger, _ = listen("127.0.0.1", port)
    assert not await_ready.is_ours(pid, port)
    assert not await_ready.is_ours(stranger, port)
    assert await_ready.is_ours(os.getpid(), port), "both are children of this one"


def test_a_later_rank_is_ready_when_the_first_answers_elsewhere(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket is not its own."""
    with subprocess.Popen(["sleep", "60"]) as engine:
        monkeypatch.setenv("MAINPID", str(engine.pid))
        asked = ["await-ready", "127.0.0.1", str(server.port), "/health"]
        monkeypatch.setattr(sys, "argv", [*asked, "30", "elsewhere"])
        await_ready.main()
        monkeypatch.setattr(sys, "argv", [*asked, "0.7"])
        with pytest.raises(SystemExit, match="not ready within"):
            await_ready.main()
        engine.kill()


def test_a_stranger_on_another_address_does_no_harm(listen: Any) -> None:
    pid, port = listen()
    listen("127.0.0.2", port)
    assert await_ready.is_ours(pid, port)


def ready(main_pid: int, port: int, path: str = "/health", timeout_s: float = 60) -> Any:
    argv = [sys.executable, "-I", await_ready.__file__, "127.0.0.1", str(port), path]
    environment = {**os.environ, "MAINPID": str(main_pid), "http_proxy": "http://127.0.0.1:1"}
    return subprocess.run(
        [*argv, str(timeout_s)], env=environment, capture_output=True, text=True, timeout=120
    )


def test_a_unit_that_serves_is_ready(server: Server) -> None:
    done = ready(os.getpid(), server.port)
    assert (done.returncode, done.stderr) == (0, "")
    assert server.hosts == {"localhost"}


def test_a_stale_server_does_not_make_a_unit_ready(server: Server, listen: Any) -> None:
    pid, _ = listen()
    done = ready(pid, server.port, timeout_s=0.2)
    assert (done.returncode, done.stderr) == (1, "not ready within 0.2 s\n")


def test_a_unit_that_answers_with_an_error_is_not_ready(server: Server) -> None:
    assert ready(os.getpid(), server.port, "/nowhere", 0.2).returncode == 1


@pytest.mark.parametrize("words", [b"hello\r\n", b"", b"HTTP/1.1 503 No\r\n\r\n"])
def test_a_unit_that_answers_garbage_is_not_ready(says: Any, words: bytes) -> None:
    done = ready(os.getpid(), says(words), timeout_s=0.2)
    assert (done.returncode, done.stderr) == (1, "not ready within 0.2 s\n")


def test_an_engine_that_ended_is_not_waited_for(server: Server) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    done = ready(ended.pid, server.port, timeout_s=30)
    assert (done.returncode, done.stderr) == (1, "the engine ended before it was ready\n")
