from __future__ import annotations

import pytest

from rackwright.errors import HostError
from rackwright.locking.pythons import python_for
from tests.samples.outside import Recorded


@pytest.mark.parametrize(
    ("wanted", "own", "chosen"),
    [
        (">=3.11,<3.15", "3.11.2", ("3.11.2", "system")),
        (">=3.11,<3.15", "3.10.12", ("3.13.18", "uv")),
        ("3.12", "3.12.3", ("3.12.3", "system")),
        ("python3.12", "3.12.3", ("3.12.3", "system")),
        ("3.12.3", "3.12.4", ("3.13.18", "uv")),
        ("3.1", "3.12.3", ("3.13.18", "uv")),
        ("/opt/python/bin/python3", "3.12.3", ("", "system")),
    ],
)
def test_the_systems_own_where_it_is_wanted_else_uvs(
    wanted: str, own: str, chosen: tuple[str, str]
) -> None:
    assert python_for(wanted, own, "amd64", Recorded()) == chosen


def test_uvs_is_of_the_hosts_architecture() -> None:
    assert python_for(">=3.11", "3.10.1", "arm64", Recorded()) == ("3.14.10", "uv")
    with pytest.raises(HostError, match="no Python for riscv64"):
        python_for(">=3.11", "3.10.1", "riscv64", Recorded())
