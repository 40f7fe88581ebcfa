"""Models that answer with something else than their makers' first name for them says."""

from __future__ import annotations

import pytest

from rackwright.errors import SpecError
from rackwright.models import is_known, read_shape
from rackwright.models.families import FAMILIES, base_of
from rackwright.models.understood import not_yet
from tests.samples.configs import BASE, H, V, usual


def renamed(base: str, name: str, **more: object) -> dict[str, object]:
    return {**usual(base), "architectures": [name], **more}


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("Qwen3Model", "Qwen3ForCausalLM"),
        ("Qwen2Model", "Qwen2ForCausalLM"),
        ("LlamaModel", "LlamaForCausalLM"),
        ("LlamaBidirectionalModel", "LlamaForCausalLM"),
        ("Gemma2Model", "Gemma2ForCausalLM"),
        ("Gemma3TextModel", "Gemma3ForCausalLM"),
        ("Qwen3MoeModel", "Qwen3MoeForCausalLM"),
        ("NemotronHModel", "NemotronHForCausalLM"),
        ("Phi3ForTextEncoding", "Phi3ForCausalLM"),
    ],
)
def test_a_model_without_a_head_is_the_one_that_writes_without_it(name: str, base: str) -> None:
    writes, answers = read_shape(usual(base)), read_shape(renamed(base, name))
    head = 0 if writes.tied else V * H
    assert answers.parameters == writes.parameters - head
    assert (answers.architecture, answers.answers) == (name, "vectors")
    if name != "LlamaBidirectionalModel":
        assert answers.layers == writes.layers


@pytest.mark.parametrize(
    ("name", "base", "head"),
    [
        ("GemmaForSequenceClassification", "GemmaForCausalLM", 3 * H),
        ("GPT2ForSequenceClassification", "GPT2LMHeadModel", 3 * H),
        ("Qwen3ForTokenClassification", "Qwen3ForCausalLM", 3 * H),
        ("LlamaBidirectionalForSequenceClassification", "LlamaForCausalLM", 3 * H),
        ("Qwen2ForRewardModel", "Qwen2ForCausalLM", H * (H + 1) + (H + 1)),
        ("Qwen2ForProcessRewardModel", "Qwen2ForCausalLM", H * (H + 1) + 2 * (H + 1)),
    ],
)
def test_scores_stand_where_the_head_was(name: str, base: str, head: int) -> None:
    stem = base.removesuffix("ForCausalLM").removesuffix("LMHeadModel")
    bare = read_shape(renamed(base, f"{stem}Model"))
    assert read_shape(renamed(base, name, num_labels=3)).parameters == bare.parameters + head


@pytest.mark.parametrize(
    ("name", "base", "more"),
    [
        ("LlamaBidirectionalModel", "LlamaForCausalLM", {}),
        ("Qwen3Model", "Qwen3ForCausalLM", {"is_causal": False}),
        ("Gemma3TextModel", "Gemma3ForCausalLM", {"use_bidirectional_attention": True}),
    ],
)
def test_what_reads_a_text_at_once_keeps_nothing(
    name: str, base: str, more: dict[str, object]
) -> None:
    shape = read_shape(renamed(base, name, **more))
    assert {layer.kv.elements for layer in shape.layers} == {0}
    assert read_shape(usual(base)).layers[0].kv.elements > 0


@pytest.mark.parametrize("name", ["LLaMAForCausalLM", "IQuestCoderForCausalLM"])
def test_another_name_of_one_that_writes_keeps_its_head(name: str) -> None:
    same, other = (
        read_shape(usual("LlamaForCausalLM")),
        read_shape(renamed("LlamaForCausalLM", name)),
    )
    assert (other.parameters, other.answers) == (same.parameters, "text")


@pytest.mark.parametrize("name", ["Model", "NobodyModel", "ForCausalLM", "XLMRobertaForMaskedLM"])
def test_a_name_without_a_base_stays_unknown(name: str) -> None:
    values = {**BASE, "architectures": [name]}
    assert not is_known(values)
    with pytest.raises(SpecError) as caught:
        read_shape(values)
    assert [fault.path for fault in caught.value.faults] == ["config.architectures"]


def test_what_is_built_as_another_is_not_called_unsupported() -> None:
    assert not {"LlamaModel", "Gemma3TextModel", "Qwen2ForRewardModel"} & set(not_yet())
    assert all(base_of(name) == name for name in FAMILIES)


@pytest.mark.parametrize(
    ("name", "text", "elements"),
    [
        (  # google/paligemma-3b-pt-224; 2,923,466,480 with its tower
            "PaliGemmaForConditionalGeneration",
            {
                "model_type": "gemma",
                "hidden_size": 2048,
                "intermediate_size": 16384,
                "num_attention_heads": 8,
                "num_hidden_layers": 18,
                "num_key_value_heads": 1,
                "vocab_size": 257216,
            },
            2_508_662_784,
        ),
        (  # HuggingFaceTB/SmolVLM2-2.2B-Instruct; 2,246,784,880 with its tower
            "SmolVLMForConditionalGeneration",
            {
                "model_type": "llama",
                "hidden_size": 2048,
                "intermediate_size": 8192,
                "num_hidden_layers": 24,
                "vocab_size": 49280,
                "tie_word_embeddings": False,
            },
            1_812_563_968,
        ),
    ],
)
def test_more_that_see_are_sized_by_their_text_half(
    name: str, text: dict[str, object], elements: int
) -> None:
    shape = read_shape({"architectures": [name], "text_config": text})
    assert (shape.parameters, shape.text_only) == (elements, True)


def test_deepseek_ocr_attends_with_plain_heads() -> None:
    """deepseek-ai/DeepSeek-OCR: 3,336,106,240 with its towers, which come to some 400 million."""
    inner = {
        "first_k_dense_replace": 1,
        "hidden_size": 1280,
        "intermediate_size": 6848,
        "kv_lora_rank": None,
        "max_position_embeddings": 8192,
        "moe_intermediate_size": 896,
        "n_routed_experts": 64,
        "n_shared_experts": 2,
        "num_attention_heads": 10,
        "num_experts_per_tok": 6,
        "num_hidden_layers": 12,
        "num_key_value_heads": 10,
        "q_lora_rank": None,
        "qk_nope_head_dim": 0,
        "qk_rope_head_dim": 0,
        "v_head_dim": 0,
        "vocab_size": 129280,
    }
    outer = {"architectures": ["DeepseekOCRForCausalLM"], "language_config": inner}
    shape = read_shape(outer)
    assert (shape.architecture, shape.text_only) == ("DeepseekForCausalLM", True)
    attention, expert = 4 * 1280 * 1280, 3 * 1280 * 896
    dense, sparse = 3 * 1280 * 6848, 66 * expert + 64 * 1280
    layers = 12 * (attention + 2 * 1280) + dense + 11 * sparse
    assert shape.parameters == 2 * 129280 * 1280 + 1280 + layers == 2_934_734_080
    assert {layer.kv.elements for layer in shape.layers} == {256}
    with pytest.raises(SpecError) as caught:
        read_shape({**outer, "language_config": {**inner, "qk_nope_head_dim": 128}})
    assert {fault.path.split(".")[1] for fault in caught.value.faults} == {"language_config"}
