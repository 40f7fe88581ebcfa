"""What Whisper keeps of a request: what it wrote, and all of what it heard."""

from __future__ import annotations

from rackwright.models import read_shape
from rackwright.sizing import Limits, Split, blocks_per_request
from rackwright.sizing.kv_cache import kv_groups
from tests.samples.configs import H, usual

NAME = "WhisperForConditionalGeneration"


def test_a_layer_that_writes_keeps_its_own_keys_and_those_of_every_frame() -> None:
    shape = read_shape(usual(NAME))
    assert [layer.kv.kind for layer in shape.layers] == ["none"] * 2 + ["full", "fixed"] * 3
    assert {layer.kv.heads * layer.kv.elements for layer in shape.layers[2:]} == {2 * H}
    assert kv_groups(shape, 1)[0].groups == {"full": 1, "fixed": 1}
    limits = Limits(0.9, 1, 16, 20)
    # 20 tokens in blocks of 16, and 30 frames: two blocks each
    assert blocks_per_request(shape, Split(), limits, 20) == 2 + 2
    assert blocks_per_request(shape, Split(), limits, 5) == 1 + 2


def test_it_answers_with_transcripts_as_long_as_its_table_of_positions() -> None:
    shape = read_shape(usual(NAME))
    assert (shape.answers, shape.max_position_embeddings, shape.rotary.elements) == (
        "transcripts",
        20,
        0,
    )
    assert shape.widths == {"encoder heads": 4, "encoder MLP width": 96, "MLP width": 104}
