from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.report import plan_text
from tests.samples.fleet import (
    REVISION,
    SETTINGS,
    TINY,
    hosts,
    lab_hosts,
    server,
    service,
)
from tests.samples.inventories import inventory

FIGURES: dict[str, Any] = {
    "weights_gib": 15.0,
    "kv_bytes_per_token": 131072,
    "activation_gib": 1.5,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 4096,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
}
BY_HAND: dict[str, Any] = {"path": "/srv/models/own", "figures": FIGURES}
TARGET: dict[str, Any] = {"sequences": 64, "tokens": 8192, "tpot_ms": 50}


def faults(data: dict[str, dict[str, Any]]) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_fleet(data)
    return [str(fault) for fault in caught.value.faults]


def with_service(**more: Any) -> dict[str, dict[str, Any]]:
    return hosts(services={"chat": service(**more)})


def with_model(**entry: Any) -> dict[str, dict[str, Any]]:
    return hosts(models={"tiny": entry})


def with_config(**changed: Any) -> dict[str, dict[str, Any]]:
    return with_model(**{**TINY, "config": {**TINY["config"], **changed}})


def with_server(**more: Any) -> dict[str, dict[str, Any]]:
    return hosts({"gpu1": {**server(), **more}})


def test_a_fleet_is_read_as_declared() -> None:
    fleet = load_fleet(hosts())
    assert fleet.servers["gpu1"].gpus.count == 2
    assert fleet.gateways["gw1"].port == 443
    assert fleet.services["chat"].served_as == "llama-3.1-8b-instruct"
    assert fleet.settings["gpu1"].stage_names >= {"base", "verify"}
    assert set(fleet.settings) == {"gpu1", "gw1"}


def test_the_lab_brings_its_own_model() -> None:
    model = load_fleet(lab_hosts()).models["tiny-llama"]
    assert (model.shape.heads, model.shape.kv_heads, model.longest_context) == (4, 2, 2048)
    assert model.source.path == "/srv/models/tiny-llama"


def test_a_config_may_be_a_dict_a_file_or_its_directory(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(TINY["config"]))
    for given in (TINY["config"], str(path), str(tmp_path)):
        model = load_fleet(with_model(path="/srv/a", config=given)).models["tiny"]
        assert model.config == TINY["config"]
        assert model.shape.layers[0].mlp_width == 512


def test_an_own_model_may_be_shortened_and_given_another_dtype() -> None:
    models = {"tiny": {**TINY, "max_model_len": 512, "dtype": "float16"}}
    model = load_fleet(hosts(models=models)).models["tiny"]
    assert (model.longest_context, model.shape.dtype) == (512, "float16")


def test_figures_by_hand_stand_in_for_a_config() -> None:
    fleet = load_fleet(
        hosts(services={"own": service("own", revision=...)}, models={"own": BY_HAND})
    )
    assert fleet.models["own"].shape.architecture == "figures by hand"
    assert all(replica.model.figures for replica in plan(fleet).replicas)


def test_an_objective_may_be_numbers() -> None:
    goal = load_fleet(with_service(objective=TARGET)).services["chat"].objective
    assert not isinstance(goal, str)
    assert (goal.sequences, goal.tokens, goal.tpot_ms) == (64, 8192, 50)


def test_a_tensor_parallel_size_may_differ_by_server() -> None:
    chat = load_fleet(with_service(tensor_parallel_size={"gpu1": 2})).services["chat"]
    assert (chat.ranks_on("gpu1"), chat.ranks_on("gpu2")) == (2, None)
    assert load_fleet(with_service(tensor_parallel_size=2)).services["chat"].ranks_on("gpu9") == 2


def test_settings_may_be_text_and_differ_by_host() -> None:
    data = hosts()
    data["gpu1"]["base_port"] = "9000"
    fleet = load_fleet(data)
    assert fleet.settings["gpu1"].base_port == 9000
    assert fleet.settings["gw1"].base_port == 8000


def test_keys_of_pyinfra_pass() -> None:
    data = hosts()
    data["gpu1"] |= {"ssh_hostname": "203.0.113.11", "_sudo": True, "ssh_port": 22}
    assert load_fleet(data)


@pytest.mark.parametrize("name", ["prod.py", "local.py", "lab.py"])
def test_inventories_load_and_plan(name: str) -> None:
    assert plan(load_fleet(inventory(name))).replicas


