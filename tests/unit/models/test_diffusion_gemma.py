"""DiffusionGemma is Gemma 4 with what tells it of its last try; it answers canvas by canvas."""

from __future__ import annotations

import pytest

from rackwright.errors import SpecError
from rackwright.models import Shape, read_shape
from rackwright.models.diffusion_gemma import NAME
from rackwright.models.quantization.names import usual_name
from rackwright.planning.splitting import indivisible
from rackwright.sizing import Limits, Split, kv_bytes_per_token
from rackwright.sizing.gguf import unjudged
from rackwright.sizing.working import LOGIT_BYTES, activation_bytes
from tests.samples.configs import H, usual

TEXT = {**usual("Gemma4ForCausalLM"), "model_type": "diffusion_gemma_text"}
RELEASED = {
    "hidden_size": 2816,
    "num_hidden_layers": 30,
    "intermediate_size": 2112,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "num_global_key_value_heads": 2,
    "head_dim": 256,
    "global_head_dim": 512,
    "vocab_size": 262144,
    "max_position_embeddings": 262144,
    "num_experts": 128,
    "top_k_experts": 8,
    "moe_intermediate_size": 704,
    "sliding_window": 1024,
    "layer_types": [*["sliding_attention"] * 5, "full_attention"] * 5,
    "model_type": "diffusion_gemma_text",
}


def shape(**more: object) -> Shape:
    return read_shape({"architectures": [NAME], "text_config": TEXT, **more})


def test_the_release_has_the_elements_that_transformers_counts() -> None:
    """Without 30 scalars that its layers hold as buffers; its file says no ``attention_k_eq_v``."""
    released = shape(text_config=RELEASED)
    assert released.parameters == 25_250_986_752 + 30
    assert kv_bytes_per_token(released, Split(), 0) == 25 * 8 * 512 * 2 + 5 * 2 * 1024 * 2


def test_its_last_try_is_told_by_an_mlp_that_every_rank_holds_whole() -> None:
    alone = read_shape({**TEXT, "attention_k_eq_v": True}).parameters
    wide = shape().layers[0].mlp_width
    assert shape().parameters == alone + H + 3 * H * wide
    assert shape(self_conditioning_size=10).parameters == alone + H + 3 * H * 10


def test_every_token_of_a_canvas_has_logits() -> None:
    split, limits = Split(), Limits(0.9, 8, 8192, 1024)
    small, large = (shape(text_config=RELEASED, canvas_length=n) for n in (256, 512))
    more = activation_bytes(large, split, limits, 0) - activation_bytes(small, split, limits, 0)
    assert more == 8 * 256 * 262144 * LOGIT_BYTES[True]


def test_it_has_no_stages_and_no_pace() -> None:
    assert shape().canvas == 256
    assert not shape().paced
    assert "no pipeline stages" in indivisible(Split(1, 2), shape())
    assert not indivisible(Split(1, 2), read_shape(usual("Gemma4ForCausalLM")))
    assert "a canvas at a time" in unjudged(shape())


@pytest.mark.parametrize("start", ["model.decoder.", "model.encoder.language_model."])
def test_both_its_names_of_a_layer_are_one(start: str) -> None:
    assert usual_name(f"{start}layers.3.mlp.up_proj") == "model.layers.3.mlp.up_proj"


def test_what_is_wrong_is_said_where_it_stands() -> None:
    with pytest.raises(SpecError) as raised:
        shape(canvas_length=0, self_conditioning_size="wide")
    paths = {fault.path for fault in raised.value.faults}
    assert paths == {"config.canvas_length", "config.self_conditioning_size"}
