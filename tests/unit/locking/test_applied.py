from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from rackwright.desired.items import Absent, File, Package
from rackwright.desired.weights import weights_request
from rackwright.driver import sources
from rackwright.driver.offers import Offers
from rackwright.inventory.reading import load_fleet
from rackwright.locking import Lock
from rackwright.locking.applied import (
    PINS,
    PRIORITY,
    dependencies,
    locked_driver,
    locked_files,
    locked_items,
    locked_settings,
    pins_item,
    snapshot_item,
)
from rackwright.planning.placing import plan
from rackwright.remote.items import package_lock
from tests.samples import fleet as sample
from tests.samples.driver import planned, server
from tests.samples.locks import DRIVER, fresh, lock, outside, pins
from tests.samples.outside import LFS, deb


def test_packages_are_asked_for_at_their_locked_version() -> None:
    items = [Package("nginx"), Package("linux-headers-6.1.0-44-amd64"), File("/etc/x", b"")]
    assert locked_items(items, lock(), "gw1", None) == [
        Package("nginx", exact="1.0-1"),
        *items[1:],
    ]
    assert locked_items(items, None, "gw1", None) == items


def test_a_drivers_packages_are_locked_with_their_revision() -> None:
    wanted = Package("nvidia-driver-cuda", version=DRIVER, hold=True)
    (item,) = locked_items([wanted], fresh(pins()).lock, "gpu1", DRIVER)
    assert item == Package("nvidia-driver-cuda", DRIVER, hold=True, exact=f"{DRIVER}-1")


def test_each_stage_of_a_driver_has_its_packages_as_locked_and_an_archive_may_have_them() -> None:
    plan = planned("debian12", server("l40s-48gb", 2, "pcie"), driver_version=DRIVER)
    locked = locked_driver(plan, fresh(pins()).lock, "gpu1")
    (cuda,) = (one for one in locked.packages if one.key == "nvidia-driver-cuda")
    assert (cuda.exact, cuda.version, cuda.hold) == (f"{DRIVER}-1", DRIVER, True)
    assert [stage.name for stage in locked.stages] == [stage.name for stage in plan.stages]
    assert locked_driver(plan, None, "gpu1") == plan
    assert Offers({"versions": {cuda.key: [[f"{DRIVER}-1", "x"]]}}).has(cuda)
    assert not Offers({"versions": {cuda.key: [[f"{DRIVER}-2", "x"]]}}).has(cuda)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ("1.0-1", None),
        ("1.0-2", "is 1.0-2, not 1.0-1"),
        ("1:1.0-1", "is 1:1.0-1, not 1.0-1"),
    ],
)
def test_another_revision_differs(seen: str, reason: str | None) -> None:
    item = Package("nginx", exact="1.0-1")
    assert item.difference({"status": "install ok installed", "version": seen}) == reason


def test_apt_is_pinned_to_all_that_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = pins_item(fresh(pins()).lock, "gpu1", DRIVER)
    assert isinstance(item, File) and item.key == PINS == str(package_lock.PINS)
    text = item.content.decode()
    assert f"Package: gcc\nPin: version 1.0-1\nPin-Priority: {PRIORITY}\n" in text
    path = tmp_path / "pins"
    path.write_text(text)
    monkeypatch.setattr(package_lock, "PINS", path)
    read = package_lock.locked()
    assert read["libdep1"] == "1.0-1" and read["nvidia-driver-cuda"] == f"{DRIVER}-1"
    assert len(read) == text.count("Package: ")


def test_a_gateway_has_no_pins_of_a_driver() -> None:
    item = pins_item(fresh(pins()).lock, "gw1", None)
    assert isinstance(item, File) and b"nvidia" not in item.content


def test_without_a_lock_its_pins_are_taken_away() -> None:
    item = pins_item(None, "gpu1", DRIVER)
    written = pins_item(lock(), "gw1", None)
    assert isinstance(item, Absent) and isinstance(written, File)
    assert item.key == written.key
    assert written.content.decode().startswith(item.mark)


def test_what_others_need_is_brought_up_to_the_lock_where_it_is_there() -> None:
    of_gateway = dependencies(lock(), "gw1", None)
    assert of_gateway == [Package("libdep1", exact="1.0-1", where_present=True)]
    assert dependencies(None, "gw1", None) == []


