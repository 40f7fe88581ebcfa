"""Models of an inventory's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from tests.samples.faulty import (
    BY_HAND,
    FIGURES,
    Cases,
    Hosts,
    faults,
    with_config,
    with_model,
)
from tests.samples.fleet import (
    TINY,
    hosts,
    lab_hosts,
    service,
)

CASES: Cases = {
    "an own model that is in the catalog": (
        hosts(models={"qwen3-8b": TINY}),
        "models[qwen3-8b]: is in the catalog already, choose another name",
    ),
    "a key beside the config": (
        with_model(**TINY, confg={}),
        "models[tiny].confg: is not a known key, did you mean 'config'?",
    ),
    "an own model of an unknown kind": (
        with_config(architectures=["OpenVLAForActionPrediction"]),
        "models[tiny].config.architectures: is not supported yet, vLLM 0.32.0 serves it: its "
        "files' headers make an estimate (`tensors`), or figures by hand (docs/planner.md); the "
        "nearest by name that is known is OpenCUAForConditionalGeneration "
        "(got 'OpenVLAForActionPrediction')",
    ),
    "an own model of too many layers": (
        with_config(num_hidden_layers=10**9),
        "models[tiny].config.num_hidden_layers: must be a whole number, 1 to 1,000 "
        "(got 1000000000)",
    ),
    "heads that do not divide": (
        with_config(num_key_value_heads=3),
        "models[tiny].config.num_key_value_heads: must divide num_attention_heads 4 (got 3)",
    ),
    "neither config nor figures": (
        with_model(path="/srv/a"),
        "models[tiny]: must have either config (its config.json), figures (by hand) or header (its "
        "GGUF file)",
    ),
    "both config and figures": (
        with_model(**TINY, figures=FIGURES),
        "models[tiny]: must have either config (its config.json), figures (by hand) or header (its "
        "GGUF file)",
    ),
    "figures that do not add up": (
        with_model(**{**BY_HAND, "figures": {**FIGURES, "weights_gib": 1.0}}),
        "models[tiny].figures: must have weights_gib above replicated_gib and both embedding "
        "tables",
    ),
    "a config that is not there": (
        with_model(path="/srv/a", config="/nowhere"),
        "models[tiny].config: must be a readable config.json (No such file or directory) "
        "(got '/nowhere')",
    ),
    "an unknown quantization": (
        with_config(quantization_config={"quant_method": "magic"}),
        "models[tiny].config.quantization_config: must be one of auto-round, awq, "
        "compressed-tensors, fbgemm_fp8, fp8, gptq, modelopt, mxfp4, quark, torchao, not 'magic'",
    ),
    "a quantization that the engine does not serve": (
        with_config(quantization_config={"quant_method": "bitsandbytes"}),
        "models[tiny].config.quantization_config: is bitsandbytes, which is not supported: vLLM "
        "0.32 does not serve it; take the model in another format (FP8, AWQ, GPTQ of 4 or 8 bits, "
        "NVFP4) or unquantized",
    ),
}


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_a_fault_is_named_with_path_rule_and_value(data: Hosts, expected: str) -> None:
    assert expected in faults(data)


def test_the_lab_brings_its_own_model() -> None:
    model = load_fleet(lab_hosts()).models["tiny-llama"]
    assert (model.shape.heads, model.shape.kv_heads, model.longest_context) == (4, 2, 2048)
    assert model.source.path == "/srv/models/tiny-llama"


def test_a_config_may_be_a_dict_a_file_or_its_directory(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(TINY["config"]))
    for given in (TINY["config"], str(path), str(tmp_path)):
        model = load_fleet(with_model(path="/srv/a", config=given)).models["tiny"]
        assert model.config == TINY["config"]
        assert model.shape.layers[0].mlp_width == 512


def test_an_own_model_may_be_shortened_and_given_another_dtype() -> None:
    models = {"tiny": {**TINY, "max_model_len": 512, "dtype": "float16"}}
    model = load_fleet(hosts(models=models)).models["tiny"]
    assert (model.longest_context, model.shape.dtype) == (512, "float16")


def test_figures_by_hand_stand_in_for_a_config() -> None:
    fleet = load_fleet(
        hosts(services={"own": service("own", revision=...)}, models={"own": BY_HAND})
    )
    assert fleet.models["own"].shape.architecture == "figures by hand"
    assert all(replica.model.figures for replica in plan(fleet).replicas)


@pytest.mark.parametrize("changed", [{"hidden_size": 0, "vocab_size": "x"}, {"hidden_size": None}])
def test_every_figure_that_is_wrong_is_named(changed: dict[str, Any]) -> None:
    paths = {line.partition(":")[0] for line in faults(with_config(**changed))}
    assert paths == {f"models[tiny].config.{key}" for key in changed}
