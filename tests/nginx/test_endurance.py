"""The load proof in short: ``python -m benchmarks.gateway.endurance`` runs it for half an hour."""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks.gateway.endurance import prove


def test_no_request_is_lost_while_all_around_them_changes(tmp_path: Path) -> None:
    """A reload, new data, a drain, a killed replica: each gets an answer or an expected refusal."""
    tmp_path.chmod(0o755)
    result, _ = asyncio.run(prove(1, 40, tmp_path))
    assert result["faults"] == []
    assert result["disturbances"] == {"reload": 1, "load": 1, "drain": 1, "kill": 1}
    assert result["outcomes"]["answered"] > 200
    assert result["outcomes"]["left"] > 20
