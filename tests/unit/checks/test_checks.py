from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rackwright.checks import (
    BURST_CHECKS,
    GATEWAY_CHECKS,
    REPLICA_CHECKS,
    balance,
    completion,
    delivery,
    endpoint,
    health,
    judge,
    kv_cache,
    listener,
    nginx,
    open_files,
    served_model,
    throughput,
    unit,
    upstreams,
    version,
)
from rackwright.checks.results import (
    CheckResult,
    PlannedReplica,
    PlannedService,
    Predicted,
    Status,
)
from rackwright.plan import Speed

DOCUMENTATION = Path(__file__).parents[3] / "docs/checks.md"
OK, WARN, CRITICAL, UNKNOWN = Status.OK, Status.WARN, Status.CRITICAL, Status.UNKNOWN
ALONE = Speed(concurrency=1, tpot_ms=10.0, ttft_ms=50.0, out_tok_s=100.0)
BUSY = Speed(concurrency=15, tpot_ms=20.0, ttft_ms=500.0, out_tok_s=800.0)
REPLICA = PlannedReplica(
    name="chat-gpu1-0",
    host="gpu1",
    unit="rackwright-chat-gpu1-0.service",
    port=8000,
    served_model_name="llama",
    max_model_len=8192,
    version="0.32.0",
    figures=("requests_running", "kv_cache_tokens"),
    predicted=Predicted(100_000, (ALONE, BUSY)),
    gpus=(0, 1),
    tensor_parallel_size=2,
    burst=True,
)
SERVICE = PlannedService(
    name="chat",
    host="gw1",
    server_name="llm.example.com",
    served_model_name="llama",
    replicas=("chat-gpu1-0", "chat-gpu2-0"),
    upstream="rackwright_chat",
    addresses=("192.0.2.11:8000", "192.0.2.12:8000"),
)

GROUP = "/system.slice/rackwright-chat-gpu1-0.service"
UNIT = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "MainPID": "321",
    "NRestarts": "0",
    "NeedDaemonReload": "no",
    "ControlGroup": GROUP,
    "LimitNOFILE": "1048576",
    "ExecMainStartTimestampMonotonic": "5000000",
}
OURS = {
    "pid": 321,
    "command": "python -m vllm",
    "cgroups": ["/", GROUP],
    "started_s": 5.01,
    "addresses": ["0B0200C0:1F40"],
}
STALE = {**OURS, "pid": 99, "command": "python -m vllm --old", "cgroups": ["/user.slice"]}
MODELS = {"object": "list", "data": [{"id": "llama", "max_model_len": 8192}]}
COMPLETION = {
    "object": "chat.completion",
    "model": "llama",
    "choices": [{"message": {"content": "blue"}}],
    "usage": {"completion_tokens": 8},
}
REFUSED = {"error": "ConnectionRefusedError: [Errno 111] Connection refused"}


def answer(body: Any, **more: Any) -> dict[str, Any]:
    return {"status": 200, "body": body, "replica": None, "seconds": 0.05, **more}


def streamed(each_ms: float = 10.0, first_ms: float = 30.0, **more: Any) -> dict[str, Any]:
    """64 tokens of a stream, so fast."""
    last_s = (first_ms + 63 * each_ms) / 1e3
    seen = {"status": 200, "tokens": 64, "first_s": first_ms / 1e3, "last_s": last_s, "others": 0}
    return {**seen, **more}


def metrics(**more: Any) -> dict[str, Any]:
    return answer({"requests_running": 0.0, "kv_cache_tokens": 99_900.0, **more})


def gpu(percent: float, mhz: Any = 1980) -> dict[str, Any]:
    return {"samples": 20, "utilization_percent": percent, "clock_mhz": mhz}


BURST = {
    "requests": 8,
    "others": 0,
    "tokens": 1500,
    "seconds": 3.0,
    "errors": [],
    "gpus": {"0": gpu(96), "1": gpu(93)},
}
SEEN = {
    "unit": UNIT,
    "open_files": {"soft": "1048576", "hard": "1048576", "used": 90},
    "listeners": [OURS],
    "health": answer(""),
    "models": answer(MODELS),
    "version": answer({"version": "0.32.0"}),
    "completion": answer(COMPLETION),
    "metrics": metrics(),
    "delivery": streamed(),
    "burst": BURST,
}
LIMITS = {"soft": "1048576", "hard": "1048576", "used": 90}


