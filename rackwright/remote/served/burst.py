"""A short burst of requests to the replicas of a host, and what their GPUs do meanwhile.

Small on purpose, for it runs in production: at most ``requests`` at once to a replica, less those
that run there already, for ``most_s`` seconds; a request that is not done by then is ended.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

from rackwright.remote.served.engine import EngineConnection
from rackwright.remote.served.streaming import stream

Values = dict[str, Any]
SAMPLE_EVERY_S = 0.1
FIRST_WITHIN_S = 20
"""A replica that gives no token in this time is not waited for."""
WARM_UP_S = 1.0
"""NVML's utilisation is of the past second or so; what came before the burst is not counted."""
SM_CLOCK = 1


def burst(asked: Sequence[Values]) -> dict[str, Values]:
    """All replicas at once, by name: ``requests`` at once, ``tokens``, ``seconds`` and ``gpus``.

    Each asks for an address, port, control_group, path, body, headers, requests (how many at once),
    others (that run there anyway), most_s and gpus.
    ``gpus`` maps the NVML index of each to ``samples``, mean ``utilization_percent`` and
    ``clock_mhz`` (of the multiprocessors), or to the reason why there are none.
    """
    sampler = Sampler({index for one in asked for index in one["gpus"]})
    sampler.start()
    try:
        with ThreadPoolExecutor(max_workers=max(1, len(asked))) as side_by_side:
            sent = list(side_by_side.map(_send, asked))
    finally:
        sampler.end()
    return {
        one["name"]: {**sent[at], "gpus": {str(gpu): sampler.mean(gpu) for gpu in one["gpus"]}}
        for at, one in enumerate(asked)
    }


def _send(asked: Values) -> Values:
    """Requests to one replica, one after another in each of so many lanes; or a look at it."""
    started_s = monotonic()

    def lane(_: int) -> list[Values]:
        replies: list[Values] = []
        while (left_s := asked["most_s"] - (monotonic() - started_s)) > 0:
            connection = EngineConnection(asked, FIRST_WITHIN_S)
            body, headers = asked["body"], asked["headers"]
            replies.append(stream(connection, asked["path"], body, headers, left_s))
            if _wrong(replies[-1]):
                break
        return replies

    if not asked["requests"]:  # it has work enough
        threading.Event().wait(asked["most_s"])
    with ThreadPoolExecutor(max_workers=max(1, asked["requests"])) as at_once:
        replies = [reply for each in at_once.map(lane, range(asked["requests"])) for reply in each]
    return {
        "requests": asked["requests"],
        "others": asked["others"],
        "tokens": sum(reply.get("tokens", 0) for reply in replies),
        "seconds": round(monotonic() - started_s, 3),
        "errors": sorted({_wrong(reply) for reply in replies} - {""}),
    }


def _wrong(reply: Values) -> str:
    if "error" in reply:
        return str(reply["error"])
    return "" if reply["status"] == 200 else f"HTTP {reply['status']}"


class Sampler(threading.Thread):
    """Reads NVML over and over, until it is told to end."""

    def __init__(self, indexes: set[int]) -> None:
        """For the GPUs of these NVML indexes."""
        super().__init__(daemon=True)
        self._indexes = sorted(indexes)
        self._seen: dict[int, list[tuple[float, float]]] = {index: [] for index in indexes}
        self._clocks: dict[int, list[float]] = {index: [] for index in indexes}
        self._reasons: dict[int, str] = {}
        self._done = threading.Event()

    def run(self) -> None:
        """Sample; what cannot be read is a reason, not a failure."""
        try:
            import pynvml as nvml

            nvml.nvmlInit()
        except Exception as error:
            self._reasons = dict.fromkeys(self._indexes, f"{type(error).__name__}: {error}")
            return
        started = monotonic()
        try:
            while not self._done.wait(SAMPLE_EVERY_S):
                for index in self._indexes:
                    self._sample(nvml, index, monotonic() - started)
        finally:
            nvml.nvmlShutdown()

    def _sample(self, nvml: Any, index: int, at_s: float) -> None:
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            busy = nvml.nvmlDeviceGetUtilizationRates(handle).gpu
            self._seen[index].append((at_s, busy))
        except Exception as error:
            self._reasons[index] = f"{type(error).__name__}: {error}"
            return
        try:
            self._clocks[index].append(nvml.nvmlDeviceGetClockInfo(handle, SM_CLOCK))
        except Exception:  # not every card tells; utilisation is what is asked for
            return

    def end(self) -> None:
        """Stop, and wait for the last sample."""
        self._done.set()
        self.join()

    def mean(self, index: int) -> Values:
        """What was seen of a GPU while it was under load."""
        busy = [percent for at_s, percent in self._seen[index] if at_s >= WARM_UP_S]
        if not busy:
            return {"samples": 0, "reason": self._reasons.get(index, "the burst was too short")}
        clocks = self._clocks[index]
        return {
            "samples": len(busy),
            "utilization_percent": round(sum(busy) / len(busy), 1),
            "clock_mhz": round(sum(clocks) / len(clocks)) if clocks else None,
        }
