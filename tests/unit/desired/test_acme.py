"""Whether a CA is asked for the gateway's certificate, and by which words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rackwright.desired.acme import NOT_SERVED, AcmeCertificate, acme_certificate
from rackwright.inventory.reading import load_fleet
from tests.samples.fleet import hosts, service

DAY_S = 86400
ACME = {"email": "ops@example.com", "agree_to_terms": True}
GATEWAY = {"server_name": "LLM.example.com", "other_names": ["chat.example.com"], "acme": ACME}


def wanted(**acme: Any) -> AcmeCertificate:
    spec = load_fleet(hosts(gateway={**GATEWAY, "acme": {**ACME, **acme}}))
    made = acme_certificate(spec.gateways["gw1"], spec.services.values(), spec.settings["gw1"])
    assert made is not None
    return made


SEEN: dict[str, Any] = {
    "names": ["chat.example.com", "llm.example.com"],
    "ends_in_s": 30 * DAY_S,
    "renewal": {
        "server": "https://acme-v02.api.letsencrypt.org/directory",
        "renew_hook": "/opt/rackwright/bin/certificate-issued",
        "webroot_path": "/var/lib/rackwright/acme",
    },
    "is_served": True,
}


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (SEEN, None),
        ({}, "there is none yet"),
        ({**SEEN, "names": ["llm.example.com"]}, "it is for llm.example.com"),
        (
            {**SEEN, "names": [*SEEN["names"], "old.example.com"]},
            "it is for chat.example.com, llm.example.com, old.example.com",
        ),
        ({**SEEN, "ends_in_s": 14 * DAY_S}, None),
        ({**SEEN, "ends_in_s": 13 * DAY_S}, "it ends in 13 days and was not renewed"),
        ({**SEEN, "renewal": {}}, "it is renewed with server None"),
        (
            {**SEEN, "renewal": {**SEEN["renewal"], "renew_hook": "/old/hook"}},
            "it is renewed with renew_hook /old/hook",
        ),
        ({**SEEN, "is_served": False}, NOT_SERVED),
    ],
)
def test_a_ca_is_asked_only_for_a_reason(seen: dict[str, Any], reason: str | None) -> None:
    assert wanted().difference(seen) == reason


def test_another_ca_is_asked_anew() -> None:
    moved = wanted(directory="https://ca.example.net/dir")
    said = "it is renewed with server https://acme-v02.api.letsencrypt.org/directory"
    assert moved.difference(SEEN) == said
    assert "https://ca.example.net/dir" in moved.command(said)


def test_certbot_is_asked_for_exactly_these_names() -> None:
    assert wanted().command("there is none yet") == (
        "certbot",
        "certonly",
        "--non-interactive",
        "--cert-name",
        "rackwright",
        "--webroot",
        "--webroot-path",
        "/var/lib/rackwright/acme",
        "--key-type",
        "ecdsa",
        "--server",
        "https://acme-v02.api.letsencrypt.org/directory",
        "--agree-tos",
        "--no-eff-email",
        "--email",
        "ops@example.com",
        "--force-renewal",
        "--renew-with-new-domains",
        "--deploy-hook",
        "/opt/rackwright/bin/certificate-issued",
        "--domain",
        "llm.example.com",
        "--domain",
        "chat.example.com",
    )


def test_what_was_issued_and_is_not_served_asks_nobody() -> None:
    assert wanted().command(NOT_SERVED) == (
        "env",
        "RENEWED_LINEAGE=/etc/letsencrypt/live/rackwright",
        "/opt/rackwright/bin/certificate-issued",
    )


def test_who_has_files_or_makes_its_own_asks_no_ca() -> None:
    spec = load_fleet(hosts())
    assert (
        acme_certificate(spec.gateways["gw1"], spec.services.values(), spec.settings["gw1"]) is None
    )


def test_every_word_of_the_certificate_is_compared() -> None:
    """What certbot would renew with is what a change of settings must be seen in."""
    for key, other in (("hook", "/x"), ("webroot", "/x"), ("directory", "/x"), ("names", ("x",))):
        assert replace(wanted(), **{key: other}).difference(SEEN) is not None, key


def test_names_of_services_are_in_the_certificate() -> None:
    chat = service(host_names=["Sql.example.com"])
    spec = load_fleet(hosts(services={"chat": chat}, gateway=GATEWAY))
    made = acme_certificate(spec.gateways["gw1"], spec.services.values(), spec.settings["gw1"])
    assert made and made.names == ("llm.example.com", "chat.example.com", "sql.example.com")
