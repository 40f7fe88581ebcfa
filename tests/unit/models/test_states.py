"""Models of states alone: what they keep of a request, how ranks divide them, how long they are."""

from __future__ import annotations

import pytest

from rackwright.errors import SpecError
from rackwright.models import read_shape
from rackwright.planning.splitting import indivisible
from rackwright.sizing import Split
from rackwright.sizing.kv_cache import kv_bytes_per_token
from tests.samples.configs import F, L, usual

PUBLISHED = {
    # mamba-2.8b-hf
    "MambaForCausalLM": (
        {"hidden_size": 2560, "num_hidden_layers": 64, "state_size": 16, "vocab_size": 50280}
        | {"intermediate_size": 5120, "conv_kernel": 4, "time_step_rank": 160},
        2_768_345_600,
    ),
    # falcon-mamba-7b-instruct
    "FalconMambaForCausalLM": (
        {"hidden_size": 4096, "num_hidden_layers": 64, "state_size": 16, "vocab_size": 65024}
        | {"intermediate_size": 8192, "conv_kernel": 4, "time_step_rank": 256}
        | {"tie_word_embeddings": False},
        7_272_665_088,
    ),
    # Mamba-Codestral-7B, as its class counts it
    "Mamba2ForCausalLM": (
        {"hidden_size": 4096, "num_hidden_layers": 64, "state_size": 128, "vocab_size": 32768}
        | {"conv_kernel": 4, "num_heads": 128, "head_dim": 64, "n_groups": 8},
        7_285_403_648,
    ),
}


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_elements_are_as_published(architecture: str) -> None:
    config, elements = PUBLISHED[architecture]
    assert read_shape({"architectures": [architecture], **config}).parameters == elements


@pytest.mark.parametrize(
    ("architecture", "kept"),
    [
        ("MambaForCausalLM", 2 * F * (16 + 2)),
        ("FalconMambaForCausalLM", 2 * F * (16 + 2)),
        ("Mamba2ForCausalLM", 2 * (F * 16 + (F + 2 * 2 * 16) * 2)),
    ],
)
def test_they_keep_a_state_of_a_request_and_nothing_of_a_token(
    architecture: str, kept: int
) -> None:
    shape = read_shape(usual(architecture))
    assert [layer.kv.state_bytes for layer in shape.layers] == [kept] * L
    assert kv_bytes_per_token(shape, Split(), 0) == 0


def test_no_length_is_too_long_where_none_is_named() -> None:
    assert read_shape(usual("MambaForCausalLM")).max_position_embeddings == 1 << 20
    named = usual("MambaForCausalLM") | {"max_position_embeddings": 2048}
    assert read_shape(named).max_position_embeddings == 2048


def test_ranks_divide_the_width_or_heads_and_groups() -> None:
    one, two = (read_shape(usual(name)) for name in ("MambaForCausalLM", "Mamba2ForCausalLM"))
    assert [indivisible(Split(ranks), one) for ranks in (1, 2, 4)] == ["", "", ""]
    assert "Mamba width 96" in indivisible(Split(64), one)
    assert "Mamba groups 2" in indivisible(Split(4), two)
    single = read_shape(usual("Mamba2ForCausalLM") | {"n_groups": 1})
    assert indivisible(Split(4), single) == ""


def test_what_is_missing_is_said_at_once() -> None:
    config = usual("MambaForCausalLM") | {"state_size": None, "time_step_rank": 0}
    with pytest.raises(SpecError, match="time_step_rank") as caught:
        read_shape(config)
    assert "state_size" in str(caught.value)