def burst(**more: Any) -> dict[str, Any]:
    return {"burst": {**BURST, **more}}


def gpus(first: Any, second: Any) -> dict[str, Any]:
    return burst(gpus={"0": first, "1": second})


def by(name: str | None, **more: Any) -> dict[str, Any]:
    return answer({**COMPLETION, **more}, replica=name)


BOTH = [by("chat-gpu1-0"), by("chat-gpu2-0")]
TWO = [{"address": f"192.0.2.1{n}:8000", "options": ["max_fails=2"]} for n in (1, 2)]
CONFIGURATION = {
    "ok": True,
    "words": "",
    "upstreams": {"rackwright_chat": TWO, "other": []},
    "changed_unix_s": 1000.0,
}
GATEWAY = {
    "unit": {"ActiveState": "active"},
    "configuration": CONFIGURATION,
    "loaded_unix_s": 1000.5,
    "services": {"chat": {"models": answer(MODELS), "completions": BOTH}},
    "closed_path": {"status": 404, "body": {}},
}


def service(**more: Any) -> dict[str, Any]:
    return {**GATEWAY, "services": {"chat": {**GATEWAY["services"]["chat"], **more}}}  # type: ignore[index]


def upstream(*servers: Any, **more: Any) -> dict[str, Any]:
    found = {**CONFIGURATION, "upstreams": {"rackwright_chat": list(servers)}, **more}
    return {**GATEWAY, "configuration": found}


def model(name: Any, length: Any) -> dict[str, Any]:
    return answer({"data": [{"id": name, "max_model_len": length}]})


