"""The link to the latest report, when several runs write theirs at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rackwright.runner.verify import _link_latest, written_anew


def test_the_latest_report_is_linked_by_its_name_alone(tmp_path: Path) -> None:
    for name in ("first.json", "second.json"):
        _link_latest(tmp_path / name)
        assert (tmp_path / "latest.json").readlink() == Path(name)
    assert [path.name for path in tmp_path.iterdir()] == ["latest.json"]


def test_runs_that_end_together_leave_one_link_that_is_never_absent(tmp_path: Path) -> None:
    reports = [tmp_path / f"{number}.json" for number in range(200)]
    latest = tmp_path / "latest.json"
    _link_latest(reports[0])

    def link(report: Path) -> bool:
        _link_latest(report)
        return latest.is_symlink()

    with ThreadPoolExecutor(max_workers=8) as runs:
        assert all(list(runs.map(link, reports)))
    assert tmp_path / latest.readlink() in reports


def test_reports_of_one_second_have_a_file_each(tmp_path: Path) -> None:
    """Four runs at once, many times over: none writes over another's."""
    with ThreadPoolExecutor(4) as runs:
        paths = list(runs.map(lambda number: written_anew(tmp_path, str(number)), range(40)))
    assert [path.read_text() for path in paths] == [str(number) for number in range(40)]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
