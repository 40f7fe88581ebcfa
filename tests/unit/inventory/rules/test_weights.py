"""Services against the models they load."""

from __future__ import annotations

import pytest

from tests.samples.faulty import (
    TARGET,
    Cases,
    Hosts,
    faults,
    with_service,
)
from tests.samples.fleet import (
    REVISION,
    TINY,
    hosts,
    service,
)

CASES: Cases = {
    "unknown model": (
        with_service(model="llama-3.1-8b-instuct"),
        "services[chat].model: is not a known model, did you mean 'llama-3.1-8b-instruct'? "
        "(got 'llama-3.1-8b-instuct')",
    ),
    "a target of more tokens than a request may have": (
        with_service(objective={**TARGET, "tokens": 8193}),
        "services[chat].objective.tokens: must be at most max_model_len, 8192 (got 8193)",
    ),
    "experts that are not there": (
        with_service(expert_parallel=True),
        "services[chat].expert_parallel: must be left out, llama-3.1-8b-instruct is no mixture of "
        "experts (got True)",
    ),
    "a quantization on top of another": (
        with_service(model="qwen3-8b-fp8", quantization="fp8"),
        "services[chat].quantization: must be left out, qwen3-8b-fp8 is released in fp8 "
        "(got 'fp8')",
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
    "revision and path": (
        with_service(path="/srv/models/a", revision=REVISION),
        "services[chat].path: must not be given beside revision (got '/srv/models/a')",
    ),
    "an own model without weights": (
        hosts(
            services={"chat": service("tiny", revision=..., max_model_len=512)},
            models={"tiny": {"config": TINY["config"]}},
        ),
        "services[chat].path: is required (a directory of weights), tiny names no repository",
    ),
}


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_a_fault_is_named_with_path_rule_and_value(data: Hosts, expected: str) -> None:
    assert expected in faults(data)


def test_a_model_of_the_catalog_that_cannot_be_judged_says_why() -> None:
    (line,) = faults(with_service(model="deepseek-v3.2"))
    assert line.startswith("services[chat].model: cannot be sized: architectures: is an archi")
    assert line.endswith("(got 'deepseek-v3.2')")
