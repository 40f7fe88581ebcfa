"""Models that answer with a vector or a score: what they keep, and how long a text may be."""

from __future__ import annotations

import pytest

from rackwright.errors import SpecError
from rackwright.models import FAMILIES, read_shape
from rackwright.sizing import Limits, Split, gpu_memory, kv_bytes_per_token
from rackwright.sizing.kv_cache import kv_groups
from tests.samples.configs import usual

ENCODERS = [name for name, family in FAMILIES.items() if family.encoder]


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_keeps_nothing_of_a_token(name: str) -> None:
    shape = read_shape(usual(name))
    assert shape.answers == "vectors" and shape.tied
    assert kv_bytes_per_token(shape, Split(), 0) == 0
    assert [group.groups for group in kv_groups(shape, 2)] == [{}, {}]


def test_what_keeps_nothing_has_no_cache_and_all_else() -> None:
    shape = read_shape(usual("BertModel"))
    memory = gpu_memory(shape, Split(), 1 << 30, Limits(0.9, 8, 512, 512))
    assert memory.weights_bytes >= 2 * shape.parameters
    # as many as a step takes: nothing of them is kept beyond it
    assert (memory.sequences, memory.kv_cache_tokens, memory.kv_cache_bytes) == (8, 0, 0)
    small = gpu_memory(shape, Split(), 1 << 20, Limits(0.9, 8, 512, 512))
    assert small.sequences == 0 and small.kv_cache_bytes < 0


def test_what_is_no_cache_is_nobodys() -> None:
    shape = read_shape(usual("BertModel"))
    memory = gpu_memory(shape, Split(), 1 << 36, Limits(0.9, 8, 512, 512))
    taken = memory.weights_bytes + memory.working_bytes + memory.cuda_graph_bytes
    assert not memory.has_cache and memory.unused_bytes == memory.total_bytes - taken
    writing = read_shape(usual("LlamaForCausalLM"))
    assert writing.answers == "text"


@pytest.mark.parametrize(("name", "longest"), [("BertModel", 512), ("XLMRobertaModel", 510)])
def test_where_positions_start_behind_the_padding_fewer_fit(name: str, longest: int) -> None:
    assert read_shape(usual(name)).max_position_embeddings == longest


def test_only_what_rotates_has_a_table_of_rotations() -> None:
    assert read_shape(usual("BertModel")).rotary.elements == 0
    assert read_shape(usual("NomicBertModel")).rotary.elements > 0


def test_what_answers_with_vectors_but_reads_as_it_writes_keeps_its_cache() -> None:
    shape = read_shape({**usual("MistralModel"), "tie_word_embeddings": False})
    assert shape.answers == "vectors" and shape.tied
    assert kv_bytes_per_token(shape, Split(), 0) > 0


@pytest.mark.parametrize("name", ["BertModel", "XLMRobertaModel", "RobertaForTokenClassification"])
@pytest.mark.parametrize("kind", ["relative_key", "rope", ""])
def test_positions_that_the_engine_has_not_are_refused(name: str, kind: str) -> None:
    with pytest.raises(SpecError, match="position_embedding_type: must be absolute"):
        read_shape({**usual(name), "position_embedding_type": kind})
