"""How long a service with one replica is away is said before, by its last start."""

from __future__ import annotations

from rackwright.runner.steps import absence

FAILED = {"ready": False, "began_unix_s": 900.0, "ready_unix_s": 0.0}
WELL = {"ready": True, "began_unix_s": 100.0, "ready_unix_s": 186.0}


def test_the_newest_start_that_became_ready_tells() -> None:
    assert absence.last_start_s([FAILED, WELL, {**WELL, "ready_unix_s": 999.0}]) == 86.0
    assert absence.last_start_s([FAILED]) is None
    assert absence.last_start_s([]) is None


def test_requests_wait_for_it_and_some_more_and_never_without_end() -> None:
    assert absence.hold_s(86.0, 1800) == 159
    assert absence.hold_s(None, 1800) == 1800
    assert absence.hold_s(None, 9000) == absence.hold_s(9000.0, 1800) == 3600


def test_the_operator_is_told() -> None:
    assert "about 86 s" in absence.words("chat", 86.0, 1800)
    assert "up to 1800 s" in absence.words("chat", None, 1800)
