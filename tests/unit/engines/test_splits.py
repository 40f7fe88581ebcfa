"""What an engine says it can split reaches it; what it cannot is refused and never planned."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.engines import ENGINES, Engine
from rackwright.engines.options import Option
from rackwright.engines.splits import Splits
from rackwright.engines.vllm import Vllm
from rackwright.planning.layouts import Layout
from tests.samples.engine_faults import MIXTURE, split_faults
from tests.samples.fleet import judged, server

LARGE = server(count=8, link="nvswitch")
BY_RANKS = Splits(
    tensor=True, pipeline=True, expert=True, uneven=True, data=True, context=True, servers=True
)
SPLITS = [
    Splits(),
    Splits(tensor=True),
    Splits(pipeline=True),
    Splits(tensor=True, expert=True),
    Splits(tensor=True, expert=True, data=True),
    Splits(tensor=True, context=True),
    Splits(tensor=True, pipeline=True),
    Splits(tensor=True, servers=True),
    Splits(pipeline=True, servers=True),
    BY_RANKS,
    Splits(by_layers=True),
]


@pytest.fixture(params=ENGINES.values(), ids=ENGINES.keys())
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.param
    return found


def test_what_an_engine_says_it_can_split_reaches_it_and_nothing_else_is_accepted(
    engine: Engine,
) -> None:
    faults = list(split_faults(engine))
    assert not faults, "\n".join(faults)


def able(splits: Splits, *ignored: str) -> Vllm:
    """vLLM as if it could do so much, without the options of these flags."""

    class Able(Vllm):
        """vLLM, otherwise."""

    Able.splits = splits
    Able.options = tuple(option for option in Vllm.options if option.flag not in ignored)
    return Able()


@pytest.mark.parametrize(
    ("split", "ignored", "cases"),
    [
        ("tensor", "tensor-parallel-size", "1, 2 and 4 ranks"),
        ("pipeline", "pipeline-parallel-size", "1, 2 and 4 stages"),
        ("expert", "enable-expert-parallel", "whole experts a rank and shared ones"),
        ("data", "data-parallel-size", "groups of ranks and one"),
        ("context", "decode-context-parallel-size", "1, 2 and 4 parts of a cache"),
        ("servers", "node-rank", "the first server, the second and one alone"),
    ],
)
def test_a_split_that_is_silently_ignored_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, split: str, ignored: str, cases: str
) -> None:
    also = "headless" if split == "servers" else ""
    unable = able(BY_RANKS, ignored, also)
    if split == "servers":  # what it says of itself tells its processes apart as well
        monkeypatch.setattr(unable, "entry", lambda _: ())
        monkeypatch.setattr(unable, "environment", lambda *_: {})
    monkeypatch.setitem(ENGINES, "vllm", unable)
    assert list(split_faults(unable)) == [
        f"engines/vllm.py: Splits says {split}, but {cases} are told the same: give an Option (or "
        f"a variable) that carries it, or leave {split} out of Splits"
    ]


def test_layers_that_are_dealt_without_a_word_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    unable = able(Splits(by_layers=True), "pipeline-parallel-size", "tensor-parallel-size")
    monkeypatch.setitem(ENGINES, "vllm", unable)
    (fault,) = split_faults(unable)
    assert "Splits says by_layers, but one GPU and two are told the same" in fault


def test_a_key_that_is_not_refused_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    unable = able(Splits(tensor=True, expert=True, servers=True))
    unable.options = (*unable.options, Option("stages", key="pipeline_parallel_size"))
    monkeypatch.setitem(ENGINES, "vllm", unable)
    assert list(split_faults(unable)) == [
        "engines/vllm.py: Splits leaves out what pipeline_parallel_size asks for, and the key is "
        "not refused: see service_faults in engines/keys.py"
    ]


# --- layouts ----------------------------------------------------------------------------------


def cannot(layout: Layout, splits: Splits) -> bool:
    """Whether a layout has what an engine of these splits cannot do."""
    split = layout.split
    return (
        (split.tensor > 1 and not splits.tensor)
        or (split.pipeline > 1 and not (splits.pipeline or splits.by_layers))
        or (split.expert_parallel and not splits.expert)
        or (split.data > 1 and not splits.data)
        or (split.context > 1 and not splits.context)
        or (layout.nodes > 1 and not splits.servers)
        or layout.by_layers != splits.by_layers
    )


@pytest.mark.parametrize("splits", SPLITS, ids=str)
@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize(
    "more",
    [{}, {"tensor_parallel_size": 4}, {"pipeline_parallel_size": 2}, {"expert_parallel": True}],
    ids=str,
)
@pytest.mark.parametrize("model", ["llama-3.1-8b-instruct", MIXTURE, "deepseek-v3"])
def test_no_layout_has_a_split_that_the_engine_cannot_do(
    monkeypatch: pytest.MonkeyPatch, splits: Splits, nodes: int, more: dict[str, Any], model: str
) -> None:
    monkeypatch.setitem(ENGINES, "vllm", able(splits))
    layouts = judged(model, LARGE, nodes, **more).values()
    assert not [layout for layout in layouts if cannot(layout, splits)]
    assert bool(layouts) == (nodes == 1 or splits.servers)


@pytest.mark.parametrize(
    ("splits", "nodes", "found"),
    [
        (Splits(), 1, {(1, 1)}),
        (Splits(tensor=True), 1, {(size, 1) for size in range(1, 9)}),
        (Splits(pipeline=True), 1, {(1, stages) for stages in range(1, 9)}),
        (Splits(pipeline=True, servers=True), 2, {(1, 2 * stages) for stages in range(1, 9)}),
        (Splits(tensor=True, servers=True), 2, {(size, 1) for size in range(1, 17)}),
        (Splits(by_layers=True), 1, {(1, gpus) for gpus in range(1, 9)}),
    ],
    ids=str,
)
def test_all_that_it_can_do_is_considered(
    monkeypatch: pytest.MonkeyPatch, splits: Splits, nodes: int, found: set[tuple[int, int]]
) -> None:
    monkeypatch.setitem(ENGINES, "vllm", able(splits))
    considered = judged("llama-3.1-8b-instruct", LARGE, nodes)
    assert {(split.tensor, split.pipeline) for split in considered} == found


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"by_layers": True, "tensor": True}, "leave out what splits by ranks"),
        ({"expert": True}, "it needs tensor"),
        ({"context": True}, "it needs tensor"),
        ({"data": True, "tensor": True}, "they need expert"),
        ({"uneven": True, "tensor": True}, "they need expert"),
        ({"servers": True}, "needs tensor or pipeline"),
    ],
)
def test_splits_that_contradict_each_other_are_refused(more: dict[str, bool], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Splits(**more)
