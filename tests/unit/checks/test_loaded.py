"""What engines say that they hold, beside what was planned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rackwright.checks import judge
from rackwright.checks.planned import PlannedReplica, PlannedService
from rackwright.checks.replica import delivery, loaded, model
from rackwright.checks.results import Status
from rackwright.checks.service import gateway_completion, gateway_model

OK, CRITICAL, UNKNOWN = Status.OK, Status.CRITICAL, Status.UNKNOWN
DIGEST = "ab" * 32
UNIT = "rackwright-chat-gpu1-0.service"
OLLAMA = PlannedReplica(
    "chat-gpu1-0", "gpu1", UNIT, 8000, "chat", 8192, engine="ollama", asked=True, digest=DIGEST
)
LLAMACPP = replace(OLLAMA, engine="llamacpp", slots=4)
ROW = {"name": "chat:latest", "size": 5 << 30, "size_vram": 5 << 30, "context_length": 8192}
SHOW = {"modelfile": f"# x\nFROM /var/cache/rackwright/ollama/blobs/sha256-{DIGEST}\n"}
PROPS = {"default_generation_settings": {"n_ctx": 8192}, "total_slots": 4}


def answer(body: Any, status: int = 200) -> dict[str, Any]:
    return {"status": status, "body": body, "seconds": 0.01}


def ollama(show: Any = SHOW, **more: Any) -> dict[str, Any]:
    return {"answers": {"ps": answer({"models": [{**ROW, **more}]}), "show": answer(show)}}


def props(**more: Any) -> dict[str, Any]:
    return {"answers": {"props": answer({**PROPS, **more})}}


CASES = [
    (OLLAMA, ollama(), OK, "context 8192, 5.0 of 5.0 GiB on GPUs, sha256 abababababab"),
    (LLAMACPP, props(), OK, "context 8192, 4 slots"),
    (OLLAMA, ollama(size_vram=2 << 30), CRITICAL, "2.0 of 5.0 GiB on GPUs: the rest fell back"),
    (OLLAMA, ollama(size_vram=0), CRITICAL, "0.0 of 5.0 GiB on GPUs"),
    (OLLAMA, ollama(context_length=4096), CRITICAL, "context of 4096 tokens, not 8192"),
    (OLLAMA, ollama(context_length=16384), CRITICAL, "context of 16384 tokens, not 8192"),
    (OLLAMA, ollama(name="other:latest"), CRITICAL, "chat is not loaded, but other:latest"),
    (OLLAMA, ollama({"modelfile": "FROM /b/sha256-cdcd"}), CRITICAL, "weights are sha256 cdcd"),
    (OLLAMA, ollama({"modelfile": "FROM x"}), CRITICAL, "/api/show does not say which file"),
    (OLLAMA, ollama(size="5"), CRITICAL, "/api/ps does not say size"),
    (OLLAMA, {"answers": {"ps": answer({"models": []})}}, CRITICAL, "not loaded, but nothing"),
    (OLLAMA, {"answers": {"ps": answer(None, 500)}}, CRITICAL, "ps: HTTP 500"),
    (OLLAMA, {"answers": {"ps": {"error": "refused"}}}, CRITICAL, "ps: refused"),
    (OLLAMA, {"answers": {"ps": {}}}, UNKNOWN, "ps: was not observed"),
    (OLLAMA, {"answers": {}}, UNKNOWN, "was not observed"),
    (OLLAMA, {}, UNKNOWN, "was not observed"),
    (LLAMACPP, props(total_slots=1), CRITICAL, "1 slots, not 4"),
    (LLAMACPP, props(default_generation_settings={}), CRITICAL, "/props does not say n_ctx"),
    (LLAMACPP, {"answers": {"props": answer("text")}}, CRITICAL, "/props does not say n_ctx"),
]


@pytest.mark.parametrize(("planned", "seen", "status", "words"), CASES)
def test_what_is_held_is_compared_with_the_plan(
    planned: PlannedReplica, seen: dict[str, Any], status: Status, words: str
) -> None:
    result = loaded.CHECK.ask(planned, seen)
    assert (result.status, words in result.evidence) == (status, True), result.evidence
    assert bool(result.remedy) == (status is not OK)


def test_a_context_may_be_rounded_up() -> None:
    planned = replace(LLAMACPP, max_model_len=8000)
    assert loaded.CHECK.ask(planned, props()).status is OK


def test_a_build_for_the_cpu_may_hold_all_of_it_there() -> None:
    planned = replace(OLLAMA, uses_gpus=False)
    assert loaded.CHECK.ask(planned, ollama(size_vram=0)).status is OK


def test_a_garbled_answer_is_unknown_and_never_ok() -> None:
    garbled = {"gpu1": {"replicas": {"chat-gpu1-0": {"answers": {"ps": answer({"models": [7]})}}}}}
    (row,) = [one for one in judge([OLLAMA], garbled) if one.check == "loaded"]
    assert row.status is UNKNOWN


@pytest.mark.parametrize("engine", ["vllm", "ollama"])
def test_only_engines_that_say_it_are_asked(engine: str) -> None:
    planned = replace(OLLAMA, engine=engine, asked=engine == "ollama")
    checks = {one.check for one in judge([planned], {"gpu1": {"replicas": {}}})}
    assert ("loaded" in checks) == planned.asked


def test_ollama_lists_names_with_their_tag_and_no_context() -> None:
    body = {"object": "list", "data": [{"id": "chat:latest"}, {"id": "other:1b"}]}
    seen = {"models": answer(body)}
    assert model.CHECK.ask(OLLAMA, seen).status is OK
    other = replace(OLLAMA, served_model_name="other")
    assert model.CHECK.ask(other, seen).status is CRITICAL
    service = PlannedService("chat", "gw1", "a.example.com", "chat", (), engine="ollama")
    assert gateway_model.CHECK.ask(service, {"services": {"chat": seen}}).status is OK


def test_a_gateway_that_rightly_wants_a_key_of_nobody_s_is_neither_well_nor_broken() -> None:
    lacking = PlannedService("chat", "gw1", "a.example.com", "chat", (), "vllm", lacks_key=True)
    refused = {"status": 401, "body": {"error": {"code": "invalid_api_key"}}}
    other = {"status": 401, "body": "who are you?"}
    for check, seen in ((gateway_model.CHECK, "models"), (gateway_completion.CHECK, "completions")):
        for reply, planned, status in (
            (refused, lacking, UNKNOWN),
            (other, lacking, CRITICAL),
            (refused, replace(lacking, lacks_key=False), CRITICAL),
        ):
            said = {seen: reply if seen == "models" else [reply]}
            assert check.ask(planned, {"services": {"chat": said}}).status is status


def test_a_speed_that_is_not_predicted_is_said_of_the_engine() -> None:
    timed = {"status": 200, "tokens": 9, "first_s": 0.1, "last_s": 0.9, "others": 0}
    result = delivery.CHECK.ask(OLLAMA, {"delivery": timed})
    assert (result.status, "no prediction of engine ollama" in result.evidence) == (OK, True)