Check = Callable[[PlannedReplica, Mapping[str, Any]], CheckResult]
REPLICA_TABLE: list[tuple[Check, dict[str, Any], Status, str]] = [
    (unit.check, {}, OK, "active, pid 321, no restarts"),
    (unit.check, {"unit": {**UNIT, "NRestarts": "3"}}, WARN, "active after 3 restarts"),
    (unit.check, {"unit": {**UNIT, "NeedDaemonReload": "yes"}}, WARN, "unit file changed since"),
    (
        unit.check,
        {"unit": {**UNIT, "ActiveState": "activating", "SubState": "auto-restart"}},
        CRITICAL,
        "loaded, activating (auto-restart)",
    ),
    (
        unit.check,
        {"unit": {"LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead"}},
        CRITICAL,
        "not-found, inactive (dead)",
    ),
    (unit.check, {"unit": {}}, UNKNOWN, "systemd did not answer"),
    (unit.check, {"unit": {"ActiveState": "active"}}, UNKNOWN, "did not count"),
    (listener.check, {}, OK, "port 8000 is pid 321's"),
    (
        listener.check,
        {"listeners": [{**OURS, "cgroups": [f"{GROUP}/worker"]}]},
        OK,
        "port 8000 is pid 321's",
    ),
    (listener.check, {"listeners": []}, CRITICAL, "nobody listens on port 8000"),
    (listener.check, {"listeners": [STALE]}, CRITICAL, "held by pid 99 (python -m vllm --old)"),
    (
        listener.check,
        {"listeners": [{**STALE, "cgroups": [GROUP.replace("-0.", "-01.")]}]},
        CRITICAL,
        "held by pid 99",
    ),
    (listener.check, {"listeners": [OURS, STALE]}, CRITICAL, "held by pid 99"),
    (listener.check, {"listeners": [STALE, OURS]}, CRITICAL, "held by pid 99"),
    (
        listener.check,
        {"listeners": [OURS, {**STALE, "addresses": ["0100007F:1F40"]}]},
        OK,
        "port 8000 is pid 321's",
    ),
    (listener.check, {"listeners": [{**OURS, "started_s": 4.5}]}, OK, "pid 321's"),
    (
        listener.check,
        {"listeners": [{**OURS, "started_s": 3.9}]},
        CRITICAL,
        "older than the unit's start",
    ),
    (listener.check, {"listeners": None}, UNKNOWN, "no control group"),
    (listener.check, {"unit": {**UNIT, "ControlGroup": ""}}, UNKNOWN, "no control group"),
    (
        listener.check,
        {"unit": {**UNIT, "ActiveState": "inactive", "ControlGroup": ""}, "listeners": [STALE]},
        CRITICAL,
        "held by pid 99",
    ),
    (health.check, {}, OK, "200 in 0.05 s"),
    (health.check, {"health": {"status": 503, "body": ""}}, CRITICAL, "HTTP 503"),
    (health.check, {"health": REFUSED}, CRITICAL, "Connection refused"),
    (health.check, {"health": None}, UNKNOWN, "was not observed"),
    (health.check, {"health": {"body": "200"}}, UNKNOWN, "no HTTP status"),
    (health.check, {"health": {"status": "200"}}, UNKNOWN, "no HTTP status"),
    (served_model.check, {}, OK, "llama, context 8192"),
    (served_model.check, {"models": model("mistral", 8192)}, CRITICAL, "serves mistral, not llama"),
    (served_model.check, {"models": model("llama", 4096)}, CRITICAL, "context of 4096 tokens, not"),
    (served_model.check, {"models": model("llama", None)}, CRITICAL, "context of None tokens"),
    (served_model.check, {"models": answer({"data": []})}, CRITICAL, "serves nothing, not llama"),
    (served_model.check, {"models": {"status": 401, "body": "key?"}}, CRITICAL, "HTTP 401: key?"),
    (served_model.check, {"models": REFUSED}, CRITICAL, "Connection refused"),
    (served_model.check, {"models": None}, UNKNOWN, "was not observed"),
    (served_model.check, {"models": answer("<html>")}, UNKNOWN, "not a model list"),
    (served_model.check, {"models": answer({"data": ["llama"]})}, UNKNOWN, "not a model list"),
    (completion.check, {}, OK, "8 tokens in 0.05 s"),
    (completion.check, {"completion": by(None, model="mistral")}, CRITICAL, "answered as mistral"),
    (completion.check, {"completion": by(None, choices=[])}, CRITICAL, "no token"),
    (
        completion.check,
        {"completion": by(None, usage={"completion_tokens": 0})},
        CRITICAL,
        "no token",
    ),
    (completion.check, {"completion": by(None, usage=None)}, CRITICAL, "no token was generated"),
    (completion.check, {"completion": by(None, object="error")}, CRITICAL, "not a chat completion"),
    (completion.check, {"completion": answer("Bad Gateway")}, CRITICAL, "not a chat completion"),
    (
        completion.check,
        {"completion": {"status": 500, "body": {"error": "EngineDeadError"}}},
        CRITICAL,
        "EngineDeadError",
    ),
    (completion.check, {"completion": {"error": "TimeoutError: timed out"}}, CRITICAL, "timed out"),
    (completion.check, {"completion": None}, UNKNOWN, "was not observed"),
    (completion.check, {"completion": {}}, UNKNOWN, "was not observed"),
    (version.check, {}, OK, "0.32.0"),
    (version.check, {"version": answer({"version": "0.32.0+cpu"})}, OK, "0.32.0+cpu"),
    (
        version.check,
        {"version": answer({"version": "0.32.1"})},
        CRITICAL,
        "0.32.1 answers, 0.32.0 is pinned",
    ),
    (version.check, {"version": answer({"version": "0.32.0.post1"})}, CRITICAL, "0.32.0 is pinned"),
    (version.check, {"version": answer("ok")}, UNKNOWN, "names no version"),
    (version.check, {"version": answer({"version": 32})}, UNKNOWN, "names no version"),
    (version.check, {"version": {"status": 404, "body": ""}}, UNKNOWN, "HTTP 404"),
    (version.check, {"version": REFUSED}, UNKNOWN, "Connection refused"),
    (version.check, {"version": None}, UNKNOWN, "was not observed"),
    (kv_cache.check, {}, OK, "99,900 tokens, 100,000 planned (-0.1%)"),
    (kv_cache.check, {"metrics": metrics(kv_cache_tokens=104_000)}, OK, "(+4.0%)"),
    (kv_cache.check, {"metrics": metrics(kv_cache_tokens=94_000)}, WARN, "(-6.0%)"),
    (kv_cache.check, {"metrics": metrics(kv_cache_tokens=200_000)}, WARN, "(+100.0%)"),
    (kv_cache.check, {"metrics": metrics(kv_cache_tokens=49_000)}, CRITICAL, "(-51.0%)"),
    (kv_cache.check, {"metrics": metrics(kv_cache_tokens=None)}, UNKNOWN, "do not tell"),
    (kv_cache.check, {"metrics": metrics(kv_cache_tokens="many")}, UNKNOWN, "do not tell"),
    (kv_cache.check, {"metrics": answer("ok")}, UNKNOWN, "do not tell"),
    (kv_cache.check, {"metrics": REFUSED}, UNKNOWN, "Connection refused"),
    (kv_cache.check, {"metrics": None}, UNKNOWN, "was not observed"),
    (
        delivery.check,
        {},
        OK,
        "10.0 ms a token, first after 30 ms, 97 tokens/s (10.0 and 50 ms predicted)",
    ),
    (delivery.check, {"delivery": streamed(14.5)}, OK, "14.5 ms a token"),
    (delivery.check, {"delivery": streamed(16.0)}, WARN, "16.0 ms a token"),
    (delivery.check, {"delivery": streamed(10.0, 290)}, OK, "first after 290 ms"),
    (delivery.check, {"delivery": streamed(10.0, 310)}, WARN, "first after 310 ms"),
    (delivery.check, {"delivery": streamed(28.0, 600, others=3)}, OK, "beside 3 other requests"),
    (delivery.check, {"delivery": streamed(31.0, 600, others=3)}, WARN, "beside 3 other requests"),
    (delivery.check, {"delivery": streamed(90.0, 9000, others=15)}, OK, "not judged"),
    (delivery.check, {"delivery": streamed(9.0, others=None)}, OK, "is not told"),
    (delivery.check, {"delivery": streamed(31.0, others=None)}, WARN, "is not told"),
    (delivery.check, {"delivery": streamed(tokens=1)}, CRITICAL, "no stream of tokens"),
    (delivery.check, {"delivery": streamed(first_s=None)}, CRITICAL, "no stream of tokens"),
    (delivery.check, {"delivery": {"error": "TimeoutError: timed out"}}, CRITICAL, "timed out"),
    (delivery.check, {"delivery": None}, UNKNOWN, "was not observed"),
    (open_files.check, {}, OK, "90 of 1048576 open"),
    (open_files.check, {"open_files": {**LIMITS, "soft": "unlimited"}}, OK, "90 of unlimited"),
    (
        open_files.check,
        {"open_files": {**LIMITS, "soft": "20000"}},
        OK,
        "90 of 20000 open, the unit asks for 1048576",
    ),
    (
        open_files.check,
        {"open_files": {**LIMITS, "soft": "1024"}},
        WARN,
        "90 of 1024 open, the unit asks for 1048576",
    ),
    (
        open_files.check,
        {"open_files": {**LIMITS, "soft": "1024", "used": 900}},
        CRITICAL,
        "900 of 1024 open",
    ),
    (open_files.check, {"open_files": None}, UNKNOWN, "no running process"),
    (open_files.check, {"unit": {}}, UNKNOWN, "no running process"),
    (open_files.check, {"open_files": {**LIMITS, "used": "90"}}, UNKNOWN, "no running process"),
    (balance.check, {}, OK, "GPU 0: 96 %, GPU 1: 93 %"),
    (balance.check, gpus(gpu(90), gpu(66)), OK, "GPU 1: 66 %"),
    (balance.check, gpus(gpu(90, None), gpu(89, None)), OK, "GPU 1: 89 %"),
    (balance.check, gpus(gpu(90), gpu(60)), WARN, "GPU 1 works less than GPU 0"),
    (
        balance.check,
        gpus(gpu(99, 1200), gpu(99, 1980)),
        WARN,
        "GPU 0 runs at 1200 MHz, GPU 1 at 1980",
    ),
    (balance.check, gpus(gpu(99), gpu(0)), CRITICAL, "GPU 1 does nothing while requests run"),
    (balance.check, gpus(gpu(1), gpu(0)), CRITICAL, "GPU 0, 1 does nothing"),
    (
        balance.check,
        gpus(gpu(99), {"samples": 0, "reason": "NVMLError_GpuIsLost"}),
        UNKNOWN,
        "NVMLError_GpuIsLost",
    ),
    (balance.check, burst(errors=["HTTP 500"]), UNKNOWN, "the requests failed"),
    (
        balance.check,
        gpus(*[{"samples": 0, "reason": "NVMLError_NotSupported: Not Supported"}] * 2),
        OK,
        "do not tell their utilisation",
    ),
    (balance.check, burst(gpus={}), UNKNOWN, "was not observed"),
    (balance.check, {"burst": None}, UNKNOWN, "was not observed"),
    (throughput.check, {}, OK, "500 tokens/s of 8 requests on 2 GPU(s), 450 predicted"),
    (throughput.check, burst(tokens=800), WARN, "267 tokens/s of 8 requests"),
    (
        throughput.check,
        burst(requests=4, tokens=700, others=4),
        OK,
        "233 tokens/s of 4 requests beside 4 of others on 2 GPU(s), 225 predicted",
    ),
    (throughput.check, burst(requests=4, tokens=400, others=4), WARN, "225 predicted"),
    (
        throughput.check,
        burst(requests=0, tokens=0, others=9),
        OK,
        "9 requests of others ran, none was added: not judged",
    ),
    (throughput.check, burst(errors=["HTTP 500"]), CRITICAL, "8 requests at once: HTTP 500"),
    (throughput.check, burst(tokens=None), UNKNOWN, "no burst was observed"),
    (throughput.check, burst(seconds=0), UNKNOWN, "no burst was observed"),
    (throughput.check, {"burst": None}, UNKNOWN, "no burst was observed"),
]