CASES: dict[str, tuple[dict[str, dict[str, Any]], str]] = {
    "unknown key of a server": (
        with_server(interconect="pcie"),
        "servers[gpu1].interconect: is not a known key, did you mean 'interconnect'?",
    ),
    "unknown key inside": (
        with_server(gpus={"type": "h200-sxm-141gb", "count": 2, "cuont": 2}),
        "servers[gpu1].gpus.cuont: is not a known key, did you mean 'count'?",
    ),
    "unknown key of a host": (
        hosts(vlm_version="1"),
        "hosts[gpu1, gw1].vlm_version: is not a known key, did you mean 'vllm_version'?",
    ),
    "too few GPUs": (
        with_server(gpus={"type": "h200-sxm-141gb", "count": 0}),
        "servers[gpu1].gpus.count: must be 1 to 16 (got 0)",
    ),
    "a count that is text": (
        with_server(gpus={"type": "h200-sxm-141gb", "count": "2"}),
        "servers[gpu1].gpus.count: must be a whole number (got '2')",
    ),
    "a count that is true": (
        with_server(gpus={"type": "h200-sxm-141gb", "count": True}),
        "servers[gpu1].gpus.count: must be a whole number (got True)",
    ),
    "missing": (
        hosts({"gpu1": {"gpus": {"type": "h200-sxm-141gb", "count": 1}}}),
        "servers[gpu1].address: is required",
    ),
    "not a dict": (with_server(gpus="8"), "servers[gpu1].gpus: must be a dict (got '8')"),
    "unknown GPU type": (
        with_server(gpus={"type": "h100-smx-80gb", "count": 2}),
        "servers[gpu1].gpus.type: is not a known GPU type, did you mean 'h100-sxm-80gb'? "
        "(got 'h100-smx-80gb')",
    ),
    "interconnect the GPU cannot have": (
        hosts({"gpu1": server(gpu="l40s-48gb", link="nvlink")}),
        "servers[gpu1].interconnect: NVIDIA L40S has pcie only (got 'nvlink')",
    ),
    "a switch on a card": (
        hosts({"gpu1": server(gpu="h100-pcie-80gb", link="nvswitch")}),
        "servers[gpu1].interconnect: NVIDIA H100 PCIe has nvlink, pcie only (got 'nvswitch')",
    ),
    "no interconnect for several": (
        hosts({"gpu1": server(link="none")}),
        "servers[gpu1].interconnect: must be pcie, nvlink or nvswitch for 2 GPUs (got 'none')",
    ),
    "unknown interconnect": (
        hosts({"gpu1": server(link="NVLink")}),
        "servers[gpu1].interconnect: must be written 'nvlink' (got 'NVLink')",
    ),
    "one address twice": (
        hosts({"gpu1": server(11), "gpu2": server(11)}),
        "servers[gpu2].address: is given by servers[gpu1].address already (got '192.0.2.11')",
    ),
    "no address at all": (
        with_server(address="10.20.0.300"),
        "servers[gpu1].address: must be an IPv4 address or a host name (got '10.20.0.300')",
    ),
    "every address": (
        with_server(address="0.0.0.0"),
        "servers[gpu1].address: must be one address, not all of them (got '0.0.0.0')",
    ),
    "loopback from afar": (
        with_server(address="127.0.0.1"),
        "servers[gpu1].address: must be reachable from the gateways, this is the server's own "
        "loopback (got '127.0.0.1')",
    ),
    "half a certificate": (
        hosts(gateway={"server_name": "llm.example.com", "certificate": "/etc/ssl/a.pem"}),
        "gateways[gw1].certificate_key: is required beside its other half",
    ),
    "unknown model": (
        with_service(model="llama-3.1-8b-instuct"),
        "services[chat].model: is not a known model, did you mean 'llama-3.1-8b-instruct'? "
        "(got 'llama-3.1-8b-instuct')",
    ),
    "a target that lacks a number": (
        with_service(objective={"sequences": 64, "tokens": 8192}),
        "services[chat].objective.tpot_ms: is required",
    ),
    "a target of more tokens than a request may have": (
        with_service(objective={**TARGET, "tokens": 8193}),
        "services[chat].objective.tokens: must be at most max_model_len, 8192 (got 8193)",
    ),
    "a tensor parallel size of none": (
        with_service(tensor_parallel_size=0),
        "services[chat].tensor_parallel_size: must be at least 1 (got 0)",
    ),
    "a tensor parallel size of another server": (
        with_service(tensor_parallel_size={"gpu2": 2}),
        "services[chat].tensor_parallel_size[gpu2]: is not a known server of this service, did you "
        "mean 'gpu1'?",
    ),
    "experts that are not there": (
        with_service(expert_parallel=True),
        "services[chat].expert_parallel: must be left out, llama-3.1-8b-instruct is no mixture of "
        "experts (got True)",
    ),
    "a quantization that is not made while loading": (
        with_service(quantization="awq"),
        "services[chat].quantization: must be fp8, or left out (got 'awq')",
    ),
    "a quantization on top of another": (
        with_service(model="qwen3-8b-fp8", quantization="fp8"),
        "services[chat].quantization: must be left out, qwen3-8b-fp8 is released in fp8 "
        "(got 'fp8')",
    ),
    "an unknown dtype of the KV cache": (
        with_service(kv_cache_dtype="fp4"),
        "services[chat].kv_cache_dtype: must be one of auto, fp8, f16, q8_0, q4_0 (got 'fp4')",
    ),
    "an island that claims a GPU twice": (
        with_server(nvlink_islands=[[0, 1], [1]]),
        "servers[gpu1].nvlink_islands: must name GPUs 0 to 1, each at most once "
        "(got ((0, 1), (1,)))",
    ),
    "islands without NVLink": (
        hosts({"gpu1": {**server(link="pcie"), "nvlink_islands": [[0, 1]]}}),
        "servers[gpu1].nvlink_islands: must be left out where interconnect is not nvlink "
        "(got ((0, 1),))",
    ),
    "a NUMA node that is left out": (
        with_server(numa_nodes=[[0]]),
        "servers[gpu1].numa_nodes: must name all 2 GPUs (got ((0,),))",
    ),
    "a network of nothing": (
        with_server(network_gbit_per_s=0),
        "servers[gpu1].network_gbit_per_s: must be at least 1 (got 0)",
    ),
    "an interface that is none": (
        with_server(network_interface="eth0; reboot"),
        "servers[gpu1].network_interface: must be the name of a network interface, at most 15 "
        "characters (got 'eth0; reboot')",
    ),
    "unknown engine": (
        with_service(engine="vlm"),
        "services[chat].engine: is not a known engine, did you mean 'vllm'? (got 'vlm')",
    ),
    "unknown objective": (
        with_service(objective="speed"),
        "services[chat].objective: must be one of latency, throughput (got 'speed')",
    ),
    "a server that is not there": (
        with_service(servers=["gpu2"]),
        "services[chat].servers: is not a known server, did you mean 'gpu1'? (got 'gpu2')",
    ),
    "a server that is a gateway": (
        with_service(servers=["gw1"]),
        "services[chat].servers: must be hosts with 'server', this is a gateway (got 'gw1')",
    ),
    "a GPU that is not there": (
        with_service(gpus={"gpu1": [1, 2]}),
        "services[chat].gpus[gpu1]: must be 0 to 1 on gpu1 (got (1, 2))",
    ),
    "one GPU for two services": (
        hosts(
            services={
                "a": service(gpus={"gpu1": [0, 1]}, served_model_name="a"),
                "b": service(gpus={"gpu1": [1]}, served_model_name="b"),
            }
        ),
        "services[b].gpus[gpu1]: GPU 1 of gpu1 is taken by services[a].gpus[gpu1] already",
    ),
    "one port for two services": (
        hosts(
            services={
                "a": service(gpus={"gpu1": [0]}, port=8000, served_model_name="a"),
                "b": service(gpus={"gpu1": [1]}, port=8000, served_model_name="b"),
            }
        ),
        "services[b].port: port 8000 of gpu1 is taken by services[a].port already",
    ),
    "one name for two services": (
        hosts(
            services={
                "a": service(gpus={"gpu1": [0]}),
                "b": service(gpus={"gpu1": [1]}),
            }
        ),
        "services[b]: is served by services[a] already, set served_model_name "
        "(got 'llama-3.1-8b-instruct')",
    ),
    "too long a context": (
        with_service(max_model_len=200000),
        "services[chat].max_model_len: must be at most 131072, the longest context of "
        "llama-3.1-8b-instruct (got 200000)",
    ),
    "no revision": (
        with_service(revision=...),
        "services[chat].revision: is required (a commit of meta-llama/Llama-3.1-8B-Instruct), "
        "or path (a directory of weights)",
    ),
    "a revision that moves": (
        with_service(revision="main"),
        "services[chat].revision: must be a full commit hash, 40 hex digits "
        "(branches and tags move) (got 'main')",
    ),
    "revision and path": (
        with_service(path="/srv/models/a", revision=REVISION),
        "services[chat].path: must not be given beside revision (got '/srv/models/a')",
    ),
    "a path that is relative": (
        with_service(path="models/a"),
        "services[chat].path: must be an absolute path of letters, digits and ._@+- "
        "(got 'models/a')",
    ),
    "a flag that the plan sets": (
        with_service(extra_args={"tensor_parallel_size": 4}),
        "services[chat].extra_args.tensor_parallel_size: is set by Rackwright, use the "
        "service's own keys",
    ),
    "a flag cut short": (
        with_service(extra_args={"gpu-mem": 0.5}),
        "services[chat].extra_args.gpu-mem: is set by Rackwright, use the service's own keys",
    ),
    "a flag that changes memory": (
        with_service(extra_args={"cpu-offload-gb": 4}),
        "services[chat].extra_args.cpu-offload-gb: changes memory or placement in a way that "
        "cannot be judged yet",
    ),
    "a flag with a line break": (
        with_service(extra_args={"chat-template": "a\nb"}),
        "services[chat].extra_args: must have one line of printable text for 'chat-template'",
    ),
    "no servers": (
        with_service(servers=[]),
        "services[chat].servers: must not be empty (got [])",
    ),
    "a limit inside an optional key": (
        with_service(port=70000, replicas=0),
        "services[chat].port: must be 1 to 65535 (got 70000)",
    ),
    "a share of more than all": (
        with_service(gpu_memory_utilization=1.5),
        "services[chat].gpu_memory_utilization: must be more than 0 and at most 1 (got 1.5)",
    ),
    "a name that is no unit name": (
        hosts(services={"Chat Bot": service()}),
        "services[Chat Bot].name: must be named with lower case letters, digits and hyphens "
        "(got 'Chat Bot')",
    ),
    "no services": (hosts(services={}), "services: must name at least one service"),
    "an own model that is in the catalog": (
        hosts(models={"qwen3-8b": TINY}),
        "models[qwen3-8b]: is in the catalog already, choose another name",
    ),
    "a key beside the config": (
        with_model(**TINY, confg={}),
        "models[tiny].confg: is not a known key, did you mean 'config'?",
    ),
    "an own model of an unknown kind": (
        with_config(architectures=["MambaForCausalLM"]),
        "models[tiny].config.architectures: is an architecture that cannot be judged; give its "
        "memory by hand as `figures` instead of `config` (docs/planner.md) "
        "(got 'MambaForCausalLM')",
    ),
    "an own model of too many layers": (
        with_config(num_hidden_layers=10**9),
        "models[tiny].config.num_hidden_layers: must be a whole number, 1 to 1,000 "
        "(got 1000000000)",
    ),
    "heads that do not divide": (
        with_config(num_key_value_heads=3),
        "models[tiny].config.num_key_value_heads: must divide num_attention_heads 4 (got 3)",
    ),
    "neither config nor figures": (
        with_model(path="/srv/a"),
        "models[tiny]: must have either config (its config.json) or figures (by hand)",
    ),
    "both config and figures": (
        with_model(**TINY, figures=FIGURES),
        "models[tiny]: must have either config (its config.json) or figures (by hand)",
    ),
    "figures that do not add up": (
        with_model(**{**BY_HAND, "figures": {**FIGURES, "weights_gib": 1.0}}),
        "models[tiny].figures: must have weights_gib above replicated_gib and both embedding "
        "tables",
    ),
    "a config that is not there": (
        with_model(path="/srv/a", config="/nowhere"),
        "models[tiny].config: must be a readable config.json (No such file or directory) "
        "(got '/nowhere')",
    ),
    "an unknown quantization": (
        with_config(quantization_config={"quant_method": "bitsandbytes"}),
        "models[tiny].config.quantization_config: must be one of awq, compressed-tensors, "
        "fbgemm_fp8, fp8, gptq, mxfp4, not 'bitsandbytes'",
    ),
    "an own model without weights": (
        hosts(
            services={"chat": service("tiny", revision=..., max_model_len=512)},
            models={"tiny": {"config": TINY["config"]}},
        ),
        "services[chat].path: is required (a directory of weights), tiny names no repository",
    ),
    "no version": (
        {
            name: {k: v for k, v in data.items() if k != "vllm_version"}
            for name, data in hosts().items()
        },
        "settings[gpu1, gw1].vllm_version: is required",
    ),
    "an unknown stage": (
        hosts(stages="engines,gatway"),
        "settings[gpu1, gw1].stages: must be 'all' or a comma list of base, driver, engines, "
        "models, replicas, gateway, verify (got 'engines,gatway')",
    ),
}


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_a_fault_is_named_with_path_rule_and_value(
    data: dict[str, dict[str, Any]], expected: str
) -> None:
    assert expected in faults(data)


