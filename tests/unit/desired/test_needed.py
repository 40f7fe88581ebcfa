"""What a host needs of releases and weights, by the plan."""

from __future__ import annotations

from rackwright.desired import paths
from rackwright.desired.needed import cleaning_request
from rackwright.engines import ENGINES
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from tests.samples.fleet import hosts, service

ALONE = service(tensor_parallel_size=1, pipeline_parallel_size=1)


def test_what_the_plan_names_is_kept() -> None:
    spec = load_fleet(hosts(services={"chat": ALONE}))
    fleet, settings = plan(spec), spec.settings["gpu1"]
    replicas = fleet.on("gpu1")
    request = cleaning_request(replicas, (), settings)
    assert request["keep"] == [
        paths.release_dir(ENGINES["vllm"], settings),
        paths.uv_dir(settings),
        paths.model_path(replicas[0], settings),
    ]
    assert f"{settings.root_dir}/uv" in request["releases"]
    assert {f"{settings.root_dir}/{name}" for name in ENGINES} < {*request["releases"]}


def test_a_host_that_serves_nothing_keeps_nothing() -> None:
    spec = load_fleet(hosts(services={"chat": ALONE}))
    assert cleaning_request((), (), spec.settings["gw1"])["keep"] == []