@pytest.mark.parametrize(("check", "changed", "status", "words"), REPLICA_TABLE)
def test_replica(check: Check, changed: dict[str, Any], status: Status, words: str) -> None:
    result = check(REPLICA, {**SEEN, **changed})
    assert (result.status, result.host, result.subject) == (status, "gpu1", "chat-gpu1-0")
    assert words in result.evidence
    assert bool(result.remedy) == (status is not OK)


GatewayCheck = Callable[[PlannedService, Mapping[str, Any]], CheckResult]
GATEWAY_TABLE: list[tuple[GatewayCheck, dict[str, Any], Status, str]] = [
    (nginx.check, GATEWAY, OK, "active, configuration valid"),
    (
        nginx.check,
        {**GATEWAY, "configuration": {"ok": False, "words": "unknown directive"}},
        WARN,
        "unknown directive",
    ),
    (nginx.check, {**GATEWAY, "configuration": {"ok": "no"}}, WARN, "None"),
    (nginx.check, {**GATEWAY, "unit": {"ActiveState": "failed"}}, CRITICAL, "failed"),
    (nginx.check, {**GATEWAY, "unit": {}}, UNKNOWN, "was not observed"),
    (nginx.check, {**GATEWAY, "configuration": {}}, UNKNOWN, "was not observed"),
    (upstreams.check, GATEWAY, OK, "2 replicas, as planned"),
    (
        upstreams.check,
        upstream(TWO[0]),
        CRITICAL,
        "1 of 2 replicas get no requests: chat-gpu2-0 (192.0.2.12:8000)",
    ),
    (upstreams.check, upstream(), CRITICAL, "2 of 2 replicas get no requests"),
    (upstreams.check, {**GATEWAY, "configuration": {"upstreams": {}}}, CRITICAL, "2 of 2 replicas"),
    (
        upstreams.check,
        upstream(TWO[0], {**TWO[1], "options": ["down"]}),
        CRITICAL,
        "chat-gpu2-0 (192.0.2.12:8000)",
    ),
    (
        upstreams.check,
        upstream(*TWO, {"address": "192.0.2.99:8000", "options": []}),
        WARN,
        "192.0.2.99:8000, which the plan does not know",
    ),
    (upstreams.check, upstream(*TWO, changed_unix_s=1009.0), WARN, "after Nginx had loaded it"),
    (upstreams.check, {**GATEWAY, "loaded_unix_s": None}, UNKNOWN, "could not be told"),
    (
        upstreams.check,
        {**GATEWAY, "configuration": {"ok": False, "words": "unknown directive"}},
        UNKNOWN,
        "unknown directive",
    ),
    (upstreams.check, {**GATEWAY, "configuration": None}, UNKNOWN, "was not read"),
    (endpoint.check_closed_paths, GATEWAY, OK, "refused with 404"),
    (
        endpoint.check_closed_paths,
        {**GATEWAY, "closed_path": {"status": 200}},
        CRITICAL,
        "GET /metrics answers 200",
    ),
    (
        endpoint.check_closed_paths,
        {**GATEWAY, "closed_path": {"status": 502}},
        CRITICAL,
        "GET /metrics answers 502",
    ),
    (endpoint.check_closed_paths, {**GATEWAY, "closed_path": REFUSED}, UNKNOWN, "refused"),
    (endpoint.check_closed_paths, {**GATEWAY, "closed_path": None}, UNKNOWN, "was not observed"),
    (
        endpoint.check_closed_paths,
        {**GATEWAY, "closed_path": {"status": "404"}},
        UNKNOWN,
        "was not",
    ),
    (endpoint.check_models, GATEWAY, OK, "llama at https://llm.example.com"),
    (endpoint.check_models, service(models=model("mistral", 1)), CRITICAL, "serves mistral, not"),
    (endpoint.check_models, service(models=REFUSED), CRITICAL, "Connection refused"),
    (endpoint.check_models, service(models=None), UNKNOWN, "was not observed"),
    (endpoint.check_models, service(models=answer([1])), UNKNOWN, "not a model list"),
    (endpoint.check_models, {**GATEWAY, "services": {}}, UNKNOWN, "was not observed"),
    (endpoint.check_completions, GATEWAY, OK, "2 answered (chat-gpu1-0: 1, chat-gpu2-0: 1)"),
    (
        endpoint.check_completions,
        service(completions=[by("chat-gpu1-0")] * 4),
        WARN,
        "chat-gpu2-0 answered none of 4 (chat-gpu1-0: 4)",
    ),
    (endpoint.check_completions, service(completions=[by(None)]), WARN, "answered none of 1"),
    (
        endpoint.check_completions,
        service(completions=[*BOTH, {"status": 502, "body": "no"}]),
        CRITICAL,
        "HTTP 502",
    ),
    (
        endpoint.check_completions,
        service(completions=[*BOTH, by("chat-gpu1-0", model="mistral")]),
        CRITICAL,
        "answered as mistral, not llama",
    ),
    (endpoint.check_completions, service(completions=[REFUSED]), CRITICAL, "Connection refused"),
    (endpoint.check_completions, service(completions=[]), UNKNOWN, "was not observed"),
    (endpoint.check_completions, service(completions=[*BOTH, None]), UNKNOWN, "was not observed"),
    (endpoint.check_completions, {**GATEWAY, "services": {}}, UNKNOWN, "was not observed"),
]


