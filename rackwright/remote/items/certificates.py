"""Certificates that a host makes for itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rackwright.remote.host.certificates import is_ip, validity
from rackwright.remote.host.running import run

MONTH_S = 30 * 86400

Values = dict[str, Any]


def seen(query: Values) -> Values:
    """Whether it ends within a month, and which names it lacks; nothing where it is not there."""
    path = Path(query["key"])
    if not (path.exists() and Path(query["key_path"]).exists()):
        return {}
    left_s, not_for = validity(path.read_text(errors="replace"), query["names"])
    return {"ends_soon": left_s <= MONTH_S, "not_for": not_for}


def make(change: Values) -> None:
    """A key and a certificate for 825 days; the key is root's alone from its first byte.

    The certificate is put in place last: cut off before that, the next run makes both again.
    """
    names, target, key = change["names"], Path(change["key"]), Path(change["key_path"])
    new_target, new_key = Path(f"{target}.new"), Path(f"{key}.new")
    for path in (target, key):
        path.parent.mkdir(parents=True, exist_ok=True)
        Path(f"{path}.new").unlink(missing_ok=True)
    alternatives = ",".join(f"{'IP' if is_ip(name) else 'DNS'}:{name}" for name in names)
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "825", "-subj", f"/CN={names[0]}", "-addext",
        f"subjectAltName={alternatives}", "-keyout", str(new_key), "-out", str(new_target),
        umask=0o077)  # fmt: skip
    new_key.replace(key)
    new_target.chmod(0o644)
    new_target.replace(target)
