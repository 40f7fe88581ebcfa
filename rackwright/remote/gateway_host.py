"""On a gateway: what only it knows and its configuration needs: system, names, name servers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rackwright.remote.engine_keys import keys_of
from rackwright.remote.host.names import looked_up, nameservers
from rackwright.remote.host.operating_system import os_release

Values = dict[str, Any]


def main(names: list[str], secrets: str = "") -> Values:
    """``system`` (os-release(5)), the addresses of ``names``, and ``nameservers``.

    ``key_ids`` are of the engines' keys that its file ``secrets`` has.
    """
    return {
        "system": os_release(),
        "names": looked_up(names),
        "nameservers": nameservers(),
        "key_ids": _key_ids(Path(secrets)) if secrets else [],
    }


def _key_ids(path: Path) -> list[str]:
    """None of a file that is not there, or of no use: a deploy writes it anew."""
    try:
        return sorted(keys_of(json.loads(path.read_bytes())))
    except (OSError, ValueError, AttributeError, TypeError):
        return []
