"""Services against engines, servers and GPUs."""

from __future__ import annotations

import pytest

from tests.samples.faulty import (
    Cases,
    Hosts,
    faults,
    with_service,
)
from tests.samples.fleet import (
    hosts,
)

CASES: Cases = {
    "a tensor parallel size of another server": (
        with_service(tensor_parallel_size={"gpu2": 2}),
        "services[chat].tensor_parallel_size[gpu2]: is not a known server of this service, did you "
        "mean 'gpu1'?",
    ),
    "unknown engine": (
        with_service(engine="vlm"),
        "services[chat].engine: is not a known engine, did you mean 'vllm'? (got 'vlm')",
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
    "no services": (hosts(services={}), "services: must name at least one service"),
}


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_a_fault_is_named_with_path_rule_and_value(data: Hosts, expected: str) -> None:
    assert expected in faults(data)
