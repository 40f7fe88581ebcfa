"""What `rackwright discover` prints beside the entry; hosts: tests/lab."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from rackwright.commands import discover
from tests.samples.probes import seen


@pytest.mark.parametrize(
    ("host", "words", "note"),
    [
        (
            "gpu1",
            ["--sudo", "--user", "ops", "--jump", "a,b"],
            "# gpu1: its data needs as well: "
            "{'_sudo': True, 'ssh_proxyjump': 'a,b', 'ssh_user': 'ops'}",
        ),
        ("gpu1", [], None),
        ("@local", ["--user", "ops"], None),
    ],
)
def test_an_entry_comes_with_what_its_host_was_reached_by(
    monkeypatch: pytest.MonkeyPatch, host: str, words: list[str], note: str | None
) -> None:
    def answers(hosts: tuple[str, ...], **ssh: Any) -> dict[str, Any]:
        return dict.fromkeys(hosts, seen(1))

    monkeypatch.setattr(discover, "look_at", answers)
    told = CliRunner().invoke(discover.discover, [host, *words]).output
    assert ("needs as well" in told) is bool(note)
    assert note is None or note in told.splitlines()
