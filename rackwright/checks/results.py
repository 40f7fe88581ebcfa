"""What a check is given and what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rackwright.catalog import GpuType
    from rackwright.plan import Speed

Observation = Mapping[str, Any]


class Status(StrEnum):
    """The four answers of a check, in Nagios' words."""

    OK = "OK"
    WARN = "WARN"
    CRITICAL = "CRITICAL"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class CheckResult:
    """One answer: of which check, about what on which host, with its evidence in words.

    ``remedy`` says what to do; empty when the status is OK.
    """

    check: str
    host: str
    subject: str
    status: Status
    evidence: str
    remedy: str = ""


def worst(results: Iterable[CheckResult]) -> int:
    """The exit code of a Nagios plugin: 0 OK, 1 WARN, 2 CRITICAL, 3 UNKNOWN.

    CRITICAL outweighs UNKNOWN.
    """
    return worst_of(result.status for result in results)


def worst_of(statuses: Iterable[Status]) -> int:
    """``worst`` of statuses alone."""
    found = set(statuses)
    order = (Status.CRITICAL, Status.UNKNOWN, Status.WARN, Status.OK)
    first = next((status for status in order if status in found), Status.UNKNOWN)
    return list(Status).index(first)


class Predicted(NamedTuple):
    """What the plan predicts of a replica: tokens of KV cache, and speeds; see ``plan.Replica``.

    ``speeds`` are those of one request, of some, and of as many as were planned for.
    """

    kv_cache_tokens: int
    speeds: tuple[Speed, ...]

    @property
    def alone(self) -> Speed:
        """Of one request."""
        return self.speeds[0]

    @property
    def busy(self) -> Speed:
        """Of as many requests at once as were planned for."""
        return self.speeds[-1]

    def under(self, requests: float) -> Speed:
        """Of so many requests, or the next more that were predicted."""
        enough = (speed for speed in self.speeds if speed.concurrency >= requests)
        return next(enough, self.busy)


@dataclass(frozen=True)
class PlannedReplica:
    """What the checks need to know of a planned replica. ``max_model_len`` is in tokens.

    A process that does not answer requests itself is a later server of a replica on several.
    ``engine`` is a key of ``ENGINES``; ``asked``: it says what it holds, which is to be
    ``digest`` of weights in so many ``slots``, on GPUs where its build ``uses_gpus``.
    ``version`` and ``figures`` (of the metrics) are what the engine tells of itself: None and
    empty for one that does not. ``predicted`` is None for an engine built for CPUs, of which
    nothing was. ``gpus`` are indexes; ``burst`` says that requests were sent to load them.
    """

    name: str
    host: str
    unit: str
    port: int
    served_model_name: str
    max_model_len: int
    answers: bool = True
    engine: str = "vllm"
    asked: bool = False
    uses_gpus: bool = True
    slots: int | None = None
    digest: str | None = None
    version: str | None = None
    figures: tuple[str, ...] = ()
    predicted: Predicted | None = None
    gpus: tuple[int, ...] = ()
    tensor_parallel_size: int = 1
    burst: bool = False

    def says(self, check: str, status: Status, evidence: str, remedy: str = "") -> CheckResult:
        """A result about this replica."""
        return CheckResult(check, self.host, self.name, status, evidence, remedy)


class Tenant(NamedTuple):
    """A replica's unit on a GPU, by index, with the memory planned for it.

    ``most_bytes`` is of the fullest GPU of the replica; ``even`` says that all hold as much. Its
    kernels may take ``margin_bytes`` more, which nobody measured.
    """

    gpu: int
    unit: str
    most_bytes: int = 0
    even: bool = True
    margin_bytes: int = 0


@dataclass(frozen=True)
class PlannedServer:
    """What the checks need to know of a GPU server as declared; ``islands`` are GPU indexes.

    ``tenants`` are the replicas planned on its GPUs; ``engines_use_gpus`` is false for an engine
    built for CPUs. ``driver_version`` is a pin, in full or its first parts (``580``).
    """

    host: str
    gpu: GpuType
    gpus: int
    interconnect: str
    islands: tuple[tuple[int, ...], ...]
    tenants: tuple[Tenant, ...] = ()
    engines_use_gpus: bool = True
    driver_version: str | None = None

    @property
    def name(self) -> str:
        """What its results are about: the server itself."""
        return self.host

    def says(self, check: str, status: Status, evidence: str, remedy: str = "") -> CheckResult:
        """A result about this server."""
        return CheckResult(check, self.host, self.name, status, evidence, remedy)


class Folder(NamedTuple):
    """What lies where on a host, and the room that its next version will need beside it."""

    path: str
    what: str
    next_bytes: int


@dataclass(frozen=True)
class PlannedHost:
    """What the checks need to know of any host."""

    host: str
    folders: tuple[Folder, ...]

    @property
    def name(self) -> str:
        """What its results are about: the host itself."""
        return self.host

    def says(self, check: str, status: Status, evidence: str, remedy: str = "") -> CheckResult:
        """A result about this host."""
        return CheckResult(check, self.host, self.name, status, evidence, remedy)


@dataclass(frozen=True)
class PlannedService:
    """What the checks need to know of a service behind a gateway; ``host`` is the gateway.

    ``addresses`` (``192.0.2.11:8000``) are those of ``replicas``, one each, in Nginx's
    ``upstream``.
    """

    name: str
    host: str
    server_name: str
    served_model_name: str
    replicas: tuple[str, ...]
    engine: str = "vllm"
    upstream: str = ""
    addresses: tuple[str, ...] = ()

    def says(self, check: str, status: Status, evidence: str, remedy: str = "") -> CheckResult:
        """A result about this service at this gateway."""
        return CheckResult(check, self.host, self.name, status, evidence, remedy)


def answer_of(reply: Any) -> tuple[Observation | None, Status, str]:
    """An HTTP observation that was answered with 200; or None, how bad that is, and why.

    No answer, or another one, is CRITICAL; an observation that is missing or garbled is UNKNOWN.
    """
    if not isinstance(reply, Mapping) or not reply:
        return None, Status.UNKNOWN, "was not observed"
    if "error" in reply:
        return None, Status.CRITICAL, str(reply["error"])
    if not isinstance(reply.get("status"), int):
        return None, Status.UNKNOWN, "the observation has no HTTP status"
    if reply["status"] != 200:
        return None, Status.CRITICAL, f"HTTP {reply['status']}: {str(reply.get('body'))[:200]}"
    return reply, Status.OK, ""


def number_of(body: Any, key: str) -> float | None:
    """A number of an observation that is one, and finite; else None."""
    value = body.get(key) if isinstance(body, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return value