@pytest.mark.parametrize(("check", "seen", "status", "words"), GATEWAY_TABLE)
def test_gateway(check: GatewayCheck, seen: dict[str, Any], status: Status, words: str) -> None:
    result = check(SERVICE, seen)
    assert (result.status, result.host, result.subject) == (status, "gw1", "chat")
    assert words in result.evidence
    assert bool(result.remedy) == (status is not OK)


def test_every_check_has_rows_for_all_it_can_say() -> None:
    said: dict[Any, set[Status]] = {}
    for check, _, status, _ in [*REPLICA_TABLE, *GATEWAY_TABLE]:
        said.setdefault(check, set()).add(status)
    assert set(said) == {*REPLICA_CHECKS, *BURST_CHECKS, *GATEWAY_CHECKS}
    assert all({OK, CRITICAL, UNKNOWN} <= statuses for statuses in said.values())


@pytest.mark.parametrize("check", [*REPLICA_CHECKS, *BURST_CHECKS])
@pytest.mark.parametrize("seen", [{}, dict.fromkeys(SEEN), {key: {} for key in SEEN}])
def test_nothing_observed_of_a_replica_is_unknown(check: Check, seen: dict[str, Any]) -> None:
    result = judge_one(check, REPLICA, seen)
    assert result.status is UNKNOWN or (check is listener.check and result.status is not OK)


