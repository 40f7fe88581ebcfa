"""Each planned replica: its unit, its rights, its environment, its port."""

from __future__ import annotations

import re

import pytest
from testinfra.host import Host as Machine

from rackwright.desired import paths
from rackwright.desired.addresses import is_ip
from rackwright.desired.items import File
from rackwright.desired.replicas import replica_items
from rackwright.plan import Replica
from rackwright.spec import Settings

WORST_EXPOSURE = 3.0


def test_unit_runs_and_starts_at_boot(machine: Machine, replica: Replica) -> None:
    unit = machine.service(paths.unit_name(replica))
    assert unit.is_running
    assert unit.is_enabled


def test_unit_file_is_the_planned_one(
    machine: Machine, settings: Settings, replica: Replica
) -> None:
    path = f"/etc/systemd/system/{paths.unit_name(replica)}"
    items = replica_items([replica], settings, None)
    (planned,) = (item for item in items if isinstance(item, File) and item.key == path)
    found = machine.file(path)
    assert found.content == planned.content
    assert (found.mode, found.user) == (planned.mode, "root")


def test_unit_is_hardened(machine: Machine, replica: Replica) -> None:
    unit = paths.unit_name(replica)
    analysis = machine.check_output("systemd-analyze security --no-pager %s", unit)
    exposure = re.search(r"exposure level for .*: ([\d.]+)", analysis)
    assert exposure is not None, analysis[-200:]
    assert float(exposure.group(1)) <= WORST_EXPOSURE


def test_engine_runs_without_privileges(
    machine: Machine, settings: Settings, replica: Replica
) -> None:
    pid = machine.check_output("systemctl show -P MainPID %s", paths.unit_name(replica))
    assert machine.check_output("stat -c %%U /proc/%s", pid) == settings.engine_user


def test_environment_is_private_and_names_the_planned_gpus(
    machine: Machine, settings: Settings, replica: Replica
) -> None:
    found = machine.file(paths.environment_path(replica, settings))
    assert (found.mode, found.user, found.group) == (0o640, "root", settings.engine_user)
    given = re.search(r'^CUDA_VISIBLE_DEVICES="(.*)"$', found.content_string, re.MULTILINE)
    assert given is not None
    uuids = given.group(1).split(",")
    assert len(set(uuids)) == len(replica.gpus)
    assert all(uuid.startswith("GPU-") for uuid in uuids)


def test_port_is_open_on_the_planned_address_alone(machine: Machine, replica: Replica) -> None:
    if not replica.answers:
        pytest.skip("a later server of its replica: it answers no requests")
    where = replica.server.address
    (address,) = [where] if is_ip(where) else machine.addr(where).ipv4_addresses
    assert machine.socket(f"tcp://{address}:{replica.port}").is_listening
    listening = machine.socket.get_listening_sockets()
    at = [socket for socket in listening if socket.endswith(f":{replica.port}")]
    assert at == [f"tcp://{address}:{replica.port}"]


def test_weights_are_there(machine: Machine, settings: Settings, replica: Replica) -> None:
    path = paths.model_path(replica, settings)
    if replica.gguf and not replica.gguf.pull:
        files = zip(replica.gguf_files, paths.weights_paths(replica, settings), strict=True)
        assert all(machine.file(path).size == file.size_bytes for file, path in files)
    elif not replica.gguf:
        assert machine.file(f"{path}/config.json").exists
