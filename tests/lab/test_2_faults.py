"""What breaks in a fleet: found by the checks, survived by the gateway, repaired by a deploy."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from lab.ask import client, question
from tests.samples.commands import PATIENCE_S
from tests.samples.deploys import Run, deploy
from tests.samples.gateway import ask_many
from tests.samples.lab_hosts import (
    UNITS,
    main_pid,
    nginx_workers,
    replicas_out,
    ssh,
    wait_until,
)

GPU2 = UNITS["gpu2"]
TOKENS = 900


def test_a_replica_that_is_stopped_finishes_its_requests(deployed: Run) -> None:
    body = question("hello", stream=True, max_tokens=TOKENS)
    body |= {"ignore_eos": True, "stream_options": {"include_usage": True}}
    lines: list[str] = []

    def ask() -> None:
        url = "http://198.18.0.12:8000/v1/chat/completions"
        with httpx.stream("POST", url, json=body, timeout=PATIENCE_S) as response:
            for line in response.iter_lines():
                lines.extend([line] if line else [])

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask)
        wait_until(lambda: len(lines) > 20)
        assert not answer.done()  # the stop comes while it is answered
        ssh("gpu2", f"systemctl stop {GPU2}")
        answer.result(timeout=PATIENCE_S)
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[-2].removeprefix("data: "))["usage"]["completion_tokens"] == TOKENS
    assert ssh("gpu2", f"systemctl show -P Result {GPU2}") == "success"


def test_requests_are_answered_while_one_replica_is_down(deployed: Run) -> None:
    ssh("gpu2", f"systemctl stop {GPU2}")
    assert set(ask_many(8, at_once=2)) == {"chat-gpu1-0"}
    seen = deploy("--data", "stages=verify")
    assert seen.code == 1
    assert seen.of("CRITICAL") >= {("chat-gpu2-0", "unit"), ("chat-gpu2-0", "completion")}
    assert ("chat", "gateway completion") in seen.of("WARN")
    assert {subject for subject, _ in seen.of("CRITICAL")} == {"chat-gpu2-0"}


def test_stale_server_on_the_port_is_not_taken_for_the_replica(deployed: Run) -> None:
    """It answers /health with 200; the unit is not it. The deploy says so and does not go on."""
    ssh("gpu2", f"systemctl stop {GPU2}")
    ssh("gpu2", f"cat > /run/stale.py <<'END'\n{STALE}END")
    ssh("gpu2", "systemd-run --quiet --collect --unit stale python3 /run/stale.py")
    try:
        wait_until(lambda: ssh("gpu2", "curl -s 198.18.0.12:8000/health; true") == "ok")
        seen = deploy("--data", "stages=verify")
        assert seen.code == 1
        assert ("chat-gpu2-0", "health") in seen.of("OK")
        found = {check for name, check in seen.of("CRITICAL") if name == "chat-gpu2-0"}
        assert found == {"unit", "identity", "completion"}
        assert ("chat-gpu2-0", "model") in seen.of("UNKNOWN")  # it answers, but no list of models
    finally:
        ssh("gpu2", "systemctl stop stale")


STALE = (
    "import http.server as h\n"
    "class H(h.BaseHTTPRequestHandler):\n"
    ' def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b"ok")\n'
    'h.HTTPServer(("198.18.0.12", 8000), H).serve_forever()\n'
)


def test_a_token_reaches_the_client_before_the_next_is_made(deployed: Run) -> None:
    """The stand-in makes its second token when the first was seen; buffered, none would arrive."""
    ssh("gpu2", f"systemctl stop {GPU2}")
    ssh("gw1", "ip route add blackhole 198.18.0.11")  # gpu1's replica goes on, unreached
    kept = "ss -Htn state established dst 198.18.0.11"  # Nginx would send on one that it still has
    wait_until(lambda: ssh("gw1", kept) == "")
    ssh("gpu2", f"cat > /run/streamer.py <<'END'\n{STREAMER}END")
    ssh("gpu2", "systemd-run --quiet --collect --unit streamer python3 /run/streamer.py")
    try:
        body = question("hello", stream=True)
        with client() as http:
            wait_until(lambda: replica_state("chat-gpu2-0") == "in")
            with http.stream("POST", "/v1/chat/completions", json=body) as answer:
                frames = answer.iter_raw()
                assert next(frames) == b"data: first\n\n"
                ssh("gpu2", "curl -s 198.18.0.12:8000/seen")
                assert b"".join(frames) == b"data: second\n\n"
    finally:
        ssh("gpu2", "systemctl stop streamer")
        ssh("gw1", "ip route del blackhole 198.18.0.11")


def replica_state(name: str) -> str:
    """As the gateway has it."""
    socket = "/run/rackwright-gateway/state.sock"
    said = json.loads(ssh("gw1", f"curl -s --unix-socket {socket} http://localhost/state"))
    return str(said["services"]["chat"]["replicas"][name]["state"])


STREAMER = (
    "import http.server as h, threading\n"
    "seen = threading.Event()\n"
    "class H(h.BaseHTTPRequestHandler):\n"
    " def do_GET(self):\n"
    '  self.send_response(200); self.end_headers(); self.wfile.write(b"ok")\n'
    '  if self.path == "/seen": seen.set()\n'
    " def do_POST(self):\n"
    '  asked = self.rfile.read(int(self.headers["Content-Length"])); self.send_response(200)\n'
    '  if b"stream" not in asked:\n'  # the gateway's own, by which a replica comes back
    "   self.end_headers(); self.wfile.write(b'{\"choices\": [{}]}'); return\n"
    '  self.send_header("Content-Type", "text/event-stream")\n'
    '  self.end_headers(); self.wfile.write(b"data: first\\n\\n")\n'
    '  if seen.wait(600): self.wfile.write(b"data: second\\n\\n")\n'
    'h.ThreadingHTTPServer(("198.18.0.12", 8000), H).serve_forever()\n'
)


def test_a_deploy_repairs_the_stopped_replica_and_touches_nothing_else(deployed: Run) -> None:
    gpu1 = main_pid("gpu1", UNITS["gpu1"])
    run = deploy()
    assert run.code == 0, run.words
    assert run.changed() == {"Replicas": ["gpu2"]}
    assert main_pid("gpu1", UNITS["gpu1"]) == gpu1


def test_an_engine_that_dies_is_restarted(deployed: Run) -> None:
    old = main_pid("gpu2", GPU2)
    ssh("gpu2", "pkill -KILL -f VLLM::EngineCore")
    wait_until(lambda: main_pid("gpu2", GPU2) not in (0, old))
    wait_until(lambda: ssh("gpu2", f"systemctl is-active {GPU2} || true") == "active")
    wait_until(lambda: not replicas_out())  # it has completed the gateway's own request
    seen = deploy("--data", "stages=verify")
    assert seen.code == 0
    assert seen.of("WARN") == {("chat-gpu2-0", "unit")}  # it says that it was restarted


@pytest.mark.parametrize(
    ("setting", "changed", "reloads"),
    [
        ("nginx_read_timeout_s=601", {"Gateway": ["gw1"]}, True),
        ("restart_delay_max_s=9", {"Replicas": ["gpu1", "gpu2"]}, False),
    ],
)
def test_a_changed_setting_touches_only_what_it_concerns(
    deployed: Run, setting: str, changed: dict[str, list[str]], reloads: bool
) -> None:
    pids = {host: main_pid(host, unit) for host, unit in UNITS.items()}
    nginx, workers = main_pid("gw1", "nginx"), nginx_workers()
    run = deploy("--data", setting)
    assert run.code == 0, run.words
    assert run.changed() == changed
    assert pids == {host: main_pid(host, unit) for host, unit in UNITS.items()}
    assert main_pid("gw1", "nginx") == nginx
    if reloads:
        wait_until(lambda: nginx_workers() != workers)
    else:
        assert nginx_workers() == workers
    assert deploy().changed() == changed  # and back


def test_a_configuration_that_nginx_refuses_is_put_back(deployed: Run) -> None:
    config = "/etc/nginx/conf.d/rackwright.conf"
    before, master = ssh("gw1", f"sha256sum {config}"), main_pid("gw1", "nginx")
    ssh("gw1", "echo 'this is not nginx;' > /etc/nginx/conf.d/zz-somebody-elses.conf")
    try:
        run = deploy("--limit", "gw1", "--data", "nginx_read_timeout_s=602")
        assert run.code == 1
        assert "zz-somebody-elses.conf" in run.words
        assert ssh("gw1", f"sha256sum {config}") == before
        assert main_pid("gw1", "nginx") == master
    finally:
        ssh("gw1", "rm /etc/nginx/conf.d/zz-somebody-elses.conf")
    assert set(ask_many(4, at_once=2)) <= {"chat-gpu1-0", "chat-gpu2-0"}
    assert deploy().changed() == {}
