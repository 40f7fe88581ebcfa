"""What the host's half measures: metrics, streams, bursts, Nginx, limits and disks."""

from __future__ import annotations

import itertools
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.engines import ENGINES
from rackwright.remote.await_ready import listening_sockets
from rackwright.remote.host import nginx
from rackwright.remote.host.disks import disks
from rackwright.remote.host.processes import open_files
from rackwright.remote.served import burst, metrics, streaming
from rackwright.remote.served.engine import is_of
from tests.samples.travelling import run

OWN = Path("/proc/self/cgroup").read_text().splitlines()[0].split(":", 2)[2]
"""The control group of this process, whose threads stand in for an engine."""
Command = Callable[[str, str], Path]

# --- metrics -----------------------------------------------------------------------------------

TEXT = (Path(__file__).parents[2] / "data/vllm/metrics.txt").read_text()
RUNNING = 'vllm:num_requests_running{engine="0",model_name="tiny-llama"}'
VLLM = ENGINES["vllm"].figures


def test_the_figures_that_vllm_tells() -> None:
    told = metrics.figures(TEXT, VLLM)
    assert told == {
        "requests_running": 0.0,
        "requests_waiting": 0.0,
        "kv_cache_share": 0.0,
        "tokens_generated": 96.0,
        "prompt_tokens": None,  # the capture was taken without that line
        "kv_cache_tokens": 2097152.0,
    }


def test_engines_behind_one_port_are_added() -> None:
    both = f"{RUNNING} 3.0\n" + RUNNING.replace('"0"', '"1"') + " 2\n"
    assert metrics.figures(both, VLLM)["requests_running"] == 5.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok",
        f"<html>{RUNNING} 1</html>",
        f'{RUNNING} NaN\nvllm:cache_config_info{{kv_cache_size_tokens="None"}} 1.0',
        f'{RUNNING} many\nvllm:cache_config_info{{other="1"}} 1.0',
        "vllm:num_requests_running{ 3",
        "\0" * 1000,
    ],
)
def test_what_is_not_told_is_nothing(text: str) -> None:
    assert metrics.figures(text, VLLM) == dict.fromkeys(VLLM)


# --- streams -----------------------------------------------------------------------------------


def event(content: str | None = None, usage: int | None = None, **delta: Any) -> str:
    choices = [{"delta": {"content": content, **delta}}] if content is not None else []
    counted = {"completion_tokens": usage} if usage is not None else None
    return f"data: {json.dumps({'choices': choices, 'usage': counted})}\n\n"


ROLE = event("", role="assistant")
DONE = "data: [DONE]\n\n"


