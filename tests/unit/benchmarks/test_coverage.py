"""What people serve is sized to the element, or refused; the list of what is refused is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.planner import coverage
from benchmarks.planner.coverage import (
    FACTS,
    GOOD,
    NEAR,
    REFUSED,
    RIGHT,
    TEXT_HALF,
    WRONG,
    Judged,
    Real,
    judge,
    real_configs,
)

NOT_YET = Path(FACTS).with_name("not_yet.txt")
LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 10,
    "max_position_embeddings": 64,
}
ELEMENTS = 2 * 10 * 8 + 4 * 8 * 8 + 3 * 8 * 16 + 3 * 8


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    return [judge(real) for real in real_configs()]


def real(config: dict[str, object] | None = None, elements: int = ELEMENTS) -> Real:
    return Real("a/b", "text", 7, config or LLAMA, elements, {"text": elements})


def test_nothing_that_is_sized_is_wrong(judged: list[Judged]) -> None:
    assert [(row.real.repo, row.why) for row in judged if row.outcome == WRONG] == []


def test_what_is_refused_is_known_by_its_architecture(judged: list[Judged]) -> None:
    """A line of not_yet.txt goes with the architecture that is added."""
    refused = {row.real.architecture for row in judged if row.outcome == REFUSED}
    assert sorted(refused) == NOT_YET.read_text().splitlines()


def test_every_refusal_says_why(judged: list[Judged]) -> None:
    assert all(row.why for row in judged if row.outcome not in GOOD)


def test_there_are_enough_facts_and_each_is_whole() -> None:
    lines = [json.loads(line) for line in FACTS.read_text().splitlines()]
    assert len(lines) >= 250
    assert len({line["repo"] for line in lines}) == len(lines)
    for line in lines:
        assert line["elements"] > 0 and line["source"] and line["basis"], line["repo"]
        assert sum(line.get("parts", {"text": line["elements"]}).values()) == line["elements"]


@pytest.mark.parametrize(
    ("elements", "outcome"),
    [
        (ELEMENTS, RIGHT),
        (ELEMENTS + 4, NEAR),
        (ELEMENTS + 5, WRONG),
        (ELEMENTS - 5, WRONG),
    ],
)
def test_a_count_is_judged_by_how_far_it_is_off(elements: int, outcome: str) -> None:
    assert judge(real(elements=elements)).outcome == outcome


def test_of_a_model_that_sees_its_text_half_is_compared() -> None:
    config = {"architectures": ["Mistral3ForConditionalGeneration"], "text_config": LLAMA}
    seeing = Real("a/b", "vision", 7, config, ELEMENTS + 99, {"text": ELEMENTS, "vision": 99})
    assert judge(seeing).outcome == TEXT_HALF


def test_an_unread_quantization_is_told_from_an_unknown_architecture() -> None:
    unread = {**LLAMA, "quantization_config": {"quant_method": "none of these"}}
    assert judge(real(unread)).outcome == coverage.UNREAD
    unknown = {**unread, "architectures": ["NobodyForCausalLM"]}
    assert judge(real(unknown)).outcome == REFUSED


def test_shares_are_of_downloads(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Judged(real()._replace(downloads=3), RIGHT), Judged(real(), REFUSED, "why")]
    lines = list(coverage.summary([*rows, rows[0]._replace(outcome=WRONG)]))
    assert lines[0].split()[-2:] == ["1", "23.1%"]
    assert lines[-1].split() == ["configurations", "3", "100.0%"]


def test_the_command_prints_what_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    coverage.main([])
    alone = capsys.readouterr().out
    coverage.main(["--each", "--not-yet"])
    everything = capsys.readouterr().out
    assert everything.endswith(alone)
    assert len(everything.splitlines()) > len(real_configs())
