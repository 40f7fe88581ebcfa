"""Which replicas are alike, so that one may have what the other compiled."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from rackwright.desired.seeds import alike_elsewhere, asked, facts, has_seed, request
from rackwright.engines import ENGINES
from rackwright.inventory.reading import load_fleet
from rackwright.plan import Replica
from rackwright.planning.placing import plan
from rackwright.spec import FleetSpec
from tests.samples.fleet import cluster, hosts, server, service

SECRET = "not-for-anybody"
Fleet = tuple[FleetSpec, tuple[Replica, ...]]


def fleet(
    servers: dict[str, Any] | None = None,
    chat: dict[str, Any] | None = None,
    of_gpu2: dict[str, Any] | None = None,
    **more: Any,
) -> Fleet:
    """chat on gpu1 and gpu2; ``of_gpu2`` are settings of that server alone."""
    both = {"servers": ["gpu1", "gpu2"], "tensor_parallel_size": 2, **(chat or {})}
    found = hosts(
        servers or {"gpu1": server(11), "gpu2": server(12)}, {"chat": service(**both)}, **more
    )
    found["gpu2"] |= of_gpu2 or {}
    spec = load_fleet(found)
    return spec, plan(spec).replicas


def alike(found: Fleet) -> bool:
    spec, (one, other) = found
    settings = spec.settings
    return facts(one, settings["gpu1"]) == facts(other, settings["gpu2"])


SAME: dict[str, Callable[[], Fleet]] = {
    "two servers": fleet,
    "other addresses in other networks": lambda: fleet(
        {"gpu1": server(11), "gpu2": {**server(12), "address": "198.51.100.7"}}
    ),
    "other ports": lambda: fleet(of_gpu2={"base_port": 9000}),
    "other folders of caches": lambda: fleet(of_gpu2={"cache_dir": "/srv/rackwright/caches"}),
    "other patience with its end": lambda: fleet(of_gpu2={"stop_timeout_s": 7}),
}
OTHER: dict[str, Callable[[], Fleet]] = {
    "another release": lambda: fleet(of_gpu2={"vllm_version": "0.33.0"}),
    "another lock": lambda: fleet(of_gpu2={"vllm_requirements": "lab/vllm-0.32.0-cpu.txt"}),
    "another GPU": lambda: fleet({"gpu1": server(11), "gpu2": server(12, "h100-sxm-80gb")}),
    "another split": lambda: fleet(
        chat={"tensor_parallel_size": {"gpu1": 1, "gpu2": 2}, "replicas": 1}
    ),
    "another variable": lambda: fleet(of_gpu2={"engine_environment": {"VLLM_USE_V1": "1"}}),
    "weights elsewhere": lambda: fleet(of_gpu2={"state_dir": "/srv/rackwright/state"}),
    "releases elsewhere": lambda: fleet(of_gpu2={"root_dir": "/srv/rackwright/root"}),
    "another time to start, which vLLM's key has": lambda: fleet(of_gpu2={"start_timeout_s": 99}),
}


@pytest.mark.parametrize("name", SAME)
def test_what_compiles_the_same_is_alike(name: str) -> None:
    assert alike(SAME[name]())


@pytest.mark.parametrize("name", OTHER)
def test_what_compiles_otherwise_is_not(name: str) -> None:
    assert not alike(OTHER[name]())


@pytest.mark.parametrize(
    "more",
    [
        {"max_model_len": 4096},
        {"max_num_seqs": 7},
        {"quantization": "fp8"},
        {"revision": "1" * 40},
        {"extra_args": {"seed": 1}},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_a_service_says_of_its_engine_counts(more: dict[str, Any]) -> None:
    plain, changed = fleet(), fleet(chat=more)
    own = plain[0].settings["gpu1"]
    assert facts(plain[1][0], own) != facts(changed[1][0], own)


@pytest.mark.parametrize(
    "more",
    [{"served_model_name": "other"}, {"port": 9009}, {"load_format": "instanttensor"}],
    ids=lambda more: next(iter(more)),
)
def test_what_it_says_of_its_place_does_not(more: dict[str, Any]) -> None:
    plain, changed = fleet(), fleet(chat=more)
    own = plain[0].settings["gpu1"]
    assert facts(plain[1][0], own) == facts(changed[1][0], own)


def test_ranks_on_several_servers_each_compile_their_own() -> None:
    long = service(
        "llama-3.1-405b-instruct",
        servers=["gpu1", "gpu2"],
        tensor_parallel_size=8,
        pipeline_parallel_size=2,
        servers_per_replica=2,
    )
    spec = load_fleet(hosts(cluster(2), {"chat": long}))
    found = [facts(one, spec.settings[one.server.name]) for one in plan(spec).replicas]
    assert len(found) == 2 and found[0] != found[1]


def test_values_of_variables_are_not_told() -> None:
    spec, (one, _) = fleet(engine_environment={"TOKEN": SECRET})
    told = json.dumps(request("make", spec.settings["gpu1"], [one]))
    assert "TOKEN" in told and SECRET not in told


def elsewhere(found: Fleet) -> list[str]:
    spec, replicas = found
    return list(alike_elsewhere(replicas[0], plan(spec), spec))


def test_others_that_are_alike_give_theirs_away() -> None:
    assert elsewhere(fleet()) == ["gpu2"]
    assert elsewhere(OTHER["another release"]()) == []


def test_only_a_fleet_s_seeds_go_from_server_to_server() -> None:
    assert elsewhere(fleet(seeds="server")) == []
    assert elsewhere(fleet(of_gpu2={"seeds": "server"})) == []


@pytest.mark.parametrize(("setting", "has"), [("fleet", True), ("server", True), ("off", False)])
def test_they_can_be_switched_off(setting: str, has: bool) -> None:
    spec, (one, _) = fleet(seeds=setting)
    assert has_seed(one, spec.settings["gpu1"]) is has


def test_what_is_kept_is_in_the_folder_that_the_engine_is_told() -> None:
    """One that an engine does not write into would be packed for nothing, or never."""
    spec, (one, _) = fleet()
    settings = spec.settings["gpu1"]
    told = asked(one, settings)
    engine = ENGINES["vllm"]
    places = engine.environment(one, settings, None).values()
    assert told["cache"] == "/var/cache/rackwright/chat-gpu1-0/0.32.0-cuda"
    for part in told["parts"]:
        place = f"{told['cache']}/{part}"
        assert any(place == one or place.startswith(f"{one}/") for one in places), part
