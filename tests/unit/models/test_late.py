"""Models that answer with a vector of each token: what is read of them, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models import FAMILIES, read_shape
from rackwright.models.late import LATE
from rackwright.models.projection import TokenVectors, found_in, token_vectors
from rackwright.models.tasks import keeps_tokens, reads_in_one_step, task_of
from rackwright.sizing import Split, weights_bytes
from tests.samples.configs import H, V, usual

GEMMA: dict[str, Any] = {
    "hidden_size": 2048,
    "intermediate_size": 16384,
    "model_type": "gemma",
    "num_attention_heads": 8,
    "num_hidden_layers": 18,
    "num_key_value_heads": 1,
    "vocab_size": 257216,
}
"""The text model of PaliGemma 3B."""


def pages(**more: Any) -> dict[str, Any]:
    inner = {"model_type": "paligemma", "projection_dim": 2048, "text_config": GEMMA}
    return {"architectures": ["ColPaliForRetrieval"], "vlm_config": inner, **more}


def faults(values: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as caught:
        read_shape(values)
    return [(one.path, one.rule) for one in caught.value.faults]


def test_each_such_family_is_asked_for_vectors_of_tokens_and_no_other() -> None:
    asked = {name for name in FAMILIES if task_of(read_shape(usual(name))) == "token_embed"}
    assert asked == set(LATE) == {name for name, one in FAMILIES.items() if one.projection}


@pytest.mark.parametrize("name", LATE)
def test_only_what_is_given_texts_and_a_query_reads_them_in_pieces(name: str) -> None:
    assert reads_in_one_step(read_shape(usual(name))) == (name != "JinaForRanking")


@pytest.mark.parametrize(
    ("name", "more", "vectors"),
    [
        ("HF_ColBERT", {}, TokenVectors()),  # 128 are counted, and not promised
        ("ColBERTLfm2Model", {"dim": 96}, TokenVectors(96)),
        ("ColBERTModernBertModel", {"dim": None, "projection_dim": 48}, TokenVectors(48)),
        ("ColModernVBertForRetrieval", {"embedding_dim": None}, TokenVectors(128)),
        ("ColQwen3", {"embed_dim": 320, "dims": 10}, TokenVectors(320)),
        ("Qwen3VLNemotronEmbedModel", {"dims": None}, TokenVectors()),
        ("BgeM3EmbeddingModel", {}, TokenVectors(H, of_all=False)),
        ("BertModel", {}, TokenVectors()),
    ],
)
def test_how_long_vectors_are(name: str, more: dict[str, Any], vectors: TokenVectors) -> None:
    assert token_vectors(read_shape({**usual(name), **more})) == vectors


@pytest.mark.parametrize("wrong", [-1, "128", 1.5, True])
def test_a_length_that_is_none_is_a_fault_where_it_stands(wrong: Any) -> None:
    rule = "must be a whole number, 1 to 1,000,000,000"
    assert faults({**usual("ColBERTModernBertModel"), "dim": wrong}) == [("config.dim", rule)]
    outer = {"architectures": ["ColQwen3"], "embed_dim": wrong, "text_config": usual("ColQwen3")}
    assert faults(outer) == [("config.embed_dim", rule)]


@pytest.mark.parametrize("key", ["colbert_dim", "dim", "projection_dim"])
def test_a_length_that_ends_the_engine_is_refused(key: str) -> None:
    """Seen with vLLM 0.32: its class for BERT's kind ends where the config says it."""
    rule = "must be left out: vLLM 0.32 does not start with it, and looks at the files"
    assert faults({**usual("HF_ColBERT"), key: 96}) == [(f"config.{key}", rule)]


@pytest.mark.parametrize(
    ("held", "length"),
    [
        ({"linear.weight": (96, H)}, 96),
        ({"colbert_linear.weight": (48, H), "bert.pooler.dense.weight": (H, H)}, 48),
        ({"linear.weight": (96, H + 1)}, 0),
        ({"linear.weight": (96,), "linear.bias": (96, H)}, 0),
        ({}, 0),
    ],
)
def test_where_files_are_known_their_length_counts(
    held: dict[str, tuple[int, ...]], length: int
) -> None:
    """answerdotai/answerai-colbert-small-v1 has 96 numbers a vector, and no word of it."""
    guessed = read_shape(usual("HF_ColBERT"))
    shape = found_in(guessed, held.items())
    assert token_vectors(shape) == TokenVectors(length)
    assert shape.parameters - guessed.parameters == ((length or 128) - 128) * H


def test_a_length_that_is_said_is_not_looked_for() -> None:
    shape = read_shape({**usual("ColBERTModernBertModel"), "dim": 10})
    assert found_in(shape, [("linear.weight", (96, H))]) is shape


