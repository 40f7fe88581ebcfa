"""tests/fleet on the lab: passes on a good fleet, and each test fails on a host broken its way."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.fleet import ROOT
from tests.samples.commands import PATIENCE_S
from tests.samples.deploys import Run
from tests.samples.lab_hosts import UNITS, main_pid, ssh, wait_until

UNIT1, UNIT2 = UNITS["gpu1"], UNITS["gpu2"]
CONFIG = "/etc/nginx/conf.d/rackwright.conf"
ENVIRONMENT = "/etc/rackwright/replicas/chat-gpu2-0.env"
UNIT_FILE = f"/etc/systemd/system/{UNIT2}.service"
RELEASE = f"$(sed -n 's|^ExecStart=\\(.*\\)/bin/python .*|\\1|p' {UNIT_FILE})"
METADATA = f"{RELEASE}/lib/python3*/site-packages/vllm-*.dist-info/METADATA"
# The test that must fail, the host, what breaks it, what mends it. What is broken at once is not of
# one thing: no test of a round can fail by another's harm.
ROUNDS = [
    [
        (
            "test_packages_of_a_server",
            "gpu2",
            "dpkg --force-all -r libnuma1",
            "apt-get -qq install libnuma1",
        ),
        (
            "test_packages_of_a_gateway",
            "gw1",
            "dpkg --force-all -r openssl",
            "apt-get -qq install openssl",
        ),
        (
            "test_engine_user",
            "gpu2",
            "usermod -s /bin/sh rackwright",
            "usermod -s /usr/sbin/nologin rackwright",
        ),
        (
            "test_folders_belong_to_root",
            "gpu2",
            "chmod 777 /etc/rackwright",
            "chmod 755 /etc/rackwright",
        ),
        ("test_release_is_whole", "gpu2", f"rm {RELEASE}/.complete", f"touch {RELEASE}/.complete"),
        (
            "test_requirements_are_those_of_the_inventory",
            "gpu2",
            f"cp {RELEASE}.txt /run/lock.txt; echo '# more' >> {RELEASE}.txt",
            f"cp /run/lock.txt {RELEASE}.txt",
        ),
        (
            "test_version_is_pinned",
            "gpu2",
            f"sed -i s/0.32.0/0.31.0/ {METADATA}",
            f"sed -i s/0.31.0/0.32.0/ {METADATA}",
        ),
        (
            "test_unit_runs_and_starts_at_boot",
            "gpu2",
            f"systemctl disable {UNIT2}",
            f"systemctl enable {UNIT2}",
        ),
        (
            "test_environment_is_private_and_names_the_planned_gpus",
            "gpu2",
            f"chmod 644 {ENVIRONMENT}",
            f"chmod 640 {ENVIRONMENT}",
        ),
        (
            "test_port_is_open_on_the_planned_address_alone",
            "gpu2",
            "systemd-run --collect --unit other python3 -m http.server -b 127.0.0.1 8000; "
            "until ss -ltn | grep -q 127.0.0.1:8000; do :; done",
            "systemctl stop other",
        ),
        (
            "test_weights_are_there",
            "gpu2",
            "mount -t tmpfs none /srv/models/tiny-llama",
            "umount /srv/models/tiny-llama",
        ),
        (
            "test_nginx_runs_and_starts_at_boot",
            "gw1",
            "systemctl disable nginx",
            "systemctl enable nginx",
        ),
        (
            "test_configuration_is_the_planned_one",
            "gw1",
            f"cp {CONFIG} /run/config; sed -i s/keepalive_timeout/keepalive_time/ {CONFIG}",
            f"cp /run/config {CONFIG}",
        ),
        (
            "test_key_is_private",
            "gw1",
            "chmod 644 /etc/rackwright/tls/gateway.key",
            "chmod 600 /etc/rackwright/tls/gateway.key",
        ),
        (
            "test_every_replica_is_reached",
            "gw1",
            "ip route add blackhole 198.18.0.12",
            "ip route del blackhole 198.18.0.12",
        ),
    ],
    [
        (
            "test_release_is_live",
            "gpu2",
            f"cp {UNIT_FILE} /run/live; sed -i s,^ExecStart=/opt/,ExecStart=/srv/, {UNIT_FILE}; "
            "systemctl daemon-reload",
            f"cp /run/live {UNIT_FILE}; systemctl daemon-reload",
        ),
        (
            "test_unit_file_is_the_planned_one",
            "gpu2",
            f"cp {UNIT_FILE} /run/unit; echo '# more' >> {UNIT_FILE}",
            f"cp /run/unit {UNIT_FILE}; systemctl daemon-reload",
        ),
        (
            "test_configuration_is_valid",
            "gw1",
            "echo nonsense > /etc/nginx/conf.d/other.conf",
            "rm /etc/nginx/conf.d/other.conf",
        ),
    ],
    [
        (
            "test_the_engines_program_is_there",
            "gpu2",
            f"mv {RELEASE}/bin/python {RELEASE}/bin/away",
            f"mv {RELEASE}/bin/away {RELEASE}/bin/python",
        ),
        (
            "test_unit_is_hardened",
            "gpu2",
            f"cp {UNIT_FILE} /run/unit; sed -i '/^Protect/d; /^Restrict/d; /^System/d' "
            f"{UNIT_FILE}; systemctl daemon-reload",
            f"cp /run/unit {UNIT_FILE}; systemctl daemon-reload",
        ),
        ("test_port_is_open", "gw1", "systemctl stop nginx", "systemctl start nginx"),
    ],
]


def fleet(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest", "tests/fleet", "--inventory", "inventories/lab.py"]
    return subprocess.run(
        [*argv, *words], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def test_a_good_fleet_passes_in_parallel_and_gives_junit(deployed: Run, tmp_path: Path) -> None:
    path = tmp_path / "fleet.xml"
    done = fleet("-q", "-n", "2", f"--junitxml={path}")
    assert done.returncode == 0, done.stdout
    cases = ElementTree.parse(path).getroot().iter("testcase")
    hosts = {
        word for case in cases for word in ("gpu1", "gpu2", "gw1") if word in case.get("name", "")
    }
    assert hosts == {"gpu1", "gpu2", "gw1"}


def failures(done: subprocess.CompletedProcess[str]) -> set[tuple[str, str]]:
    """Tests that failed, and their parameter."""
    found = re.findall(r"^FAILED \S+::(\w+)\[([^]]+)\]", done.stdout, re.MULTILINE)
    assert (done.returncode, bool(found)) in ((0, False), (1, True)), done.stdout
    return set(found)


@pytest.mark.parametrize("broken", ROUNDS)
def test_a_host_broken_one_way_fails_the_test_about_it(
    deployed: Run, broken: list[tuple[str, str, str, str]]
) -> None:
    with ExitStack() as mending:
        for _, host, harm, mend in broken:
            ssh(host, harm)
            mending.callback(ssh, host, mend)
        failed = failures(fleet("-q", "-k", " or ".join(test for test, *_ in broken)))
    assert {(test, about.partition(":")[0]) for test, about in failed} == {
        (test, host) for test, host, *_ in broken
    }


def test_an_engine_that_runs_as_root_is_found(deployed: Run) -> None:
    """Also a unit that was changed and restarted: nothing else tells who its process is."""
    before = main_pid("gpu2", UNIT2)
    override = f"/run/systemd/system/{UNIT2}.service.d"
    ssh("gpu2", f"mkdir -p {override}; printf '[Service]\\nUser=root\\n' > {override}/a.conf")
    ssh("gpu2", f"systemctl daemon-reload; systemctl restart --no-block {UNIT2}")
    try:
        wait_until(lambda: main_pid("gpu2", UNIT2) not in (0, before))
        failed = failures(fleet("-q", "-k", "test_engine_runs_without_privileges"))
        assert failed == {("test_engine_runs_without_privileges", "gpu2:chat-gpu2-0")}
    finally:
        ssh("gpu2", f"rm -r {override}; systemctl daemon-reload; systemctl stop {UNIT2}")


def test_every_check_fails_with_what_it_is_about(deployed: Run) -> None:
    """That each check tells is proven in test_7_hardware; here, that a test follows from it."""
    ssh("gpu2", f"systemctl stop {UNIT2}")
    try:
        failed = failures(fleet("-q", "-k", "test_check and chat-gpu2-0"))
        assert failed >= {
            ("test_check", "gpu2:chat-gpu2-0-unit"),
            ("test_check", "gpu2:chat-gpu2-0-completion"),
        }
    finally:
        ssh("gpu2", f"systemctl start --no-block {UNIT2}")
