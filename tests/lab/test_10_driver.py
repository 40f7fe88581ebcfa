"""Drivers through the real apt and DKMS on Debian 12 and 13, from NVIDIA's imitated archive."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence

import pytest

from lab.apt.repository import URL
from lab.apt.server import LOG
from tests.samples.commands import rackwright
from tests.samples.deploys import Run, deploy, start
from tests.samples.driver_stage import INSTALLED, only, setting, states
from tests.samples.lab_hosts import fresh, ssh, wait_until

INVENTORY = "tests/lab/inventories/driver.py"
STAGE = "NVIDIA driver"
HOSTS = {"drv12": "debian12", "drv13": "debian13"}
OLDER, NEWER = "580.126.20", "580.159.04"
PIN = "/etc/apt/preferences.d/nvidia-driver-pin"


def install(*words: str, hosts: Sequence[str] = tuple(HOSTS)) -> Run:
    return deploy(*only(hosts, *words), inventory=INVENTORY)


def versions(host: str) -> dict[str, str]:
    """Packages of the driver that are installed, to their versions."""
    rows = [line.split() for line in ssh(host, INSTALLED).splitlines()]
    wanted = ("nvidia", "libnvidia", "libcuda", "firmware-nvidia")
    return {n: v for n, status, v in rows if n.startswith(wanted) and status[1] == "i"}


def assert_runs(host: str, version: str) -> None:
    """Every package, the loaded module and the pin are of that version, and the daemon is up."""
    assert set(versions(host).values()) == {f"{version}-1"}
    assert ssh(host, "cat /sys/module/nvidia/version") == version
    assert f"Pin: version {version}*" in ssh(host, f"cat {PIN}").splitlines()
    assert ssh(host, "systemctl is-active nvidia-persistenced") == "active"


@pytest.fixture(scope="module", autouse=True)
def bare() -> Iterator[None]:
    with fresh(*HOSTS):
        yield


def update_by_hand(host: str, variant: str = "") -> str:
    """What apt says to one variant of the repository, under the key that is offered beside it."""
    key = "sha1" if variant == "/sha1" else "lab"
    folder = f"{URL}{variant}/repos/{HOSTS[host]}/x86_64"
    source, ring = "/etc/apt/sources.list.d/by-hand.list", "/etc/apt/keyrings/by-hand.asc"
    return ssh(
        host,
        f"mkdir -p /etc/apt/keyrings; curl -sf {folder}/{key}.pub > {ring};"
        f"echo 'deb [signed-by={ring}] {folder}/ /' > {source};"
        f"apt-get update -o Dir::Etc::sourcelist={source} -o Dir::Etc::sourceparts=- 2>&1;"
        f"rm {source} {ring}",
    )


@pytest.mark.parametrize("host", HOSTS)
def test_apt_itself_judges_the_imitation_as_it_judges_nvidias(host: str) -> None:
    assert "\nE:" not in update_by_hand(host)
    assert "is not signed" in update_by_hand(host, "/stranger")
    refused = "is not signed" in update_by_hand(host, "/sha1")
    assert refused == (host == "drv13")


REFUSED = {
    "a signature by another key": (
        [*setting("driver_repository", f"{URL}/stranger/repos/{{distribution}}/{{architecture}}/")],
        ["apt refuses the signature of", "signature checking is never weakened here"],
    ),
    "a branch that is not there": (
        [*setting("driver_repository", f"{URL}/no580/repos/{{distribution}}/{{architecture}}/")],
        [
            f"has no nvidia-driver-pinning-{OLDER}",
            "it has pins for 595.71.05",
            "set driver_version",
        ],
    ),
    "a version that is not there": (
        [*setting("driver_version", "580.65.06")],
        ["has no nvidia-driver-pinning-580.65.06", f"it has pins for {OLDER}, {NEWER}, 595.71.05"],
    ),
    "an archive that does not answer": (
        [*setting("driver_repository", f"{URL}/none/{{distribution}}/{{architecture}}/")],
        ["could not be read", "check the network, and driver_repository"],
    ),
}


@pytest.mark.parametrize(("words", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_go_well_is_refused_with_guidance_and_nothing_is_changed(
    words: list[str], said: list[str]
) -> None:
    before = states(*HOSTS)
    run = install(*words)
    assert run.code == 1
    for host in HOSTS:
        assert f"{host} was not touched; preflight:" in run.words
    for sentence in said:
        assert sentence in " ".join(run.words.split())
    assert states(*HOSTS) == before


def test_the_whole_driver_is_installed_and_loaded_in_the_order_of_the_book() -> None:
    run = install(hosts=["drv12"])
    assert run.code == 0, run.words
    assert run.changed() == {STAGE: ["drv12"]}
    assert_runs("drv12", OLDER)
    asked = ssh("drv12", "grep ^Commandline /var/log/apt/history.log").splitlines()
    named = [[word.partition("=")[0] for word in line.split(" --no-install-recommends ")[1].split()
              if not word.startswith("-")] for line in asked]  # fmt: skip
    assert named == [
        ["gcc", "make", f"linux-headers-{os.uname().release}"],
        [f"nvidia-driver-pinning-{OLDER}"],
        ["nvidia-driver-cuda", "nvidia-kernel-open-dkms", "nvidia-persistenced"],
        ["nvidia-fabricmanager"],
    ]
    held = ssh("drv12", "apt-mark showhold").split()
    assert held == ["nvidia-driver-cuda", "nvidia-fabricmanager", "nvidia-kernel-open-dkms",
                    "nvidia-persistenced"]  # fmt: skip
    assert f"nvidia/{OLDER}, {os.uname().release}, x86_64: installed" in ssh("drv12", "dkms status")
    nouveau = ssh("drv12", "cat /etc/modprobe.d/rackwright-nouveau.conf").splitlines()
    assert nouveau == ["blacklist nouveau", "options nouveau modeset=0"]
    assert ssh("drv12", "systemctl is-active nvidia-fabricmanager") == "active"


# Where a run is cut off: what dpkg says just then (dpkg(1), --status-logger).
CUTS = (
    "processing: configure: linux-headers-",
    f"status: nvidia-driver-pinning-{OLDER}: unpacked",
    "status: libcuda1: unpacked",
    "processing: configure: nvidia-kernel-open-dkms",
)
HALF_UNPACKED = "dpkg --set-selections < /dev/null" + "".join(
    f"; sed -i '/^Package: {name}$/,/^Status:/ s/^Status: .*/Status: install {status}/' "
    "/var/lib/dpkg/status"
    for name, status in (
        ("libcudadebugger1", "reinstreq half-installed"),
        ("nvidia-driver-cuda", "ok unpacked"),
    )
)
"""What dpkg notes of a package while it unpacks it, and of what needs it, which is configured only
afterwards. A cut falls there only sometimes; on a busy machine it may come when all is done. The
first word has dpkg put its journal into that file."""
CUTTER = """#!/bin/sh
# Ends apt and the half of the run that is on this host, as a loss of power would.
while read -r line; do
    case $line in "$(cat /run/cut)"*)
        rm /etc/dpkg/dpkg.cfg.d/cut
        pkill -KILL -x apt-get
        pkill -KILL -f '[m]akes what travelled importable'
        pkill -KILL -x dpkg
        touch /run/was-cut ;;
    esac
