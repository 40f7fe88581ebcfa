"""Hosts that are one machine, and those that only look like it."""

from __future__ import annotations

from typing import Any

import pytest
from pyinfra.api.inventory import Inventory

from rackwright.runner.one_machine import one_machine_twice, unreachable

AT = {"ssh_hostname": "203.0.113.11"}
Written = str | tuple[str, dict[str, Any]]
ONE: tuple[tuple[Written, Written], ...] = (
    (("gpu1", AT), ("gpu2", AT)),
    (("gpu1", AT), ("gpu2", {**AT, "ssh_port": 22})),
    (("gpu1", AT), ("gpu2", {**AT, "ssh_user": "root"})),
    (("gpu1", AT), "203.0.113.11"),
    (("gpu1", {"ssh_hostname": "A.example.com."}), "a.example.com"),
    (("gpu1", {"ssh_hostname": "2001:DB8:0::1"}), ("gpu2", {"ssh_hostname": "2001:db8::1"})),
    ("gpu1", "GPU1"),
    (("gpu1", AT), ("gpu2", {**AT, "ssh_port": "22"})),
    (("gpu1", AT), ("gpu2", {"ssh_hostname": "::ffff:203.0.113.11"})),
    ("@local", "localhost"),
    ("@local", ("gpu2", {"ssh_hostname": "127.0.1.1"})),
)
TWO: tuple[tuple[Written, Written], ...] = (
    ("gpu1", "gpu2"),
    (("gpu1", {**AT, "ssh_port": 2201}), ("gpu2", {**AT, "ssh_port": 2202})),
    (("gpu1", {**AT, "ssh_config_file": "a"}), ("gpu2", {**AT, "ssh_config_file": "b"})),
    (("gpu1", {**AT, "ssh_jump_host": "a"}), ("gpu2", {**AT, "ssh_jump_host": "b"})),
    ("@local", ("gpu2", {"ssh_hostname": "127.0.0.1", "ssh_port": 2201})),
    ("@local", "@docker/debian"),
)


def faults(*hosts: Written) -> list[str]:
    return [str(fault) for fault in one_machine_twice(Inventory((list(hosts), {})))]


@pytest.mark.parametrize("hosts", ONE, ids=repr)
def test_two_hosts_that_are_one_machine_are_a_fault_with_both(hosts: tuple[Any, Any]) -> None:
    first, second = (host if isinstance(host, str) else host[0] for host in hosts)
    (fault,) = faults(*hosts)
    assert fault.startswith(f"hosts[{second}]") and f"hosts[{first}] already" in fault


@pytest.mark.parametrize("hosts", TWO, ids=repr)
def test_two_machines_are_two_hosts(hosts: tuple[Any, Any]) -> None:
    assert faults(*hosts) == []


@pytest.mark.parametrize(
    "data",
    [
        {"ssh_hostname": "gpu_1.rack-2"},
        {"ssh_hostname": "1"},
        {"ssh_hostname": "2001:db8::1", "ssh_port": "2222", "ssh_user": "ops@example.com"},
        {"ssh_hostname": "fe80::1%eth0", "ssh_user": None},
    ],
)
def test_whatever_ssh_takes_is_let_through(data: dict[str, Any]) -> None:
    assert unreachable(Inventory(([("gpu1", data)], {}))) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(
            ("ssh_hostname", each)
            for each in ("", "a b", "a\nb", "-oX=y", "\0", 5, "127.1", "0.0.0.0")
        ),
        *(("ssh_port", each) for each in (0, 65536, True, 22.0, "ssh", "", [22])),
        *(("ssh_user", each) for each in ("", "-l", "a\n", 5)),
    ],
)
def test_where_no_ssh_could_go_is_a_fault(key: str, value: Any) -> None:
    (fault,) = unreachable(Inventory(([("gpu1", {key: value})], {})))
    assert fault.path == f"hosts[gpu1].{key}"
