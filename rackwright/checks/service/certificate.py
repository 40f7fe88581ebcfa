"""The certificate that clients are shown: theirs, not over, and renewed by somebody."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, number_of
from rackwright.checks.planned import PlannedService
from rackwright.checks.results import Finding, Status
from rackwright.checks.service.healthy import SERVICE

DAY_S = 86400
SOON_DAYS = 14
"""Certbot renews 30 days before the end, so with less left two weeks of tries have failed."""
RENEWERS = {
    "files": "renewed by whoever puts the files there",
    "acme": "renewed by certbot's timer",
    "self": "self-signed, renewed by deploys",
}
REMEDIES = {
    "files": "put a new certificate and key into the gateway's files, then systemctl reload nginx",
    "acme": "run the deploy's gateway stage; journalctl -u certbot on the gateway says what failed",
    "self": "run the deploy's gateway stage",
}


def judge(planned: PlannedService, seen: Observation) -> Finding:
    """CRITICAL when it is over or not for a name; WARN when it soon is or nobody renews it."""
    shown, remedy = seen.get("certificate") or {}, REMEDIES[planned.renewer]
    left_s, starts_s = number_of(shown, "ends_in_s"), number_of(shown, "starts_in_s")
    if left_s is None or starts_s is None:
        return Finding(Status.UNKNOWN, str(shown.get("error", "was not observed")), remedy)
    if wrong := _unfit(planned, shown, left_s, starts_s):
        return Finding(Status.CRITICAL, wrong, remedy)
    if shown["on_disk"].get("serial") != shown["serial"]:
        evidence = shown["on_disk"].get("error", "another one is on disk than Nginx serves")
        return Finding(Status.WARN, str(evidence), "systemctl reload nginx on the gateway")
    if left_s < SOON_DAYS * DAY_S:
        return Finding(Status.WARN, f"{_days(left_s)} left", remedy)
    if planned.renewer == "acme" and (why := _not_renewed(shown)):
        return Finding(Status.WARN, f"{_days(left_s)} left, {why}", remedy)
    return Finding(Status.OK, f"{_days(left_s)} left, {RENEWERS[planned.renewer]}")


def _unfit(planned: PlannedService, shown: Observation, left_s: float, starts_s: float) -> str:
    """Why clients refuse it; empty where they do not."""
    if left_s <= 0:
        return f"ended {_days(-left_s)} ago"
    if starts_s > 0:
        return f"is not valid for another {starts_s:,.0f} s: is the gateway's clock right?"
    if shown["not_for"]:
        return f"is not for {', '.join(shown['not_for'])}, but for {', '.join(shown['names'])}"
    if planned.renewer == "acme" and shown["self_signed"] is not False:
        return "no CA has issued one yet: clients are shown one that the gateway made itself"
    return ""


def _not_renewed(shown: Observation) -> str:
    if shown["timer"] != "active":
        return f"and nobody renews it: certbot.timer is {shown['timer'] or 'not there'}"
    failed = shown["last_run"] != "success"
    return f"the last renewal ended with {shown['last_run']}" if failed else ""


def _days(seconds: float) -> str:
    return f"{seconds / DAY_S:.0f} days"


def _left(days: float) -> dict[str, float]:
    return {"certificate.ends_in_s": days * DAY_S}


CHECK = Check(
    name="certificate",
    fine="for every name of the gateway, 14 days are left, and somebody renews it",
    judge=judge,
    healthy=SERVICE.having(
        certificate={
            "names": ["llm.example.com"],
            "not_for": [],
            "serial": "0A",
            "issuer": "CN = A CA",
            "self_signed": False,
            "starts_in_s": -30 * DAY_S,
            "ends_in_s": 60 * DAY_S,
            "on_disk": {"serial": "0A"},
            "timer": "active",
            "last_run": "success",
        },
    ),
    examples=(
        Example("a certificate that is over", Status.CRITICAL, _left(-1)),
        Example("a certificate that nobody renewed", Status.WARN, _left(13)),
        Example(
            "a certificate that is not valid yet",
            Status.CRITICAL,
            {"certificate.starts_in_s": 600},
        ),
        Example(
            "a certificate for other names",
            Status.CRITICAL,
            {"certificate.not_for": ["llm.example.com"], "certificate.names": ["old.example.com"]},
        ),
        Example(
            "a CA that never issued one",
            Status.CRITICAL,
            {"certificate.self_signed": True},
            {"renewer": "acme"},
        ),
        Example(
            "a renewed certificate that Nginx was not told of",
            Status.WARN,
            {"certificate.on_disk": {"serial": "0B"}},
        ),
        Example(
            "a timer of certbot that was stopped",
            Status.WARN,
            {"certificate.timer": "inactive"},
            {"renewer": "acme"},
        ),
        Example(
            "a renewal that failed",
            Status.WARN,
            {"certificate.last_run": "exit-code"},
            {"renewer": "acme"},
        ),
    ),
)
