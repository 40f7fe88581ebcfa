"""What is said of a name that is not known: the nearest, where one is near, and how it is tried."""

from __future__ import annotations

import pytest

from rackwright.models import FAMILIES
from rackwright.models.unknown import FIXED_ATTENTION, nearest_known, unknown_rule
from rackwright.models.wrappers import ANY_TEXT, TEXT_OF

KNOWN = {*FAMILIES, *TEXT_OF, *ANY_TEXT}


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("LamaForCausalLM", "LlamaForCausalLM"),
        ("Qwen9ForCausalLM", "Qwen3ForCausalLM"),
        ("MyBertForMaskedLM", "BertForMaskedLM"),
        ("XLMRobertaForMaskedLM", "RobertaForMaskedLM"),
        ("JinaEmbeddingsV4Model", "JinaEmbeddingsV5Model"),
        ("MPNetForMaskedLM", ""),
        ("MPNetForSequenceClassification", ""),
        ("InstellaMoEForCausalLM", ""),
        ("DebertaV2ForSequenceClassification", ""),
        ("YiForCausalLM", ""),
    ],
)
def test_only_what_begins_or_ends_alike_is_near(name: str, nearest: str) -> None:
    assert nearest_known(name, KNOWN) == nearest


def test_every_known_name_is_nearest_to_itself() -> None:
    assert all(nearest_known(name, KNOWN) == name for name in KNOWN)


@pytest.mark.parametrize("name", ["MPNetForMaskedLM", "DebertaV2Model", "XLNetLMHeadModel"])
def test_attention_that_cannot_be_replaced_is_said_to_be_so(name: str) -> None:
    rule = unknown_rule(name, KNOWN)
    assert "cannot use transformers' class" in rule and "tries it" not in rule
    coded = unknown_rule(name, KNOWN, {"auto_map": {"AutoModel": "own.Model"}})
    assert "tries it by the code in its files" in coded


def test_no_model_that_is_known_is_one_that_nobody_serves() -> None:
    bare = {name.partition("For")[0].lower() for name in KNOWN}
    assert not bare & set(FIXED_ATTENTION)


def test_of_others_transformers_class_is_tried() -> None:
    assert "tries it by transformers' class of that name" in unknown_rule("DistilBertModel", KNOWN)
