"""Deploys of this checkout, run as an operator runs them, and what they ended with."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.fleet import ROOT
from tests.samples.commands import BIN, DEPLOY_PATIENCE_S

LAB_INVENTORY = "inventories/lab.py"
REPORTS = Path("reports", os.environ.get("PYTEST_XDIST_WORKER", ""))
"""A folder for each process of tests: the newest report there is of its own deploy."""


@dataclass
class Run:
    """One finished run of pyinfra: its exit code, its own results, its words, its report."""

    code: int
    stdout: str
    words: str
    report: dict[str, Any]

    def changed(self) -> dict[str, list[str]]:
        """Stage to the hosts it changed, from pyinfra's own results (--json).

        That a manifest was written is told only where nothing else was done: it follows from that.
        """
        operations = json.loads(self.stdout)["results"]["operations"]
        done = [(one["name"].split(" | ")[0], one["success"]) for one in operations]
        found = {stage: hosts for stage, hosts in done if hosts}
        return {stage: hosts for stage, hosts in found.items() if stage != "Manifest"} or found

    def statuses(self) -> dict[tuple[str, str], str]:
        """(subject, check) to status."""
        return {(row["subject"], row["check"]): row["status"] for row in self.report["results"]}

    def of(self, status: str) -> set[tuple[str, str]]:
        """The (subject, check) pairs of one status."""
        return {key for key, value in self.statuses().items() if value == status}


def start(*words: str, inventory: str = LAB_INVENTORY) -> subprocess.Popen[str]:
    """Start a deploy; for tests that cut it off."""
    argv = [str(BIN / "pyinfra"), inventory, "deploy.py", *words]
    return subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )


def deploy(*words: str, inventory: str = LAB_INVENTORY) -> Run:
    """Run a deploy to its end, with pyinfra's results as JSON."""
    latest = ROOT / REPORTS / "latest.json"
    before = latest.readlink() if latest.is_symlink() else None
    running = start("-y", "--json", "--data", f"report_dir={REPORTS}", *words, inventory=inventory)
    try:
        stdout, stderr = running.communicate(timeout=DEPLOY_PATIENCE_S)
    except subprocess.TimeoutExpired:  # it would go on beside the next one
        running.kill()
        raise AssertionError(f"no end of it: {running.communicate()[1][-3000:]}") from None
    fresh = latest.is_symlink() and latest.readlink() != before
    report = json.loads(latest.read_text()) if fresh else {"results": []}
    return Run(running.returncode, stdout, stderr, report)
