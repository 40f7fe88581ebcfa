"""The measuring client against a small engine of its own, and what is made of answers and logs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from benchmarks.serving import accounts
from benchmarks.serving.__main__ import measure, served_model
from benchmarks.serving.load import TOKENS_IN, TOKENS_OUT, Endpoint, load, row
from benchmarks.serving.streams import Answer, Request, ask

PAUSE_S = 0.05
"""Between the first token and the others."""


class Engine(BaseHTTPRequestHandler):
    """Streams as many tokens as it is asked for; the model's name says what goes wrong."""

    protocol_version = "HTTP/1.1"
    asked: list[dict[str, Any]] = []  # noqa: RUF012 - one server a test
    together: threading.Barrier | None = None

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        body = json.dumps({"data": [{"id": "chat"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(asked)
        if asked["model"] == "unknown":
            self.send_error(404, "no such model")
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(asked["max_tokens"]):
            usage = {"completion_tokens": number + 1} if asked["model"] == "counting" else None
            self.event({"choices": [{"text": " w"}], "usage": usage})
            if number == 0:
                time.sleep(PAUSE_S)
                if self.together:
                    self.together.wait()
            if asked["model"] == "dies":
                self.close_connection = True
                return
        if asked["model"] != "uncounted":
            self.event({"choices": [], "usage": {"completion_tokens": asked["max_tokens"]}})
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def event(self, value: dict[str, Any]) -> None:
        self.chunk(f"data: {json.dumps(value)}\n\n".encode())

    def chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


@pytest.fixture
def port() -> Iterator[int]:
    Engine.asked, Engine.together = [], None
    server = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def request(port: int, model: str = "chat", tokens: int = 5) -> Request:
    return Request("127.0.0.1", port, model, [1000, 1001], tokens)


@pytest.mark.parametrize("model", ["chat", "uncounted", "counting"])
def test_tokens_and_times_are_told(port: int, model: str) -> None:
    (answer,) = ask([request(port, model)], 10)
    assert (answer.tokens, answer.error) == (5, "")
    assert answer.sent <= answer.first <= answer.last
    assert answer.last - answer.sent >= PAUSE_S  # the first may come late on a busy machine
    assert answer.tpot_s * 4 == pytest.approx(answer.last - answer.first)
    assert answer.ttft_s < 5


def test_many_are_asked_at_once(port: int) -> None:
    Engine.together = threading.Barrier(40, timeout=60)  # none ends before the last has come
    answers = ask([request(port, tokens=3) for _ in range(40)], 60)
    assert [answer.tokens for answer in answers] == [3] * 40
    assert max(answer.sent for answer in answers) < min(answer.last for answer in answers)


@pytest.mark.parametrize(
    ("model", "said"), [("unknown", "HTTP 404"), ("dies", "ended early")]
)  # fmt: skip
def test_what_goes_wrong_is_said_of_that_request(port: int, model: str, said: str) -> None:
    bad, good = ask([request(port, model), request(port)], 10)
    assert said in bad.error
    assert (good.tokens, good.error) == (5, "")


def test_an_engine_that_is_not_there_is_said() -> None:
    (answer,) = ask([request(1)], 5)
    assert "refused" in answer.error


def test_an_answer_that_takes_too_long_is_ended(port: int) -> None:
    (answer,) = ask([request(port, tokens=3)], PAUSE_S / 5)
    assert "not answered within" in answer.error


def test_a_load_is_512_different_tokens_in_and_128_out(port: int) -> None:
    found = load([Endpoint("127.0.0.1", port, "chat", 32000)], 4, 30)
    assert found.keys() == {"concurrency", "out_tok_s", "ttft_ms", "tpot_ms"}
    assert found["concurrency"] == 4
    assert len(Engine.asked) == 8, "a round to warm up, and one that counts"
    prompts = [one["prompt"] for one in Engine.asked]
    assert {len(prompt) for prompt in prompts} == {TOKENS_IN}
    assert len({tuple(prompt[:16]) for prompt in prompts}) == 8
    assert {one["max_tokens"] for one in Engine.asked} == {TOKENS_OUT}
    assert all(one["ignore_eos"] for one in Engine.asked)


def test_requests_go_to_the_replicas_in_turn(port: int) -> None:
    names = [Endpoint("127.0.0.1", port, name, 512) for name in ("first", "second")]
    load(names, 4, 30)
    assert sorted(one["model"] for one in Engine.asked) == ["first"] * 4 + ["second"] * 4


def test_no_time_is_no_row(port: int) -> None:
    assert measure([Endpoint("127.0.0.1", port, "chat", 512)], [1, 64], 0) == []
    assert served_model(f"127.0.0.1:{port}") == "chat"


def test_a_row_is_of_the_answers_that_came() -> None:
    rounds = [
        [Answer(0.0, 0.5, 1.77, 128), Answer(0.0, 0.7, 1.97, 128), Answer(error="HTTP 500: x")],
        [Answer(5.0, 5.2, 6.47, 128)],
    ]
    assert row(2, rounds) == {
        "concurrency": 2,
        "out_tok_s": round(3 * 128 / (1.97 + 1.47), 1),
        "ttft_ms": 500.0,
        "tpot_ms": 10.0,
        "errors": 1,
        "error": "HTTP 500: x",
    }
    assert row(1, [[Answer(error="HTTP 500: x")]]) == {
        "concurrency": 1,
        "errors": 1,
        "error": "HTTP 500: x",
    }


LOG = """\
INFO [cuda.py:300] Using FLASH_ATTN attention backend out of potential backends: [...]
INFO [gpu_model_runner.py:1] Model loading took 7.51 GiB memory and 3.2 seconds
INFO [gpu_model_runner.py:1] Model loading took 7.48 GiB memory and 3.1 seconds
INFO [kv_cache_utils.py:9] GPU KV cache size: 1,023,280 tokens
INFO [gpu_worker.py:500] Free memory on device cuda:0 (78.6/79.2 GiB) on startup. Actual usage is \
7.73 GiB for consumed memory (weights + non-torch), 1.1 GiB for peak activation, and 0.98 GiB for \
CUDAGraph memory. Replace ... Current kv cache memory in use is 62.1 GiB.
INFO [monitor.py:1] torch.compile took 16.04 s in total
INFO [gpu_model_runner.py:2] Graph capturing finished in 4 secs, took 0.98 GiB
"""


def test_an_engines_own_accounts_are_read_from_its_log() -> None:
    assert accounts.of_log(LOG) == {
        "weights_gib": 7.51,
        "peak_activation_gib": 1.1,
        "consumed_gib": 7.73,
        "cuda_graph_gib": 0.98,
        "kv_cache_gib": 62.1,
        "kv_cache_tokens": 1023280,
        "compile_s": 16.04,
        "capture_s": 4,
    }
    assert accounts.of_log("max_total_num_tokens=441234, chunked_prefill_size=8192") == {
        "kv_cache_tokens": 441234
    }
    assert accounts.of_log("nothing") == {}


def test_chosen_backends_are_told_once() -> None:
    assert accounts.backends(LOG * 2) == [
        "Using FLASH_ATTN attention backend out of potential backends: [...]"
    ]


def test_the_first_errors_are_the_cause() -> None:
    log = "WARNING like `OSError: x`\nRuntimeError: Could not find nvcc\n  at x\nEngineDeadError: x"
    assert accounts.cause(log, 1) == ["RuntimeError: Could not find nvcc"]
    assert accounts.cause("a\nb\nc\nd") == ["b", "c", "d"]


def test_the_cache_is_told_by_metrics() -> None:
    text = 'vllm:cache_config_info{kv_cache_size_tokens="447728",block_size="16"} 1.0\n'
    assert accounts.of_metrics(text, "vllm") == {"kv_cache_tokens": 447728}
    assert accounts.of_metrics("", "vllm") == {}
