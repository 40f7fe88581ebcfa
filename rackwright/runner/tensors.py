"""The headers of weights that lie on servers: one question a server, for all models there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.inventory.weight_sources import WeightSource
from rackwright.models.tensors.headers import Headers, headers_of
from rackwright.runner.asking import Answer, ask_all
from rackwright.runner.remote_call import call

TIMEOUT_S = 300
Seen = dict[str, Headers | str]
"""By server: what lies there, or why nothing could be read, in words."""


def headers_on_servers(
    inventory: Inventory, sources: Iterable[WeightSource]
) -> dict[WeightSource, Seen]:
    """For each source with a path, what each of its servers has there."""
    wanted = [one for one in sources if one.source.path]
    paths: dict[str, list[str]] = {}
    for one in wanted:
        for server in one.servers:
            paths.setdefault(server, []).append(str(one.source.path))

    def question(host: Host) -> Answer:
        return {
            path: call(host, "tensor_headers", path, timeout_s=TIMEOUT_S, kind=dict)
            for path in dict.fromkeys(paths[host.name])
        }

    answers = ask_all(inventory, question, only=paths) if paths else {}
    return {one: {server: _seen(answers.get(server, {}), str(one.source.path))
                  for server in one.servers} for one in wanted}  # fmt: skip


def _seen(answer: Answer, path: str) -> Headers | str:
    """A host may answer anything: what is no summary of headers is said as that."""
    found: Any = answer.get(path, answer)
    if not isinstance(found, dict):
        return "its answer cannot be read"
    if "error" in found:
        return str(found["error"])
    try:
        return headers_of(found)
    except ValueError as error:
        return f"its answer cannot be read: {error}"