def test_a_model_of_the_catalog_that_cannot_be_judged_says_why() -> None:
    (line,) = faults(with_service(model="deepseek-v3.2"))
    assert line.startswith("services[chat].model: cannot be sized: architectures: is an archi")
    assert line.endswith("(got 'deepseek-v3.2')")


@pytest.mark.parametrize("objective", ["speed", 5, None, [], {"sequences": 1}, {**TARGET, "x": 1}])
def test_a_key_of_two_kinds_is_judged_as_the_kind_that_was_written(objective: Any) -> None:
    lines = faults(with_service(objective=objective))
    assert not any(word in line for line in lines for word in ("Target", "literal", "dict["))
    if not isinstance(objective, dict):
        assert len(lines) == 1
        assert "objective: must be one of latency, throughput" in lines[0]


@pytest.mark.parametrize("changed", [{"hidden_size": 0, "vocab_size": "x"}, {"hidden_size": None}])
def test_every_figure_that_is_wrong_is_named(changed: dict[str, Any]) -> None:
    paths = {line.partition(":")[0] for line in faults(with_config(**changed))}
    assert paths == {f"models[tiny].config.{key}" for key in changed}


def test_all_faults_come_at_once() -> None:
    data = hosts({"gpu1": server(count=0), "gpu2": server(12, gpu="voodoo-2")}, {"chat": {}})
    paths = {line.partition(":")[0] for line in faults(data)}
    assert paths >= {"servers[gpu1].gpus.count", "servers[gpu2].gpus.type", "services[chat].model"}


