"""GGUF files in an inventory: what is refused, and where they are put."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.desired import paths
from rackwright.desired.items import File
from rackwright.desired.needed import cleaning_request
from rackwright.desired.replicas import replica_items
from rackwright.desired.weights import weights_request
from rackwright.engines import ENGINES
from rackwright.errors import PlanError, SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.locking.pinned import pins_of
from rackwright.plan import FleetPlan
from rackwright.planning.placing import plan
from rackwright.report import plan_text
from rackwright.report.document import plan_document
from rackwright.sizing import GIB
from tests.samples.engines import GGUF, MMPROJ, SETTINGS, SPLIT
from tests.samples.fleet import TINY, hosts, server, service, settings

L40S = server(gpu="l40s-48gb", count=4, link="pcie")
PULLED = {"pull": "llama3.3:70b", "sha256": "a" * 64, "size_bytes": GGUF["size_bytes"]}


def chat(engine: str = "ollama", **more: Any) -> dict[str, Any]:
    own = {"engine": engine, "gguf": GGUF, "revision": ...}
    return service("llama-3.3-70b-instruct", **{**own, **more})


def planned(
    *, box: dict[str, Any] | None = None, services: dict[str, Any] | None = None, **more: Any
) -> FleetPlan:
    found = services or {"chat": chat(**more)}
    return plan(load_fleet(hosts({"gpu1": box or L40S}, found, **SETTINGS)))


# --- layouts -----------------------------------------------------------------------------------


def test_the_fewest_gpus_that_fit_and_as_many_replicas_as_there_is_room_for() -> None:
    found = planned()
    assert [replica.gpus for replica in found.replicas] == [(0, 1), (2, 3)]
    assert not any(replica.speeds for replica in found.replicas)
    reasons = {each.split.pipeline: each for each in found.rejected}
    assert "fewer than one sequence" in reasons[1].reason
    assert reasons[3].reason == "fits, but takes more GPUs than it needs"
    assert reasons[3].feasible and not reasons[1].feasible


@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_a_model_that_fits_one_gpu_is_never_spread(objective: str) -> None:
    small = {**GGUF, "size_bytes": 20 * GIB}
    found = planned(gguf=small, objective=objective)
    assert [replica.gpus for replica in found.replicas] == [(0,), (1,), (2,), (3,)]


def test_the_operator_may_ask_for_more_gpus() -> None:
    (replica,) = planned(pipeline_parallel_size=4).replicas
    assert replica.gpus == (0, 1, 2, 3)
    with pytest.raises(PlanError, match=r"5 GPU.*: needs 5 GPUs, 4 may be used"):
        planned(pipeline_parallel_size=5)


def test_more_slots_need_more_memory_and_are_all_there_or_refused() -> None:
    (replica, _) = planned(engine="llamacpp").replicas
    assert replica.memory.sequences == replica.limits.max_num_seqs == 4
    small = server(gpu="l40s-48gb", count=2, link="pcie")
    with pytest.raises(PlanError, match=r"enough for \d+ of 128 slots of 8,192 tokens"):
        planned(box=small, engine="llamacpp", max_num_seqs=128)


def test_a_quantized_cache_holds_nearly_twice_as_much() -> None:
    caches = [
        planned(engine="llamacpp", kv_cache_dtype=kind).replicas[0].memory.kv_cache_bytes
        for kind in ("f16", "q8_0", "q4_0")
    ]
    assert caches[0] / caches[1] == pytest.approx(32 * 2 / 34)
    assert caches[0] / caches[2] == pytest.approx(32 * 2 / 18)


def test_the_plan_says_the_file_and_that_speed_is_not_predicted() -> None:
    text = plan_text(planned(), 140)
    assert "chat-gpu1-0  llama-3.3-70b-instruct  GPUs 0-1  GGUF Q4_K_M 39.6 GiB, by layers" in text
    assert "the speed of engine ollama is not predicted" in text
    assert "takes more GPUs than it needs: 3 GPUs, 4 GPUs" in text
    assert "\n    1 GPU: " in text


def test_vllm_and_ollama_share_a_server_on_gpus_of_their_own() -> None:
    services = {
        "quick": service(gpus={"gpu1": [0, 1]}, served_model_name="quick"),
        "chat": chat(gpus={"gpu1": [2, 3]}),
    }
    found = planned(services=services)
    used = {replica.name: replica.gpus for replica in found.replicas}
    assert used["chat-gpu1-0"] == (2, 3)
    assert len({gpu for gpus in used.values() for gpu in gpus}) == 4
    assert len({replica.port for replica in found.replicas}) == len(found.replicas)
    with pytest.raises(SpecError, match="GPU 1 of gpu1 is taken"):
        planned(services={**services, "chat": chat(gpus={"gpu1": [1, 2]})})


# --- GPUs of several types -----------------------------------------------------------------------

MIXED = {
    **server(gpu="rtx-3090-24gb", count=1, link="none"),
    "gpus": {"type": "rtx-3090-24gb", "count": 1, "indexes": [0]},
    "other_gpus": [{"type": "rtx-3060-12gb", "count": 1, "indexes": [1]}],
}


def mixed(size_gib: int, engine: str = "llamacpp", **more: Any) -> FleetPlan:
    own = {"gguf": {**GGUF, "size_bytes": size_gib * GIB}, "max_num_seqs": 1}
    return planned(box=MIXED, engine=engine, gpus={"gpu1": [0, 1]}, **own, **more)


def test_layers_are_dealt_over_gpus_of_two_types_by_what_each_holds() -> None:
    (replica,) = mixed(26).replicas
    big, small = replica.dealt
    assert replica.gpus == (0, 1)
    assert (big.end, small.first, small.end) == (56, 56, 80)
    assert big.memory.total_bytes > 1.9 * small.memory.total_bytes
    assert all(one.memory.free_bytes > GIB for one in replica.dealt)
    argv = ENGINES["llamacpp"].argv(replica, "/m", settings(**SETTINGS))
    assert argv[argv.index("--tensor-split") + 1] == "56,25"
    assert replica.memory_of(1) == small.memory == replica.memory


def test_the_smaller_one_may_come_first_and_two_of_a_type_be_among_them() -> None:
    box = {"address": "192.0.2.11", "gpus": {"type": "rtx-3060-12gb", "count": 1, "indexes": [0]}}
    other = {"type": "rtx-3090-24gb", "count": 2, "indexes": [1, 2], "interconnect": "pcie"}
    box["other_gpus"] = [other | {"pcie_lanes": [8, 4]}]
    own = {"gguf": {**GGUF, "size_bytes": 42 * GIB}, "max_num_seqs": 1}
    asked = {"engine": "llamacpp", "gpus": {"gpu1": [2, 0, 1]}, **own}
    (replica,) = planned(box=box, **asked).replicas
    small, *big = replica.dealt
    assert replica.gpus == (0, 1, 2)
    assert small.end < big[0].end - big[0].first
    assert sum(one.share for one in replica.dealt) == 81
    assert all(one.memory.sequences == 1 for one in replica.dealt)


def test_the_plan_says_which_gpu_has_which_layers() -> None:
    text = plan_text(mixed(26), 140)
    assert "GPU 0: layers 0-55; GPU 1: layers 56-79 and the output head" in text
    assert text.count("GPU 0: █ weights") == text.count("GPU 1: █ weights") == 1
    (document,) = plan_document(mixed(26))["replicas"]
    assert [(one["gpu"], one["end_layer"], one["head"]) for one in document["dealt"]] == [
        (0, 56, False),
        (1, 80, True),
    ]


def test_what_one_of_them_holds_stays_on_it() -> None:
    (replica,) = mixed(15).replicas
    assert replica.gpus == (0,)
    assert [replica.gpus for replica in mixed(5).replicas] == [(0,), (1,)]
    (both,) = mixed(15, pipeline_parallel_size=2).replicas
    assert both.gpus == (0, 1)


def test_what_no_dealing_holds_is_refused_with_both_types() -> None:
    words = r"fits 1 x rtx-3090-24gb \+ 1 x rtx-3060-12gb: 1 GPU: .* 2 GPUs: "
    with pytest.raises(PlanError, match=words):
        mixed(40)


@pytest.mark.parametrize("engine", ["ollama", "vllm"])
def test_other_engines_split_over_one_type(engine: str) -> None:
    with pytest.raises(SpecError, match=r"must be of one type: 0 \(rtx-3090-24gb\); 1 \(rtx-3060"):
        mixed(26, engine)


# --- where it is -------------------------------------------------------------------------------


def test_a_pulled_model_is_ollamas_own_to_fetch() -> None:
    spec = load_fleet(hosts({"gpu1": L40S}, {"chat": chat(gguf=PULLED)}, **SETTINGS))
    replicas, settings = plan(spec).replicas, spec.settings["gpu1"]
    assert weights_request(replicas, settings, {}) is None
    files = [one for one in replica_items(replicas, settings, None) if isinstance(one, File)]
    content = next(one.content for one in files if one.key.endswith(".service"))
    assert f" pull:llama3.3:70b {'a' * 64} 8192".encode() in content
    assert b"RequiresMountsFor=/var/cache/rackwright\n" in content


def test_a_file_at_a_path_is_left_where_it_is() -> None:
    own = {"path": "/srv/m.gguf", "sha256": "a" * 64, "size_bytes": GGUF["size_bytes"]}
    spec = load_fleet(hosts({"gpu1": L40S}, {"chat": chat(gguf=own)}, **SETTINGS))
    replicas, settings = plan(spec).replicas, spec.settings["gpu1"]
    assert {paths.model_path(replica, settings) for replica in replicas} == {"/srv/m.gguf"}
    request = weights_request(replicas, settings, {})
    assert request is not None and request["models"][0]["url"] is None


def test_a_mirror_of_the_hub_is_asked_instead() -> None:
    mirror = {"engine_environment": {"HF_ENDPOINT": "https://hub.example.com/"}}
    spec = load_fleet(hosts({"gpu1": L40S}, {"chat": chat()}, **SETTINGS, **mirror))
    request = weights_request(plan(spec).replicas, spec.settings["gpu1"], {})
    assert request is not None
    assert request["models"][0]["url"].startswith("https://hub.example.com/bartowski/")


def test_every_part_of_a_split_file_is_fetched_and_verified_and_the_first_is_served() -> None:
    own = {"chat": chat("llamacpp", gguf=SPLIT)}
    spec = load_fleet(hosts({"gpu1": L40S}, own, **SETTINGS))
    found, settings = plan(spec), spec.settings["gpu1"]
    (replica, *_) = found.replicas
    request = weights_request(found.replicas, settings, {})
    assert request is not None
    base = f"https://huggingface.co/{SPLIT['repo']}/resolve/{SPLIT['revision']}/Q4_K_M/big"
    assert [(each["url"], each["sha256"][0], each["size_bytes"]) for each in request["models"]] == [
        (f"{base}-00001-of-00003.gguf", "a", 20_000_000_000),
        (f"{base}-00002-of-00003.gguf", "b", 20_000_000_000),
        (f"{base}-00003-of-00003.gguf", "c", 2_520_395_584),
    ]
    kept = [each["path"] for each in request["models"]]
    assert kept[0] == paths.model_path(replica, settings)
    assert len({path.rpartition("/")[0] for path in kept}) == 1
    assert cleaning_request(found.replicas, (), settings)["keep"][-3:] == kept
    assert ENGINES["llamacpp"].argv(replica, kept[0], settings)[:2] == ("--model", kept[0])
    pins = pins_of(spec, found)
    assert [pins.models[key].sha256[0] for key in pins.hosts["gpu1"].models] == ["a", "b", "c"]


def test_a_split_file_is_as_large_as_its_parts() -> None:
    whole, parts = planned(engine="llamacpp"), planned(engine="llamacpp", gguf=SPLIT)
    assert [each.memory for each in whole.replicas] == [each.memory for each in parts.replicas]


def test_parts_on_the_server_are_only_compared() -> None:
    own = {"path": "/srv/m-00001-of-00003.gguf", "parts": SPLIT["parts"]}
    spec = load_fleet(hosts({"gpu1": L40S}, {"chat": chat("llamacpp", gguf=own)}, **SETTINGS))
    request = weights_request(plan(spec).replicas, spec.settings["gpu1"], {})
    assert request is not None
    assert [(each["path"], each["url"]) for each in request["models"]] == [
        (f"/srv/m-0000{number}-of-00003.gguf", None) for number in (1, 2, 3)
    ]


# --- a projector beside it -----------------------------------------------------------------------


def test_a_projector_is_fetched_told_and_counted_on_the_first_gpu() -> None:
    own = {"chat": chat("llamacpp", mmproj=MMPROJ)}
    spec = load_fleet(hosts({"gpu1": L40S}, own, **SETTINGS))
    found, settings = plan(spec), spec.settings["gpu1"]
    (replica, *_) = found.replicas
    (plain, *_) = planned(engine="llamacpp").replicas
    assert [one.share for one in replica.dealt] == [one.share for one in plain.dealt] == [1, 1]
    for gpu, extra in ((0, MMPROJ["size_bytes"]), (1, 0)):
        more, less = replica.memory_of(gpu), plain.memory_of(gpu)
        assert more.weights_bytes - less.weights_bytes == extra
        assert more.peak_activation_bytes - less.peak_activation_bytes == (GIB if extra else 0)
    request = weights_request(found.replicas, settings, {})
    assert request is not None
    file, projector = request["models"]
    assert projector["url"].endswith("/mmproj-F16.gguf") and projector["sha256"] == "e" * 64
    argv = ENGINES["llamacpp"].argv(replica, file["path"], settings)
    assert argv[argv.index("--mmproj") + 1] == projector["path"]
    files = [one for one in replica_items((replica,), settings, None) if isinstance(one, File)]
    unit = next(str(one.content) for one in files if one.key.endswith(".service"))
    assert f"RequiresMountsFor={file['path']} {projector['path']}\\n#" in unit
    kept = cleaning_request(found.replicas, (), settings)["keep"]
    assert kept[-2:] == [file["path"], projector["path"]]
    assert [pin.sha256[0] for pin in pins_of(spec, found).models.values()] == ["0", "e"]
    assert "with projector mmproj-F16.gguf, 0.8 GiB on GPU 0" in plan_text(found, 140)


def test_equal_gpus_are_not_dealt_equally_where_a_projector_takes_the_room() -> None:
    box = server(gpu="rtx-3090-24gb", count=2, link="pcie")
    own = {"engine": "llamacpp", "gguf": {**GGUF, "size_bytes": 36 * GIB}, "max_num_seqs": 1}
    (plain,) = planned(box=box, **own).replicas
    (seeing,) = planned(box=box, mmproj=MMPROJ, **own).replicas
    assert [one.share for one in plain.dealt] == [1, 1]
    first, second = seeing.dealt
    assert first.end < 40 and first.share + second.share == 81
    assert min(first.memory.free_bytes, second.memory.free_bytes) > GIB


@pytest.mark.parametrize(("engine", "takes"), [("llamacpp", True), ("ollama", False)])
def test_a_model_may_have_its_projector_and_only_llama_cpp_takes_it(
    engine: str, takes: bool
) -> None:
    models = {"own": {**TINY, "gguf": GGUF, "mmproj": MMPROJ}}
    asked = service("own", engine=engine, revision=..., max_model_len=2048)
    spec = load_fleet(hosts({"gpu1": L40S}, {"own": asked}, models=models, **SETTINGS))
    assert {bool(replica.mmproj) for replica in plan(spec).replicas} == {takes}


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"gguf": ...}, "services[chat].gguf: is required (a GGUF file)"),
        (
            {"engine": "llamacpp", "gguf": PULLED},
            "services[chat].gguf.pull: must be left out, engine llamacpp pulls no models",
        ),
        (
            {"engine": "vllm", "revision": "a" * 40},
            "services[chat].gguf: must be left out, engine vllm serves none",
        ),
        ({"revision": "a" * 40}, "services[chat].revision: must be left out, engine ollama"),
        ({"tensor_parallel_size": 2}, "services[chat].tensor_parallel_size: must be left out"),
        ({"quantization": "fp8"}, "services[chat].quantization: must be left out, engine ollama"),
        ({"kv_cache_dtype": "fp8"}, "services[chat].kv_cache_dtype: must be one of auto, f16"),
        (
            {"objective": {"sequences": 2, "tokens": 100, "tpot_ms": 9}},
            "services[chat].objective: must be latency or throughput, the speed of engine ollama",
        ),
        (
            {"gguf": {**GGUF, "file": "m-00001-of-00003.gguf"}},
            "services[chat].gguf: must have 3 parts, as its name says",
        ),
        (
            {"gguf": {**GGUF, "file": "m-00002-of-00003.gguf"}},
            "services[chat].gguf.file: must be the first of its parts (-00001-of-)",
        ),
        ({"gguf": {**SPLIT, "parts": SPLIT["parts"][:2]}}, "as its name says: sha256 and size_by"),
        ({"gguf": {**SPLIT, "file": "m.gguf"}}, "gguf: must have parts only where the first is"),
        ({"gguf": {**SPLIT, "size_bytes": 1}}, "must have no sha256 and size_bytes beside those"),
        ({"gguf": {**SPLIT, "parts": [1, 2, 3]}}, "services[chat].gguf.parts[0]: "),
        (
            {"gguf": {**SPLIT, "parts": [{"sha256": "abc", "size_bytes": 1}] * 3}},
            "services[chat].gguf.parts[1].sha256: must be a SHA-256",
        ),
        ({"mmproj": MMPROJ}, "services[chat].mmproj: must be left out, engine ollama has no such"),
        (
            {"engine": "llamacpp", "mmproj": {**MMPROJ, "path": "/m.gguf"}},
            "services[chat].mmproj: must have repo, revision and file, or path",
        ),
        (
            {"engine": "ollama", "gguf": SPLIT},
            "gguf.parts: must be left out, engine ollama loads one file",
        ),
        ({"gguf": {**GGUF, "file": "m.bin"}}, "must be a file of the repository that ends in"),
        ({"gguf": {**GGUF, "revision": "main"}}, "services[chat].gguf.revision: must be a full"),
        ({"gguf": {**GGUF, "sha256": "abc"}}, "services[chat].gguf.sha256: must be a SHA-256"),
        ({"gguf": {**GGUF, "path": "/m.gguf"}}, "services[chat].gguf: must have repo, revision"),
        ({"gguf": {"sha256": "a" * 64, "size_bytes": 1}}, "must have repo, revision and file, or"),
        ({"gguf": {**PULLED, "pull": "llama3.3"}}, "must be a model and its tag"),
        (
            {"engine": "vllm", "gguf": ..., "revision": "a" * 40, "kv_cache_dtype": "q8_0"},
            "services[chat].kv_cache_dtype: must be one of auto, fp8 with engine vllm",
        ),
        (
            {"engine": "llamacpp", "extra_args": {"ctx-size": 1}},
            "services[chat].extra_args.ctx-size: is set by Rackwright",
        ),
        (
            {"engine": "llamacpp", "extra_args": {"n-cpu-moe": 1}},
            "services[chat].extra_args.n-cpu-moe: changes memory or placement",
        ),
    ],
)
def test_what_an_engine_cannot_serve_is_one_sentence(more: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as refused:
        planned(**more)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("deepseek-v3", "cannot be sized for llamacpp: the KV cache of latent attention (MLA)"),
        ("qwen3.5-27b", "cannot be sized for llamacpp: linear attention"),
    ],
)
def test_a_model_that_cannot_be_judged_is_refused(model: str, words: str) -> None:
    asked = service(model, engine="llamacpp", gguf=GGUF, revision=...)
    with pytest.raises(SpecError) as refused:
        planned(services={"chat": asked})
    assert words in str(refused.value)


def test_a_model_of_the_inventory_may_bring_its_file() -> None:
    own = {**TINY, "gguf": {**GGUF, "size_bytes": 4_000_000}}
    asked = service("tiny", engine="llamacpp", revision=..., max_model_len=512)
    spec = load_fleet(hosts({"gpu1": L40S}, {"chat": asked}, models={"tiny": own}, **SETTINGS))
    assert all(replica.gguf is not None for replica in plan(spec).replicas)
