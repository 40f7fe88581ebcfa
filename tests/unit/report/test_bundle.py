"""How much of a bundle is to come, and how far it is."""

from __future__ import annotations

import pytest

from rackwright.bundling.wanted import Wanted
from rackwright.report.bundle import FetchProgress, bundle_text, bytes_text

WHEELS = [Wanted(f"wheels/{n}.whl", "", "wheels", 600_000_000) for n in range(2)]
MODEL = Wanted("models/a", "", "models", 140_000_000_000)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0.0 MB"), (3_441_920, "3.4 MB"), (99_000_000, "99.0 MB"), (141_107_412_992, "141.11 GB")],
)
def test_sizes(size: int, text: str) -> None:
    assert bytes_text(size) == text


def test_the_total_is_said_by_kind_with_what_is_to_come() -> None:
    assert bundle_text([*WHEELS, MODEL], WHEELS[:1]).splitlines() == [
        "models          1 files    140.00 GB, 0.0 MB to come",
        "wheels          2 files      1.20 GB, 0.60 GB to come",
        "in all          3 files    141.20 GB, 0.60 GB to come",
    ]


def test_progress_is_of_all_files(capsys: pytest.CaptureFixture[str]) -> None:
    progress = FetchProgress(WHEELS)
    progress.hear(WHEELS[0], 300_000_000)
    progress.hear(WHEELS[1], 150_000_000)
    progress.end()
    first, *_ = capsys.readouterr().err.splitlines()
    assert first == "  1 of 2 files, 0.30 GB of 1.20 GB: 0.whl"
