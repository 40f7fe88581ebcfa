"""`rackwright models`: every architecture and quantization that is read, and what serves it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner

from rackwright.catalog.served import listed
from rackwright.cli import main
from rackwright.engines import ENGINES
from rackwright.models import FAMILIES, read_shape
from rackwright.models.decoder import Decoder
from rackwright.models.decoders import OWN, decoder_of
from rackwright.models.understood import understood
from rackwright.models.wrappers import ANY_TEXT, TEXT_OF
from tests.samples.fleet import catalog_model


def document() -> Any:
    return json.loads(CliRunner().invoke(main, ["models", "--json"]).output)


@pytest.mark.parametrize("base", OWN)
def test_a_family_of_its_own_class_finds_it(base: str) -> None:
    found = decoder_of(base, FAMILIES[base])
    assert issubclass(found, Decoder)
    assert f"{found.__module__}.{found.__name__}" == f"rackwright.models.{OWN[base]}"


def test_every_architecture_is_listed_once() -> None:
    names = [entry["architecture"] for entry in document()["architectures"]]
    assert names == sorted({*FAMILIES, *TEXT_OF, *ANY_TEXT})
    assert set(OWN) <= set(names)
    assert not set(names) & set(document()["not_supported_yet"])


def test_engines_are_those_that_would_take_a_real_one() -> None:
    said = {entry["architecture"]: entry["engines"] for entry in document()["architectures"]}
    for name in ("deepseek-v3", "qwen3.5-27b", "llama-3.1-8b-instruct", "gpt-oss-20b"):
        shape = catalog_model(name).shape
        taken = [engine.name for engine in ENGINES.values() if not engine.unjudged(shape)]
        assert said[shape.architecture] == taken, name


def test_what_hears_is_planned_for_the_engine_that_serves_it() -> None:
    text = CliRunner().invoke(main, ["models"]).output
    (line,) = [line for line in text.splitlines() if line.startswith("WhisperForCond")]
    assert re.search(r"encoder and decoder, for transcripts +vllm  ", line)
    assert re.search(r"^quantizations: .*awq.*, compressed-tensors, ", text, re.MULTILINE)
    assert f"{listed().engine} {listed().version} lists" in text


def test_what_does_not_write_is_said_to_be_for_what_it_does() -> None:
    text = CliRunner().invoke(main, ["models"]).output
    (line,) = [line for line in text.splitlines() if line.startswith("BertModel ")]
    assert re.search(r"encoder, for vectors +vllm  ", line)
    said = {entry["architecture"]: entry for entry in document()["architectures"]}
    assert said["XLMRobertaForSequenceClassification"]["task"] == "classify"
    assert said["LlamaForCausalLM"]["task"] is None
    for entry in said.values():
        assert entry["task"] is None or entry["engines"] == ["vllm"], entry


def test_an_example_keeps_what_its_readers_models_keep() -> None:
    """A reader of its own may have layers with a state: the list of those must not lag behind."""
    by_name = {one.architecture: one.example for one in understood()}
    state = {"mamba_d_state": 16, "mamba_n_heads": 4}
    assert by_name["NemotronHForCausalLM"].layers[-1].kv.kind == "state", state
    config = {**catalog_model("qwen3.5-27b").config}
    kinds = {layer.kv.kind for layer in read_shape(config).layers}
    assert "state" in kinds and by_name["Qwen3_5ForCausalLM"].layers[-1].kv.kind == "state"
