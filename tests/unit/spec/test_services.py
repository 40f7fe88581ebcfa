"""Services, each value alone."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.inventory.reading import load_fleet
from tests.samples.faulty import (
    TARGET,
    Cases,
    Hosts,
    faults,
    with_service,
)
from tests.samples.fleet import (
    hosts,
    service,
)

CASES: Cases = {
    "a target that lacks a number": (
        with_service(objective={"sequences": 64, "tokens": 8192}),
        "services[chat].objective.tpot_ms: is required",
    ),
    "a tensor parallel size of none": (
        with_service(tensor_parallel_size=0),
        "services[chat].tensor_parallel_size: must be at least 1 (got 0)",
    ),
    "a quantization that is not made while loading": (
        with_service(quantization="awq"),
        "services[chat].quantization: must be fp8, or left out (got 'awq')",
    ),
    "an unknown dtype of the KV cache": (
        with_service(kv_cache_dtype="fp4"),
        "services[chat].kv_cache_dtype: must be one of auto, fp8, f16, q8_0, q4_0 (got 'fp4')",
    ),
    "unknown objective": (
        with_service(objective="speed"),
        "services[chat].objective: must be one of latency, throughput (got 'speed')",
    ),
    "a revision that moves": (
        with_service(revision="main"),
        "services[chat].revision: must be a full commit hash, 40 hex digits "
        "(branches and tags move) (got 'main')",
    ),
    "weights in somebody's home": (
        with_service(path="/home/ops/models/a"),
        "services[chat].path: must not be below /home: engines do not see it (ProtectHome and "
        "PrivateTmp of their units), /srv is a place for weights (got '/home/ops/models/a')",
    ),
    "weights in root's home": (
        with_service(path="/root/a"),
        "services[chat].path: must not be below /root: engines do not see it (ProtectHome and "
        "PrivateTmp of their units), /srv is a place for weights (got '/root/a')",
    ),
    "weights where others' are private": (
        with_service(path="/run/user/1000/a"),
        "services[chat].path: must not be below /run/user: engines do not see it (ProtectHome and "
        "PrivateTmp of their units), /srv is a place for weights (got '/run/user/1000/a')",
    ),
    "a flag with a file that engines do not see": (
        with_service(extra_args={"chat-template": "/home/ops/chat.jinja"}),
        "services[chat].extra_args: must not name a file below /home for 'chat-template': engines "
        "do not see it (ProtectHome and PrivateTmp of their units)",
    ),
    "a path that is relative": (
        with_service(path="models/a"),
        "services[chat].path: must be an absolute path of letters, digits and ._@+- "
        "(got 'models/a')",
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
        "(none at either end) (got 'Chat Bot')",
    ),
}


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_a_fault_is_named_with_path_rule_and_value(data: Hosts, expected: str) -> None:
    assert expected in faults(data)


@pytest.mark.parametrize("objective", ["speed", 5, None, [], {"sequences": 1}, {**TARGET, "x": 1}])
def test_a_key_of_two_kinds_is_judged_as_the_kind_that_was_written(objective: Any) -> None:
    lines = faults(with_service(objective=objective))
    assert not any(word in line for line in lines for word in ("Target", "literal", "dict["))
    if not isinstance(objective, dict):
        assert len(lines) == 1
        assert "objective: must be one of latency, throughput" in lines[0]


def test_an_objective_may_be_numbers() -> None:
    goal = load_fleet(with_service(objective=TARGET)).services["chat"].objective
    assert not isinstance(goal, str)
    assert (goal.sequences, goal.tokens, goal.tpot_ms) == (64, 8192, 50)


def test_a_tensor_parallel_size_may_differ_by_server() -> None:
    chat = load_fleet(with_service(tensor_parallel_size={"gpu1": 2})).services["chat"]
    assert (chat.ranks_on("gpu1"), chat.ranks_on("gpu2")) == (2, None)
    assert load_fleet(with_service(tensor_parallel_size=2)).services["chat"].ranks_on("gpu9") == 2
