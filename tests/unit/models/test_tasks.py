"""What models are asked for that do not write, and what is left of one that could."""

from __future__ import annotations

import pytest

from rackwright.models import read_shape
from rackwright.models.spec import ModelSpec
from rackwright.models.tasks import Task, keeps_tokens, labels_of, pooled, task_of
from rackwright.models.understood import understood
from rackwright.sizing import Split, weights_bytes
from tests.samples.configs import usual
from tests.samples.fleet import catalog_model


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("BertModel", "embed"),
        ("XLMRobertaModel", "embed"),
        ("MistralModel", "embed"),
        ("Gemma3TextModel", "embed"),
        ("BertForSequenceClassification", "classify"),
        ("Qwen3ForSequenceClassification", "classify"),
        ("ModernBertForSequenceClassification", "classify"),
        ("XLMRobertaForTokenClassification", "token_classify"),
        ("BertForMaskedLM", "token_classify"),
        ("InternLM2ForRewardModel", "token_classify"),
        ("JinaVLForRanking", "classify"),
        ("HF_ColBERT", "token_embed"),
        ("ColQwen3", "token_embed"),
        ("JinaForRanking", "token_embed"),
        ("WhisperForConditionalGeneration", "transcription"),
        ("LlamaForCausalLM", None),
    ],
)
def test_an_architecture_says_what_it_is_asked_for(name: str, task: Task | None) -> None:
    assert task_of(read_shape(usual(name))) == task


def test_nothing_that_writes_has_a_task_and_all_else_has_one() -> None:
    for one in understood():
        assert (task_of(one.example) is None) == (one.example.answers == "text"), one


@pytest.mark.parametrize(
    ("name", "more", "labels"),
    [
        ("XLMRobertaForSequenceClassification", {"num_labels": 1}, 1),
        ("LlamaForSequenceClassification", {"num_labels": 1}, 1),
        ("BertForSequenceClassification", {"id2label": {"0": "a", "1": "b", "2": "c"}}, 3),
        ("Qwen3ForSequenceClassification", {"num_labels": 2}, 2),
        ("JinaVLForRanking", {}, 1),
        ("BertModel", {}, 0),
    ],
)
def test_its_last_layer_says_how_many_scores(
    name: str, more: dict[str, object], labels: int
) -> None:
    assert labels_of(read_shape({**usual(name), **more})) == labels


@pytest.mark.parametrize(("name", "keeps"), [("BertModel", False), ("MistralModel", True)])
def test_what_reads_at_once_keeps_nothing(name: str, keeps: bool) -> None:
    assert keeps_tokens(read_shape(usual(name))) is keeps


def test_what_could_write_is_loaded_without_its_table_of_outputs() -> None:
    writes = catalog_model("qwen3-8b").shape
    vectors = pooled(writes)
    assert vectors is pooled(writes) and task_of(vectors) == "embed"
    head = 2 * writes.vocab_size * writes.hidden_size
    less = weights_bytes(writes, Split(), 0) - weights_bytes(vectors, Split(), 0)
    assert head <= less <= head * 1.01, "rows are padded"


def test_a_model_may_be_said_to_answer_with_vectors() -> None:
    config = {"repo": "a/b", "config": usual("LlamaForCausalLM")}
    plain, said = (ModelSpec(name="m", **config, **more) for more in ({}, {"answers": "vectors"}))
    assert (task_of(plain.shape), task_of(said.shape)) == (None, "embed")


def test_float32_becomes_what_the_engine_makes_of_it() -> None:
    for name, dtype in (("BertModel", "float16"), ("LlamaForCausalLM", "bfloat16")):
        assert read_shape({**usual(name), "torch_dtype": "float32"}).dtype == dtype
    gemma = read_shape({**usual("Gemma3TextModel"), "torch_dtype": "float32"})
    assert gemma.dtype == "bfloat16", "which overflows in float16"
