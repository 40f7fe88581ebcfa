"""`rackwright report` on reports of another shape: printed, or refused in one message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rackwright.cli import main
from tests.samples.mutated import cut, mutations

ROW = {
    "check": "GPUs",
    "host": "gpu1",
    "subject": "gpu1",
    "status": "OK",
    "evidence": "2 x NVIDIA H200",
    "remedy": "",
}
REPORT = {"schema": 1, "results": [ROW, ROW | {"status": "WARN"}], "plan": {}}
ODD: dict[str, Any] = {
    "report: must be a dict": [],
    "report.results: is required": {},
    "report.results: must be a list": {"results": 1},
    "report.results[0].evidence: must be a string (got 1)": {"results": [ROW | {"evidence": 1}]},
    "report.results[1].status: must be": {"results": [ROW, ROW | {"status": "FINE"}]},
}


def printed(path: Path, text: str) -> tuple[int, str]:
    path.write_text(text)
    done = CliRunner().invoke(main, ["report", str(path)])
    return done.exit_code, done.output


def test_what_a_deploy_wrote_is_printed(tmp_path: Path) -> None:
    code, said = printed(tmp_path / "report.json", json.dumps(REPORT))
    assert code == 0 and "2 x NVIDIA H200" in said and "1 OK, 1 WARN" in said


def test_what_was_accepted_does_not_count(tmp_path: Path) -> None:
    accepted = {"until": "2026-12-31", "why": "riser is ordered"}
    row = ROW | {"status": "CRITICAL", "remedy": "reseat it", "accepted": accepted}
    code, said = printed(tmp_path / "report.json", json.dumps({"results": [row]}))
    assert code == 0 and "CRITICAL accepted until 2026-12-31: riser is ordered" in said


@pytest.mark.parametrize("words", ODD)
def test_a_report_of_another_shape_says_where(tmp_path: Path, words: str) -> None:
    code, said = printed(tmp_path / "report.json", json.dumps(ODD[words]))
    assert code == 65 and f"is not a report: {words}" in said


def test_any_other_report_is_one_message(tmp_path: Path) -> None:
    odd = (json.dumps(report) for report in mutations(REPORT))
    for text in (*odd, *cut(json.dumps(REPORT)), "\ufeff{}", "[" * 100_000, "9" * 5000):
        code, said = printed(tmp_path / "report.json", text)
        assert code in (0, 2) or (code == 65 and said.startswith("Error: ")), (text[:200], said)