def test_a_broken_server_is_not_also_reported_as_missing() -> None:
    data = hosts({"gpu1": server(count=0)})
    assert len(faults(data)) == 1


def test_a_fleet_without_a_gateway_is_refused() -> None:
    data = hosts()
    del data["gw1"]
    assert any(line.startswith("gateways: must have at least one") for line in faults(data))


def test_a_host_must_be_something() -> None:
    data = {**hosts(), "spare": dict(SETTINGS)}
    assert faults(data) == ["hosts[spare]: must have 'server', 'gateway' or both"]


def test_services_that_differ_by_host_are_refused() -> None:
    data = hosts()
    data["gw1"]["services"] = {"chat": service(max_model_len=1024)}
    assert faults(data) == ["services: must be the same on all hosts, gpu1 and gw1 differ"]


def test_a_fault_of_many_hosts_is_said_once() -> None:
    many = {f"gpu{number}": server(number) for number in range(11, 31)}
    lines = faults(hosts(many, {"chat": service(servers=["gpu11"])}, base_port=0))
    assert lines == [
        "settings[gpu11, gpu12, gpu13, and 18 more].base_port: must be 1 to 65535 (got 0)"
    ]


JUNK = [None, True, -1, 0, 3.5, 10**9, "", "x", "é\n", [], [None], {}, {"x": None}, {1: 2}, b"x"]


