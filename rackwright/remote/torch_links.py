"""In the release's own Python: one rank of a group of GPUs, whose links are timed.

``bandwidth`` starts this text, one process a rank, which calls ``rank``. Devices and backend are
given as data: ``cuda`` and ``nccl``, or ``cpu`` and ``gloo``.
"""

from __future__ import annotations

import importlib
import json
import os
import time
from datetime import timedelta
from typing import Any

Values = dict[str, Any]

WARM_UP, COPIES, REDUCES = 3, 20, 10


def rank(request: Values) -> None:
    """One process of a group: rank 0 times the copies and prints what all have measured."""
    torch = importlib.import_module("torch")
    distributed = importlib.import_module("torch.distributed")
    own, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    cuda = request["device"] == "cuda"

    def device(index: int) -> str:
        return f"cuda:{index}" if cuda else "cpu"

    def finish(*indexes: int) -> None:
        for index in indexes if cuda else ():
            torch.cuda.synchronize(index)

    copies = (
        [] if own else [_copy(torch, pair, request, device, finish) for pair in request["pairs"]]
    )
    to_host = range(request["to_host"] if not own else 0)
    to_and_from = [_host_copy(torch, place, request, device, finish) for place in to_host]
    if cuda:
        torch.cuda.set_device(own)
    reduces: list[Values] = []
    if ranks > 1:
        limit = timedelta(seconds=request["limit_s"])
        distributed.init_process_group(request["backend"], timeout=limit)
        reduces = _all_reduces(
            torch, distributed, request["sizes"], ranks, device(own), lambda: finish(own)
        )
        distributed.destroy_process_group()
    if own == 0:
        told = {"torch": torch.__version__, "device": request["device"]}
        told |= {"copies": copies, "all_reduces": reduces, "host_copies": to_and_from}
        print(json.dumps(told), flush=True)


def _copy(torch: Any, pair: list[int], request: Values, device: Any, finish: Any) -> Values:
    """GB/s from the first to the second of a pair (their places in the group), one direction."""
    size = max(request["sizes"])
    source = torch.ones(size, dtype=torch.uint8, device=device(pair[0]))
    target = torch.empty_like(source, device=device(pair[1]))

    def copy() -> None:
        target.copy_(source, non_blocking=True)

    seconds = _seconds(copy, COPIES, lambda: finish(*pair))
    return {"pair": pair, "size_bytes": size, "gb_per_s": size / seconds / 1e9}


def _host_copy(torch: Any, place: int, request: Values, device: Any, finish: Any) -> Values:
    """GB/s from the host's memory to a GPU (its place in the group), and back."""
    size = max(request["sizes"])
    own = torch.ones(size, dtype=torch.uint8, pin_memory=request["device"] == "cuda")
    far = torch.empty_like(own, device=device(place))

    def to() -> None:
        far.copy_(own, non_blocking=True)

    def back() -> None:
        own.copy_(far, non_blocking=True)

    seconds = [_seconds(copy, COPIES, lambda: finish(place)) for copy in (to, back)]
    rates = {way: size / s / 1e9 for way, s in zip(("to_gb_per_s", "back_gb_per_s"), seconds)}
    return {"place": place, "size_bytes": size, **rates}


def _all_reduces(
    torch: Any, distributed: Any, sizes: list[int], ranks: int, device: str, finish: Any
) -> list[Values]:
    """Each size's bus bandwidth in GB/s, 2 (n - 1) / n of it over its time, as nccl-tests counts.

    All sizes go round before any is timed. What a rank does for the first time (connect to its
    neighbours, by another way for another size; wait for its GPU) takes a while on that rank, and
    the others, who wait for it, would count that as theirs.
    """
    works = {size: _all_reduce(torch, distributed, size, device) for size in sizes}
    for work in works.values():
        _warm_up(work, finish)
    rows = []
    for size, work in works.items():
        seconds = _seconds(work, REDUCES, finish)
        gb_per_s = 2 * (ranks - 1) / ranks * size / seconds / 1e9
        rows.append({"size_bytes": size, "seconds": seconds, "gb_per_s": gb_per_s})
    return rows


def _all_reduce(torch: Any, distributed: Any, size: int, device: str) -> Any:
    values = torch.ones(size // 4, dtype=torch.float32, device=device)
    return lambda: distributed.all_reduce(values)


def _warm_up(work: Any, finish: Any) -> None:
    for _ in range(WARM_UP):
        work()
    finish()


def _seconds(work: Any, times: int, finish: Any) -> float:
    """Seconds that ``work`` takes, the mean of ``times`` after a warm-up."""
    _warm_up(work, finish)
    began = time.perf_counter()
    for _ in range(times):
        work()
    finish()
    return (time.perf_counter() - began) / times