class Engine(BaseHTTPRequestHandler):
    """Imitates a streaming engine: says what its server holds, with pauses between."""

    server: Streamer

    def do_POST(self) -> None:
        self.server.asked.append(
            json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            | {"key": self.headers["Authorization"]}
        )
        self.send_response(self.server.status)
        self.end_headers()
        try:
            for words in self.server.words:
                self.wfile.write(words.encode())
                time.sleep(self.server.pause_s)
        except OSError:
            self.server.hung_up.set()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Streamer(ThreadingHTTPServer):
    """On a free port of loopback."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Engine)
        self.asked: list[dict[str, Any]] = []
        self.status, self.pause_s, self.words = 200, 0.0, [ROLE, event("a"), DONE]
        self.hung_up = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@pytest.fixture
def engine() -> Iterator[Streamer]:
    server = Streamer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def stream(server: Streamer, most_s: float = 5.0, **body: Any) -> dict[str, Any]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    return streaming.stream(connection, "/v1/chat/completions", body, {}, most_s)


def test_tokens_are_timed_and_counted_as_the_engine_counts_them(engine: Streamer) -> None:
    engine.words = [ROLE, event("a"), event("b"), event(usage=3), DONE]
    engine.pause_s = 0.05
    seen = stream(engine)
    assert (seen["status"], seen["tokens"], seen["cut"]) == (200, 3, False)
    assert 0.05 <= seen["first_s"] <= seen["last_s"] < 5
    assert seen["last_s"] >= 0.1
    assert engine.asked[0]["stream_options"] == {"include_usage": True}


def test_options_of_the_engine_are_sent(engine: Streamer) -> None:
    options = dict(ENGINES["vllm"].timed_options)
    stream(engine, **options)
    assert engine.asked[0] == {**options, "stream": True, "key": None}


def test_a_first_event_that_has_a_token_counts(engine: Streamer) -> None:
    engine.words = [event("a", role="assistant"), event("b"), DONE]
    assert stream(engine)["tokens"] == 2


def test_a_stream_without_end_is_hung_up_on(engine: Streamer) -> None:
    engine.words, engine.pause_s = [ROLE, *[event("a")] * 3000], 0.02
    seen = stream(engine, most_s=0.3)
    assert seen["cut"] and 2 <= seen["tokens"] < 100
    assert engine.hung_up.wait(60)


@pytest.mark.parametrize(
    "words",
    [
        "data: {\n",
        "data: []\n",
        'data: {"choices": [1]}\n',
        'data: {"choices": {"a": 1}}\n',
        'data: {"choices": [], "usage": {"a": 1}}\n',
        "data: " + "[" * 60_000 + "\n",
        "data: " + "1" * (2 * streaming.MOST_LINE),
    ],
    ids=lambda words: words[:20],
)
def test_garbled_events_are_an_observation(engine: Streamer, words: str) -> None:
    engine.words = [words]
    assert "in the request or its answer" in stream(engine)["error"]


def test_no_events_are_no_tokens(engine: Streamer) -> None:
    engine.words = ["hello\n", "\n"]
    seen = stream(engine)
    assert (seen["tokens"], seen["first_s"]) == (0, None)


def test_a_refusal_is_an_observation(engine: Streamer) -> None:
    engine.status, engine.words = 401, ["key?"]
    seen = stream(engine)
    assert (seen["status"], seen["body"]) == (401, "key?")


# --- bursts ------------------------------------------------------------------------------------


class Nvml:
    """In the place of pynvml: two GPUs, of which the first works while requests run."""

    def __init__(self) -> None:
        self.started = self.ended = self.samples = 0
        self.lost: set[int] = set()
        self.without_clocks = False

    def nvmlInit(self) -> None:
        self.started += 1

    def nvmlShutdown(self) -> None:
        self.ended += 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index in self.lost:
            raise RuntimeError("GPU is lost")
        return index

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        self.samples += 1
        return SimpleNamespace(gpu=90 if handle == 0 else 30, memory=1)

    def nvmlDeviceGetClockInfo(self, handle: int, kind: int) -> int:
        if self.without_clocks:
            raise RuntimeError("Not Supported")
        assert kind == 1  # NVML_CLOCK_SM
        return 1980


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Nvml:
    one = Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", one)  # type: ignore[arg-type]
    monkeypatch.setattr(burst, "WARM_UP_S", 0.1)
    monkeypatch.setattr(burst, "SAMPLE_EVERY_S", 0.02)
    return one


def load(engine: Streamer, **more: Any) -> dict[str, Any]:
    assert is_of(OWN, listening_sockets(engine.port))  # verify has asked it before, and knows
    usual = {
        "name": "chat-gpu1-0",
        "address": "127.0.0.1",
        "port": engine.port,
        "control_group": OWN,
        "path": "/v1/chat/completions",
        "body": {"model": "llama", "max_tokens": 512},
        "headers": {"Authorization": "Bearer k"},
        "requests": 4,
        "others": 0,
        "most_s": 0.5,
        "gpus": [0, 1],
    }
    return {**usual, **more}


MOST_S = 30.0


def over_when(monkeypatch: pytest.MonkeyPatch, enough: Callable[[], bool]) -> None:
    """The time of bursts of MOST_S is over then, or when that does not come."""
    until_s = time.monotonic() + 60

    def clock() -> float:
        return MOST_S if enough() or time.monotonic() > until_s else 0.0

    monkeypatch.setattr(burst, "monotonic", clock)


def test_a_burst_is_bounded_and_sampled(
    engine: Streamer, nvml: Nvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.words, engine.pause_s = [ROLE, *[event("a")] * 5, event(usage=5), DONE], 0.01
    over_when(monkeypatch, lambda: len(engine.asked) > 4 and nvml.samples > 2 * 4)
    monkeypatch.setattr(burst, "WARM_UP_S", 0.0)
    seen = burst.burst([load(engine, most_s=MOST_S)])["chat-gpu1-0"]
    assert (seen["requests"], seen["others"], seen["errors"]) == (4, 0, [])
    assert len(engine.asked) > 4, "a lane asks again while there is time"
    assert seen["tokens"] >= 5 * (len(engine.asked) - 4)
    assert {one["key"] for one in engine.asked} == {"Bearer k"}
    assert seen["gpus"]["0"]["samples"] > 3
    assert seen["gpus"]["0"]["utilization_percent"] == 90.0
    assert seen["gpus"]["1"]["utilization_percent"] == 30.0
    assert seen["gpus"]["1"]["clock_mhz"] == 1980
    assert (nvml.started, nvml.ended) == (1, 1)


def test_requests_that_never_end_are_ended(
    engine: Streamer, nvml: Nvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that goes on with each look at it, and so with each token."""
    looks = itertools.count()

    def clock() -> float:
        return next(looks) / 100

    monkeypatch.setattr(burst, "monotonic", clock)
    monkeypatch.setattr(streaming, "time", SimpleNamespace(monotonic=clock))
    engine.words, engine.pause_s = [ROLE, *[event("a")] * 3000], 0.02
    started_s = time.monotonic()
    seen = burst.burst([load(engine, most_s=5)])["chat-gpu1-0"]
    assert time.monotonic() - started_s < 60  # which they would take
    assert seen["tokens"] > 8 and seen["errors"] == []
    assert engine.hung_up.wait(60)


