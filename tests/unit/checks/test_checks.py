from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rackwright.checks import Check, CheckResult, Status, checks_about, healthy, judge
from rackwright.checks.planned import PlannedReplica, PlannedService, Predicted
from rackwright.checks.replica import (
    balance,
    completion,
    delivery,
    health,
    identity,
    kv_cache,
    model,
    open_files,
    throughput,
    unit,
    version,
)
from rackwright.checks.replica.healthy import (
    ALONE,
    BUSY,
    GROUP,
    STALE,
    answer,
    streamed,
)
from rackwright.checks.replica.healthy import OWN as OURS
from rackwright.checks.replica.healthy import busy_gpu as gpu
from rackwright.checks.replica.when import HAD_A_BURST, SAYS_WHAT_IT_HOLDS
from rackwright.checks.service import (
    closed_paths,
    connections,
    gateway_completion,
    gateway_model,
    nginx,
    upstream,
)
from rackwright.checks.service.healthy import FIRST, SECOND, by
from rackwright.plan import Speed

DOCUMENTATION = Path(__file__).parents[3] / "docs/checks.md"
OK, WARN, CRITICAL, UNKNOWN = Status.OK, Status.WARN, Status.CRITICAL, Status.UNKNOWN
REPLICA, SEEN = healthy(PlannedReplica).planned, healthy(PlannedReplica).seen
SERVICE, GATEWAY = healthy(PlannedService).planned, healthy(PlannedService).seen
UNIT, LIMITS, BURST = SEEN["unit"], SEEN["open_files"], SEEN["burst"]
REPLICA_CHECKS = [
    check for check in checks_about(PlannedReplica) if check.applies is not SAYS_WHAT_IT_HOLDS
]
GATEWAY_CHECKS = checks_about(PlannedService)
REFUSED = {"error": "ConnectionRefusedError: [Errno 111] Connection refused"}


def metrics(**more: Any) -> dict[str, Any]:
    return answer({"requests_running": 0.0, "kv_cache_tokens": 99_900.0, **more})


def burst(**more: Any) -> dict[str, Any]:
    return {"burst": {**BURST, **more}}


def gpus(first: Any, second: Any) -> dict[str, Any]:
    return burst(gpus={"0": first, "1": second})


BOTH = [by("chat-gpu1-0"), by("chat-gpu2-0")]
TWO = [FIRST, SECOND]
CONFIGURATION, LIVE = GATEWAY["configuration"], GATEWAY["live"]


def service(**more: Any) -> dict[str, Any]:
    return {**GATEWAY, "services": {"chat": {**GATEWAY["services"]["chat"], **more}}}


def balanced(*replicas: Any, **more: Any) -> dict[str, Any]:
    """The gateway's data with these replicas, and more of Nginx's configuration."""
    data = {**GATEWAY["data"], "services": {"chat": {"replicas": list(replicas)}}}
    return {**GATEWAY, "data": data, "configuration": {**CONFIGURATION, **more}}


def living(**states: Any) -> dict[str, Any]:
    """What the gateway says of ``gpu1`` and ``gpu2``."""
    named = {f"chat-{name}-0": state for name, state in states.items()}
    replicas = {**LIVE["services"]["chat"]["replicas"], **named}
    return {**GATEWAY, "live": {**LIVE, "services": {"chat": {"replicas": replicas}}}}


def listed(name: Any, length: Any) -> dict[str, Any]:
    return answer({"data": [{"id": name, "max_model_len": length}]})


