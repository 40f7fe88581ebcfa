"""Where watchdogs run, whom each has to ask, and how long it has patience with a replica."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.plan import FleetPlan, Replica
from rackwright.spec import FleetSpec, ServerSpec

LEAST_STALL_S = 20.0
MARGIN = 4.0
"""Of the predicted time of the longest prompt: gpt-oss on Hopper was measured at half the predicted
speed, and what else runs takes its share of each step."""
LEAST_STEP_S = 20.0
"""For a completion alone, however short a step is."""
UNPREDICTED_TOKENS_PER_S = 50.0
"""Of a prompt, where nothing is predicted: fewer than an 8B model's on a server's CPUs. Assumed."""
UNCOUNTED_S = 1800.0
"""For a completion of an engine that tells neither requests nor tokens: all that is queued before
it may be long answers. As long as a gateway waits for one (nginx_read_timeout_s)."""


def stall_s(replica: Replica, counts: bool, uses_gpus: bool) -> float:
    """Seconds without any progress that the plan explains.

    ``counts``: the engine's metrics tell of its progress. Prompts are read a step's worth at a time
    and one after another, so that of many some are done long before the last: between two tokens
    of a replica lies at most the longest prompt.
    """
    if not counts:
        return UNCOUNTED_S
    if replica.longest_prompt_s is not None and uses_gpus:
        longest_s = MARGIN * replica.longest_prompt_s
    else:
        longest_s = replica.limits.max_model_len / UNPREDICTED_TOKENS_PER_S
    return round(max(LEAST_STALL_S, longest_s), 1)


def step_s(replica: Replica, uses_gpus: bool) -> float:
    """Seconds that one step may take, of which figures tell nothing before its end.

    A step reads ``max_num_batched_tokens`` of prompts; it is no longer than the longest of those.
    """
    tokens, longest_s = replica.limits.max_num_batched_tokens, stall_s(replica, True, uses_gpus)
    if replica.longest_prompt_s is not None and uses_gpus:
        one_s = MARGIN * replica.longest_prompt_s * tokens / replica.limits.max_model_len
    else:
        one_s = tokens / UNPREDICTED_TOKENS_PER_S
    return round(max(LEAST_STEP_S, min(one_s, longest_s)), 1)


def watchdog_port_of(name: str, spec: FleetSpec, plan: FleetPlan) -> int | None:
    """The port of a host's watchdog; None where it has none, as hosts without replicas."""
    if name not in spec.servers or not plan.on(name) or spec.settings[name].watchdog == "off":
        return None
    return spec.settings[name].watchdog_port


def neighbours(name: str, plan: FleetPlan) -> Iterator[ServerSpec]:
    """The other servers with replicas of a server's services, the ranks of its own among them."""
    services = {replica.service.name for replica in plan.on(name)}
    seen = {name}
    for replica in plan.serving(services):
        if replica.server.name not in seen:
            seen.add(replica.server.name)
            yield replica.server
