"""Certificates that a host makes for itself."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

from rackwright.remote.host.running import ended, run

Values = dict[str, Any]


def seen(query: Values) -> Values:
    """Whether it ends within a month, and is for the name; nothing where it is not there."""
    if not (Path(query["key"]).exists() and Path(query["key_path"]).exists()):
        return {}
    path, name, month_s = query["key"], query["server_name"], str(30 * 86400)
    asked = "-checkip" if _is_ip(name) else "-checkhost"
    look = ("openssl", "x509", "-noout", "-in", path)
    lasts = ended(*look, "-checkend", month_s).returncode == 0
    words = ended(*look, asked, name).stdout
    return {"ends_soon": not lasts, "for_name": "does match" in words}


def make(change: Values) -> None:
    """A key and a certificate for 825 days; the key is root's alone from its first byte.

    The certificate is put in place last: cut off before that, the next run makes both again.
    """
    name, target, key = change["server_name"], Path(change["key"]), Path(change["key_path"])
    new_target, new_key = Path(f"{target}.new"), Path(f"{key}.new")
    for path in (target, key):
        path.parent.mkdir(parents=True, exist_ok=True)
        Path(f"{path}.new").unlink(missing_ok=True)
    kind = "IP" if _is_ip(name) else "DNS"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "825", "-subj", f"/CN={name}", "-addext",
        f"subjectAltName={kind}:{name}", "-keyout", str(new_key), "-out", str(new_target),
        umask=0o077)  # fmt: skip
    new_key.replace(key)
    new_target.chmod(0o644)
    new_target.replace(target)


def _is_ip(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False
