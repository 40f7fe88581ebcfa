"""What is not ours is never made, altered or removed on a host, whatever the data says."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from rackwright.desired.items import (
    Absent,
    Change,
    Directory,
    File,
    Item,
    NoOtherUnits,
    Symlink,
    differences,
    payload,
    query,
)
from rackwright.remote import state
from rackwright.remote.host import reserved
from rackwright.remote.host.running import Failed
from rackwright.remote.items import leftovers, own, stamps

ME = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}
INSIDE = ("bin", "vllm")
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="gives files to others, as only root can")


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(state, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(stamps, "FOLDER", tmp_path / "stamps")
    monkeypatch.setattr(leftovers, "UNIT_FILES", tmp_path / "units")
    folder = tmp_path / "host"
    folder.mkdir()
    return folder


def observe(items: Sequence[Item]) -> list[Change]:
    return differences(items, state.main({"do": "observe", "items": query(items)}))


def applied(items: Sequence[Item], reason: str = "differs") -> str:
    """What a host says that is told to make all of them, whether or not they differ."""
    changes = [Change(item, reason, {}) for item in items]
    error: str = state.main({"do": "apply", "items": payload(changes)}).get("error", "")
    return error


def everything(host: Path) -> dict[str, tuple[int, int, int]]:
    found = [host, *host.rglob("*")]
    infos = {str(path): path.lstat() for path in found}
    return {path: (info.st_mode, info.st_uid, info.st_gid) for path, info in infos.items()}


def test_a_folder_that_holds_other_things_is_left_alone(host: Path) -> None:
    (host / "data").mkdir(mode=0o700)
    (host / "data" / "precious").touch()
    before = everything(host)
    items = [Directory(f"{host}/first", **ME), Directory(f"{host}/data", inside=INSIDE, **ME)]
    assert observe(items)[-1].reason == "holds precious: not ours"
    assert "holds precious, Rackwright did not make it" in applied(items)
    assert everything(host) == before, "nothing is half done"


@pytest.mark.parametrize("name", ["bin", "vllm", ".rackwright"])
def test_a_folder_in_which_we_made_something_is_ours(host: Path, name: str) -> None:
    for entry in (name, "precious"):
        (host / "data" / entry).mkdir(parents=True)
    (host / "data").chmod(0o700)
    item = Directory(f"{host}/data", inside=INSIDE, **ME)
    assert observe([item])[0].reason == "mode is 0700, not 0755"
    assert applied([item]) == ""
    assert observe([item]) == []


def test_a_folder_of_the_projects_name_is_ours(host: Path) -> None:
    (host / "rackwright" / "llm.pem").mkdir(parents=True)  # put there before the first deploy
    assert observe([Directory(f"{host}/rackwright", inside=INSIDE, **ME)]) == []


@pytest.mark.parametrize("there", [[], ["lost+found"]])
def test_a_folder_that_is_empty_becomes_ours_and_stays_it(host: Path, there: list[str]) -> None:
    (host / "data").mkdir(mode=0o700)
    for name in there:
        (host / "data" / name).mkdir()
    item = Directory(f"{host}/data", inside=INSIDE, **ME)
    assert applied([item]) == "" and observe([item]) == []


def test_a_folder_that_we_made_is_known_whatever_comes_into_it(host: Path) -> None:
    item = Directory(f"{host}/new/data", inside=INSIDE, **ME)
    assert applied([item]) == ""
    (host / "new/data/weights-of-the-operator").mkdir()
    assert observe([item]) == []


@AS_ROOT
def test_the_cache_of_an_earlier_version_is_known_by_its_owner(host: Path) -> None:
    (host / "cache" / "old-replica").mkdir(parents=True)
    os.chown(host / "cache", pwd.getpwnam("nobody").pw_uid, -1)
    (host / "cache").chmod(0o700)
    nobody = {"owner": "nobody", "group": ME["group"], "inside": INSIDE}
    assert observe([Directory(f"{host}/cache", **nobody)])[0].reason == "mode is 0700, not 0755"
    assert "not ours" in observe([Directory(f"{host}/cache", inside=INSIDE, **ME)])[0].reason


@pytest.mark.parametrize("folder", sorted(reserved.FOLDERS | reserved.TREES))
def test_no_folder_of_the_system_is_altered(folder: str) -> None:
    """Asked of the rule alone: a test that fails must not make one."""
    change = {"kind": "directory", "key": folder, "inside": [], "owner": "root"}
    with pytest.raises(Failed, match=r"is one of the system's folders.*: it is left alone"):
        own.refuse_foreign(change)


@pytest.mark.parametrize(
    "path",
    [
        "relative",
        "./x",
        "../x",
        "{host}/../../x",
        "{host}/a/../b",
        "{host}/a\nb",
        "{host}/a\x1bb",
        "",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(host: Path, path: str) -> None:
    place = path.format(host=host)
    kinds = Directory(place, **ME), File(place, b"", **ME), Symlink(place, "/x"), Absent(place, "x")
    before = everything(host)
    for item in kinds:
        assert "is no plain absolute path: it is left alone" in applied([item]), item
    assert everything(host) == before


@AS_ROOT
def test_nothing_is_done_beyond_a_link_that_a_user_made(host: Path) -> None:
    (host / "theirs").mkdir()
    (host / "etc").mkdir()
    (host / "theirs/link").symlink_to(host / "etc")
    os.lchown(host / "theirs/link", pwd.getpwnam("nobody").pw_uid, -1)
    before = everything(host)
    place = f"{host}/theirs/link/x"
    kinds = Directory(place, **ME), File(place, b"", **ME), Symlink(place, "/x"), Absent(place, "x")
    for item in kinds:
        assert "is a link that nobody made: nothing is done beyond it" in applied([item]), item
    assert everything(host) == before


def test_a_link_of_roots_to_a_larger_disk_is_followed(host: Path) -> None:
    (host / "disk").mkdir()
    (host / "var").symlink_to(host / "disk")
    assert applied([Directory(f"{host}/var/rackwright", inside=INSIDE, **ME)]) == ""
    assert (host / "disk/rackwright").is_dir()


def test_a_link_of_roots_to_a_folder_of_the_system_is_not(host: Path) -> None:
    (host / "var").symlink_to("/")
    assert "is one of the system's folders" in applied([Directory(f"{host}/var/etc", **ME)])


def test_folders_above_are_made_open_and_those_that_are_there_stay(host: Path) -> None:
    (host / "there").mkdir(mode=0o711)
    before = os.umask(0o077)
    try:
        assert applied([Directory(f"{host}/there/new/own", **ME)]) == ""
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((host / path).stat().st_mode) for path in ("there", "there/new")]
    assert modes == [0o711, 0o755]


def test_what_a_unit_does_not_name_stays_when_it_goes(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inventory's folders are others now, and hold something of the replica's name."""
    monkeypatch.setattr(leftovers, "run", lambda *argv: None)
    leftovers.UNIT_FILES.mkdir()
    unit = leftovers.UNIT_FILES / "rackwright-alice.service"
    unit.write_text("Description=Ours\nWorkingDirectory=/var/cache/old/alice\n")
    (host / "alice").mkdir()
    (host / "alice/precious").touch()
    item = NoOtherUnits("rackwright-*.service", "Description=Ours", (), (f"{host}/{{name}}",))
    assert applied([item]) == ""
    assert not unit.exists() and (host / "alice/precious").exists()
