"""On the host: the certificate that a CA issued, and asking for one by certbot."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from rackwright.remote.host.certificates import certificate_in
from rackwright.remote.host.running import ended, in_english

RENEWALS = Path("/etc/letsencrypt/renewal")
LIMIT_S = 300
"""Of one try: a CA that is silent for longer will not answer."""
MOST_WORDS = 6000

Values = dict[str, Any]


def observe(request: Values) -> Values:
    """Names and end of what was issued, how it is renewed, whether it is served."""
    folder, served = Path(request["folder"]), Path(request["served"])
    try:
        found = certificate_in(folder / "fullchain.pem")
    except OSError:
        return {}
    if not (folder / "privkey.pem").exists():
        return {}
    renewal = renewal_of(request["lineage"])
    return {**found, "renewal": renewal, "is_served": served.resolve() == folder.resolve()}


def renewal_of(lineage: str) -> dict[str, str]:
    """What certbot keeps of a certificate to renew it by; nothing where it keeps none."""
    try:
        lines = (RENEWALS / f"{lineage}.conf").read_text(errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().rstrip(",") for name, _, value in pairs}


def ask(request: Values) -> Values:
    """Have certbot ask the CA. What it says where nothing new is served after it, else nothing."""
    try:
        done = ended(*request["command"], env=in_english(), timeout=LIMIT_S)
    except OSError as error:
        return {"words": str(error)}
    except subprocess.TimeoutExpired:
        return {"words": f"certbot timed out: it did not end in {LIMIT_S} s"}
    if done.returncode == 0 and observe(request).get("is_served"):
        return {}
    return {"words": f"{done.stdout}\n{done.stderr}"[-MOST_WORDS:]}


def main(request: Values) -> Values:
    """Dispatch on ``request["do"]``: observe or ask."""
    return observe(request) if request["do"] == "observe" else ask(request)
