"""What holds for every plan: random models, servers and services. The same ones in each run."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rackwright import catalog
from rackwright.errors import RackwrightError
from rackwright.inventory.reading import load_fleet
from rackwright.models import Shape, read_shape
from rackwright.plan import FleetPlan, Replica
from rackwright.planning.choosing import choose
from rackwright.planning.considering import consider
from rackwright.planning.layouts import Layout, Site
from rackwright.planning.limits import limits_of
from rackwright.planning.placing import plan
from rackwright.planning.topology import islands
from rackwright.sizing import GpuMemory, Limits, Split, gpu_memory, weights_bytes
from rackwright.spec import FleetSpec, ServerSpec, ServiceSpec
from tests.samples.fleet import hosts, server

Data = dict[str, Any]

GPUS = catalog.gpu_types()
CONTEXT = 65536
CLOSE = 1.02
"""Layouts whose predictions differ by less count as equal: the smaller group is taken."""
BLOCK_FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}


def sizes(least: int, most: int, step: int) -> st.SearchStrategy[int]:
    return st.integers(least // step, most // step).map(lambda number: number * step)


@st.composite
def configs(draw: st.DrawFn) -> Data:
    """A Llama, Mixtral, Gemma or DeepSeek of any size, from a toy to one that fits nowhere.

    One layer is a draft's, which is sized with the model that it drafts for.
    """
    kv_heads = draw(st.sampled_from([1, 2, 3, 4, 8]))
    found: Data = {
        "hidden_size": draw(sizes(256, 12288, 128)),
        "intermediate_size": draw(sizes(256, 32768, 128)),
        "num_hidden_layers": draw(st.integers(2, 90)),
        "num_attention_heads": kv_heads * draw(st.sampled_from([1, 2, 4, 5, 8])),
        "num_key_value_heads": kv_heads,
        "head_dim": draw(st.sampled_from([64, 128, 256])),
        "vocab_size": draw(st.integers(1000, 260_000)),
        "tie_word_embeddings": draw(st.booleans()),
        "max_position_embeddings": CONTEXT,
    }
    if draw(st.integers(0, 4)) == 0:
        found["quantization_config"] = BLOCK_FP8
    more = {"llama": {}, "gemma": gemma(), "mixtral": mixtral(), "deepseek": deepseek()}
    kind = draw(st.sampled_from(sorted(more)))
    if kind == "llama":
        return {**found, "architectures": ["LlamaForCausalLM"]}
    return {**found, **draw(more[kind])}


def gemma() -> st.SearchStrategy[Data]:
    return st.fixed_dictionaries(
        {
            "architectures": st.just(["Gemma3ForCausalLM"]),
            "sliding_window": st.sampled_from([128, 1024, 4096]),
        },
        optional={"sliding_window_pattern": st.integers(2, 7)},
    )


def mixtral() -> st.SearchStrategy[Data]:
    return st.fixed_dictionaries(
        {
            "architectures": st.just(["MixtralForCausalLM"]),
            "num_local_experts": st.sampled_from([4, 8, 60]),
            "num_experts_per_tok": st.integers(1, 4),
        }
    )


def deepseek() -> st.SearchStrategy[Data]:
    return st.fixed_dictionaries(
        {
            "architectures": st.just(["DeepseekV3ForCausalLM"]),
            "kv_lora_rank": st.just(512),
            "q_lora_rank": st.sampled_from([None, 768, 1536]),
            "qk_nope_head_dim": st.just(128),
            "qk_rope_head_dim": st.just(64),
            "v_head_dim": st.just(128),
            "n_routed_experts": st.sampled_from([16, 64, 256]),
            "num_experts_per_tok": st.integers(1, 8),
            "n_shared_experts": st.sampled_from([0, 1, 2]),
            "moe_intermediate_size": sizes(128, 2048, 128),
            "first_k_dense_replace": st.integers(0, 3),
        }
    )


@st.composite
def boxes(draw: st.DrawFn, most: int = 8) -> Data:
    """One kind of server, as an inventory has it but for its address."""
    key = draw(st.sampled_from(sorted(GPUS)))
    joined = draw(st.sampled_from(sorted(GPUS[key].interconnects)))
    count = 1 if joined == "none" else draw(st.integers(1, most))
    box = server(gpu=key, count=count, link=joined)
    if draw(st.booleans()):
        box["network_gbit_per_s"] = draw(st.sampled_from([1, 25, 400]))
    if draw(st.integers(0, 2)) == 0:
        first = draw(st.integers(0, count))
        box["numa_nodes"] = [list(range(first)), list(range(first, count))]
    if joined == "nvlink" and draw(st.integers(0, 3)) == 0:
        order = draw(st.permutations(range(count)))
        cut = draw(st.integers(0, count))
        box["nvlink_islands"] = [list(order[:cut])] if cut else []
    return box


TARGETS = st.fixed_dictionaries(
    {
        "sequences": st.integers(1, 512),
        "tokens": st.integers(1, CONTEXT),
        "tpot_ms": st.sampled_from([1, 20, 100, 1e9]),
    }
)
OBJECTIVES = st.sampled_from(["latency", "throughput"]) | TARGETS
ASKED = st.fixed_dictionaries(
    {
        "max_model_len": st.sampled_from([1, 100, 4096, 8192, CONTEXT]),
        "objective": OBJECTIVES,
    },
    optional={
        "tensor_parallel_size": st.sampled_from([1, 2, 3, 4, 8]),
        "pipeline_parallel_size": st.integers(1, 6),
        "expert_parallel": st.booleans(),
        "data_parallel_size": st.integers(1, 4),
        "decode_context_parallel_size": st.sampled_from([1, 2, 8]),
        "replicas": st.integers(1, 4),
        "servers_per_replica": st.integers(1, 3),
        "concurrency": st.sampled_from([1, 16, 1000]),
        "gpu_memory_utilization": st.sampled_from([0.3, 0.85, 0.95, 1]),
        "max_num_seqs": st.sampled_from([1, 64, 4096]),
        "max_num_batched_tokens": st.sampled_from([1, 512, 32768]),
        "kv_cache_dtype": st.sampled_from(["auto", "fp8"]),
        "quantization": st.just("fp8"),
        "enforce_eager": st.booleans(),
    },
)


@st.composite
def fleets(draw: st.DrawFn) -> Data:
    """Host data: one to four servers, built alike or not, one or two services and a gateway."""
    count = draw(st.integers(1, 4))
    alike = draw(st.booleans())
    box = draw(boxes())
    built = [box if alike else draw(boxes()) for _ in range(count)]
    servers = {
        f"gpu{number}": {**each, "address": f"192.0.2.{10 + number}"}
        for number, each in enumerate(built, 1)
    }
    services = {"one": _service(draw, list(servers))}
    if draw(st.integers(0, 3)) == 0:
        services["two"] = {**_service(draw, list(servers)), "served_model_name": "two"}
        for index, name in enumerate(services):
            services[name]["gpus"] = {
                key: list(range(index, each["gpus"]["count"], 2)) for key, each in servers.items()
            }
    own = {"path": "/srv/models/own", "config": draw(configs())}
    return hosts(servers, services, models={"own": own})


def _service(draw: st.DrawFn, servers: list[str]) -> Data:
    asked = draw(ASKED)
    # Every key at once is refused nearly always, so that most examples would show nothing.
    for key in draw(st.lists(st.sampled_from(sorted(asked)), max_size=12)):
        if key not in ("max_model_len", "objective"):
            asked.pop(key, None)
    return {"model": "own", "engine": "vllm", "servers": servers, **asked}


def made(data: Data) -> tuple[FleetSpec, FleetPlan] | None:
    """The fleet and its plan; None where it is refused, in words."""
    try:
        fleet = load_fleet(data)
        return fleet, plan(fleet)
    except RackwrightError as error:
        assert str(error).strip()
        return None


def check_memory(memory: GpuMemory, max_model_len: int) -> None:
    inside = memory.weights_bytes + memory.peak_activation_bytes + memory.overhead_bytes
    inside += memory.graphs_inside_bytes
    assert inside + memory.kv_cache_bytes == memory.usable_bytes
    assert memory.kv_cache_bytes >= 0
    outside = memory.cuda_graph_bytes - memory.graphs_inside_bytes + memory.context_bytes
    assert memory.usable_bytes + outside <= memory.total_bytes
    assert memory.sequences >= 1
    assert memory.sequences * max_model_len <= memory.kv_cache_tokens


def check_groups(replica: Replica, fleet: FleetSpec) -> None:
    """Ranks talk over NVLink, or not at all, unless the operator gave their number."""
    box, service = fleet.servers[replica.server.name], fleet.services[replica.service.name]
    size, nodes = replica.split.expert_ranks, len(replica.span.addresses) if replica.span else 1
    assert len(set(replica.gpus)) == len(replica.gpus)
    assert len(replica.gpus) * nodes == size * replica.split.pipeline
    assert set(replica.gpus) <= set(range(box.gpus.count))
    if service.gpus:
        assert set(replica.gpus) <= set(service.gpus[replica.server.name])
    if service.ranks_on(replica.server.name):
        return
    found = islands(box, GPUS[box.gpus.type])
    for start in range(0, len(replica.gpus), size):
        group = set(replica.gpus[start : start + size])
        assert len(group) == size
        assert any(group <= set(island) for island in found)


def check_asked(replica: Replica, fleet: FleetSpec) -> None:
    """What the operator gave is what is planned."""
    service = fleet.services[replica.service.name]
    given = service.ranks_on(replica.server.name)
    assert given in (None, replica.split.tensor)
    assert service.pipeline_parallel_size in (None, replica.split.pipeline)
    assert service.data_parallel_size in (None, replica.split.data)
    assert service.decode_context_parallel_size in (None, replica.split.context)
    assert service.max_num_seqs in (None, replica.limits.max_num_seqs)
    assert replica.limits.max_num_batched_tokens >= replica.limits.max_num_seqs
    assert replica.speeds[0].tpot_ms > 0 < replica.speeds[-1].out_tok_s


def check_server(found: FleetPlan, fleet: FleetSpec, name: str) -> None:
    used = [gpu for replica in found.on(name) for gpu in replica.gpus]
    assert len(used) == len(set(used))
    answering = [replica for replica in found.on(name) if replica.answers]
    ports = [replica.port for replica in answering]
    ports += [replica.span.master_port for replica in answering if replica.span]
    assert len(ports) == len(set(ports))
    for service in fleet.services.values():
        own = [replica for replica in answering if replica.service.name == service.name]
        if own and service.replicas:
            assert len(own) == service.replicas
        if own and service.concurrency:
            assert sum(replica.memory.sequences for replica in own) >= service.concurrency


@settings(max_examples=300)
@given(fleets())
def test_a_plan_is_sound_or_refused_in_words(data: Data) -> None:
    if not (found := made(data)):
        return
    fleet, planned = found
    assert planned.replicas
    for replica in planned.replicas:
        check_memory(replica.memory, replica.limits.max_model_len)
        check_groups(replica, fleet)
        check_asked(replica, fleet)
    for name in fleet.servers:
        check_server(planned, fleet, name)
    assert all(layout.reason for layout in planned.rejected)


def test_most_random_fleets_that_can_be_planned_are() -> None:
    """Guards the test above against showing nothing."""
    outcomes: list[bool] = []

    @settings(max_examples=300)
    @given(fleets())
    def count(data: Data) -> None:
        outcomes.append(made(data) is not None)

    count()
    assert sum(outcomes) > 0.1 * len(outcomes)


JUNK = st.sampled_from(
    [None, True, -1, 0, 3, 1.5, "", "x", "nan", [], [0], [[]], [[0], [0]], [["a"]], {}, {"a": 1}]
) | st.sampled_from([10**9, 10**400, float("inf"), float("nan"), "\0", "x" * 300, [None], {"": {}}])


@st.composite
def broken(draw: st.DrawFn) -> Data:
    """A fleet with junk somewhere in it."""
    data = deepcopy(draw(fleets()))  # what hosts share stays shared
    own = data["gpu1"]
    service, model = own["services"]["one"], own["models"]["own"]
    parts = [own["server"], own["server"]["gpus"], service, model, model["config"], own]
    for _ in range(draw(st.integers(1, 3))):
        part = draw(st.sampled_from(parts))
        part[draw(st.sampled_from(sorted(part)))] = draw(JUNK)
    return data


@settings(max_examples=300)
@given(broken())
def test_junk_is_refused_in_words(data: Data) -> None:
    made(data)


def service(objective: str | Data, **more: Any) -> ServiceSpec:
    asked = {"max_model_len": 8192, **more}
    return ServiceSpec(
        name="one", model="own", engine="vllm", servers=("gpu1",), objective=objective, **asked
    )


def layouts(shape: Shape, box: Data, asked: ServiceSpec) -> list[Layout]:
    spec = ServerSpec(name="gpu1", **box)
    gpu = GPUS[spec.gpus.type]
    site = Site((spec,), gpu, tuple(range(spec.gpus.count)))
    return consider(asked, shape, site, limits_of(asked, gpu, shape))


def with_gpus(box: Data, count: int) -> Data:
    kept = {key: value for key, value in box.items() if not key.endswith(("islands", "nodes"))}
    return {**kept, "gpus": {**box["gpus"], "count": count}}


@settings(max_examples=150)
@given(configs(), boxes(), OBJECTIVES)
def test_every_layout_is_chosen_or_has_a_reason(
    config: Data, box: Data, objective: str | Data
) -> None:
    asked = service(objective)
    found = layouts(read_shape(config), box, asked)
    assert found
    assert len({layout.split for layout in found}) == len(found)
    chosen, others = choose(asked, found)
    assert all(layout.reason for layout in others)
    assert len(others) == len(found) - (chosen is not None)
    assert all(layout.reason for layout in found) is (chosen is None)
    for layout in found:
        used = [gpu for group in layout.groups for gpu in group]
        assert len(used) == len(set(used)) <= box["gpus"]["count"]
        if not layout.reason:
            assert layout.memory
            check_memory(layout.memory, asked.max_model_len)


def better(asked: ServiceSpec, shape: Shape, box: Data) -> tuple[Layout | None, Layout | None]:
    """What is chosen on the GPUs of a server, and on twice as many."""
    count = box["gpus"]["count"]
    some, twice = (
        choose(asked, layouts(shape, with_gpus(box, number), asked))[0]
        for number in (count, 2 * count)
    )
    return some, twice


@settings(max_examples=150)
@given(configs(), boxes(), st.sampled_from(["latency", "throughput"]))
def test_more_gpus_never_give_less(config: Data, box: Data, objective: str) -> None:
    assume(box["interconnect"] != "none")
    some, twice = better(service(objective), read_shape(config), box)
    if some is None:
        return
    assert twice is not None
    assert some.memory and some.alone and twice.memory and twice.alone
    if objective == "throughput":
        assert twice.out_tok_s * CLOSE >= some.out_tok_s
        return
    assert twice.alone.tpot_ms <= some.alone.tpot_ms * CLOSE


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    return Limits(
        draw(st.sampled_from([0.5, 0.9, 0.95])),
        draw(st.sampled_from([1, 256, 1024])),
        draw(st.sampled_from([512, 8192])),
        1,
        draw(st.sampled_from(["auto", "fp8"])),
        draw(st.booleans()),
    )


SPLITS = st.builds(
    Split,
    st.sampled_from([1, 2, 4, 8]),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from([1, 2, 4]),
    st.sampled_from([1, 2]),
)


@settings(max_examples=200)
@given(configs(), st.sampled_from(sorted(GPUS)), SPLITS, limits())
def test_a_longer_context_never_has_room_for_more(
    config: Data, gpu: str, split: Split, bounds: Limits
) -> None:
    shape = read_shape(config)
    assume(split.pipeline <= len(shape.layers))
    lengths = (1, 16, 100, 1000, 4096, 20_000, CONTEXT)
    fits = [
        gpu_memory(
            shape, split, GPUS[gpu].memory_bytes, bounds._replace(max_model_len=length)
        ).sequences
        for length in lengths
    ]
    assert all(first >= second for first, second in pairwise(fits))


@settings(max_examples=200)
@given(configs(), SPLITS)
def test_no_rank_or_stage_loses_a_weight(config: Data, split: Split) -> None:
    shape = read_shape(config)
    assume(split.pipeline <= len(shape.layers))
    alone = weights_bytes(shape, Split(), 0)
    stages = [weights_bytes(shape, split, stage) for stage in range(split.pipeline)]
    assert min(stages) > 0
    assert max(stages) <= alone
    assert split.expert_ranks * sum(stages) >= alone
