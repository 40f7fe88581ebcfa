"""What brings pixels and sound to Gemma 4 12B is held beside its text model, served or not."""

from __future__ import annotations

import pytest

from rackwright.errors import SpecError
from rackwright.models import read_shape
from rackwright.models.gemma4_unified import NAME
from tests.samples.configs import H, usual

VISION = {"model_patch_size": 2, "mm_embed_dim": 10, "mm_posemb_size": 7, "output_proj_dims": 5}
SEEING = (2 * 12 + 4 * 10) + 10 * 12 + 10 + 7 * 2 * 10 + H * 5
TEXT = usual("Gemma4ForCausalLM")
ALONE = read_shape(TEXT).parameters


def given(**more: object) -> dict[str, object]:
    return {"architectures": [NAME], "text_config": TEXT, "vision_config": VISION, **more}


@pytest.mark.parametrize(
    ("more", "beside"),
    [
        ({}, SEEING),
        ({"audio_config": {"audio_embed_dim": 3}}, SEEING + 3 * H),
        ({"audio_config": {}}, SEEING + 640 * H),
    ],
)
def test_it_is_counted_by_hand(more: dict[str, object], beside: int) -> None:
    shape = read_shape(given(**more))
    assert shape.text_only
    assert shape.parameters == ALONE + beside


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"vision_config": None}, "config.vision_config"),
        ({"vision_config": {"mm_embed_dim": 0}}, "config.vision_config.mm_embed_dim"),
        ({"audio_config": [1]}, "config.audio_config"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(more: dict[str, object], path: str) -> None:
    with pytest.raises(SpecError) as raised:
        read_shape(given(**more))
    assert [fault.path for fault in raised.value.faults] == [path]