def test_what_is_of_the_drivers_version_is_left_to_its_own_stage() -> None:
    of_server = fresh(pins(), outside(of_hosts=SHARES)).lock
    names = {item.key for item in dependencies(of_server, "gpu1", DRIVER)}
    assert {"libc6", "dkms"} <= names and not {"libcuda1", "nvidia-driver-cuda"} & names


SHARES = {
    "gpu1": {
        "groups": {
            "system": {"packages": {name: deb("1.0-1") for name in ("gcc", "libc6")}},
            "driver": {
                "packages": {
                    **{name: deb("1.0-1") for name in ("libc6", "dkms")},
                    **{name: deb(f"{DRIVER}-1") for name in ("libcuda1", "nvidia-driver-cuda")},
                }
            },
        }
    }
}
SNAPSHOT = "https://snapshot.example.com/{archive}/{time}/"


def test_archives_of_then_are_a_source_that_apt_reads() -> None:
    archives = {
        "Debian bookworm": "20260711T101637Z",
        "Debian-Security bookworm-security": "20261125T022230Z",
        "CUDA": "20260501T000000Z",
    }
    system = fresh(pins()).lock.systems["debian 12 amd64"]
    system = system.model_copy(update={"archives": archives})
    old = Lock(hosts={"gw1": "debian 12 amd64"}, systems={"debian 12 amd64": system})
    item = snapshot_item(old, "gw1", SNAPSHOT)
    assert isinstance(item, File)
    read = sources.read({item.key: item.content.decode()})
    assert [(one.uris, one.suites) for one in read] == [
        (("https://snapshot.example.com/debian/20260711T101637Z/",), ("bookworm",)),
        (
            ("https://snapshot.example.com/debian-security/20261125T022230Z/",),
            ("bookworm-security",),
        ),
    ]
    assert {"main", "non-free"} <= read[0].components
    assert item.content.count(b"Check-Valid-Until: no") == 2


@pytest.mark.parametrize(("of", "url"), [(None, SNAPSHOT), (lock(), None)])
def test_without_a_lock_or_a_snapshot_there_is_no_such_source(of: Lock | None, url: str) -> None:
    item = snapshot_item(of, "gw1", url)
    written = snapshot_item(lock(), "gw1", SNAPSHOT)
    assert isinstance(item, Absent) and isinstance(written, File)
    assert item.key == written.key and written.content.decode().startswith(item.mark)


@pytest.mark.skipif(not shutil.which("apt-get"), reason="there is no apt here")
def test_apt_itself_reads_it(tmp_path: Path) -> None:
    item = snapshot_item(fresh(pins()).lock, "gw1", SNAPSHOT)
    assert isinstance(item, File)
    (tmp_path / "a.sources").write_bytes(item.content)
    only = ("-o", f"Dir::Etc::sourceparts={tmp_path}", "-o", "Dir::Etc::sourcelist=/dev/null")
    argv = ["apt-get", "update", "--print-uris", *only]
    said = subprocess.run(argv, capture_output=True, text=True)
    base = "'https://snapshot.example.com/debian/20260711T101637Z/dists/bookworm/InRelease' "
    assert any(line.startswith(base) for line in said.stdout.splitlines()), said.stderr


@pytest.mark.parametrize("url", ["ftp://a/{time}", "https://a/{when}/", "https://a b/"])
def test_a_snapshot_that_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="apt_snapshot"):
        sample.settings(apt_snapshot=url)


def test_engines_run_on_the_python_that_is_locked() -> None:
    own = sample.settings()
    assert locked_settings(own, fresh(pins()).lock, "gpu1").engine_python == "==3.11.2"
    assert locked_settings(own, None, "gpu1") == own
    assert locked_settings(own, lock(), "gw1") == own, "no engine runs there"


def test_the_files_of_a_model_are_asked_for_by_digest() -> None:
    spec = load_fleet(sample.hosts())
    replicas = plan(spec).on("gpu1")
    files = locked_files(replicas[0], fresh(pins()).lock)
    assert files["model.safetensors"] == (LFS, 16_000_000_000)
    assert locked_files(replicas[0], None) == {} == locked_files(replicas[0], lock())
    request = weights_request(replicas, spec.settings["gpu1"], {}, lambda _: files)
    assert request is not None and request["models"][0]["files"] == files