REPLICA_TABLE: list[tuple[Check[PlannedReplica], dict[str, Any], Status, str]] = [
    (unit.CHECK, {}, OK, "active, pid 321, no restarts"),
    (unit.CHECK, {"unit": {**UNIT, "NRestarts": "3"}}, WARN, "active after 3 restarts"),
    (unit.CHECK, {"unit": {**UNIT, "NeedDaemonReload": "yes"}}, WARN, "unit file changed since"),
    (
        unit.CHECK,
        {"unit": {**UNIT, "ActiveState": "activating", "SubState": "auto-restart"}},
        CRITICAL,
        "loaded, activating (auto-restart)",
    ),
    (
        unit.CHECK,
        {"unit": {"LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead"}},
        CRITICAL,
        "not-found, inactive (dead)",
    ),
    (unit.CHECK, {"unit": {}}, UNKNOWN, "systemd did not answer"),
    (unit.CHECK, {"unit": {"ActiveState": "active"}}, UNKNOWN, "did not count"),
    (identity.CHECK, {}, OK, "port 8000 is pid 321's"),
    (
        identity.CHECK,
        {"listeners": [{**OURS, "cgroups": [f"{GROUP}/worker"]}]},
        OK,
        "port 8000 is pid 321's",
    ),
    (identity.CHECK, {"listeners": []}, CRITICAL, "nobody listens on port 8000"),
    (identity.CHECK, {"listeners": [STALE]}, CRITICAL, "held by pid 99 (python -m vllm --old)"),
    (
        identity.CHECK,
        {"listeners": [{**STALE, "cgroups": [GROUP.replace("-0.", "-01.")]}]},
        CRITICAL,
        "held by pid 99",
    ),
    (identity.CHECK, {"listeners": [OURS, STALE]}, CRITICAL, "held by pid 99"),
    (identity.CHECK, {"listeners": [STALE, OURS]}, CRITICAL, "held by pid 99"),
    (
        identity.CHECK,
        {"listeners": [OURS, {**STALE, "addresses": ["0100007F:1F40"]}]},
        OK,
        "port 8000 is pid 321's",
    ),
    (identity.CHECK, {"listeners": [{**OURS, "started_s": 4.5}]}, OK, "pid 321's"),
    (
        identity.CHECK,
        {"listeners": [{**OURS, "started_s": 3.9}]},
        CRITICAL,
        "older than the unit's start",
    ),
    (identity.CHECK, {"listeners": None}, UNKNOWN, "no control group"),
    (identity.CHECK, {"unit": {**UNIT, "ControlGroup": ""}}, UNKNOWN, "no control group"),
    (
        identity.CHECK,
        {"unit": {**UNIT, "ActiveState": "inactive", "ControlGroup": ""}, "listeners": [STALE]},
        CRITICAL,
        "held by pid 99",
    ),
    (health.CHECK, {}, OK, "200 in 0.05 s"),
    (health.CHECK, {"health": {"status": 503, "body": ""}}, CRITICAL, "HTTP 503"),
    (health.CHECK, {"health": REFUSED}, CRITICAL, "Connection refused"),
    (health.CHECK, {"health": None}, UNKNOWN, "was not observed"),
    (health.CHECK, {"health": {"body": "200"}}, UNKNOWN, "no HTTP status"),
    (health.CHECK, {"health": {"status": "200"}}, UNKNOWN, "no HTTP status"),
    (model.CHECK, {}, OK, "llama, context 8192"),
    (model.CHECK, {"models": listed("mistral", 8192)}, CRITICAL, "serves mistral, not llama"),
    (model.CHECK, {"models": listed("llama", 4096)}, CRITICAL, "context of 4096 tokens, not"),
    (model.CHECK, {"models": listed("llama", None)}, CRITICAL, "context of None tokens"),
    (model.CHECK, {"models": answer({"data": []})}, CRITICAL, "serves nothing, not llama"),
    (model.CHECK, {"models": {"status": 401, "body": "key?"}}, CRITICAL, "HTTP 401: key?"),
    (model.CHECK, {"models": REFUSED}, CRITICAL, "Connection refused"),
    (model.CHECK, {"models": None}, UNKNOWN, "was not observed"),
    (model.CHECK, {"models": answer("<html>")}, UNKNOWN, "not a model list"),
    (model.CHECK, {"models": answer({"data": ["llama"]})}, UNKNOWN, "not a model list"),
    (completion.CHECK, {}, OK, "8 tokens in 0.05 s"),
    (completion.CHECK, {"completion": by(None, model="mistral")}, CRITICAL, "answered as mistral"),
    (completion.CHECK, {"completion": by(None, choices=[])}, CRITICAL, "no token"),
    (
        completion.CHECK,
        {"completion": by(None, usage={"completion_tokens": 0})},
        CRITICAL,
        "no token",
    ),
    (completion.CHECK, {"completion": by(None, usage=None)}, CRITICAL, "no token was generated"),
    (completion.CHECK, {"completion": by(None, object="error")}, CRITICAL, "not a chat completion"),
    (completion.CHECK, {"completion": answer("Bad Gateway")}, CRITICAL, "not a chat completion"),
    (
        completion.CHECK,
        {"completion": {"status": 500, "body": {"error": "EngineDeadError"}}},
        CRITICAL,
        "EngineDeadError",
    ),
    (completion.CHECK, {"completion": {"error": "TimeoutError: timed out"}}, CRITICAL, "timed out"),
    (completion.CHECK, {"completion": None}, UNKNOWN, "was not observed"),
    (completion.CHECK, {"completion": {}}, UNKNOWN, "was not observed"),
    (version.CHECK, {}, OK, "0.32.0"),
    (version.CHECK, {"version": answer({"version": "0.32.0+cpu"})}, OK, "0.32.0+cpu"),
    (
        version.CHECK,
        {"version": answer({"version": "0.32.1"})},
        CRITICAL,
        "0.32.1 answers, 0.32.0 is pinned",
    ),
    (version.CHECK, {"version": answer({"version": "0.32.0.post1"})}, CRITICAL, "0.32.0 is pinned"),
    (version.CHECK, {"version": answer("ok")}, UNKNOWN, "names no version"),
    (version.CHECK, {"version": answer({"version": 32})}, UNKNOWN, "names no version"),
    (version.CHECK, {"version": {"status": 404, "body": ""}}, UNKNOWN, "HTTP 404"),
    (version.CHECK, {"version": REFUSED}, UNKNOWN, "Connection refused"),
    (version.CHECK, {"version": None}, UNKNOWN, "was not observed"),
    (kv_cache.CHECK, {}, OK, "99,900 tokens, 100,000 planned (-0.1%)"),
    (kv_cache.CHECK, {"metrics": metrics(kv_cache_tokens=104_000)}, OK, "(+4.0%)"),
    (kv_cache.CHECK, {"metrics": metrics(kv_cache_tokens=94_000)}, WARN, "(-6.0%)"),
    (kv_cache.CHECK, {"metrics": metrics(kv_cache_tokens=200_000)}, WARN, "(+100.0%)"),
    (kv_cache.CHECK, {"metrics": metrics(kv_cache_tokens=49_000)}, CRITICAL, "(-51.0%)"),
    (kv_cache.CHECK, {"metrics": metrics(kv_cache_tokens=None)}, UNKNOWN, "do not tell"),
    (kv_cache.CHECK, {"metrics": metrics(kv_cache_tokens="many")}, UNKNOWN, "do not tell"),
    (kv_cache.CHECK, {"metrics": answer("ok")}, UNKNOWN, "do not tell"),
    (kv_cache.CHECK, {"metrics": REFUSED}, UNKNOWN, "Connection refused"),
    (kv_cache.CHECK, {"metrics": None}, UNKNOWN, "was not observed"),
    (
        delivery.CHECK,
        {},
        OK,
        "10.0 ms a token, first after 30 ms, 97 tokens/s (10.0 and 50 ms predicted)",
    ),
    (delivery.CHECK, {"delivery": streamed(14.5)}, OK, "14.5 ms a token"),
    (delivery.CHECK, {"delivery": streamed(16.0)}, WARN, "16.0 ms a token"),
    (delivery.CHECK, {"delivery": streamed(10.0, 290)}, OK, "first after 290 ms"),
    (delivery.CHECK, {"delivery": streamed(10.0, 310)}, WARN, "first after 310 ms"),
    (delivery.CHECK, {"delivery": streamed(28.0, 600, others=3)}, OK, "beside 3 other requests"),
    (delivery.CHECK, {"delivery": streamed(31.0, 600, others=3)}, WARN, "beside 3 other requests"),
    (delivery.CHECK, {"delivery": streamed(90.0, 9000, others=15)}, OK, "not judged"),
    (delivery.CHECK, {"delivery": streamed(9.0, others=None)}, OK, "is not told"),
    (delivery.CHECK, {"delivery": streamed(31.0, others=None)}, WARN, "is not told"),
    (delivery.CHECK, {"delivery": streamed(tokens=1)}, CRITICAL, "no stream of tokens"),
    (delivery.CHECK, {"delivery": streamed(first_s=None)}, CRITICAL, "no stream of tokens"),
    (delivery.CHECK, {"delivery": {"error": "TimeoutError: timed out"}}, CRITICAL, "timed out"),
    (delivery.CHECK, {"delivery": None}, UNKNOWN, "was not observed"),
    (open_files.CHECK, {}, OK, "90 of 1048576 open"),
    (open_files.CHECK, {"open_files": {**LIMITS, "soft": "unlimited"}}, OK, "90 of unlimited"),
    (
        open_files.CHECK,
        {"open_files": {**LIMITS, "soft": "20000"}},
        OK,
        "90 of 20000 open, the unit asks for 1048576",
    ),
    (
        open_files.CHECK,
        {"open_files": {**LIMITS, "soft": "1024"}},
        WARN,
        "90 of 1024 open, the unit asks for 1048576",
    ),
    (
        open_files.CHECK,
        {"open_files": {**LIMITS, "soft": "1024", "used": 900}},
        CRITICAL,
        "900 of 1024 open",
    ),
    (open_files.CHECK, {"open_files": None}, UNKNOWN, "no running process"),
    (open_files.CHECK, {"unit": {}}, UNKNOWN, "no running process"),
    (open_files.CHECK, {"open_files": {**LIMITS, "used": "90"}}, UNKNOWN, "no running process"),
    (balance.CHECK, {}, OK, "GPU 0: 96 %, GPU 1: 93 %"),
    (balance.CHECK, gpus(gpu(90), gpu(66)), OK, "GPU 1: 66 %"),
    (balance.CHECK, gpus(gpu(90, None), gpu(89, None)), OK, "GPU 1: 89 %"),
    (balance.CHECK, gpus(gpu(90), gpu(60)), WARN, "GPU 1 works less than GPU 0"),
    (
        balance.CHECK,
        gpus(gpu(99, 1200), gpu(99, 1980)),
        WARN,
        "GPU 0 runs at 1200 MHz, GPU 1 at 1980",
    ),
    (balance.CHECK, gpus(gpu(99), gpu(0)), CRITICAL, "GPU 1 does nothing while requests run"),
    (balance.CHECK, gpus(gpu(1), gpu(0)), CRITICAL, "GPU 0, 1 does nothing"),
    (
        balance.CHECK,
        gpus(gpu(99), {"samples": 0, "reason": "NVMLError_GpuIsLost"}),
        UNKNOWN,
        "NVMLError_GpuIsLost",
    ),
    (balance.CHECK, burst(errors=["HTTP 500"]), UNKNOWN, "the requests failed"),
    (
        balance.CHECK,
        gpus(*[{"samples": 0, "reason": "NVMLError_NotSupported: Not Supported"}] * 2),
        OK,
        "do not tell their utilisation",
    ),
    (balance.CHECK, burst(gpus={}), UNKNOWN, "was not observed"),
    (balance.CHECK, {"burst": None}, UNKNOWN, "was not observed"),
    (throughput.CHECK, {}, OK, "500 tokens/s of 8 requests on 2 GPU(s), 450 predicted"),
    (throughput.CHECK, burst(tokens=800), WARN, "267 tokens/s of 8 requests"),
    (
        throughput.CHECK,
        burst(requests=4, tokens=700, others=4),
        OK,
        "233 tokens/s of 4 requests beside 4 of others on 2 GPU(s), 225 predicted",
    ),
    (throughput.CHECK, burst(requests=4, tokens=400, others=4), WARN, "225 predicted"),
    (
        throughput.CHECK,
        burst(requests=0, tokens=0, others=9),
        OK,
        "9 requests of others ran, none was added: not judged",
    ),
    (throughput.CHECK, burst(errors=["HTTP 500"]), CRITICAL, "8 requests at once: HTTP 500"),
    (throughput.CHECK, burst(tokens=None), UNKNOWN, "no burst was observed"),
    (throughput.CHECK, burst(seconds=0), UNKNOWN, "no burst was observed"),
    (throughput.CHECK, {"burst": None}, UNKNOWN, "no burst was observed"),
]


