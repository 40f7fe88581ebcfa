"""Whatever stands in a key of a real configuration: a shape or a SpecError, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rackwright.errors import Fault, SpecError
from rackwright.models import read_shape
from rackwright.models.wrappers import INNER
from tests.samples.configs import config
from tests.samples.mutated import JUNK, changed_at, places

REAL = Path(__file__).parents[2] / "data" / "configs" / "real.jsonl"
SEED, PLACES = 15, 12
"""The same places each time; of each architecture so many."""
MORE: tuple[Any, ...] = (*JUNK, [[1], [2]], [{}], ["x"], {"x": {}}, 10**9, "10", float("inf"))


def first_of_each() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for line in REAL.read_text().splitlines():
        config = json.loads(line)["config"]
        found.setdefault(config["architectures"][0], config)
    return found


def chosen() -> list[tuple[str, tuple[Any, ...]]]:
    random, found = Random(SEED), []
    for architecture, values in first_of_each().items():
        inside = [place for place in places(values) if place]
        for place in random.sample(inside, min(PLACES, len(inside))):
            found.append((architecture, place))
    marks = ("moe_layer_freq", "hybrid_layer_pattern")
    return [*found, *(("MiMoV2FlashForCausalLM", (mark, 1)) for mark in marks)]


CONFIGS, PLACED = first_of_each(), chosen()


@pytest.mark.parametrize("architecture", CONFIGS)
def test_a_wrong_value_is_a_fault_and_no_crash(architecture: str) -> None:
    random = Random(SEED)
    for place in (place for name, place in PLACED if name == architecture):
        for junk in random.sample(MORE, 4):
            read(changed_at(CONFIGS[architecture], place, junk), (place, junk))


def test_a_list_in_a_list_of_marks_is_a_fault() -> None:
    config = changed_at(CONFIGS["MiMoV2FlashForCausalLM"], ("moe_layer_freq", 1), [[1]])
    with pytest.raises(SpecError, match="moe_layer_freq: must have 0 or 1"):
        read_shape(config)


OCTETS = {"dtype": "fp8_e4m3", "qscheme": "per_tensor", "is_dynamic": False}
OF_LAYERS: list[dict[str, Any]] = [
    {
        "quant_method": "quark",
        "exclude": ["lm_head"],
        "export": {"kv_cache_group": ["*k_proj", "*v_proj"], "pack_method": "reorder"},
        "global_quant_config": {"weight": [OCTETS], "input_tensors": OCTETS},
        "layer_quant_config": {"*o_proj": {"weight": OCTETS, "input_tensors": OCTETS}},
    },
    {
        "quant_method": "quark",
        "export": {"pack_method": "order"},
        "global_quant_config": {"weight": {"dtype": "int4", "group_size": 8, "symmetric": True}},
    },
    {
        "quant_method": "torchao",
        "modules_to_not_convert": ["layers.1"],
        "quant_type": {
            "default": {
                "_type": "FqnToConfig",
                "_data": {
                    "fqn_to_config": {
                        "_default": {"_type": "Int4WeightOnlyConfig", "_data": {"group_size": 8}},
                        "re:.*o_proj": {
                            "_type": "Float8DynamicActivationFloat8WeightConfig",
                            "_data": {"granularity": [{"_type": "PerRow"}]},
                        },
                    }
                },
            }
        },
    },
]


@pytest.mark.parametrize("entry", OF_LAYERS)
def test_a_quantization_of_layers_with_a_wrong_value_is_a_fault(entry: dict[str, Any]) -> None:
    for place in places(entry):
        for junk in MORE:
            changed = changed_at(entry, place, junk)
            read(config(quantization_config=changed), (place, junk))


@pytest.mark.parametrize("architecture", CONFIGS)
def test_one_wrong_figure_is_one_fault(architecture: str) -> None:
    """What other keys are judged by stands for 1 where it is at fault: they are not judged."""
    whole = CONFIGS[architecture]
    inside = next((key for key in INNER if isinstance(whole.get(key), dict)), None)
    own: dict[str, Any] = whole[inside] if inside else whole
    refused = {fault.path for fault in faults_of(whole)}
    for key in (key for key, value in own.items() if type(value) is int):
        place = (inside, key) if inside else (key,)
        paths = {fault.path for fault in faults_of(changed_at(whole, place, -3))}
        assert paths <= {".".join(("config", *place)), *refused}, key


def faults_of(values: dict[str, Any]) -> list[Fault]:
    try:
        read_shape(values)
    except SpecError as error:
        return list(error.faults)
    return []


GROUP = {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "group_size": 32}}
PACKED: dict[str, Any] = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "ignore": ["lm_head"],
    "config_groups": {"a": GROUP},
}
KEYED: dict[str, tuple[dict[str, Any], tuple[Any, ...], str]] = {
    "bits left out": ({"quant_method": "gptq"}, (), "bits: is required"),
    "a list for a dict": (PACKED, ("config_groups",), "config_groups: must be a dict"),
    "an entry of another": (PACKED, ("config_groups", "a"), "config_groups.a: must be a dict"),
    "weights": (PACKED, ("config_groups", "a", "weights"), "config_groups.a.weights: must be"),
    "no bits": (
        {**PACKED, "config_groups": {"a": {"weights": {"type": "int"}}}},
        (),
        "config_groups.a.weights.num_bits: is required",
    ),
    "inputs": (
        PACKED,
        ("config_groups", "a", "input_activations"),
        "config_groups.a.input_activations: must be a dict",
    ),
    "one of a list": (
        {"quant_method": "fp8", "weight_block_size": [128, 0], "activation_scheme": "dynamic"},
        (),
        "weight_block_size: must be a whole number, 1 to 1,048,576 (got [128, 0])",
    ),
    "an algorithm of one layer": (
        {
            "quant_method": "modelopt",
            "quant_algo": "MIXED_PRECISION",
            "quantized_layers": {"model.layers.0.mlp.up_proj": {"quant_algo": "FP3"}},
        },
        (),
        "quantized_layers.model.layers.0.mlp.up_proj.quant_algo: must be MIXED_PRECISION, FP8",
    ),
}


@pytest.mark.parametrize(("entry", "place", "said"), KEYED.values(), ids=KEYED)
def test_the_key_that_cannot_be_read_is_named(
    entry: dict[str, Any], place: tuple[Any, ...], said: str
) -> None:
    changed = changed_at(entry, place, [7]) if place else entry
    [fault] = faults_of(config(quantization_config=changed))
    assert str(fault).startswith(f"config.quantization_config.{said}")


def read(values: dict[str, Any], what: object) -> None:
    try:
        shape = read_shape(values)
        _ = shape.parameters, shape.schemes
    except SpecError:
        return
    except Exception as error:
        raise AssertionError(f"{what}: {error!r}") from error
