"""What only one may have."""

from __future__ import annotations

import pytest

from tests.samples.faulty import (
    Cases,
    Hosts,
    faults,
)
from tests.samples.fleet import (
    hosts,
    server,
    service,
)

CASES: Cases = {
    "one address twice": (
        hosts({"gpu1": server(11), "gpu2": server(11)}),
        "servers[gpu2].address: is given by servers[gpu1].address already (got '192.0.2.11')",
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
}


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_a_fault_is_named_with_path_rule_and_value(data: Hosts, expected: str) -> None:
    assert expected in faults(data)