@pytest.mark.parametrize(("check", "changed", "status", "words"), REPLICA_TABLE)
def test_replica(
    check: Check[PlannedReplica], changed: dict[str, Any], status: Status, words: str
) -> None:
    result = check.ask(REPLICA, {**SEEN, **changed})
    assert (result.status, result.host, result.subject) == (status, "gpu1", "chat-gpu1-0")
    assert words in result.evidence
    assert bool(result.remedy) == (status is not OK)


GATEWAY_TABLE: list[tuple[Check[PlannedService], dict[str, Any], Status, str]] = [
    (nginx.CHECK, GATEWAY, OK, "active, configuration valid"),
    (
        nginx.CHECK,
        {**GATEWAY, "configuration": {"ok": False, "words": "unknown directive"}},
        WARN,
        "unknown directive",
    ),
    (nginx.CHECK, {**GATEWAY, "configuration": {"ok": "no"}}, WARN, "None"),
    (nginx.CHECK, {**GATEWAY, "unit": {"ActiveState": "failed"}}, CRITICAL, "failed"),
    (nginx.CHECK, {**GATEWAY, "unit": {}}, UNKNOWN, "was not observed"),
    (nginx.CHECK, {**GATEWAY, "configuration": {}}, UNKNOWN, "was not observed"),
    (upstream.CHECK, GATEWAY, OK, "2 replicas, as planned"),
    (
        upstream.CHECK,
        balanced(TWO[0]),
        CRITICAL,
        "1 of 2 replicas get no requests: chat-gpu2-0 (192.0.2.12:8000)",
    ),
    (upstream.CHECK, balanced(), CRITICAL, "2 of 2 replicas get no requests"),
    (upstream.CHECK, {**GATEWAY, "data": {"services": {}}}, CRITICAL, "2 of 2 replicas"),
    (upstream.CHECK, balanced("x", {"host": 1}, TWO[0]), CRITICAL, "chat-gpu2-0 (192.0.2.12"),
    (
        upstream.CHECK,
        living(gpu2={"state": "drained", "why": "an upgrade"}),
        WARN,
        "chat-gpu2-0 is drained (an upgrade)",
    ),
    (
        upstream.CHECK,
        living(gpu1={"state": "ejected", "why": "no answer"}, gpu2={"state": "ejected"}),
        CRITICAL,
        "chat-gpu1-0 is ejected (no answer), chat-gpu2-0 is ejected (nobody says why)",
    ),
    (upstream.CHECK, living(gpu2=None), WARN, "chat-gpu2-0 is not known"),
    (
        upstream.CHECK,
        {**GATEWAY, "live": {**LIVE, "loaded": {}}},
        WARN,
        "has not loaded the data that lie there",
    ),
    (upstream.CHECK, {**GATEWAY, "live": {"error": "nobody listens"}}, UNKNOWN, "nobody listens"),
    (upstream.CHECK, {**GATEWAY, "live": None}, UNKNOWN, "was not observed"),
    (upstream.CHECK, {**GATEWAY, "data": {"error": "no file"}}, UNKNOWN, "no file"),
    (upstream.CHECK, {**GATEWAY, "data": []}, UNKNOWN, "was not observed"),
    (
        upstream.CHECK,
        balanced(*TWO, {"name": "x", "host": "192.0.2.99", "port": 8000}),
        WARN,
        "192.0.2.99:8000, which the plan does not know",
    ),
    (
        upstream.CHECK,
        {**GATEWAY, "names": {"gpu2": {"addresses": ["2001:db8::2"]}}},
        CRITICAL,
        "chat-gpu2-0 ([2001:db8::2]:8000)",
    ),
    (
        upstream.CHECK,
        {**GATEWAY, "names": {"gpu2": {"error": "Name or service not known"}}},
        WARN,
        "cannot look up the address of chat-gpu2-0",
    ),
    (upstream.CHECK, {**GATEWAY, "names": {}}, WARN, "cannot look up the address of chat-gpu2-0"),
    (connections.CHECK, GATEWAY, OK, "a worker holds 4,096 connections, 4,096 are planned"),
    (
        connections.CHECK,
        {**GATEWAY, "worker_open_files": 2048},
        WARN,
        "a worker holds 2,048 connections (worker_connections 4096, open files 2048), 4,096 are",
    ),
    (
        connections.CHECK,
        {**GATEWAY, "configuration": {**GATEWAY["configuration"], "limits": {}}},
        CRITICAL,
        "a worker holds 512 connections",
    ),
    (connections.CHECK, {**GATEWAY, "worker_open_files": None}, UNKNOWN, "could not be told"),
    (connections.CHECK, {**GATEWAY, "configuration": {"ok": False}}, UNKNOWN, "could not be told"),
    (upstream.CHECK, balanced(*TWO, changed_unix_s=1009.0), WARN, "after Nginx had loaded it"),
    (upstream.CHECK, {**GATEWAY, "loaded_unix_s": None}, UNKNOWN, "could not be told"),
    (
        upstream.CHECK,
        {**GATEWAY, "configuration": {"ok": False, "words": "unknown directive"}},
        UNKNOWN,
        "could not be told",
    ),
    (upstream.CHECK, {**GATEWAY, "configuration": None}, UNKNOWN, "could not be told"),
    (closed_paths.CHECK, GATEWAY, OK, "refused with 404"),
    (
        closed_paths.CHECK,
        {**GATEWAY, "closed_path": {"status": 200}},
        CRITICAL,
        "GET /metrics answers 200",
    ),
    (
        closed_paths.CHECK,
        {**GATEWAY, "closed_path": {"status": 502}},
        CRITICAL,
        "GET /metrics answers 502",
    ),
    (closed_paths.CHECK, {**GATEWAY, "closed_path": REFUSED}, UNKNOWN, "refused"),
    (closed_paths.CHECK, {**GATEWAY, "closed_path": None}, UNKNOWN, "was not observed"),
    (
        closed_paths.CHECK,
        {**GATEWAY, "closed_path": {"status": "404"}},
        UNKNOWN,
        "was not",
    ),
    (gateway_model.CHECK, GATEWAY, OK, "llama at https://llm.example.com"),
    (gateway_model.CHECK, service(models=listed("mistral", 1)), CRITICAL, "serves mistral, not"),
    (gateway_model.CHECK, service(models=REFUSED), CRITICAL, "Connection refused"),
    (gateway_model.CHECK, service(models=None), UNKNOWN, "was not observed"),
    (gateway_model.CHECK, service(models=answer([1])), UNKNOWN, "not a model list"),
    (gateway_model.CHECK, {**GATEWAY, "services": {}}, UNKNOWN, "was not observed"),
    (gateway_completion.CHECK, GATEWAY, OK, "2 answered (chat-gpu1-0: 1, chat-gpu2-0: 1)"),
    (
        gateway_completion.CHECK,
        service(completions=[by("chat-gpu1-0")] * 4),
        WARN,
        "chat-gpu2-0 answered none of 4 (chat-gpu1-0: 4)",
    ),
    (gateway_completion.CHECK, service(completions=[by(None)]), WARN, "answered none of 1"),
    (
        gateway_completion.CHECK,
        service(completions=[*BOTH, {"status": 502, "body": "no"}]),
        CRITICAL,
        "HTTP 502",
    ),
    (
        gateway_completion.CHECK,
        service(completions=[*BOTH, by("chat-gpu1-0", model="mistral")]),
        CRITICAL,
        "answered as mistral, not llama",
    ),
    (gateway_completion.CHECK, service(completions=[REFUSED]), CRITICAL, "Connection refused"),
    (gateway_completion.CHECK, service(completions=[]), UNKNOWN, "was not observed"),
    (gateway_completion.CHECK, service(completions=[*BOTH, None]), UNKNOWN, "was not observed"),
    (gateway_completion.CHECK, {**GATEWAY, "services": {}}, UNKNOWN, "was not observed"),
]


