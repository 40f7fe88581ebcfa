"""What a certificate says, as openssl reads it: Python's own library reads none."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rackwright.remote.host.running import Failed, ended, in_english

ASKED = ("-serial", "-issuer", "-subject", "-startdate", "-enddate", "-ext", "subjectAltName")

Values = dict[str, Any]


def certificate_in(path: Path) -> Values:
    """The first certificate of a PEM file. OSError where there is none."""
    return certificate(path.read_text(errors="replace"))


def certificate(pem: str) -> Values:
    """Names, serial, who issued it, and seconds to its end; Failed for what is no certificate."""
    import ssl  # asked of gateways alone, and slow to load

    words = _asked(pem, *ASKED)
    said = dict(re.findall(r"^(serial|issuer|subject|notBefore|notAfter)=(.*)$", words, re.M))
    if "notAfter" not in said:
        raise Failed("it is no certificate")
    now = time.time()
    return {
        "names": re.findall(r"(?:DNS|IP Address):([^,\s]+)", words),
        "serial": said["serial"],
        "issuer": said["issuer"].strip(),
        "self_signed": said["issuer"].strip() == said["subject"].strip(),
        "starts_in_s": round(ssl.cert_time_to_seconds(said["notBefore"]) - now),
        "ends_in_s": round(ssl.cert_time_to_seconds(said["notAfter"]) - now),
    }


def is_for(name: str, pem: str) -> bool:
    """Whether a client that calls the host so takes the certificate to be its own."""
    return _matches(_asked(pem, *_check(name)))


def validity(pem: str, names: Sequence[str]) -> tuple[float, list[str]]:
    """Seconds to its end, none for what is no certificate; and the names that it is not for.

    The first name is asked for together with the end: each call of openssl takes a host 20 ms.
    """
    from calendar import timegm  # asked of gateways alone

    first = _asked(pem, "-enddate", *(_check(names[0]) if names else ()))
    not_for = [] if _matches(first) else list(names[:1])
    not_for += [name for name in names[1:] if not is_for(name, pem)]
    found = re.search("^notAfter=(.*) GMT$", first, re.M)
    if found is None:
        return 0, not_for
    return timegm(time.strptime(found[1], "%b %d %H:%M:%S %Y")) - time.time(), not_for


def _check(name: str) -> tuple[str, str]:
    return ("-checkip" if is_ip(name) else "-checkhost", name)


def _matches(words: str) -> bool:
    return "does match" in words


def is_ip(name: str) -> bool:
    """Whether a name is an IP address, which a certificate has apart from host names."""
    from ipaddress import ip_address

    try:
        return bool(ip_address(name))
    except ValueError:
        return False


def _asked(pem: str, *words: str) -> str:
    look = ("openssl", "x509", "-noout", *words)
    return ended(*look, input=pem, env=in_english(), stdin=None).stdout