def test_a_table_of_outputs_that_nobody_uses_is_loaded_and_in_no_file() -> None:
    """As of VAGOsolutions/SauerkrautLM-ColQwen3-8b-v0.1, whose count has none."""
    tied, untied = (
        read_shape({**usual("ColQwen3"), "tie_word_embeddings": tied}) for tied in (True, False)
    )
    assert tied.parameters == untied.parameters
    more = weights_bytes(untied, Split(), 0) - weights_bytes(tied, Split(), 0)
    assert more >= 2 * V * H


def test_a_colpali_has_its_model_inside_and_the_length_outside() -> None:
    """vidore/colpali-v1.3-hf, without its tower: 2,508,662,784 of PaliGemma's text, and 128."""
    shape = read_shape(pages(embedding_dim=128, dtype="bfloat16"))
    assert shape.parameters == 2_508_662_784 + 128 * (2048 + 1)
    assert (shape.architecture, shape.text_only) == ("ColPaliForRetrieval", True)
    assert token_vectors(shape) == TokenVectors(128)
    assert token_vectors(read_shape(pages())) == TokenVectors(2048), "as the engine takes it"


def test_a_colpali_of_another_text_model_is_refused() -> None:
    values = pages()
    values["vlm_config"]["text_config"] = {**GEMMA, "model_type": "gemma2"}
    where = "config.vlm_config.text_config.model_type"
    assert faults(values) == [(where, "must be gemma: of others nothing is known here yet")]


@pytest.mark.parametrize(("contract", "kept"), [("causal", True), ("bidirectional", False)])
def test_a_colqwen3_5_says_how_it_attends(contract: str, kept: bool) -> None:
    values = {**usual("ColQwen3_5"), "retrieval_attention_contract": contract}
    shape = read_shape(values)
    assert any(layer.kv.elements for layer in shape.layers) == kept
    assert keeps_tokens(shape), "the states of its other layers"


@pytest.mark.parametrize("contract", [None, "both"])
def test_one_that_does_not_say_is_refused_as_the_engine_does(contract: str | None) -> None:
    values = {**usual("ColQwen3_5"), "retrieval_attention_contract": contract}
    rule = "must be causal or bidirectional: vLLM 0.32 does not start without"
    assert faults(values) == [("config.retrieval_attention_contract", rule)]


def test_a_nemotron_that_reads_both_ways_keeps_nothing() -> None:
    values = {**usual("Qwen3VLNemotronEmbedModel"), "is_causal": False}
    assert not keeps_tokens(read_shape(values))


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        (
            {"model_type": "xlm-roberta", "position_embedding_type": "rotary"},
            "must be ColBERTJinaRobertaModel, under which vLLM serves it with --hf-overrides "
            """'{"architectures": ["ColBERTJinaRobertaModel"]}'""",
        ),
        (
            {"model_type": "xlm-roberta", "position_embedding_type": "absolute"},
            "is bert to vLLM 0.32.0, whose tensors a xlm-roberta has not: no vLLM serves it",
        ),
    ],
)
def test_a_colbert_of_another_kind_is_none_under_that_name(more: dict[str, Any], rule: str) -> None:
    """jinaai/jina-colbert-v2; hltcoe/plaidx-large-zho-tdist-mt5xxl-engzho."""
    assert faults({**usual("HF_ColBERT"), **more}) == [("config.architectures", rule)]


def test_positions_that_are_not_turned_are_none_of_jinas() -> None:
    values = {**usual("ColBERTJinaRobertaModel"), "position_embedding_type": None}
    rule = "must be rotary: this class of vLLM 0.32 has no other"
    assert faults(values) == [("config.position_embedding_type", rule)]


def test_a_tower_that_is_always_loaded_is_counted_and_checked() -> None:
    values = usual("ColModernVBertForRetrieval")
    wrong = {**values, "vision_config": {**values["vision_config"], "patch_size": 0}}
    rule = "must be a whole number, 1 to 1,000,000,000"
    assert faults(wrong) == [("config.vision_config.patch_size", rule)]
    assert faults({**values, "vision_config": 7}) == [("config.vision_config", "must be a dict")]


def test_a_colmodernvbert_reads_few_keys_of_its_text_model() -> None:
    """Those of its own config, with which vLLM fills in what is left out."""
    name = "ColModernVBertForRetrieval"
    bare = {"architectures": [name], "text_config": {}, "vision_config": {}}
    full = {"num_attention_heads": 12, "head_dim": 99, "num_hidden_layers": 22}
    assert read_shape(bare).parameters == read_shape({**bare, "text_config": full}).parameters