@pytest.mark.parametrize(("check", "seen", "status", "words"), GATEWAY_TABLE)
def test_gateway(
    check: Check[PlannedService], seen: dict[str, Any], status: Status, words: str
) -> None:
    result = check.ask(SERVICE, seen)
    assert (result.status, result.host, result.subject) == (status, "gw1", "chat")
    assert words in result.evidence
    assert bool(result.remedy) == (status is not OK)


def test_a_check_with_rows_has_them_for_all_it_can_say() -> None:
    said: dict[Any, set[Status]] = {}
    for check, _, status, _ in [*REPLICA_TABLE, *GATEWAY_TABLE]:
        said.setdefault(check, set()).add(status)
    assert all({OK, CRITICAL, UNKNOWN} <= statuses for statuses in said.values())


@pytest.mark.parametrize("check", REPLICA_CHECKS)
@pytest.mark.parametrize("seen", [{}, dict.fromkeys(SEEN), {key: {} for key in SEEN}])
def test_nothing_observed_of_a_replica_is_unknown(
    check: Check[PlannedReplica], seen: dict[str, Any]
) -> None:
    result = judge_one(check, REPLICA, seen)
    assert result.status is UNKNOWN or (check is identity.CHECK and result.status is not OK)


@pytest.mark.parametrize("check", GATEWAY_CHECKS)
@pytest.mark.parametrize("seen", [{}, dict.fromkeys(GATEWAY), {key: {} for key in GATEWAY}])
def test_nothing_observed_of_a_gateway_is_unknown(
    check: Check[PlannedService], seen: dict[str, Any]
) -> None:
    assert judge_one(check, SERVICE, seen).status is UNKNOWN


