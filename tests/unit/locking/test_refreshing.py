from __future__ import annotations

import pytest

from rackwright.errors import HostError
from rackwright.inventory.reading import load_fleet
from rackwright.locking import Pins, pins_of
from rackwright.locking.lock import LockedVenv
from rackwright.locking.refreshing import refreshed
from rackwright.planning.placing import plan
from tests.samples import fleet as sample
from tests.samples.locks import DRIVER, fresh, outside, pins
from tests.samples.outside import LFS, Recorded, deb

BOOKWORM = "debian 12 amd64"
MODEL = f"meta-llama/Llama-3.1-8B-Instruct@{sample.REVISION}"


def test_a_lock_has_all_that_hosts_are_to_get() -> None:
    lock = fresh(pins()).lock
    assert lock.hosts == {"gpu1": BOOKWORM, "gw1": BOOKWORM}
    system = lock.systems[BOOKWORM]
    assert {"gcc", "nginx", "libdep1"} <= {*system.packages}
    assert {"gcc", "nginx"} <= {*system.wanted} and "libdep1" not in system.wanted
    assert (system.python, system.python_from) == ("3.11.2", "system")
    assert list(lock.drivers) == [f"{DRIVER} on {BOOKWORM}"]
    assert list(lock.drivers[f"{DRIVER} on {BOOKWORM}"].packages) == ["nvidia-driver-cuda"]
    assert lock.models[MODEL].files["model.safetensors"].sha256 == LFS
    for release in lock.releases.values():
        assert isinstance(release, LockedVenv)
        assert release.targets == ("3.11 amd64 glibc 2.36",)
        assert "oldest-1.0.tar.gz" in release.wheels


def test_what_never_changes_is_not_asked_for_again() -> None:
    old, again = fresh(pins()).lock, outside()
    new = fresh(pins(), again, old)
    assert again.asked == ["hosts"]
    assert new.lock == old


def test_another_revision_is_asked_for_and_the_rest_kept() -> None:
    old, again = fresh(pins()).lock, outside()
    services = {"chat": sample.service(revision="a" * 40)}
    lock = fresh(pins(services=services), again, old).lock
    assert again.asked[1:] and all("llama" in url.lower() for url in again.asked[1:])
    assert [key.partition("@")[2] for key in lock.models] == ["a" * 40]


def test_a_system_with_another_python_takes_other_files() -> None:
    old = fresh(pins()).lock
    noble = {"id": "ubuntu", "version_id": "24.04", "python": "3.12.3", "glibc": "2.39"}
    lock = fresh(pins(), outside(of_hosts={"gpu1": noble}), old).lock
    assert lock.hosts["gpu1"] == "ubuntu 24.04 amd64"
    assert lock.systems["ubuntu 24.04 amd64"].python == "3.12.3"
    assert {one.targets for one in lock.releases.values() if isinstance(one, LockedVenv)} == {
        ("3.12 amd64 glibc 2.39",)
    }


def test_a_system_whose_python_will_not_do_has_uvs() -> None:
    jammy = {"id": "ubuntu", "version_id": "22.04", "python": "3.10.12", "glibc": "2.35"}
    system = fresh(pins(), outside(of_hosts={"gpu1": jammy})).lock.systems["ubuntu 22.04 amd64"]
    assert (system.python, system.python_from) == ("3.13.18", "uv")


def test_a_system_of_gateways_alone_has_no_python_of_engines() -> None:
    trixie = {"version_id": "13", "python": "3.13.5"}
    lock = fresh(pins(), outside(of_hosts={"gw1": trixie})).lock
    assert lock.systems["debian 13 amd64"].python == ""


def test_hosts_of_one_system_have_the_newer_of_what_their_mirrors_have() -> None:
    newer = {
        "groups": {
            "system": {"packages": {"libdep1": deb("1.0-10"), "nginx": deb("0.9-1")}},
            "driver": {"packages": {}},
        }
    }
    packages = fresh(pins(), outside(of_hosts={"gw1": newer})).lock.systems[BOOKWORM].packages
    assert packages["libdep1"].version == "1.0-10"
    assert packages["gcc"].version == "1.0-1"


def test_a_host_that_is_silent_stays_as_it_was_locked() -> None:
    old = fresh(pins()).lock
    new = fresh(pins(), outside(silent=["gw1"]), old)
    assert set(new.kept) == {"gw1"} and "no route" in new.kept["gw1"]
    assert new.lock.hosts == old.hosts
    assert new.lock.systems[BOOKWORM].wanted == tuple(name for name in old.systems[BOOKWORM].wanted)


