"""How the entry that `rackwright discover` prints says to reach its host; hosts: tests/lab."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from click.testing import CliRunner

from rackwright.commands import discover
from tests.samples.probes import seen

GIVEN = ["--sudo", "--user", "ops", "--jump", "a,b"]
ACCESS = {"_sudo": True, "ssh_proxyjump": "a,b", "ssh_user": "ops"}


@pytest.mark.parametrize(
    ("host", "words", "data"),
    [
        ("gpu1", GIVEN, {"ssh_hostname": "gpu1", **ACCESS}),
        ("bob@gpu1", GIVEN, {"ssh_hostname": "gpu1", **ACCESS, "ssh_user": "bob"}),
        ("gpu1", [], {"ssh_hostname": "gpu1"}),
        ("@local", ["--user", "ops"], {}),
    ],
)
def test_an_entry_has_what_its_host_was_reached_by(
    monkeypatch: pytest.MonkeyPatch, host: str, words: list[str], data: dict[str, Any]
) -> None:
    def answers(hosts: tuple[str, ...], **ssh: Any) -> dict[str, Any]:
        return dict.fromkeys(hosts, seen(1))

    monkeypatch.setattr(discover, "look_at", answers)
    told = CliRunner().invoke(discover.discover, [host, *words]).output
    ((_, entry),) = ast.literal_eval(told)
    assert {key: value for key, value in entry.items() if key != "server"} == data
