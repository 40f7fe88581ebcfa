"""Which host data is pyinfra's own, by pyinfra's own account."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyinfra.api.inventory import Inventory
from pyinfra.connectors.ssh import SSHConnector

from rackwright.errors import SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.runner.host_data import jump_faults, pyinfra_keys
from tests.samples.fleet import hosts

DOCS = Path(__file__).parents[3] / "docs/inventory.md"


def test_what_pyinfra_declares_is_known() -> None:
    assert set(SSHConnector.data_meta) < pyinfra_keys()
    assert {"_sudo", "_su_user", "_env", "docker_identifier"} < pyinfra_keys()
    assert not any(key in pyinfra_keys() for key in ("name", "_sudoo", "ssh_hostnam"))


def test_every_key_of_pyinfra_passes() -> None:
    data = hosts()
    data["gpu1"] |= dict.fromkeys(pyinfra_keys(), "x")
    assert load_fleet(data, pyinfra_keys())


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("ssh_hostnam", "ssh_hostname"),
        ("_sudoo", "_sudo"),
        ("SSH_USER", "ssh_user"),
        ("docker_identifer", "docker_identifier"),
        ("_sudo_pasword", "_sudo_password"),
    ],
)
def test_another_key_is_refused_with_the_nearest(wrong: str, meant: str) -> None:
    data = hosts()
    data["gpu1"][wrong] = "x"
    with pytest.raises(SpecError) as refused:
        load_fleet(data, pyinfra_keys())
    text = f"hosts[gpu1].{wrong}: is not a known key, did you mean {meant!r}?"
    assert [str(fault) for fault in refused.value.faults] == [text]


def test_the_docs_name_every_key_of_the_connectors() -> None:
    own = {key for key in pyinfra_keys() if not key.startswith(("_", "fake_"))}
    absent = {key for key in own if f"`{key}`" not in DOCS.read_text()}
    assert not absent, f"docs/inventory.md does not name {sorted(absent)}"


@pytest.mark.parametrize(("name", "refused"), [("@rackwright/gpu1", False), ("gpu1", True)])
def test_jump_hosts_that_a_connector_would_leave_out_are_refused(name: str, refused: bool) -> None:
    inventory = Inventory(([(name, {"ssh_proxyjump": "bastion"})], {}))
    words = [
        "hosts[gpu1].ssh_proxyjump: is read for hosts that are named @rackwright/gpu1 "
        "(got 'bastion')"
    ]
    assert [str(fault) for fault in jump_faults(inventory)] == words * refused
