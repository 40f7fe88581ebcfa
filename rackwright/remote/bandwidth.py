"""On the host: what copies and all-reduces between GPUs carry, by the engine's own torch.

``torch_links`` is started with the engine release's Python, one process a rank. Nothing is written;
every process is ended when its time is up.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from typing import Any

from rackwright.remote import torch_links
from rackwright.remote.host.torch_processes import end, started

ONLY_LOOKS = True

Values = dict[str, Any]


def main(request: Values) -> Values:
    """Measure each group of ``groups`` after the other, so that none disturbs another.

    ``python`` is the release's interpreter, ``user`` who runs it, ``sizes`` are bytes of a
    transfer, ``limit_s`` is the most seconds a group may take.
    """
    return {group["name"]: _measured(request, group) for group in request["groups"]}


def _measured(request: Values, group: Values) -> Values:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ranks: list[Any] = []
    deadline = time.monotonic() + request["limit_s"]
    try:
        for number in range(_ranks(group)):
            ranks.append(_start(request, group, number, port))
        spoken = [each.communicate(timeout=deadline - time.monotonic()) for each in ranks]
    except subprocess.TimeoutExpired:
        return {"error": f"not done within {request['limit_s']} s"}
    except (OSError, KeyError, ValueError) as error:  # no interpreter, no such user, a closed pipe
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        for each in ranks:
            end(each)
    failed = [words for each, (_, words) in enumerate(spoken) if ranks[each].returncode]
    if failed:
        return {"error": failed[0].strip()[-500:]}
    answer: Values = json.loads(spoken[0][0].splitlines()[-1])
    return answer


def _ranks(group: Values) -> int:
    """One a GPU, unless the group says otherwise."""
    return int(group.get("ranks") or len(group["gpus"]))


def _start(request: Values, group: Values, number: int, port: int) -> Any:
    environment = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "CUDA_VISIBLE_DEVICES": ",".join(map(str, group["gpus"])),
        "NCCL_NVLS_ENABLE": "0",  # no multicast: it is the links that are measured
        **request["environment"],
        "RANK": str(number),
        "WORLD_SIZE": str(_ranks(group)),
    }
    told = {key: request[key] for key in ("device", "backend", "sizes", "limit_s")}
    own = {"pairs": group["pairs"], "to_host": len(group["gpus"]) if group.get("to_host") else 0}
    return started(request, torch_links, "rank", {**told, **own}, environment)
