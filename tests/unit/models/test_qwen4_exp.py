"""Qwen3.8 Flash Next: what it keeps, how ranks share its n-grams, and in how many bits."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models import Shape, Tensor, read_shape
from rackwright.models.qwen4_exp import TABLE
from rackwright.report.weights import weights_document, weights_words
from rackwright.sizing import Split
from rackwright.sizing.kv_cache import kv_bytes_per_token
from rackwright.sizing.weights import computed_bytes, host_bytes, tensor_bytes, weights_bytes
from tests.samples.configs import usual

NAME = "Qwen4ExpForCausalLM"
BLOCKS = {"quant_method": "fp8", "weight_block_size": [8, 8]}


def shape(**more: Any) -> Shape:
    return read_shape({**usual(NAME), **more})


def table(found: Shape) -> Tensor:
    (made,) = (t for layer in found.layers for t in layer.tensors if t.name == TABLE)
    return made


def test_layers_that_choose_tokens_keep_an_averaged_key_beside_keys_and_values() -> None:
    """2 heads of 24 twice in 16 bits; a key of 8 in 16 bits for four tokens, whole on each rank."""
    assert kv_bytes_per_token(shape(), Split(), 0) == 2 * 2 * 24 * 2 + 8 * 2 // 4
    assert kv_bytes_per_token(shape(), Split(2), 0) == 2 * 24 * 2 + 8 * 2 // 4
    plain = shape(indexer_n_heads=None)
    assert kv_bytes_per_token(plain, Split(), 0) == 2 * 2 * 24 * 2


def test_n_grams_are_in_the_layers_that_are_named_counted_from_one() -> None:
    held = [any(t.name == TABLE for t in layer.tensors) for layer in shape().layers]
    assert held == [False, True, False, False]
    assert not any(t.name == TABLE for y in shape(ple_layer_ids=[]).layers for t in y.tensors)


def test_ranks_divide_the_rows_of_n_grams() -> None:
    found = shape()
    assert (table(found).rows, table(found).columns) == (48, 8)
    assert tensor_bytes(found, table(found), Split(4)) == 12 * 8 * 2


def test_n_grams_are_in_the_memory_of_the_host_and_on_no_gpu() -> None:
    found, without = shape(), shape(ple_layer_ids=[])
    beside = [t for t in found.layers[1].tensors if t.name.startswith("ple.") and not t.in_host]
    for split in (Split(), Split(2)):
        more = weights_bytes(found, split, 0) - weights_bytes(without, split, 0)
        assert more == sum(tensor_bytes(found, one, split) for one in beside)
    assert host_bytes(found, Split()) == 48 * 8 * 2
    assert host_bytes(found, Split(2)) == 24 * 8 * 2
    assert host_bytes(without, Split()) == 0
    assert weights_document(found)["host_gib"] == round(48 * 8 * 2 / 2**30, 3)
    assert "in the host's memory" in " ".join(weights_words(found))
    assert not weights_words(without)


def test_files_hold_the_n_grams_too() -> None:
    found, plain = shape(), shape(ple_layer_ids=[])
    more = found.parameters - plain.parameters
    assert computed_bytes(found) - computed_bytes(plain) == 2 * more


@pytest.mark.parametrize(
    ("more", "size"),
    [
        ({}, 2),
        ({"ple_embedding_dtype": "float8_e4m3fn"}, 1),
        ({"quantization_config": BLOCKS}, 1),
        ({"quantization_config": {**BLOCKS, "modules_to_not_convert": [f"layers.1.{TABLE}"]}}, 2),
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}}, 2),
    ],
)
def test_n_grams_are_of_16_bits_or_in_fp8(more: dict[str, Any], size: int) -> None:
    found = shape(**more)
    assert tensor_bytes(found, table(found), Split()) == 48 * 8 * size


def test_too_many_tables_are_a_fault() -> None:
    with pytest.raises(SpecError, match="heads_per_ngram: must make 1 to 64 tables"):
        shape(heads_per_ngram=10**6)


def test_kinds_of_layers_follow_an_interval_where_they_are_not_listed() -> None:
    found = shape(layer_types=None)
    assert [layer.kv.kind for layer in found.layers] == ["state", "state", "state", "full"]