@pytest.mark.parametrize("check", GATEWAY_CHECKS)
@pytest.mark.parametrize("seen", [{}, dict.fromkeys(GATEWAY), {key: {} for key in GATEWAY}])
def test_nothing_observed_of_a_gateway_is_unknown(
    check: GatewayCheck, seen: dict[str, Any]
) -> None:
    assert judge_one(check, SERVICE, seen).status is UNKNOWN


def judge_one(check: Any, planned: Any, seen: dict[str, Any]) -> CheckResult:
    result = check(planned, seen)
    assert isinstance(result, CheckResult)
    return result


GARBAGE: list[Any] = ["", "OK", "200", 200, True, [], ["OK"], [[]], {"status": 200}, {"ok": 1}]


NAMES = {
    "unit": {"unit"},
    "open_files": {"open files"},
    "version": {"version"},
    "metrics": {"KV cache", "kv cache"},
    "delivery": {"delivery"},
    "burst": {"balance", "throughput"},
    "listeners": {"identity", "listener"},
    "health": {"health"},
    "models": {"model"},
    "completion": {"completion"},
}
"""Rows that read a part of the observation; a check that cannot read it goes by its module."""


@pytest.mark.parametrize("garbage", GARBAGE, ids=repr)
@pytest.mark.parametrize("key", SEEN)
def test_a_garbled_observation_of_a_replica_is_never_ok(key: str, garbage: Any) -> None:
    results = judge([REPLICA], {"gpu1": {"replicas": {"chat-gpu1-0": {**SEEN, key: garbage}}}})
    assert len(results) == len(REPLICA_CHECKS) + len(BURST_CHECKS)
    if key == "health" and garbage == {"status": 200}:
        return  # all there is to know of /health
    assert {r.check for r in results if r.status is not OK} & NAMES[key]


