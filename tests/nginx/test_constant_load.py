"""The lab's load client loses nothing of a fleet that is well, and sees all that is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.fleet import ROOT
from lab.local_gateway import LocalGateway
from tests.samples.stand_in_fleet import StandInFleet, secret


@pytest.fixture(scope="module")
def gateway(up: Any, served: StandInFleet) -> LocalGateway:
    return served.behind(up)


def loaded(gateway: LocalGateway, folder: Path, *words: str) -> dict[str, Any]:
    out = folder / "load.json"
    argv = [sys.executable, "-m", "tests.lab.constant_load", "--url", gateway.url,
            "--certificate", str(gateway.certificate), "--model", "chat", "--out", str(out),
            *words]  # fmt: skip
    own = {**os.environ, "OPENAI_API_KEY": secret("alice")}
    done = subprocess.run(argv, cwd=ROOT, env=own, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(out.read_text())
    return {**summary, "said": done.stdout}


def test_of_a_fleet_that_is_well_nothing_is_lost(gateway: LocalGateway, tmp_path: Path) -> None:
    said = loaded(gateway, tmp_path, "--requests", "40")
    assert said["failed"] == 0 and said["completed"] == sum(said["requests"].values()) >= 40, said
    assert set(said["requests"]) == {"stream", "plain"}
    assert set(said["replicas"]) == {"chat-gpu1-0", "chat-gpu2-0"}
    assert said["tokens"] >= said["completed"] and 0 < said["longest_gap_s"] < said["seconds"]
    assert said["said"] == "the first answer was whole\n"


@pytest.mark.parametrize(
    ("how", "faults"),
    [
        ({"die": True}, ("InternalServerError: Error code: 502",)),
        ({"cut": True}, ("RemoteProtocolError", "APIConnectionError")),
    ],
)
def test_what_is_lost_before_an_answer_or_within_it_is_said(
    gateway: LocalGateway, tmp_path: Path, how: dict[str, Any], faults: tuple[str, ...]
) -> None:
    asked = ("--extra", json.dumps({"stand_in": how}), "--plain", "0", "--requests", "4")
    said = loaded(gateway, tmp_path, *asked)
    assert said["failed"] == sum(said["requests"].values()) >= 4 and said["said"] == ""
    assert all(words.startswith(faults) for words in said["failures"]), said["failures"]
    assert said["longest_gap_s"] == said["seconds"] > 0
