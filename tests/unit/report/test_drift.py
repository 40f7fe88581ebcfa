"""Drifts as an operator reads them, and as programs do."""

from __future__ import annotations

import json

import pytest

from rackwright.drift import kinds
from rackwright.drift.between import Unlike
from rackwright.drift.kinds import Drift
from rackwright.report.between import between_json, between_text
from rackwright.report.drift import drift_json, drift_text

EDITED = Drift("gpu1", kinds.EDITED, "/etc/a", "sha256 1", "sha256 2", ("+by hand",))
MODE = Drift("gpu2", kinds.MODE, "/etc/b", "0777", "0644")


def test_a_row_each_a_remedy_for_each_kind_and_a_count() -> None:
    text = drift_text([EDITED, MODE, MODE._replace(path="/etc/c")], {}, 3)
    assert "gpu1  edited file  /etc/a: sha256 1, planned sha256 2\n" in text
    assert text.count("Remedy: ") == 2 and "mode (2): " in text
    assert text.endswith("3 drifts on 2 of 3 hosts")
    assert "+by hand" not in text


@pytest.mark.parametrize(
    ("there", "planned", "words"),
    [
        ("0777", "0644", "/etc/b: 0777, planned 0644"),
        ("left", None, "/etc/b: left"),
        (None, "a file", "/etc/b: planned a file"),
        (None, None, "/etc/b"),
    ],
)
def test_what_is_there_and_what_should_be(there: str, planned: str, words: str) -> None:
    text = drift_text([MODE._replace(there=there, planned=planned)], {}, 1)
    assert text.splitlines()[1].endswith(f"mode   {words}")


def test_lines_are_shown_where_they_are_asked_for() -> None:
    text = drift_text([EDITED], {}, 1, lines=True)
    assert "gpu1 /etc/a (- planned, + there)\n+by hand" in text
    assert text.endswith("1 drift on 1 of 1 hosts")


def test_none_and_hosts_that_said_nothing() -> None:
    assert drift_text([], {}, 2) == "no drift on 2 of 2 hosts"
    text = drift_text([], {"gpu2": "timed out"}, 2)
    assert text.splitlines() == [
        "gpu2 was not looked at in whole: timed out",
        "no drift on 1 of 2 hosts, 1 not known",
    ]


def test_programs_get_the_same() -> None:
    said = json.loads(drift_json([EDITED], {"gpu2": "timed out"}))
    assert said["unanswered"] == {"gpu2": "timed out"}
    assert said["drifts"] == [
        {"host": "gpu1", "drift": "edited file", "where": "/etc/a", "there": "sha256 1",
         "planned": "sha256 2", "remedy": "deploy", "diff": ["+by hand"]}
    ]  # fmt: skip


def test_two_hosts_beside_each_other() -> None:
    rows = [Unlike("kernel", "6.1.0", "6.1.1"), Unlike("package nginx", None, "1.22")]
    text = between_text("gpu1", "gpu2", rows)
    assert text.splitlines()[0].split() == ["WHAT", "gpu1", "gpu2"]
    assert text.endswith("2 differences")
    assert json.loads(between_json("gpu1", "gpu2", rows))["differences"][1] == {
        "what": "package nginx",
        "gpu1": None,
        "gpu2": "1.22",
    }
    assert "equal" in between_text("gpu1", "gpu2", [])