@pytest.mark.parametrize("silent", [["gw1"], ["gpu1", "gw1"]])
def test_a_silent_host_that_is_not_locked_yet_ends_it(silent: list[str]) -> None:
    with pytest.raises(HostError) as caught:
        fresh(pins(), outside(silent=silent))
    for host in silent:
        assert f"{host}: no route to it; and what it needs is not in the lock yet" in str(
            caught.value
        )


def test_all_that_could_not_be_had_is_said_at_once() -> None:
    services = {
        "chat": sample.service(),
        "more": sample.service("qwen3-8b", revision="b" * 40),
    }
    services["chat"]["gpus"], services["more"]["gpus"] = {"gpu1": [0]}, {"gpu1": [1]}
    with pytest.raises(HostError) as caught:
        fresh(pins(services=services), outside(pages={}))
    assert str(caught.value).count("HTTP 404") == 2
    assert str(caught.value).startswith("the lock is left as it was")


def test_a_package_that_no_archive_has_is_said_in_apts_words() -> None:
    lacking = {
        "groups": {"system": {"error": "Unable to locate package nginx"}, "driver": {}},
        "complaints": "W: Failed to fetch",
    }
    with pytest.raises(HostError, match=r"gw1: its archives lack .*locate package nginx W: Failed"):
        fresh(pins(), outside(of_hosts={"gw1": lacking}))


@pytest.mark.parametrize(
    "garbled",
    [
        {"groups": None},
        {"groups": {"system": {"packages": {"a": {"version": "1"}}}, "driver": {}}},
        {"archives": 3},
        {"wanted": {}},
    ],
)
def test_what_a_host_says_is_read_strictly(garbled: dict[str, object]) -> None:
    with pytest.raises(HostError, match="gw1: its answer cannot be read"):
        fresh(pins(), outside(of_hosts={"gw1": garbled}))


# --- models in folders of the operator's ---------------------------------------------------------

FOLDER = "/srv/models/tiny-llama"
FILES = {"config.json": ["ab" * 32, 2], "model.safetensors": ["cd" * 32, 4711]}


def in_folders(**of_hosts: dict[str, list[object]]) -> Recorded:
    """A fleet of two servers, with these files in the folder of each."""
    models = {name: {"models": {FOLDER: files}} for name, files in of_hosts.items()}
    return Recorded(of_hosts=models)


def two_servers() -> Pins:
    spec = load_fleet({name: {**its, "driver_source": "none"} for name, its in LAB.items()})
    return pins_of(spec, plan(spec))


LAB = sample.lab_hosts()


def test_a_folder_on_servers_is_locked_as_it_is_there() -> None:
    lock = fresh(two_servers(), in_folders(gpu1=FILES, gpu2=FILES)).lock
    files = lock.models[FOLDER].files
    assert files["model.safetensors"].sha256 == "cd" * 32
    assert lock.models[FOLDER].size_bytes == 4713


def test_servers_whose_folders_differ_are_said() -> None:
    other = {**FILES, "model.safetensors": ["ef" * 32, 4711]}
    with pytest.raises(HostError, match=f"{FOLDER}: model.safetensors is not the same on gpu1 and"):
        fresh(two_servers(), in_folders(gpu1=FILES, gpu2=other))


def test_a_folder_that_one_server_has_not_yet_is_locked_by_the_other() -> None:
    lock = fresh(two_servers(), in_folders(gpu1={}, gpu2=FILES)).lock
    assert set(lock.models[FOLDER].files) == set(FILES)


def test_what_is_known_of_a_folder_is_told_so_that_it_is_not_read_again() -> None:
    old = fresh(two_servers(), in_folders(gpu1=FILES, gpu2=FILES)).lock
    again = in_folders(gpu1=FILES, gpu2=FILES)
    assert fresh(two_servers(), again, old).lock == old
    assert again.wanted["gpu1"].models[FOLDER]["config.json"] == ("ab" * 32, 2)
    refreshed(two_servers(), old, again, lambda _: None, rehash=True)
    assert again.wanted["gpu1"].models == {FOLDER: {}}
    assert again.wanted["gw1"].models == {}


def test_a_folder_that_changed_on_servers_is_a_change() -> None:
    old = fresh(two_servers(), in_folders(gpu1=FILES, gpu2=FILES)).lock
    other = {**FILES, "config.json": ["ef" * 32, 3]}
    new = fresh(two_servers(), in_folders(gpu1=other, gpu2=other), old).lock
    assert new.models[FOLDER].files["config.json"].size_bytes == 3
