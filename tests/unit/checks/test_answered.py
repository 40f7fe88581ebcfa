"""What comes back of models that do not write: vectors and scores, judged as completions are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rackwright.checks import judge
from rackwright.checks.planned import PlannedReplica
from rackwright.checks.replica import balance, completion, delivery, kv_cache, throughput
from rackwright.checks.replica.healthy import REPLICA, answer
from rackwright.checks.results import Status
from rackwright.checks.service import gateway_completion
from rackwright.checks.service.healthy import SERVICE
from rackwright.models.projection import TokenVectors
from rackwright.models.tasks import Task

OK, CRITICAL, UNKNOWN = Status.OK, Status.CRITICAL, Status.UNKNOWN
VECTOR = {"object": "embedding", "index": 0, "embedding": [0.25, -1, 0.0]}
SCORES = {"index": 0, "label": "LABEL_0", "probs": [0.75], "num_classes": 1}
TOKENS = {"object": "pooling", "index": 0, "data": [[0.5, 0.5], [0.25, 0.75]]}
THIRD = {"object": "pooling", "index": 1, "data": [[0.5, -1]]}


def planned(task: Task, **more: Any) -> PlannedReplica:
    """As the plan has it: nothing of its speed, no burst."""
    told: dict[str, Any] = {"task": task, "predicted": None, "burst": False, **more}
    return replace(REPLICA.planned, **told)


def body(*rows: Any, model: str = "llama") -> dict[str, Any]:
    return {"object": "list", "model": model, "data": list(rows), "usage": {"prompt_tokens": 3}}


def told(vectors: TokenVectors | None, said: Any) -> tuple[Status, str]:
    return judged("token_embed", said, vectors=vectors)


def judged(task: Task, said: Any, **more: Any) -> tuple[Status, str]:
    asked = planned(task, **more)
    result = completion.CHECK.ask(asked, {**REPLICA.seen, "completion": answer(said)})
    assert bool(result.remedy) == (result.status is not OK)
    return result.status, result.evidence


@pytest.mark.parametrize(
    ("task", "row", "words"),
    [
        ("embed", VECTOR, "a vector of 3 numbers in 0.05 s"),
        ("classify", SCORES, "1 score in 0.05 s"),
        ("token_classify", TOKENS, "4 scores in 0.05 s"),
    ],
)
def test_what_a_model_makes_proves_it(task: Task, row: Any, words: str) -> None:
    assert judged(task, body(row)) == (OK, words)


@pytest.mark.parametrize(
    ("task", "said", "words"),
    [
        ("embed", body(VECTOR, model="other"), "answered as other, not llama"),
        ("embed", body(SCORES), "the answer has no vector"),
        ("classify", body(VECTOR), "the answer has no scores"),
        ("embed", body(), "the answer has no vector"),
        ("embed", "text", "the answer has no vector"),
        ("embed", {"data": [VECTOR]}, "the answer names no model"),
        ("embed", {"data": {"embedding": [1.0]}}, "the answer has no vector"),
        ("embed", body({"embedding": []}), "what came back are not numbers"),
        ("embed", body({"embedding": [None, 1.0]}), "what came back are not numbers"),
        ("embed", body({"embedding": [float("nan")]}), "what came back are not numbers"),
        ("token_classify", body({"data": [[True]]}), "what came back are not numbers"),
    ],
)
def test_what_is_none_of_it_is_a_fault(task: Task, said: Any, words: str) -> None:
    assert judged(task, said) == (CRITICAL, words)


@pytest.mark.parametrize(
    ("vectors", "rows", "words"),
    [
        (None, (TOKENS, THIRD), "3 vectors of 2 numbers in 0.05 s"),
        (TokenVectors(2), (TOKENS, THIRD), "3 vectors of 2 numbers in 0.05 s"),
        (TokenVectors(), (TOKENS, THIRD), "3 vectors of 2 numbers in 0.05 s"),
        (TokenVectors(2, of_all=False), (TOKENS,), "2 vectors of 2 numbers in 0.05 s"),
    ],
)
def test_each_token_has_a_vector(
    vectors: TokenVectors | None, rows: tuple[Any, ...], words: str
) -> None:
    assert told(vectors, body(*rows)) == (OK, words)


@pytest.mark.parametrize(
    ("vectors", "said", "words"),
    [
        (TokenVectors(128), body(TOKENS, THIRD), "a vector has 2 numbers, not 128"),
        (TokenVectors(2), body(TOKENS), "2 vectors came back of 3 tokens"),
        (None, body(TOKENS, {"data": [[0.5]]}), "a vector has 1 numbers, not 2"),
        (None, body(TOKENS, VECTOR), "the answer has no vectors"),
        (None, body({"data": [0.5, 0.5]}), "the answer has no vectors"),
        (None, body({"data": []}), "the answer has no vectors"),
        (None, body(), "the answer has no vectors"),
        (None, {"data": {"data": [[1.0]]}}, "the answer has no vectors"),
        (None, "text", "the answer has no vectors"),
        (None, body({"data": [[], []]}), "what came back are not numbers"),
        (None, body({"data": [[None, 1.0]]}), "what came back are not numbers"),
        (None, body(TOKENS, model="other"), "answered as other, not llama"),
    ],
)
def test_other_vectors_of_tokens_are_a_fault(
    vectors: TokenVectors | None, said: Any, words: str
) -> None:
    assert told(vectors, said) == (CRITICAL, words)


def test_a_completion_is_no_vector_and_a_vector_no_completion() -> None:
    assert judged("embed", REPLICA.seen["completion"]["body"])[0] is CRITICAL
    seen = {**REPLICA.seen, "completion": answer(body(VECTOR))}
    assert completion.CHECK.ask(REPLICA.planned, seen).status is CRITICAL


def test_nothing_is_timed_of_what_writes_nothing() -> None:
    for check in (delivery.CHECK, throughput.CHECK, balance.CHECK):
        assert not check.applies.holds(planned("embed"), REPLICA.seen)
    assert delivery.CHECK.applies.holds(REPLICA.planned, REPLICA.seen)


@pytest.mark.parametrize(
    ("keeps", "words"),
    [(False, "the model keeps nothing of a token"), (True, "99,900 tokens; not judged")],
)
def test_a_cache_that_nobody_measured_is_not_judged(keeps: bool, words: str) -> None:
    result = kv_cache.CHECK.ask(planned("embed", keeps_tokens=keeps), REPLICA.seen)
    assert result.status is OK and words in result.evidence


def test_all_checks_of_a_replica_that_embeds_are_fine() -> None:
    one = planned("embed", keeps_tokens=False)
    seen = {**REPLICA.seen, "completion": answer(body(VECTOR)), "delivery": None}
    rows = judge([one], {one.host: {"replicas": {one.name: seen}}})
    assert {row.status for row in rows} == {OK}
    assert "delivery" not in {row.check for row in rows}


def test_the_gateway_is_asked_for_the_same() -> None:
    service = replace(SERVICE.planned, task="classify")
    replies = [answer(body(SCORES), replica=name) for name in service.replicas]
    seen = {**SERVICE.seen, "services": {"chat": {"completions": replies}}}
    assert gateway_completion.CHECK.ask(service, seen).status is OK
    wrong = gateway_completion.CHECK.ask(service, SERVICE.seen)
    assert (wrong.status, wrong.evidence) == (CRITICAL, "the answer has no scores")