def test_a_busy_replica_gets_no_more_and_is_looked_at(engine: Streamer, nvml: Nvml) -> None:
    seen = burst.burst([load(engine, requests=0, others=20, most_s=2.0)])["chat-gpu1-0"]
    assert engine.asked == []
    assert (seen["requests"], seen["tokens"], seen["others"]) == (0, 0, 20)
    assert seen["gpus"]["0"]["samples"] > 3


def test_a_replica_that_fails_is_not_asked_again(engine: Streamer, nvml: Nvml) -> None:
    engine.status = 500
    seen = burst.burst([load(engine)])["chat-gpu1-0"]
    assert seen["errors"] == ["HTTP 500"]
    assert len(engine.asked) == 4


def test_replicas_are_loaded_side_by_side(
    engine: Streamer, nvml: Nvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.words, names = [ROLE, event("a"), DONE], ("chat-gpu1-0", "chat-gpu1-1")

    def asked() -> list[str]:
        return [one["model"] for one in engine.asked]

    over_when(monkeypatch, lambda: min(map(asked().count, names)) > 4)
    loads = [
        load(engine, name=name, gpus=[number], most_s=MOST_S, body={"model": name})
        for number, name in enumerate(names)
    ]
    seen = burst.burst(loads)
    ends = [len(engine.asked) - asked()[::-1].index(name) for name in names]
    assert max(map(asked().index, names)) < min(ends), "one after the other"
    assert [list(one["gpus"]) for one in seen.values()] == [["0"], ["1"]]


def test_what_cannot_be_sampled_has_a_reason(engine: Streamer, nvml: Nvml) -> None:
    nvml.lost, nvml.without_clocks = {1}, True
    seen = burst.burst([load(engine)])["chat-gpu1-0"]["gpus"]
    assert (seen["0"]["utilization_percent"], seen["0"]["clock_mhz"]) == (90.0, None)
    assert seen["1"] == {"samples": 0, "reason": "RuntimeError: GPU is lost"}


def test_no_driver_is_a_reason(engine: Streamer, nvml: Nvml, monkeypatch: Any) -> None:
    monkeypatch.setattr(nvml, "nvmlInit", lambda: 1 / 0)
    seen = burst.burst([load(engine)])["chat-gpu1-0"]["gpus"]
    assert "ZeroDivisionError" in seen["0"]["reason"]


# --- Nginx -------------------------------------------------------------------------------------

CONFIG = """# configuration file {path}:
worker_rlimit_nofile 2048;
events { worker_connections 1024; }  # worker_connections 1;
http {
    # upstream old { server 192.0.2.1:1; }
    log_format main '$remote_addr "$request" upstream=$upstream_addr # no comment';
    upstream rackwright_chat {
        least_conn;
        server 192.0.2.11:8000 max_fails=2 fail_timeout=10s;  # chat-gpu1-0
        # server 192.0.2.99:8000;
        server 192.0.2.12:8000 down; server unix:/run/x.sock backup;
        keepalive 64;
    }
    upstream empty {}
    server { listen 443; location / { proxy_pass http://rackwright_chat; } }
}
"""


def test_limits_of_a_configuration() -> None:
    said = {"worker_connections": 1024, "worker_rlimit_nofile": 2048}
    assert nginx.limits(CONFIG) == said


def test_what_is_deployed_says_no_limit_of_its_own() -> None:
    golden = Path(__file__).parents[2] / "data/golden/gateway-two.conf"
    assert nginx.limits(golden.read_text()) == {}  # they are raised in Nginx's main file


def test_the_configuration_as_nginx_would_load_it(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "rackwright.conf"
    path.write_text(CONFIG.replace("{path}", str(path)))
    os.utime(path, (5000, 5000))
    command("nginx", f'[ "$*" = "-T -q" ] && cat {path}')
    seen = nginx.configuration()
    assert (seen["ok"], seen["words"], seen["changed_unix_s"]) == (True, "", 5000)
    assert seen["limits"] == nginx.limits(CONFIG)


def test_a_file_that_nginx_does_not_tell_of_is_of_the_configuration(
    command: Command, tmp_path: Path
) -> None:
    path, lua = tmp_path / "rackwright.conf", tmp_path / "gateway.lua"
    for file, time_s in ((path, 5000), (lua, 6000)):
        file.write_text(CONFIG.replace("{path}", str(path)))
        os.utime(file, (time_s, time_s))
    command("nginx", f"cat {path}")
    assert nginx.configuration([str(lua), str(tmp_path / "none")])["changed_unix_s"] == 6000


def test_a_configuration_with_faults_tells_nothing_else(command: Command) -> None:
    command("nginx", "echo 'upstream x { server y; }'; echo 'unknown directive' >&2; exit 1")
    assert nginx.configuration() == {"ok": False, "words": "unknown directive"}


def test_the_youngest_child_tells_when_it_was_loaded() -> None:
    before = time.time()
    child = subprocess.Popen(["sleep", "60"])
    try:
        loaded = nginx.loaded_unix_s(os.getpid())
        assert loaded is not None and before - 1 < loaded < time.time() + 1
        assert nginx.loaded_unix_s(child.pid) is None
        assert nginx.loaded_unix_s(0) is None
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert nginx.worker_open_files(os.getpid()) == soft
        assert nginx.worker_open_files(child.pid) is None
        assert nginx.worker_open_files(0) is None
    finally:
        child.kill()
        child.wait()


# --- limits and disks --------------------------------------------------------------------------


def test_open_files_of_a_process() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    seen = open_files(os.getpid())
    assert seen is not None
    unlimited = resource.RLIM_INFINITY
    assert seen["soft"] == ("unlimited" if soft == unlimited else str(soft))
    assert seen["hard"] == ("unlimited" if hard == unlimited else str(hard))
    assert 3 <= seen["used"] < 10_000
    assert open_files(0) is None


def test_disks_and_folders_that_are_not_there_yet(tmp_path: Path) -> None:
    absent = str(tmp_path / "models" / "of" / "tomorrow")
    seen = disks([str(tmp_path), absent])
    assert seen[str(tmp_path)] == {**seen[absent], "free_bytes": seen[str(tmp_path)]["free_bytes"]}
    assert seen[absent]["device"] == tmp_path.stat().st_dev
    assert 0 < seen[absent]["free_bytes"] <= seen[absent]["total_bytes"]


# --- how they travel ---------------------------------------------------------------------------


def test_the_scripts_run_on_a_host_that_has_nothing_of_the_project(tmp_path: Path) -> None:
    done = run("serving", {"replicas": [], "gateway": None, "folders": ["/"]}, cwd=tmp_path)
    assert done.stderr == ""
    assert json.loads(done.stdout)["disks"]["/"]["total_bytes"] > 0