def judge_one(check: Any, planned: Any, seen: dict[str, Any]) -> CheckResult:
    result = check.ask(planned, seen)
    assert isinstance(result, CheckResult)
    assert "garbled" not in result.evidence
    return result


GARBAGE: list[Any] = ["", "OK", "200", 200, True, [], ["OK"], [[]], {"status": 200}, {"ok": 1}]


NAMES = {
    "unit": {"unit"},
    "open_files": {"open files"},
    "version": {"version"},
    "metrics": {"KV cache"},
    "delivery": {"delivery"},
    "burst": {"balance", "throughput"},
    "listeners": {"identity"},
    "health": {"health"},
    "models": {"model"},
    "completion": {"completion"},
}
"""Rows that read a part of the observation."""


@pytest.mark.parametrize("garbage", GARBAGE, ids=repr)
@pytest.mark.parametrize("key", NAMES)
def test_a_garbled_observation_of_a_replica_is_never_ok(key: str, garbage: Any) -> None:
    results = judge([REPLICA], {"gpu1": {"replicas": {"chat-gpu1-0": {**SEEN, key: garbage}}}})
    assert len(results) == len(REPLICA_CHECKS)
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
    assert len(results) == len(REPLICA_CHECKS) + len(GATEWAY_CHECKS)
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
    for check in (version.CHECK, kv_cache.CHECK):
        result = check.ask(silent, {**SEEN, "version": None, "metrics": None})
        assert (result.status, result.evidence) == (OK, "the engine does not tell")


