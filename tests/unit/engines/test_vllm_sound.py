"""vLLM with a model that hears what is said: what is planned of it, what it is told and asked."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from rackwright.checks.replica.answered import words_of
from rackwright.checks.replica.healthy import REPLICA
from rackwright.desired.fleet_data import service_data, slots
from rackwright.engines import ENGINES
from rackwright.engines.endpoints import ENDPOINTS
from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan, Replica
from rackwright.planning.placing import plan
from rackwright.report.document import plan_document
from rackwright.report.plan import plan_text
from rackwright.sizing import GIB
from rackwright.spec import FleetSpec
from tests.samples.fleet import hosts, server, service, settings

LOCK = "rackwright/engines/requirements/vllm-0.32.0-cu130-audio.txt"
VLLM = ENGINES["vllm"]
L40S = server(gpu="l40s-48gb", count=4, link="pcie")
HEARS = ("/v1/audio/transcriptions", "/v1/audio/translations")


def made(model: str = "whisper-large-v3", **more: Any) -> tuple[FleetSpec, FleetPlan]:
    asked = {"max_model_len": 448, **more}
    spec = load_fleet(
        hosts({"gpu1": L40S}, {"hear": service(model, **asked)}, vllm_requirements=LOCK)
    )
    return spec, plan(spec)


def first(**more: Any) -> Replica:
    return made(**more)[1].replicas[0]


def test_it_is_started_as_any_other_and_told_of_no_runner_and_no_limit_of_sounds() -> None:
    words = VLLM.argv(first(), "/m", settings())
    said = dict(pairwise(words))
    assert said["--max-model-len"] == "448" and said["--dtype"] == "float16"
    assert int(said["--max-num-batched-tokens"]) == 2048
    assert not {"--runner", "--limit-mm-per-prompt", "--language-model-only"} & {*words}


def test_each_gpu_has_a_replica_and_ranks_divide_its_heads() -> None:
    _, found = made()
    assert [one.split.gpus for one in found.replicas] == [1, 1, 1, 1]
    assert all(one.split.pipeline == one.split.data == 1 for one in found.rejected)
    (reason,) = [one.reason for one in found.rejected if one.split.tensor == 3]
    assert "20 attention and 20 KV heads do not divide that way" in reason
    assert {one.split.tensor for one in made(tensor_parallel_size=4)[1].replicas} == {4}


def test_a_request_keeps_a_whole_sound_and_the_engine_tells_less_than_fits() -> None:
    """122 blocks a request: 28 of its own tokens, 94 of 1,500 frames. vLLM tells of 128 instead."""
    memory = first().memory
    block = 16 * 32 * 2 * 1280 * 2
    blocks = memory.kv_cache_bytes // block
    assert memory.sequences == blocks // (28 + 94)
    assert memory.kv_cache_tokens == int(blocks / (28 + 2048 // 16) * 448)
    longer = first(max_num_batched_tokens=8192).memory
    assert longer.kv_cache_tokens < memory.kv_cache_tokens / 3
    assert longer.sequences > memory.sequences * 0.9, "what is encoded at once is all it takes"


def test_what_its_encoder_takes_is_planned() -> None:
    small, large = first(max_num_batched_tokens=1500), first(max_num_batched_tokens=15000)
    more = large.memory.peak_activation_bytes - small.memory.peak_activation_bytes
    frames = 9 * 1500
    assert frames * 1280 * 2 < more < frames * 1280 * 2 * 20
    assert small.memory.weights_bytes / GIB == pytest.approx(1543490560 * 2 / GIB, rel=0.001)


def test_each_rank_holds_the_table_of_tokens_whole() -> None:
    one, four = (first(tensor_parallel_size=n).memory.weights_bytes for n in (1, 4))
    assert four - one / 4 > 0.75 * 51866 * 1280 * 2


@pytest.mark.parametrize("engine_model", ["whisper-large-v3", "whisper-small"])
def test_only_paths_of_sound_reach_it(engine_model: str) -> None:
    spec, found = made(engine_model)
    own = service_data(found.upstreams[0], spec.settings["gpu1"], {})
    assert {*own["paths"]} == {*HEARS, "/tokenize", "/detokenize"} <= set(ENDPOINTS)
    assert own["canary"]["path"] == HEARS[0]
    body = own["canary"]["body"]
    for part in (f'name="model"\r\n\r\n{engine_model}\r\n', 'name="language"\r\n\r\nen\r\n'):
        assert part in body
    assert "RIFF" in body


def test_what_hears_nothing_is_asked_for_no_sound() -> None:
    for data in ({"model": "llama-3.1-8b-instruct"}, {"model": "qwen3-8b", "engine": "sglang"}):
        spec = load_fleet(hosts({"gpu1": server()}, {"chat": service(**data)}))
        own = service_data(plan(spec).upstreams[0], spec.settings["gpu1"], {})
        assert not {*HEARS} & {*own["paths"]}, data


def test_a_gateway_sends_as_many_as_have_room_for_their_sounds() -> None:
    one = first()
    assert slots(one) == one.memory.sequences < one.most_requests
    assert slots(first(max_num_seqs=3)) == 3


def test_the_plan_says_what_it_hears_and_promises_no_speed() -> None:
    _, found = made()
    text, (replica, *_) = plan_text(found), plan_document(found)["replicas"]
    flat = " ".join(text.split())
    assert "hears one sound a request, 1,500 frames whatever its length; encoding 1 at once" in flat
    assert "answers with transcripts; how fast is not predicted" in flat
    assert "do not fit the context" not in flat and "tower" not in flat
    assert (replica["task"], replica["alone"]) == ("transcription", None)
    assert replica["audios"]["most_tokens"] == 1500


def test_tokens_are_made_so_an_engine_tells_them() -> None:
    assert "tokens_generated" in VLLM.figures_of("transcription")
    assert "tokens_generated" not in VLLM.figures_of("embed")


def test_seconds_that_were_heard_prove_it_and_silence_has_no_words() -> None:
    heard = {"text": "", "usage": {"type": "duration", "seconds": 1}}
    hearing = replace(REPLICA.planned, task="transcription")
    assert words_of(hearing, heard) == "a transcript of 1 s of sound"


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"usage": {"seconds": 1}}, "the answer is no transcript"),
        ("text", "the answer is no transcript"),
        ({"text": None, "usage": {"seconds": 1}}, "the answer is no transcript"),
        ({"text": ""}, "no sound was heard"),
        ({"text": "", "usage": {"seconds": 0}}, "no sound was heard"),
        ({"text": "", "usage": {"seconds": True}}, "no sound was heard"),
        ({"text": "", "usage": [1]}, "no sound was heard"),
    ],
)
def test_what_is_no_transcript_is_a_fault(said: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        words_of(replace(REPLICA.planned, task="transcription"), said)
