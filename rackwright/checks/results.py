"""What a check is given and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

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


@dataclass(frozen=True)
class PlannedReplica:
    """What the checks need to know of a planned replica. ``max_model_len`` is in tokens.

    A process that does not answer requests itself is a later server of a replica on several.
    """

    name: str
    host: str
    unit: str
    port: int
    served_model_name: str
    max_model_len: int
    answers: bool = True

    def says(self, check: str, status: Status, evidence: str, remedy: str = "") -> CheckResult:
        """A result about this replica."""
        return CheckResult(check, self.host, self.name, status, evidence, remedy)


@dataclass(frozen=True)
class PlannedService:
    """What the checks need to know of a service behind a gateway; ``host`` is the gateway."""

    name: str
    host: str
    server_name: str
    served_model_name: str
    replicas: tuple[str, ...]

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
