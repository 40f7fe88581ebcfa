"""On the host: what copies and all-reduces between GPUs carry, by the engine's own torch.

``main`` starts this same text with the engine release's Python, one process a rank, which calls
``rank``. Devices and backend are given as data: ``cuda`` and ``nccl``, or ``cpu`` and ``gloo``.
Nothing is written; every process is ended when its time is up.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

ONLY_LOOKS = True

Values = dict[str, Any]

WARM_UP, COPIES, REDUCES = 3, 20, 10
ALONE = "import json, sys; text = sys.stdin.read(); exec(text); rank(json.loads(sys.argv[1]))"


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
        for number in range(len(group["gpus"])):
            ranks.append(_start(request, group, number, port))
        for each in ranks:
            each.stdin.write(_own_text())
            each.stdin.close()
            each.stdin = None
        spoken = [each.communicate(timeout=deadline - time.monotonic()) for each in ranks]
    except subprocess.TimeoutExpired:
        return {"error": f"not done within {request['limit_s']} s"}
    except (OSError, KeyError, ValueError) as error:  # no interpreter, no such user, a closed pipe
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        for each in ranks:
            _end(each)
    failed = [words for each, (_, words) in enumerate(spoken) if ranks[each].returncode]
    if failed:
        return {"error": failed[0].strip()[-500:]}
    answer: Values = json.loads(spoken[0][0].splitlines()[-1])
    return answer


def _own_text() -> str:
    """Of this module, by whatever it was loaded with: here it may be no file."""
    loader: Any = sys.modules[__name__].__spec__.loader  # type: ignore[union-attr]
    return str(loader.get_source(__name__))


def _start(request: Values, group: Values, number: int, port: int) -> Any:
    of_rank = {"RANK": str(number), "WORLD_SIZE": str(len(group["gpus"]))}
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as NVML counts
        "CUDA_VISIBLE_DEVICES": ",".join(map(str, group["gpus"])),
        "NCCL_NVLS_ENABLE": "0",  # no multicast: it is the links that are measured
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        **request["environment"],
        **of_rank,
    }
    told = {key: request[key] for key in ("device", "backend", "sizes", "limit_s")}
    argv = [request["python"], "-c", ALONE, json.dumps({**told, "pairs": group["pairs"]})]
    switch = {"user": request["user"]} if os.geteuid() == 0 else {}
    return subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        env=environment,
        start_new_session=True,
        **switch,
    )


def _end(process: Any) -> None:
    """End a rank with all that it started; right also for one that is gone."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def rank(request: Values) -> None:
    """One process of a group: rank 0 times the copies and prints what all have measured."""
    torch = importlib.import_module("torch")
    distributed = importlib.import_module("torch.distributed")
    own, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    cuda = request["device"] == "cuda"

    def device(index: int) -> str:
        return f"cuda:{index}" if cuda else "cpu"

    def finish() -> None:
        for index in range(ranks if cuda else 0):
            torch.cuda.synchronize(index)

    copies = (
        [] if own else [_copy(torch, pair, request, device, finish) for pair in request["pairs"]]
    )
    if cuda:
        torch.cuda.set_device(own)
    limit = timedelta(seconds=request["limit_s"])
    distributed.init_process_group(request["backend"], timeout=limit)
    reduces = [
        _all_reduce(torch, distributed, size, ranks, device(own), finish)
        for size in request["sizes"]
    ]
    distributed.destroy_process_group()
    if own == 0:
        told = {"torch": torch.__version__, "device": request["device"]}
        print(json.dumps({**told, "copies": copies, "all_reduces": reduces}), flush=True)


def _copy(torch: Any, pair: list[int], request: Values, device: Any, finish: Any) -> Values:
    """GB/s from the first to the second of a pair (their places in the group), one direction."""
    size = max(request["sizes"])
    source = torch.ones(size, dtype=torch.uint8, device=device(pair[0]))
    target = torch.empty_like(source, device=device(pair[1]))

    def copy() -> None:
        target.copy_(source, non_blocking=True)

    seconds = _seconds(copy, COPIES, finish)
    return {"pair": pair, "size_bytes": size, "gb_per_s": size / seconds / 1e9}


def _all_reduce(
    torch: Any, distributed: Any, size: int, ranks: int, device: str, finish: Any
) -> Values:
    """Bus bandwidth in GB/s, 2 (n - 1) / n of the size over its time, as nccl-tests counts."""
    values = torch.ones(size // 4, dtype=torch.float32, device=device)
    seconds = _seconds(lambda: distributed.all_reduce(values), REDUCES, finish)
    gb_per_s = 2 * (ranks - 1) / ranks * size / seconds / 1e9
    return {"size_bytes": size, "seconds": seconds, "gb_per_s": gb_per_s}


def _seconds(work: Any, times: int, finish: Any) -> float:
    """Seconds that ``work`` takes, the mean of ``times`` after a warm-up."""
    for _ in range(WARM_UP):
        work()
    finish()
    started = time.perf_counter()
    for _ in range(times):
        work()
    finish()
    return (time.perf_counter() - started) / times
