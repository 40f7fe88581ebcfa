"""Which systems can be a gateway."""

from __future__ import annotations

import pytest

from rackwright.desired.gateway_system import unfit


@pytest.mark.parametrize(
    ("system", "refused"),
    [
        ({"ID": "ubuntu", "VERSION_ID": "22.04", "PRETTY_NAME": "Ubuntu 22.04.5 LTS"}, True),
        ({"ID": "ubuntu", "VERSION_ID": "24.04"}, False),
        ({"ID": "ubuntu", "VERSION_ID": "26.04"}, False),
        ({"ID": "debian", "VERSION_ID": "11"}, True),
        ({"ID": "debian", "VERSION_ID": "12"}, False),
        ({"ID": "debian", "VERSION_ID": "13"}, False),
        ({"ID": "debian"}, False),  # testing has none
        ({"ID": "rocky", "VERSION_ID": "9.4"}, False),  # apt will tell
        ({"ID": "ubuntu", "VERSION_ID": "x"}, False),
        ({}, False),
    ],
)
def test_a_system_without_the_lua_module_is_refused(system: dict[str, str], refused: bool) -> None:
    assert bool(unfit(system)) == refused


def test_it_is_named_as_it_names_itself() -> None:
    system = {"ID": "ubuntu", "VERSION_ID": "22.04"}
    assert unfit(system).startswith("ubuntu 22.04 has no Lua module for Nginx")
    assert unfit({**system, "PRETTY_NAME": "Ubuntu 22.04.5 LTS"}).startswith("Ubuntu 22.04.5 LTS ")