@pytest.mark.parametrize("garbage", GARBAGE, ids=repr)
@pytest.mark.parametrize("key", GATEWAY)
def test_a_garbled_observation_of_a_gateway_is_never_ok(key: str, garbage: Any) -> None:
    results = judge([SERVICE], {"gw1": {"gateway": {**GATEWAY, key: garbage}}})
    assert len(results) == len(GATEWAY_CHECKS)
    assert [r for r in results if r.status is not OK]


@pytest.mark.parametrize("garbage", [*GARBAGE, None], ids=repr)
def test_garbage_in_place_of_all_answers_is_unknown(garbage: Any) -> None:
    seen = {"replicas": garbage, "gateway": garbage}
    results = judge([REPLICA, SERVICE], {"gpu1": seen, "gw1": seen})
    assert {result.status for result in results} == {UNKNOWN}


def test_all_is_well() -> None:
    observed = {"gpu1": {"replicas": {"chat-gpu1-0": SEEN}}, "gw1": {"gateway": GATEWAY}}
    results = judge([REPLICA, SERVICE], observed)
    assert {result.status for result in results} == {OK}
    assert len(results) == len(REPLICA_CHECKS) + len(BURST_CHECKS) + len(GATEWAY_CHECKS)
    assert len({(result.subject, result.check) for result in results}) == len(results)
    text = DOCUMENTATION.read_text()
    assert [result.check for result in results if f"\n| {result.check} |" not in text] == []


@pytest.mark.parametrize("observed", [{}, {"gpu1": {}}, {"gw1": {"gateway": GATEWAY}}])
def test_a_host_that_gave_no_answer_is_one_critical_row(observed: dict[str, Any]) -> None:
    (result,) = judge([REPLICA], observed)
    assert (result.check, result.status, result.subject) == ("reached", CRITICAL, "gpu1")
    assert "could not be reached" in result.evidence
    assert "gpu1" in result.remedy


def test_an_unreachable_host_says_why() -> None:
    (result,) = judge([REPLICA], {"gpu1": {"error": "gpu1: gave no answer: TimeoutError()"}})
    assert (result.status, result.evidence) == (CRITICAL, "gpu1: gave no answer: TimeoutError()")


def test_a_host_that_failed_in_a_stage_says_what_failed_there() -> None:
    failed = {"stage": "Replicas | Units", "what": "x.service: nvcc is missing", "remedy": "do so"}
    (result,) = judge([REPLICA], {"gpu1": {"failed": failed}})
    assert (result.check, result.status, result.subject) == ("deployed", CRITICAL, "gpu1")
    assert result.evidence == "Replicas | Units: x.service: nvcc is missing"
    assert result.remedy == "do so; then run this again"
    assert "\n| deployed |" in DOCUMENTATION.read_text()


@pytest.mark.parametrize("garbage", [{}, [], None, {"stage": 7}], ids=repr)
def test_a_failure_that_nobody_described_is_critical_all_the_same(garbage: Any) -> None:
    (result,) = judge([REPLICA], {"gpu1": {"failed": garbage}})
    assert (result.check, result.status) == ("deployed", CRITICAL)
    assert "what the run said" in result.remedy


def test_a_replica_its_host_says_nothing_of_is_not_ok() -> None:
    results = judge([REPLICA], {"gpu1": {"replicas": {"chat-gpu1-1": SEEN}}})
    assert {result.status for result in results} == {UNKNOWN}


def test_what_an_engine_does_not_tell_is_no_fault() -> None:
    silent = replace(REPLICA, version=None, figures=())
    for check in (version.check, kv_cache.check):
        result = check(silent, {**SEEN, "version": None, "metrics": None})
        assert (result.status, result.evidence) == (OK, "the engine does not tell")


