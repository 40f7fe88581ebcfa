"""`pyinfra INVENTORY deploy.py` within this process, for verbs that are more than a deploy."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from unittest import mock

from rackwright.desired.paths import PROJECT


def deployed(inventory: str, stages: Iterable[str], only: Collection[str] | None = None) -> bool:
    """Run these stages to their end, on the hosts named there or on all; whether all went well.

    pyinfra's command line takes its options from the process and ends it; this does not.
    """
    from pyinfra_cli.main import main

    limits = [word for name in only or () for word in ("--limit", name)]
    words = ["-y", *limits, "--data", f"stages={','.join(stages)}"]
    if str(PROJECT) not in sys.path:
        sys.path.append(str(PROJECT))  # deploy.py imports its tasks from there
    argv = ["pyinfra", inventory, str(PROJECT / "deploy.py"), *words]
    with mock.patch.object(sys, "argv", argv):
        try:
            main()
        except SystemExit as ended:
            return not ended.code
    return True