def test_without_gpus_nothing_is_predicted_and_what_was_measured_is_said() -> None:
    plain = replace(REPLICA, predicted=None, burst=False, uses_gpus=False)
    slow = {**SEEN, "delivery": streamed(900.0), "metrics": metrics(kv_cache_tokens=5.0)}
    assert delivery.CHECK.ask(plain, slow).status is OK
    assert "900.0 ms a token" in delivery.CHECK.ask(plain, slow).evidence
    assert "no prediction without GPUs" in delivery.CHECK.ask(plain, slow).evidence
    assert kv_cache.CHECK.ask(plain, slow).status is OK
    assert "5 tokens, a fixed size" in kv_cache.CHECK.ask(plain, slow).evidence
    rows = judge([plain], {"gpu1": {"replicas": {plain.name: {**slow, "burst": None}}}})
    assert len(rows) == sum(check.applies is not HAD_A_BURST for check in REPLICA_CHECKS)


def test_stages_of_a_pipeline_may_differ_and_their_ranks_may_not() -> None:
    four = replace(REPLICA, gpus=(0, 1, 2, 3), tensor_parallel_size=2)
    stages = {"0": gpu(40), "1": gpu(41), "2": gpu(90), "3": gpu(91)}
    fine = balance.CHECK.ask(four, burst(gpus=stages))
    assert fine.status is OK
    assert "stages of a pipeline work in turn" in fine.evidence
    bad = balance.CHECK.ask(four, burst(gpus={**stages, "3": gpu(50)}))
    assert bad.status is WARN
    assert "GPU 3 works less than GPU 2" in bad.evidence


def test_the_prediction_for_a_burst_lies_between_that_for_one_and_for_all() -> None:
    def predicted(requests: int, *more: Speed) -> str:
        planned = replace(REPLICA, predicted=Predicted(1, (ALONE, *more)))
        return throughput.CHECK.ask(planned, burst(requests=requests)).evidence.split(", ")[1]

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
    "another model": ({"models": listed("mistral", 8192)}, "model", CRITICAL),
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