def leaves(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every value of nested dicts and lists is, containers too."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [at, *(place for key, each in items for place in leaves(each, (*at, key)))]


def everything() -> dict[str, dict[str, Any]]:
    """Two servers and a gateway with every key of a server, a service and a model."""
    own = service(
        "tiny",
        revision=...,
        path="/srv/models/tiny",
        max_model_len=2048,
        gpus={"gpu1": [0]},
        port=8100,
        tensor_parallel_size={"gpu1": 1},
        pipeline_parallel_size=1,
        expert_parallel=False,
        replicas=1,
        servers_per_replica=1,
        max_num_seqs=8,
        max_num_batched_tokens=2048,
        concurrency=4,
        gpu_memory_utilization=0.8,
        quantization="fp8",
        kv_cache_dtype="fp8",
        enforce_eager=True,
        extra_args={"seed": 1},
    )
    other = service("hand", revision=..., gpus={"gpu1": [1]}, objective=dict(TARGET, tpot_ms=9999))
    wide = service(servers=["gpu2", "gpu3"], served_model_name="wide", servers_per_replica=2)
    file = {"path": "/srv/tiny.gguf", "sha256": "a" * 64, "size_bytes": 4_000_000}
    layers = service("tiny", engine="llamacpp", servers=["gpu4"], revision=..., gguf=file)
    layers |= {"max_model_len": 2048, "served_model_name": "layers"}
    gateway = {"server_name": "a.example.com", "certificate": "/a", "certificate_key": "/b"}
    islands = {"nvlink_islands": [[0, 1]], "numa_nodes": [[0], [1]]}
    servers = {
        "gpu1": {**server(), **islands},
        "gpu2": {**server(12), "network_gbit_per_s": 25, "network_interface": "eth0"},
        "gpu3": {**server(13), "network_gbit_per_s": 25, "network_interface": "eth0"},
        "gpu4": server(14),
    }
    build = {"llamacpp_version": "1", "llamacpp_url": "https://a/b.tgz"}
    tiny = {**TINY, "dtype": "float16", "max_model_len": 2048}
    return hosts(
        servers,
        {"own": own, "other": other, "wide": wide, "layers": layers},
        gateway,
        llamacpp_sha256="a" * 64,
        **build,
        models={"tiny": tiny, "hand": BY_HAND},
        engine_environment={"A": "1"},
    )


def test_the_sample_of_every_key_has_every_key() -> None:
    fleet = load_fleet(everything())
    written = {"servers": everything()["gpu1"]["server"] | everything()["gpu2"]["server"]}
    services = everything()["gpu1"]["services"].values()
    written["services"] = {key: 1 for each in services for key in each}
    known = type(fleet.servers["gpu1"]), type(fleet.services["own"])
    for keys, model in zip(written.values(), known, strict=True):
        assert set(keys) == set(model.model_fields) - {"name"}


@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_junk_anywhere_is_a_fault_or_a_plan_and_nothing_else(junk: Any) -> None:
    plan_text(plan(load_fleet(everything())))
    for place in leaves(everything())[1:]:
        if len(place) == 1:
            continue  # pyinfra gives each host a dict
        data = deepcopy(everything())
        target: Any = data
        for key in place[:-1]:
            target = target[key]
        target[place[-1]] = junk
        with suppress(SpecError):
            plan_text(plan(load_fleet(data)))


@pytest.mark.parametrize("key", [1, None, "x"])
def test_a_strange_key_of_a_host_is_a_fault(key: Any) -> None:
    assert any(
        f"hosts[gpu1, gw1].{key}: " in line
        for line in faults({name: {**data, key: 1} for name, data in hosts().items()})
    )


@pytest.mark.parametrize(
    "python", ["3.12", ">=3.11,<3.15", "python3", "/opt/python/bin/python3.12"]
)
def test_a_python_is_a_version_a_range_a_name_or_a_path(python: str) -> None:
    spec = load_fleet(hosts({"gpu1": server()}, {"chat": service()}, engine_python=python))
    assert spec.settings["gpu1"].engine_python == python


@pytest.mark.parametrize("python", ["--help", "-h", ">=...", "=3.12", "..", "3.12; rm", "< 3", ""])
def test_what_is_no_python_is_refused(python: str) -> None:
    with pytest.raises(SpecError, match="engine_python: must be a Python interpreter, as text"):
        load_fleet(hosts({"gpu1": server()}, {"chat": service()}, engine_python=python))
