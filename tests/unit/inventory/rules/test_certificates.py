"""The gateway's certificate: whose it is, and which names a CA can put into it."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.inventory.reading import load_fleet
from rackwright.inventory.rules.certificates import INSTEAD
from tests.samples.faulty import Cases, Hosts, faults
from tests.samples.fleet import hosts, service

ACME = {"email": "ops@example.com", "agree_to_terms": True}


def by_acme(name: str = "llm.example.com", **more: Any) -> Hosts:
    return hosts(gateway={"server_name": name, "acme": ACME, **more})


CASES: Cases = {
    "half a certificate": (
        hosts(gateway={"server_name": "llm.example.com", "certificate": "/etc/ssl/a.pem"}),
        "gateways[gw1].certificate_key: is required beside its other half",
    ),
    "a CA beside files": (
        by_acme(certificate="/etc/ssl/a.pem", certificate_key="/etc/ssl/a.key"),
        "gateways[gw1].acme: must be left out beside certificate and certificate_key: "
        "a CA issues it, or you do",
    ),
    "an IP address": (
        by_acme("192.0.2.1"),
        "gateways[gw1].server_name: must be a host name with acme, certbot asks for no "
        f"certificate of an IP address; {INSTEAD} (got '192.0.2.1')",
    ),
    "one word": (
        by_acme("llm"),
        "gateways[gw1].server_name: must be a full host name with acme, nobody can prove to own "
        f"a name without a dot; {INSTEAD} (got 'llm')",
    ),
    "another name that is nobody's": (
        by_acme(other_names=["a.example.com", "llm.corp.INTERNAL"]),
        "gateways[gw1].other_names[1]: must be a public name with acme, no CA certifies what ends "
        f"in .internal; {INSTEAD} (got 'llm.corp.INTERNAL')",
    ),
    "a name in the home": (
        by_acme("llm.home.arpa"),
        "gateways[gw1].server_name: must be a public name with acme, no CA certifies what ends "
        f"in .home.arpa; {INSTEAD} (got 'llm.home.arpa')",
    ),
    "a name of a service that is nobody's": (
        hosts(
            services={"chat": service(host_names=["chat.lan"])},
            gateway={"server_name": "llm.example.com", "acme": ACME},
        ),
        "services[chat].host_names[0]: must be a public name with acme, no CA certifies what ends "
        f"in .lan; {INSTEAD} of gateways[gw1] (got 'chat.lan')",
    ),
    "too many names": (
        by_acme(other_names=[f"n{number}.example.com" for number in range(100)]),
        "gateways[gw1].other_names: must be at most 100 with acme (got 101)",
    ),
    "terms that nobody agreed to": (
        by_acme(acme={"email": "ops@example.com"}),
        "gateways[gw1].acme.agree_to_terms: is required",
    ),
    "terms that are refused": (
        by_acme(acme={**ACME, "agree_to_terms": False}),
        "gateways[gw1].acme.agree_to_terms: must be True (got False)",
    ),
    "no address": (
        by_acme(acme={**ACME, "email": "ops"}),
        "gateways[gw1].acme.email: must be an e-mail address such as ops@example.com (got 'ops')",
    ),
    "a directory without TLS": (
        by_acme(acme={**ACME, "directory": "http://ca.example.com/dir"}),
        "gateways[gw1].acme.directory: must be a URL of https (got 'http://ca.example.com/dir')",
    ),
    "a directory with a port that is none": (
        by_acme(acme={**ACME, "directory": "https://ca.example.com:99999/dir"}),
        "gateways[gw1].acme.directory: must have a port of 1 to 65535, or none "
        "(got 'https://ca.example.com:99999/dir')",
    ),
    "another challenge": (
        by_acme(acme={**ACME, "challenge": "dns-01"}),
        "gateways[gw1].acme.challenge: is not a known key",
    ),
}


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_a_fault_is_named_with_path_rule_and_value(data: Hosts, expected: str) -> None:
    assert expected in "\n".join(faults(data))


@pytest.mark.parametrize(
    "name", ["llm.example.com", "local.example.org", "xn--bcher-kva.example.net"]
)
def test_public_names_can_be_certified(name: str) -> None:
    gateway = load_fleet(by_acme(name)).gateways["gw1"]
    assert (gateway.renewer, gateway.public_ports) == ("acme", (443, 80))


def test_without_a_ca_port_80_is_nobody_s_business() -> None:
    gateway = load_fleet(hosts()).gateways["gw1"]
    assert (gateway.renewer, gateway.public_ports) == ("self", (443,))
