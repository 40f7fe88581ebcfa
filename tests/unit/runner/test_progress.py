"""What hosts say while they work: an empty line is their way to find out whether anybody hears."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyinfra.api import output

from rackwright.runner.progress import heard_first


@pytest.fixture
def heard() -> Iterator[None]:
    """As long as the test, what hosts say goes the way of a deploy."""
    before = output._echo
    heard_first.cache_clear()
    heard_first()
    yield
    output.set_echo(before)
    heard_first.cache_clear()


@pytest.mark.parametrize("beat", ["[gpu1] ", "[gpu1]", "\x1b[1m[gpu1]\x1b[0m "])
def test_an_empty_line_of_a_host_is_not_printed(
    heard: None, capsys: pytest.CaptureFixture[str], beat: str
) -> None:
    output.echo(beat)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("line", ["[gpu1] weights are there", "[not a host", "", "--> Results:"])
def test_all_else_is(heard: None, capsys: pytest.CaptureFixture[str], line: str) -> None:
    output.echo(line)
    assert capsys.readouterr().out == f"{line}\n"
