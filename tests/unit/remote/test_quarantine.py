"""A quarantine on a host: begun once, kept with what was tried, ended with its whole story."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rackwright.checks.server.quarantine import quarantine_words
from rackwright.remote import quarantine as remote
from rackwright.remote.host.quarantine import FILE, quarantine


def ask(folder: Path, do: str, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(
        json.dumps(remote.main({"folder": str(folder), "do": do, **more}))
    )
    return answer


def begun(folder: Path, why: str = "a fan is loud") -> dict[str, Any]:
    return ask(folder, "begin", why=why, by="by hand")


def test_there_is_none_before_one_is_begun(tmp_path: Path) -> None:
    assert ask(tmp_path, "look") == {"there": False}
    assert begun(tmp_path)["begun"] is True
    found = ask(tmp_path, "look")
    assert (found["there"], found["why"], found["by"]) == (True, "a fan is loud", "by hand")
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_the_first_reason_stays(tmp_path: Path) -> None:
    begun(tmp_path)
    again = begun(tmp_path, "another")
    assert again["why"] == "a fan is loud" and "begun" not in again


def test_one_that_comes_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchdog makes one between a look and the file that is made by hand."""
    theirs = {"why": "Xid 79", "since": 1.0}

    def link(fresh: Path, path: Path) -> None:
        path.write_text(json.dumps(theirs))
        raise FileExistsError

    monkeypatch.setattr(remote.os, "link", link)
    assert begun(tmp_path)["why"] == "Xid 79"
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_what_was_tried_is_kept_beside_what_the_watchdog_wrote(tmp_path: Path) -> None:
    theirs = {"format": 1, "why": "Xid 79", "since": 1.0, "gpus": ["GPU-0"], "theirs": [1]}
    (tmp_path / FILE).write_text(json.dumps(theirs))
    for number in range(25):
        kept = ask(tmp_path, "keep", words=f"try {number}")
    assert {key: kept[key] for key in theirs} == theirs
    assert [one["words"] for one in kept["returns"]] == [f"try {n}" for n in range(5, 25)]


def test_its_story_lies_in_the_history_when_it_is_over(tmp_path: Path) -> None:
    begun(tmp_path)
    ask(tmp_path, "keep", words="GPU 1 failed")
    assert ask(tmp_path, "end", words="21 checks")["there"] is False
    (story,) = (tmp_path / remote.HISTORY).glob("quarantine-*.json")
    told = json.loads(story.read_text())
    assert told["why"] == "a fan is loud" and told["returned"]["how"] == "21 checks"
    assert told["returns"][0]["words"] == "GPU 1 failed"
    assert [path.name for path in tmp_path.iterdir()] == [remote.HISTORY]
    assert ask(tmp_path, "end", words="again") == {"there": False}


def test_a_server_without_a_watchdog_says_so(tmp_path: Path) -> None:
    assert "the watchdog was never deployed" in ask(tmp_path / "none", "look")["error"]
    assert quarantine(str(tmp_path / "none")) == {"there": False}


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "\\ud800", "[" * 100_000], ids=len)
def test_one_that_is_broken_is_a_quarantine_all_the_same(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    found = quarantine(str(tmp_path))
    assert found["there"] is True and FILE in found["why"]
    assert ask(tmp_path, "keep", words="x")["returns"][0]["words"] == "x"
    assert ask(tmp_path, "end", words="x")["there"] is False


def test_one_that_cannot_be_read_is_one_too(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    assert quarantine(str(tmp_path))["there"] is True


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"since": 1795700000, "why": "x"}, "since 2026-11-26 13:33 UTC: x"),
        ({"by": "watchdog", "why": "x", "evidence": "/e"}, "when, watchdog: x; evidence: /e"),
        ({}, "since nobody knows when: it does not say why"),
        ({"since": 1e300}, "since an impossible time"),
        ({"since": "soon", "returns": [7]}, "; did not return nobody knows when: None"),
        (
            {"returns": [{"at": 1795700000, "words": "w"}]},
            "; did not return 2026-11-26 13:33 UTC: w",
        ),
    ],
)
def test_it_is_said_in_one_line(told: dict[str, Any], words: str) -> None:
    assert words in quarantine_words(told)
