"""Each engine has its own row of what it is built with; here, what the driver makes of it."""

from __future__ import annotations

import pytest

from rackwright.catalog.drivers import drivers
from rackwright.driver.engines import cuda_majors
from rackwright.engines import ENGINES, Engine
from tests.samples.fleet import settings


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES.keys())
def test_every_engine_is_of_a_cuda_that_is_known(engine: Engine) -> None:
    assert {build.cuda for build in engine.cuda_builds} <= set(drivers().cuda)
    assert all(build.source for build in engine.cuda_builds)


def test_an_engine_built_for_cpus_asks_for_no_driver() -> None:
    pinned = {"vllm_version": "0.33.1", "vllm_requirements": "a", "uv_requirements": "b"}
    assert cuda_majors(settings(**pinned), ["vllm", "ollama"]) == {"vllm 0.33.1": 13}
    assert cuda_majors(settings(**pinned), ["ollama"]) == {}
    for changed in ({"vllm_build": "cpu"}, {"vllm_version": "0.9.0"}):
        assert cuda_majors(settings(**{**pinned, **changed}), ["vllm"]) == {}
