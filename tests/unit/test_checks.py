from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from rackwright.checks import (
    GATEWAY_CHECKS,
    REPLICA_CHECKS,
    completion,
    endpoint,
    health,
    judge,
    listener,
    nginx,
    served_model,
    unit,
)
from rackwright.checks.results import CheckResult, PlannedReplica, PlannedService, Status

OK, WARN, CRITICAL, UNKNOWN = Status.OK, Status.WARN, Status.CRITICAL, Status.UNKNOWN
REPLICA = PlannedReplica(
    "chat-gpu1-0", "gpu1", "rackwright-chat-gpu1-0.service", 8000, "llama", 8192
)
SERVICE = PlannedService("chat", "gw1", "llm.example.com", "llama", ("chat-gpu1-0", "chat-gpu2-0"))

GROUP = "/system.slice/rackwright-chat-gpu1-0.service"
UNIT = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "MainPID": "321",
    "NRestarts": "0",
    "NeedDaemonReload": "no",
    "ControlGroup": GROUP,
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


SEEN = {
    "unit": UNIT,
    "listeners": [OURS],
    "health": answer(""),
    "models": answer(MODELS),
    "completion": answer(COMPLETION),
}


def by(name: str | None, **more: Any) -> dict[str, Any]:
    return answer({**COMPLETION, **more}, replica=name)


BOTH = [by("chat-gpu1-0"), by("chat-gpu2-0")]
GATEWAY = {
    "unit": {"ActiveState": "active"},
    "config_test": {"ok": True, "words": ""},
    "services": {"chat": {"models": answer(MODELS), "completions": BOTH}},
    "closed_path": {"status": 404, "body": {}},
}


def service(**more: Any) -> dict[str, Any]:
    return {**GATEWAY, "services": {"chat": {**GATEWAY["services"]["chat"], **more}}}  # type: ignore[index]


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
        {**GATEWAY, "config_test": {"ok": False, "words": "unknown directive"}},
        WARN,
        "unknown directive",
    ),
    (nginx.check, {**GATEWAY, "config_test": {"ok": "no"}}, WARN, "None"),
    (nginx.check, {**GATEWAY, "unit": {"ActiveState": "failed"}}, CRITICAL, "failed"),
    (nginx.check, {**GATEWAY, "unit": {}}, UNKNOWN, "was not observed"),
    (nginx.check, {**GATEWAY, "config_test": {}}, UNKNOWN, "was not observed"),
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
    assert set(said) == {*REPLICA_CHECKS, *GATEWAY_CHECKS}
    assert all({OK, CRITICAL, UNKNOWN} <= statuses for statuses in said.values())


@pytest.mark.parametrize("check", REPLICA_CHECKS)
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


@pytest.mark.parametrize("observed", [{}, {"gpu1": {}}, {"gw1": {"gateway": GATEWAY}}])
def test_a_host_that_gave_no_answer_is_one_critical_row(observed: dict[str, Any]) -> None:
    (result,) = judge([REPLICA], observed)
    assert (result.check, result.status, result.subject) == ("reached", CRITICAL, "gpu1")
    assert "could not be reached" in result.evidence
    assert "gpu1" in result.remedy


def test_an_unreachable_host_says_why() -> None:
    (result,) = judge([REPLICA], {"gpu1": {"error": "gpu1: gave no answer: TimeoutError()"}})
    assert (result.status, result.evidence) == (CRITICAL, "gpu1: gave no answer: TimeoutError()")


def test_a_replica_its_host_says_nothing_of_is_not_ok() -> None:
    results = judge([REPLICA], {"gpu1": {"replicas": {"chat-gpu1-1": SEEN}}})
    assert {result.status for result in results} == {UNKNOWN}