done
"""


def test_a_run_cut_off_in_the_middle_of_each_stage_is_repaired_by_the_next() -> None:
    ssh(
        "drv13",
        f"cat > /usr/local/bin/cutter <<'END'\n{CUTTER}END\nchmod 755 /usr/local/bin/cutter",
    )
    for place in CUTS:
        ssh("drv13", f"echo '{place}' > /run/cut; rm -f /run/was-cut;"
            "echo status-logger=/usr/local/bin/cutter > /etc/dpkg/dpkg.cfg.d/cut")  # fmt: skip
        running = start("-y", *only(["drv13"]), inventory=INVENTORY)
        wait_until(lambda: ssh("drv13", "ls /run/was-cut 2>/dev/null; true") != "")
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
    ssh("drv13", HALF_UNPACKED)
    run = install(hosts=["drv13"])
    assert run.code == 0, run.words
    assert_runs("drv13", OLDER)
    assert ssh("drv13", "dpkg --audit") == ""
    # Without a switch no fabric manager; otherwise as on the host that was never cut off.
    assert versions("drv12").keys() - versions("drv13").keys() == {"nvidia-fabricmanager"}
    assert versions("drv13").keys() <= versions("drv12").keys()


def test_a_second_run_changes_nothing_and_fetches_no_package() -> None:
    before, fetched = states(*HOSTS), LOG.read_text().count(".deb ")
    run = install()
    assert run.code == 0, run.words
    assert run.changed() == {}
    assert states(*HOSTS) == before
    assert LOG.read_text().count(".deb ") == fetched


def test_upgrades_that_are_not_ours_leave_the_driver_alone() -> None:
    for host in HOSTS:
        before = versions(host)
        planned = ssh(host, "apt-get -qq update; apt-get -s dist-upgrade")
        assert [line for line in planned.splitlines() if "nvidia" in line and "Inst" in line] == []
        assert versions(host) == before
        kept = ssh(host, "apt-config dump Unattended-Upgrade::Package-Blacklist")
        assert '"nvidia-"' in kept and '"libnvidia-"' in kept and '"cuda-"' in kept


def test_an_upgrade_waits_for_the_reboot_that_it_may_not_do() -> None:
    run = install(*setting("driver_version", NEWER), hosts=["drv13"])
    assert run.code == 1
    words = " ".join(run.words.split())
    assert f"a reboot is needed (module {OLDER} is loaded, {NEWER} is installed)" in words
    assert set(versions("drv13").values()) == {f"{NEWER}-1"}
    assert ssh("drv13", "cat /sys/module/nvidia/version") == OLDER
    rows = json.loads(rackwright("verify", INVENTORY, "--json").stdout)["results"]
    (row,) = (row for row in rows if (row["host"], row["check"]) == ("drv13", "driver"))
    assert row["status"] == "CRITICAL" and row["remedy"].startswith("reboot the host")
    assert f"library {NEWER}, loaded kernel module {OLDER}" in row["evidence"]
    ssh("drv13", "systemctl reboot", check=False)
    wait_until(lambda: ssh("drv13", "cat /sys/module/nvidia/version", check=False) == NEWER)
    run = install(*setting("driver_version", NEWER), hosts=["drv13"])
    assert run.code == 0, run.words
    assert run.changed() == {}
    assert_runs("drv13", NEWER)


def test_an_upgrade_and_the_way_back_reboot_where_they_may() -> None:
    boots = "cat /proc/sys/kernel/random/boot_id"
    for version, changed in ((NEWER, ["drv12"]), (OLDER, ["drv12", "drv13"])):
        before = {host: ssh(host, boots) for host in HOSTS}
        run = install(*setting("driver_version", version), *setting("reboot", "if-needed"))
        assert run.code == 0, run.words
        assert run.changed() == {STAGE: changed}
        for host in HOSTS:
            assert_runs(host, version)
            assert (ssh(host, boots) != before[host]) == (host in changed)
    assert install().changed() == {}