def test_without_gpus_nothing_is_predicted_and_what_was_measured_is_said() -> None:
    plain = replace(REPLICA, predicted=None, burst=False, uses_gpus=False)
    slow = {**SEEN, "delivery": streamed(900.0), "metrics": metrics(kv_cache_tokens=5.0)}
    assert delivery.check(plain, slow).status is OK
    assert "900.0 ms a token" in delivery.check(plain, slow).evidence
    assert "no prediction without GPUs" in delivery.check(plain, slow).evidence
    assert kv_cache.check(plain, slow).status is OK
    assert "5 tokens, a fixed size" in kv_cache.check(plain, slow).evidence
    rows = judge([plain], {"gpu1": {"replicas": {plain.name: {**slow, "burst": None}}}})
    assert len(rows) == len(REPLICA_CHECKS)


def test_stages_of_a_pipeline_may_differ_and_their_ranks_may_not() -> None:
    four = replace(REPLICA, gpus=(0, 1, 2, 3), tensor_parallel_size=2)
    stages = {"0": gpu(40), "1": gpu(41), "2": gpu(90), "3": gpu(91)}
    fine = balance.check(four, burst(gpus=stages))
    assert fine.status is OK
    assert "stages of a pipeline work in turn" in fine.evidence
    bad = balance.check(four, burst(gpus={**stages, "3": gpu(50)}))
    assert bad.status is WARN
    assert "GPU 3 works less than GPU 2" in bad.evidence


def test_the_prediction_for_a_burst_lies_between_that_for_one_and_for_all() -> None:
    def predicted(requests: int, *more: Speed) -> str:
        planned = replace(REPLICA, predicted=Predicted(1, (ALONE, *more)))
        return throughput.check(planned, burst(requests=requests)).evidence.split(", ")[1]

    assert predicted(1, BUSY) == "100 predicted"
    assert predicted(8, BUSY) == "450 predicted"
    assert predicted(15, BUSY) == predicted(40, BUSY) == "800 predicted"
    assert predicted(8) == predicted(8, ALONE) == "100 predicted"
    full = Speed(concurrency=115, tpot_ms=60.0, ttft_ms=4000.0, out_tok_s=1800.0)
    assert predicted(8, BUSY, full) == "450 predicted"
    assert predicted(65, BUSY, full) == "1,300 predicted"
    assert predicted(115, BUSY, full) == predicted(500, BUSY, full) == "1,800 predicted"


def test_a_later_server_of_a_replica_is_judged_by_its_unit_and_process() -> None:
    later = replace(REPLICA, answers=False)
    seen = {"unit": UNIT, "open_files": LIMITS}
    rows = judge([later], {"gpu1": {"replicas": {later.name: seen}}})
    assert [(row.check, row.status) for row in rows] == [("unit", OK), ("open files", OK)]


FAULTS: dict[str, tuple[dict[str, Any], str, Status]] = {
    "another version": ({"version": answer({"version": "0.31.0"})}, "version", CRITICAL),
    "another model": ({"models": model("mistral", 8192)}, "model", CRITICAL),
    "no completion": ({"completion": {"status": 500, "body": "dead"}}, "completion", CRITICAL),
    "a stale server": ({"listeners": [STALE]}, "identity", CRITICAL),
    "no stream": ({"delivery": streamed(tokens=0)}, "delivery", CRITICAL),
    "slow tokens": ({"delivery": streamed(25.0)}, "delivery", WARN),
    "less KV cache": ({"metrics": metrics(kv_cache_tokens=80_000)}, "KV cache", WARN),
    "too few open files": ({"open_files": {**LIMITS, "soft": "4096"}}, "open files", WARN),
    "a rank that lags": (gpus(gpu(95), gpu(50)), "balance", WARN),
    "a GPU that does nothing": (gpus(gpu(95), gpu(0)), "balance", CRITICAL),
    "few tokens for the GPU count": (burst(tokens=700), "throughput", WARN),
}


@pytest.mark.parametrize(("changed", "check", "status"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found_by_exactly_the_right_check(
    changed: dict[str, Any], check: str, status: Status
) -> None:
    rows = judge([REPLICA], {"gpu1": {"replicas": {REPLICA.name: {**SEEN, **changed}}}})
    (found,) = [row for row in rows if row.status is not OK]
    assert (found.check, found.status) == (check, status)
    assert found.remedy
