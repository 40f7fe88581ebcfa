"""The host's half of desired state, run against folders of the test; commands are stood in for."""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

from rackwright.desired.items import (
    Absent,
    Certificate,
    Change,
    Directory,
    File,
    Initramfs,
    Item,
    NoOtherUnits,
    Package,
    Symlink,
    Unit,
    User,
    differences,
    payload,
    query,
)
from rackwright.remote import state
from rackwright.remote.host import running, supplies
from rackwright.remote.items import accounts, leftovers, packages, stamps
from tests.samples.travelling import run

ME = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}
Command = Callable[[str, str], Path]
Known = Callable[..., None]


def observe(items: Sequence[Item]) -> list[Change]:
    """What differs, with both sides' words carried as JSON."""
    request = json.loads(json.dumps({"do": "observe", "items": query(items)}))
    return differences(items, json.loads(json.dumps(state.main(request))))


def converge(items: Sequence[Item]) -> tuple[list[str], str]:
    """Compare, change: what differed, and the host's error or an empty text."""
    changes = observe(items)
    request = json.loads(json.dumps({"do": "apply", "items": payload(changes)}))
    reply = json.loads(json.dumps(state.main(request)))
    return [str(change) for change in changes], reply.get("error", "")


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that stands for the host; locks and stamps are kept in the test's own."""
    monkeypatch.setattr(state, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(stamps, "FOLDER", tmp_path / "stamps")
    monkeypatch.setattr(leftovers, "UNIT_FILES", tmp_path / "units")
    folder = tmp_path / "host"
    folder.mkdir()
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def litter(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if "rackwright-new" in path.name]


def test_it_runs_on_a_host(host: Path) -> None:
    (host / "a").write_text("text")
    items = query([File(str(host / "a"), b"another", **ME)])
    (seen,) = json.loads(run("state", {"do": "observe", "items": items}).stdout)
    assert seen["text"] == "text"


# --- folders, files, links -------------------------------------------------------------------


def tree(host: Path) -> list[Item]:
    return [
        Directory(f"{host}/etc/deep", mode=0o750, **ME),
        File(f"{host}/etc/deep/a.conf", b"one\n", **ME),
        File(f"{host}/etc/deep/run", b"#!/bin/sh\n", mode=0o755, **ME),
        File(f"{host}/elsewhere/a.env", b"KEY=1\n", mode=0o640, secret=True, **ME),
        Symlink(f"{host}/elsewhere/current", f"{host}/etc/deep"),
    ]


def test_what_is_missing_is_made_and_the_second_time_nothing_differs(host: Path) -> None:
    differed, error = converge(tree(host))
    assert (len(differed), error) == (5, "")
    assert mode(host / "etc/deep") == 0o750
    assert mode(host / "etc/deep/a.conf") == 0o644
    assert mode(host / "etc/deep/run") == 0o755
    assert mode(host / "elsewhere/a.env") == 0o640
    assert (host / "elsewhere/current/a.conf").read_text() == "one\n"
    assert converge(tree(host)) == ([], "")
    assert not litter(host)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_umask(host: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        converge(tree(host))
    finally:
        os.umask(before)
    assert observe(tree(host)) == []


def test_what_was_changed_by_hand_is_put_right(host: Path) -> None:
    converge(tree(host))
    (host / "etc/deep/a.conf").write_text("two\n")
    (host / "etc/deep/run").chmod(0o777)
    (host / "etc/deep").chmod(0o777)
    (host / "elsewhere/current").unlink()
    (host / "elsewhere/current").symlink_to("/nowhere")
    differed, error = converge(tree(host))
    assert (len(differed), error) == (4, "")
    assert converge(tree(host)) == ([], "")


def test_a_file_is_replaced_whole(host: Path) -> None:
    path = host / "a.conf"
    path.write_text("old\n")
    with path.open() as reader:
        converge([File(str(path), b"new\n", **ME)])
        assert (reader.read(), path.read_text()) == ("old\n", "new\n")


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (host / "a.conf").write_text("old\n")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    _, error = converge([File(f"{host}/a.conf", b"new\n", **ME)])
    assert "No space left on device" in error
    assert (host / "a.conf").read_text() == "old\n"
    assert not litter(host)


def test_what_a_cut_off_run_left_beside_is_written_over(host: Path) -> None:
    left = host / ".a.env.rackwright-new"
    left.write_text("half of a sec")
    left.chmod(0o644)
    link = host / ".current.rackwright-new"
    link.symlink_to("/old")
    items = [
        File(f"{host}/a.env", b"KEY=1\n", mode=0o600, **ME),
        Symlink(f"{host}/current", "/new"),
    ]
    assert converge(items)[1] == ""
    assert converge(items) == ([], "")
    assert not litter(host)


def test_a_link_is_always_there_while_it_is_switched(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Symlink(f"{host}/current", "/new")
    converge([Symlink(f"{host}/current", "/old")])
    seen: set[str] = set()
    watch(lambda: seen.add(str((host / "current").readlink())), lambda: converge([link]))
    assert seen == {"/old", "/new"}


def watch(look: Callable[[], Any], act: Callable[[], Any]) -> Any:
    """Look before every line of Python that ``act`` runs."""

    def trace(_frame: FrameType, _event: str, _value: Any) -> Any:
        sys.settrace(None)
        try:
            look()
        finally:
            sys.settrace(trace)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return act()
    finally:
        sys.settrace(before)


def open_to_others(folder: Path) -> set[str]:
    """Files that others may open, be they still empty: who has one open reads what follows."""
    return {f"{path.name} {mode(path):04o}" for path in folder.iterdir() if mode(path) & 0o077}


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("size", [1, 100_000])
def test_a_secret_is_readable_by_others_at_no_time(host: Path, there: bool, size: int) -> None:
    item = File(f"{host}/a.env", b"s" * size, mode=0o600, secret=True, **ME)
    if there:
        (host / "a.env").write_text("KEY=old\n")
        (host / "a.env").chmod(0o600)
    seen: set[str] = set()
    umask = os.umask(0)
    try:
        _, error = watch(lambda: seen.update(open_to_others(host)), lambda: converge([item]))
    finally:
        os.umask(umask)
    assert (seen, error) == (set(), "")
    assert (host / "a.env").stat().st_size == size


def test_the_text_of_a_secret_is_not_sent_back(host: Path) -> None:
    """Nor that of a file that is as planned: nobody is shown it."""
    items = [
        File(f"{host}/a.env", b"KEY=s3cret\n", secret=True, **ME),
        File(f"{host}/b", b"B", **ME),
    ]
    converge(items)
    others = [replace(item, content=b"changed") for item in items]
    seen = state.main({"do": "observe", "items": query([*others, *items])})
    assert "s3cret" not in json.dumps(seen)
    assert [one["text"] for one in seen] == [None, "B", None, None]


def somebodys(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("precious")
    elif kind == "directory":
        path.mkdir()
        (path / "precious").write_text("precious")
    else:
        (path.parent / "target").mkdir(mode=0o711)
        path.symlink_to(path.parent / "target")


@pytest.mark.parametrize(
    ("wanted", "there", "words"),
    [
        ("directory", "file", "is a file, not a directory"),
        ("directory", "link", "is a link, not a directory"),
        ("file", "directory", "is a directory, not a file"),
        ("link", "file", "points to file"),
        ("link", "directory", "points to directory"),
    ],
)
def test_something_else_in_the_place_is_refused_and_stays(
    host: Path, wanted: str, there: str, words: str
) -> None:
    path = host / "place"
    somebodys(path, there)
    items: dict[str, Item] = {
        "directory": Directory(str(path), mode=0o700, **ME),
        "file": File(str(path), b"", **ME),
        "link": Symlink(str(path), "/x"),
    }
    before = [(one, mode(one)) for one in sorted(host.rglob("*"))]
    differed, error = converge([items[wanted]])
    assert words in differed[0]
    assert f"{path} is there and is not a {wanted}: move it away" in error
    assert [(one, mode(one)) for one in sorted(host.rglob("*"))] == before


def test_a_link_that_appears_after_the_look_is_not_followed(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders of the engine's user are the user's to change at any moment."""
    somebodys(host / "place", "link")
    monkeypatch.setattr(Path, "is_symlink", lambda _self: False)
    assert converge([Directory(f"{host}/place", mode=0o700, **ME)])[1]
    assert mode(host / "target") == 0o711


def test_an_owner_that_is_not_there_is_named(host: Path) -> None:
    _, error = converge([Directory(f"{host}/a", owner="nobody-here", group="root")])
    assert f"{host}/a: nobody-here:root is not known here, run stage base" in error
    _, error = converge([File(f"{host}/b", b"", owner="nobody-here")])
    assert "nobody-here:root is not known here" in error


def test_a_path_below_a_file_is_missing_not_a_crash(host: Path) -> None:
    (host / "a").write_text("")
    assert observe([File(f"{host}/a/b", b"", **ME)])[0].reason == "missing"


# --- units -----------------------------------------------------------------------------------


class Systemd:
    """A stand-in for systemctl that shows what the test says and records what it is told."""

    def __init__(self, folder: Path, command: Command) -> None:
        self.shown, self.said = folder / "show", folder / "said"
        self.said.write_text("")
        command(
            "systemctl",
            f'echo "$*" >> {self.said}\n[ "$1" = show ] && cat {self.shown}\nexit 0',
        )

    def has(self, *units: dict[str, str]) -> None:
        usual = {
            "LoadState": "loaded",
            "ActiveState": "active",
            "UnitFileState": "enabled",
            "NeedDaemonReload": "no",
            "NRestarts": "0",
            "Result": "success",
            "Job": "",
        }
        blocks = ["\n".join(f"{k}={v}" for k, v in {**usual, **u}.items()) for u in units]
        self.shown.write_text("\n\n".join(blocks) + "\n")

    def told(self) -> list[str]:
        lines = self.said.read_text().splitlines()
        self.said.write_text("")
        return [line for line in lines if not line.startswith("show")]


@pytest.fixture
def systemd(tmp_path: Path, command: Command) -> Systemd:
    return Systemd(tmp_path, command)


START = [
    "daemon-reload",
    "enable --quiet a.service",
    "reset-failed a.service",
    "--no-block restart a.service",
]
UNMASK = ["unmask --quiet a.service", "unmask --quiet --runtime a.service"]
RELOAD = ["daemon-reload", "enable --quiet a.service", "reload a.service"]


def test_a_new_unit_is_enabled_and_started_once(host: Path, systemd: Systemd) -> None:
    file = File(f"{host}/a.service", b"[Service]\n", **ME)
    items = [file, Unit("a.service", restart_on=(file,))]
    systemd.has({"LoadState": "not-found", "ActiveState": "inactive"})
    assert len(converge(items)[0]) == 2
    assert systemd.told() == START
    systemd.has({})
    assert converge(items) == ([], "")
    assert mode(stamps.FOLDER / "a.service.json") == 0o644


@pytest.mark.parametrize(
    ("seen", "reason", "told"),
    [
        ({}, "", []),
        ({"ActiveState": "failed"}, "is failed: start", START),
        ({"ActiveState": "inactive"}, "is inactive: start", START),
        ({"ActiveState": "activating"}, "still starting: wait", START[:2]),
        ({"Job": "1234"}, "still starting: wait", START[:2]),
        ({"Job": "0"}, "", []),
        ({"UnitFileState": "disabled"}, "is disabled: enable", START[:2]),
        ({"LoadState": "masked"}, "is masked: unmask and enable", [START[0], *UNMASK, START[1]]),
    ],
)
def test_what_is_done_to_a_unit(
    host: Path, systemd: Systemd, seen: dict[str, str], reason: str, told: list[str]
) -> None:
    items = started(host, systemd)
    systemd.has(seen)
    assert converge(items) == ([f"unit a.service: {reason}"] if reason else [], "")
    assert systemd.told() == (told if reason else [])


def started(host: Path, systemd: Systemd, *, more: bytes = b"", loads: bytes = b"") -> list[Item]:
    """A unit with what it starts with and what it loads, converged on."""
    file, conf = File(f"{host}/a.service", more, **ME), File(f"{host}/a.conf", loads, **ME)
    items = [file, conf, Unit("a.service", restart_on=(file,), reload_on=(conf,))]
    systemd.has({})
    if not (more or loads):
        converge(items)
        systemd.told()
    return items


def test_what_it_starts_with_restarts_it_and_what_it_loads_reloads_it(
    host: Path, systemd: Systemd
) -> None:
    started(host, systemd)
    items = started(host, systemd, loads=b"new")
    assert converge(items)[0][-1] == "unit a.service: has older configuration loaded: reload"
    assert systemd.told() == RELOAD
    items = started(host, systemd, more=b"new", loads=b"new")
    assert converge(items)[0][-1] == "unit a.service: runs with older settings: restart"
    assert systemd.told() == START
    assert converge(items) == ([], "")


def test_a_run_cut_off_before_the_restart_is_repaired_by_the_next(
    host: Path, systemd: Systemd
) -> None:
    started(host, systemd)
    file, conf, unit = started(host, systemd, more=b"new")
    assert converge([file, conf])[0] == [f"file {host}/a.service: content differs"]
    assert converge([file, conf, unit])[0] == ["unit a.service: runs with older settings: restart"]
    assert systemd.told() == START


def test_one_that_tries_again_is_stopped_before_another_takes_its_place(
    host: Path, systemd: Systemd
) -> None:
    files = [File(f"{host}/{name}", b"new", **ME) for name in "ab"]
    units = [Unit(f"{one.key[-1]}.service", restart_on=(one,)) for one in files]
    systemd.has({"ActiveState": "activating"}, {"ActiveState": "failed"})
    converge([*files, *units])
    told = systemd.told()
    assert told.index("stop a.service") < told.index("--no-block restart a.service")
    assert told.count("stop a.service") == 1 and "stop b.service" not in told


@pytest.mark.parametrize("content", ["", "{", "null", "[]"])
def test_a_stamp_that_cannot_be_read_means_a_restart(
    host: Path, systemd: Systemd, content: str
) -> None:
    items = started(host, systemd)
    (stamps.FOLDER / "a.service.json").write_text(content)
    assert converge(items)[0] == ["unit a.service: runs with older settings: restart"]
    assert converge(items) == ([], "")


def test_a_reload_that_fails_is_tried_again(host: Path, systemd: Systemd, command: Command) -> None:
    started(host, systemd)
    items = started(host, systemd, loads=b"new")
    words = f"[ $1 = show ] && cat {systemd.shown} && exit 0; [ $1 = reload ] || exit 0; exit 1"
    command("systemctl", words)
    assert "`systemctl reload a.service` exit code 1" in converge(items)[1]
    assert converge(items)[0] == ["unit a.service: has older configuration loaded: reload"]


def test_units_are_told_apart_by_their_order(host: Path, systemd: Systemd) -> None:
    units = [Unit("a.service"), Unit("alias.service"), Unit("absent.service")]
    systemd.has({}, {"ActiveState": "failed"}, {"LoadState": "not-found"})
    assert [str(change) for change in observe(units)] == [
        "unit alias.service: is failed: start",
        "unit absent.service: not there yet: enable and start",
    ]


@pytest.mark.parametrize("before", ["old\n", None])
def test_a_configuration_that_is_refused_is_put_back(
    host: Path, systemd: Systemd, command: Command, before: str | None
) -> None:
    conf = host / "a.conf"
    if before:
        conf.write_text(before)
        conf.chmod(0o600)
        os.utime(conf, (1000, 1000))
    words = f'grep -q broken {conf} || exit 0; echo "unknown directive broken"; exit 1'
    command("nginx", words)
    systemd.has({})
    file = File(str(conf), b"broken\n", **ME)
    unit = Unit("nginx.service", reload_on=(file,), validate=("nginx", "-t", "-q"))
    for _ in range(2):  # it is neither forgotten nor taken for done
        differed, error = converge([file, unit])
        assert len(differed) == 2
        assert "`nginx -t -q` exit code 1: unknown directive broken" in error
        assert (conf.read_text() if conf.exists() else None) == before
        assert systemd.told() == ["daemon-reload"]
    if before:
        assert mode(conf) == 0o600
        assert conf.stat().st_mtime == 1000  # as old as what runs
    assert not (stamps.FOLDER / "nginx.service.json").exists()
    assert not litter(host)


def test_a_file_that_did_not_change_in_this_run_is_not_put_back(
    host: Path, systemd: Systemd, command: Command
) -> None:
    command("nginx", "exit 1")
    systemd.has({})
    file, other = File(f"{host}/a.conf", b"a", **ME), File(f"{host}/b.conf", b"b", **ME)
    converge([file])
    unit = Unit("nginx.service", reload_on=(file, other), validate=("nginx", "-t"))
    assert converge([file, other, unit])[1]
    assert (host / "a.conf").exists() and not (host / "b.conf").exists()


def test_a_validation_that_cannot_run_puts_back_too(host: Path, systemd: Systemd) -> None:
    systemd.has({})
    file = File(f"{host}/a.conf", b"a", **ME)
    unit = Unit("a.service", reload_on=(file,), validate=("no-such-command-here",))
    assert "no-such-command-here" in converge([file, unit])[1]
    assert not (host / "a.conf").exists()


# --- certificates ----------------------------------------------------------------------------


MARK = "Description=Ours "


def unit_files(host: Path, **marks: str) -> dict[str, Path]:
    """Unit files by name, each with what is beside it: settings, a cache, a stamp."""
    made = {}
    for name, mark in marks.items():
        made[name] = leftovers.UNIT_FILES / f"rackwright-{name}.service"
        for folder in (leftovers.UNIT_FILES, stamps.FOLDER, host / "etc", host / "cache" / name):
            folder.mkdir(parents=True, exist_ok=True)
        uses = f"EnvironmentFile={host}/etc/{name}.env\nWorkingDirectory={host}/cache/{name}\n"
        made[name].write_text(f"[Unit]\n{mark}{name}\n[Service]\n{uses}")
        (stamps.FOLDER / f"rackwright-{name}.service.json").write_text("{}")
        (host / "etc" / f"{name}.env").write_text("A=1\n")
    return made


def no_others(host: Path, *keep: str) -> NoOtherUnits:
    beside = (f"{host}/etc/{{name}}.env", f"{host}/cache/{{name}}")
    units = tuple(f"rackwright-{name}.service" for name in keep)
    return NoOtherUnits("rackwright-*.service", MARK, units, beside)


def test_units_that_left_the_plan_go_with_what_was_made_for_them(
    host: Path, systemd: Systemd
) -> None:
    made = unit_files(host, kept=MARK, old=MARK, theirs="Description=Theirs ")
    changed, error = converge([no_others(host, "kept")])
    assert error == ""
    assert changed == [
        "units rackwright-*.service: rackwright-old.service left the plan: stop and remove"
    ]
    assert systemd.told() == ["disable --quiet --now rackwright-old.service", "daemon-reload"]
    assert not made["old"].exists()
    assert {path.name for path in (host / "etc").iterdir()} == {"kept.env", "theirs.env"}
    assert {path.name for path in (host / "cache").iterdir()} == {"kept", "theirs"}
    assert not (stamps.FOLDER / "rackwright-old.service.json").exists()
    assert made["kept"].exists() and made["theirs"].exists()
    assert observe([no_others(host, "kept")]) == []


def test_a_removal_that_is_cut_off_begins_again(
    host: Path, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = unit_files(host, old=MARK)

    def cut_off(path: Path) -> None:
        raise OSError("power is gone")

    with monkeypatch.context() as patched:
        patched.setattr(leftovers, "_take_away", cut_off)
        assert converge([no_others(host)])[1] == "power is gone"
    assert made["old"].exists()
    assert converge([no_others(host)])[1] == ""
    assert not made["old"].exists() and not (host / "etc" / "old.env").exists()


def test_a_unit_that_does_not_stop_keeps_its_files(host: Path, command: Command) -> None:
    command("systemctl", "echo it hangs >&2; exit 1")
    made = unit_files(host, old=MARK)
    assert "it hangs" in converge([no_others(host)])[1]
    assert made["old"].exists() and (host / "etc" / "old.env").exists()


def test_a_file_of_ours_that_is_not_planned_goes_and_is_unloaded(
    host: Path, systemd: Systemd
) -> None:
    ours, theirs = host / "ours.conf", host / "theirs.conf"
    ours.write_text("# Made by us\nlisten 443;\n")
    theirs.write_text("listen 80;\n")
    items = [Absent(str(path), "# Made by us", "nginx.service") for path in (ours, theirs)]
    assert converge(items) == ([f"absent {ours}: is not planned any more: remove"], "")
    assert systemd.told() == ["try-reload-or-restart nginx.service"]
    assert [path.name for path in host.glob("*.conf")] == ["theirs.conf"]
    assert observe(items) == []


def test_a_removal_cut_off_before_the_reload_is_made_good(host: Path, command: Command) -> None:
    ours = host / "ours.conf"
    ours.write_text("# Made by us\n")
    items = [Absent(str(ours), "# Made by us", "nginx.service")]
    command("systemctl", "exit 1")
    assert converge(items)[1] != ""
    assert not ours.exists()
    command("systemctl", "exit 0")
    assert converge(items) == ([f"absent {ours}: is not planned any more: remove"], "")
    assert observe(items) == []


def test_a_folder_goes_whole_and_links_in_it_are_not_followed(host: Path) -> None:
    folder, beyond = host / "engine", host / "precious"
    beyond.mkdir()
    (beyond / "file").write_text("x")
    folder.mkdir()
    (folder / "link").symlink_to(beyond)
    item = Absent(str(folder), "*/.complete")
    assert observe([item]) == []  # nothing in it says that it is ours
    (folder / "1.0").mkdir()
    (folder / "1.0" / ".complete").touch()
    assert converge([item])[1] == ""
    assert not folder.exists() and (beyond / "file").exists()
    assert observe([item]) == []


def test_a_folder_half_removed_is_removed_by_the_next_run(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = host / "engine"
    (folder / "1.0").mkdir(parents=True)
    (folder / "1.0" / ".complete").touch()
    item = Absent(str(folder), "*/.complete")

    def cut_off(path: Path) -> None:
        (path / "1.0" / ".complete").unlink()
        raise OSError("power is gone")

    with monkeypatch.context() as patched:
        patched.setattr(leftovers, "_take_away", cut_off)
        assert converge([item])[1] == "power is gone"
    assert converge([item])[1] == ""
    assert litter(host) == [] and not folder.exists()


def certificate(host: Path, name: str = "llm.example.com", *more: str) -> Certificate:
    return Certificate(f"{host}/tls/a.crt", f"{host}/tls/a.key", (name, *more))


def openssl(*words: str) -> str:
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("name", ["llm.example.com", "192.0.2.7", "2001:db8::7", "localhost"])
def test_a_certificate_is_made_once_for_its_name(host: Path, name: str) -> None:
    item = certificate(host, name)
    assert converge([item]) == ([f"certificate {item.key}: missing"], "")
    first = Path(item.key).read_bytes()
    assert converge([item]) == ([], "")
    assert Path(item.key).read_bytes() == first
    assert (mode(Path(item.key)), mode(Path(item.key_path))) == (0o644, 0o600)
    public = openssl("x509", "-in", item.key, "-noout", "-pubkey")
    assert openssl("pkey", "-in", item.key_path, "-pubout") == public
    assert not list(host.rglob("*.new"))


def test_another_name_makes_another_certificate(host: Path) -> None:
    converge([certificate(host, "old.example.com")])
    item = certificate(host)
    assert converge([item])[0] == [f"certificate {item.key}: is not for llm.example.com"]
    assert converge([item]) == ([], "")


def test_a_certificate_is_for_every_name(host: Path) -> None:
    converge([certificate(host)])
    item = certificate(host, "llm.example.com", "b.example.com", "192.0.2.7")
    assert converge([item])[0] == [f"certificate {item.key}: is not for b.example.com, 192.0.2.7"]
    assert converge([item]) == ([], "")


def test_the_key_is_roots_alone_from_its_first_byte(host: Path, command: Command) -> None:
    umask = host / "umask"
    command("openssl", f"umask > {umask}; exit 1")
    assert "`openssl req" in converge([certificate(host)])[1]
    assert umask.read_text().strip() == "0077"


def expire(item: Certificate, days: int) -> None:
    make = (
        "req",
        "-x509",
        "-key",
        item.key_path,
        "-days",
        str(days),
        "-subj",
        "/CN=llm.example.com",
    )
    openssl(*make, "-out", item.key)


def test_what_is_no_certificate_is_made_anew(host: Path) -> None:
    item = certificate(host)
    converge([item])
    Path(item.key).write_text("none")
    said = f"certificate {item.key}: is not for llm.example.com"
    assert converge([item])[0] == [said]
    assert converge([item])[0] == []


def test_a_certificate_near_its_end_is_made_anew_and_loaded(host: Path, systemd: Systemd) -> None:
    item = certificate(host)
    items = [item, Unit("a.service", reload_on=(item,))]
    systemd.has({})
    converge(items)
    expire(item, 40)
    assert observe([item]) == []
    expire(item, 20)
    converge([])
    systemd.told()
    differed, error = converge(items)
    assert differed == [f"certificate {item.key}: ends within 30 days", differed[1]]
    assert (differed[1].startswith("unit a.service: has older"), error) == (True, "")
    assert systemd.told() == RELOAD
    assert converge(items) == ([], "")


def test_a_certificate_made_by_a_cut_off_run_is_loaded_by_the_next(
    host: Path, systemd: Systemd
) -> None:
    item = certificate(host)
    items = [item, Unit("a.service", reload_on=(item,))]
    systemd.has({})
    converge(items)
    Path(item.key).unlink()
    converge([item])
    systemd.told()
    assert converge(items)[0] == ["unit a.service: has older configuration loaded: reload"]
    assert systemd.told() == RELOAD


def test_a_key_without_its_certificate_is_made_again(host: Path) -> None:
    item = certificate(host)
    converge([item])
    Path(item.key).unlink()
    Path(f"{item.key_path}.new").write_text("half a key")
    assert converge([item])[0] == [f"certificate {item.key}: missing"]
    assert converge([item]) == ([], "")
    assert mode(Path(item.key_path)) == 0o600


# --- packages and users ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nginx\\tinstall ok installed\\t1.22.1-9", None),
        ("nginx\\thold ok installed\\t1.22.1-9", None),
        ("nginx\\tinstall ok half-installed\\t1.22.1-9", "is 'install ok half-installed'"),
        ("nginx\\tdeinstall ok config-files\\t1.22.1-9", "is 'deinstall ok config-files'"),
        ("nginx\\tunknown ok not-installed\\t\\n", "not installed"),
        ("", "not installed"),
    ],
)
def test_packages_are_looked_up(command: Command, line: str, reason: str | None) -> None:
    command("dpkg-query", f"printf '{line}'")
    assert [change.reason for change in observe([Package("nginx")])] == ([reason] if reason else [])


@pytest.fixture
def apt(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins that record; ``apt-get install`` says what is in ``refusals``, line by line."""
    said, refusals = tmp_path / "said", tmp_path / "refusals"
    said.write_text("")
    refusals.write_text("")
    command("dpkg-query", "true")
    command("dpkg", f'echo "dpkg $*" >> {said}')
    refuse = f"line=$(head -n 1 {refusals}); sed -i 1d {refusals}"
    refuse += '; [ -z "$line" ] || { echo "$line"; exit 100; }'
    command("apt-get", f'echo "apt-get $*" >> {said}\ncase "$*" in *install*) {refuse};; esac')
    monkeypatch.setattr(packages.time, "sleep", lambda _s: None)
    return tmp_path


def commands(apt: Path) -> list[str]:
    words = [line.split() for line in (apt / "said").read_text().splitlines()]
    verbs = {"install", "update", "--configure"}
    return [next(one for one in line if one in verbs) for line in words]


def test_packages_are_installed_in_one_command(apt: Path) -> None:
    assert converge([Package("nginx"), Package("openssl")])[1] == ""
    (line,) = (apt / "said").read_text().splitlines()
    assert line.endswith("install -y -q --no-install-recommends nginx openssl")
    assert "DPkg::Lock::Timeout=300" in line and "--force-confold" in line


def test_packages_of_a_bundle_come_from_lists_of_their_own(
    apt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {"ID": "debian", "VERSION_ID": "12"}
    monkeypatch.setattr(supplies, "os_release", lambda: here)
    supply = {"only": True, "sources": {"debian12": "Types: deb"}}
    changes = [{"kind": "package", "key": "nginx", "version": None, "hold": False}]
    assert state.main({"do": "apply", "items": changes, "apt": supply}) == {}
    assert commands(apt) == ["update", "install"]
    for line in (apt / "said").read_text().splitlines():
        assert "Dir::Etc::sourcelist=/dev/null" in line and "Dir::State::lists=/var/tmp/" in line
    other = {"only": True, "sources": {"debian13": "Types: deb"}}
    said = state.main({"do": "apply", "items": changes, "apt": other})
    assert "which is debian12" in said["error"]
    assert commands(apt) == ["update", "install"]


def test_what_apt_reads_is_there_before_it_installs_and_all_else_after(
    apt: Path, host: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.setattr(state, "APT", f"{host}/apt/")
    pins, other = File(str(host / "apt/pins"), b"x", **ME), File(str(host / "other"), b"x", **ME)
    (host / "apt").mkdir()
    command("apt-get", f"cd {host}; find . -type f >> {apt}/said")
    assert converge([other, pins, Package("nginx")])[1] == ""
    assert (apt / "said").read_text().split() == ["./apt/pins"]
    assert (host / "other").exists()


def test_what_came_with_others_stays_so_when_it_is_brought_up(apt: Path, command: Command) -> None:
    command("dpkg-query", "printf 'liba\\tinstall ok installed\\t1.0-1\\n'")
    command("apt-mark", f'echo "apt-mark $*" >> {apt}/said; [ "$1" != showauto ] || echo liba')
    wanted = [Package("nginx", exact="1.0-2"), Package("liba", exact="1.0-2", where_present=True)]
    assert converge(wanted)[1] == ""
    shown, install, marked = (apt / "said").read_text().splitlines()
    assert shown == "apt-mark showauto liba" and marked == "apt-mark auto liba"
    assert install.endswith("--allow-change-held-packages nginx=1.0-2 liba=1.0-2")


def test_old_lists_or_a_cut_off_dpkg_are_mended(apt: Path) -> None:
    (apt / "refusals").write_text("E: Unable to locate package nginx\n")
    assert converge([Package("nginx")])[1] == ""
    assert commands(apt) == ["install", "--configure", "update", "install"]


def cut_off(apt: Path, command: Command, packages: str) -> list[str]:
    """What apt was asked where dpkg cannot end what was cut off, and has these packages."""
    (apt / "refusals").write_text("E: Unmet dependencies\n")
    command("dpkg", f'echo "dpkg $*" >> {apt / "said"}; echo "dependency problems"; exit 1')
    command("dpkg-query", f"case \"$*\" in *nginx*) ;; *) printf '{packages}';; esac")
    assert converge([Package("nginx")])[1] == ""
    return (apt / "said").read_text().splitlines()


def test_what_was_cut_off_before_its_dependencies_came_is_mended_without_a_removal(
    apt: Path, command: Command
) -> None:
    first, *_, last = cut_off(apt, command, "a\\tinstalled\\n")
    assert commands(apt) == ["install", "--configure", "update", "install"]
    assert last == f"{first} --fix-broken --no-remove"


def test_what_was_cut_off_while_it_was_unpacked_is_unpacked_again(
    apt: Path, command: Command
) -> None:
    lines = cut_off(apt, command, "a\\tinstalled\\nb\\thalf-installed\\n")
    assert commands(apt) == ["install", "--configure", "update", "install", "install"]
    assert lines[3].endswith("--fix-broken --no-remove --reinstall b")


def test_another_apt_is_waited_for(apt: Path) -> None:
    lines = ["E: Could not get lock /var/lib/dpkg/lock-frontend", "dpkg: locked by another process"]
    (apt / "refusals").write_text("\n".join(lines) + "\n")
    assert converge([Package("nginx")])[1] == ""
    assert commands(apt) == ["install"] * 3


def test_a_package_that_cannot_be_had_is_an_error_in_apts_words(apt: Path) -> None:
    (apt / "refusals").write_text("E: Unable to locate package nginx\n" * 2)
    assert "E: Unable to locate package nginx" in converge([Package("nginx")])[1]


def test_a_pinned_version_may_go_back_and_is_held(apt: Path, command: Command) -> None:
    command("apt-mark", f'echo "apt-mark $*" >> {apt}/said')
    wanted = [Package("libcuda", version="580.126.20", hold=True), Package("nvlsm")]
    assert converge(wanted)[1] == ""
    install, hold = (apt / "said").read_text().splitlines()
    options = "--allow-downgrades --allow-change-held-packages"
    assert install.endswith(f"--no-install-recommends {options} libcuda=580.126.20-* nvlsm")
    assert hold == "apt-mark hold libcuda"


@pytest.mark.parametrize(
    ("tool", "expected"),
    [("update-initramfs", "update-initramfs -u -k all"), ("dracut", "dracut --regenerate-all")],
)
def test_boot_images_are_made_anew_when_a_file_in_them_changed(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch, tool: str, expected: str
) -> None:
    said = tmp_path / "said"
    command(tool, f'echo "{tool} $*" >> {said}')
    monkeypatch.setattr(shutil, "which", lambda name: name if name == tool else None)
    blacklist = File(str(tmp_path / "nouveau.conf"), b"blacklist nouveau\n", **ME)
    image = Initramfs("nouveau", (blacklist,))
    assert converge([blacklist, image])[1] == ""
    assert said.read_text().startswith(expected)
    assert converge([blacklist, image]) == ([], "")
    other = File(blacklist.key, b"", **ME)
    differed, error = converge([other, Initramfs("nouveau", (other,))])
    assert (len(differed), error) == (2, "")


def test_a_host_without_boot_images_has_none_to_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    image = Initramfs("nouveau", (File(str(tmp_path / "x"), b"", **ME),))
    assert converge([image]) == (
        [f"initramfs nouveau: does not know {tmp_path}/x yet: rebuild"],
        "",
    )
    assert converge([image]) == ([], "")


def account(name: str, **more: Any) -> pwd.struct_passwd:
    """A user as an earlier version made it, but for what is other."""
    usual = {"uid": 990, "gid": 990, "gecos": "", "home": "/srv/x", "shell": accounts.SHELL}
    its = {**usual, **more}
    row = (name, "x", its["uid"], its["gid"], its["gecos"], its["home"], its["shell"])
    return pwd.struct_passwd(row)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Known:
    """Accounts of the host; groups beside its own are by name, gid and members."""

    def make(*users: pwd.struct_passwd, groups: Sequence[tuple[str, int, list[str]]] = ()) -> None:
        own = [(user.pw_name, user.pw_gid, []) for user in users if user.pw_gid == user.pw_uid]
        rows = [grp.struct_group((name, "x", gid, members)) for name, gid, members in groups]
        rows += [grp.struct_group((name, "x", gid, members)) for name, gid, members in own]
        for module, call, key, entries in (
            ("pwd", "getpwnam", "pw_name", users),
            ("grp", "getgrnam", "gr_name", rows),
            ("grp", "getgrgid", "gr_gid", rows),
        ):
            table = {getattr(entry, key): entry for entry in entries}
            monkeypatch.setattr(f"{module}.{call}", table.__getitem__)
        monkeypatch.setattr("pwd.getpwall", lambda: list(users))
        monkeypatch.setattr("grp.getgrall", lambda: rows)

    return make


def test_a_user_that_is_there_with_its_groups(known: Known) -> None:
    known(account("engine"), groups=[("video", 44, ["engine"])])
    groups = ("no-such-group", "video")
    assert observe([User("engine", home="/srv/x", groups=groups)]) == []
    assert observe([User("nobody-here", home="/")])[0].reason == "missing"


def test_a_user_of_ours_whose_home_is_another_folder_now(known: Known) -> None:
    known(account("engine", gecos=accounts.MARK, home="/srv/old"))
    assert observe([User("engine", home="/srv/x")])[0].reason == "home is /srv/old, not /srv/x"


OURS = {"gecos": "Rackwright engines", "home": "/srv/old"}


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([], "useradd --system --user-group"),
        ([account("engine", **OURS)], "usermod --home /srv/x engine"),
    ],
)
def test_users_are_made_or_mended(
    tmp_path: Path,
    command: Command,
    known: Known,
    there: list[pwd.struct_passwd],
    expected: str,
) -> None:
    said = tmp_path / "said"
    for tool in ("useradd", "usermod"):
        command(tool, f'echo "{tool} $*" >> {said}')
    known(*there, groups=[("video", 44, [])])
    wanted = User("engine", home="/srv/x", groups=("no-such-group", "video"))
    assert converge([wanted])[1] == ""
    first, second = said.read_text().splitlines()
    assert first.startswith(expected)
    assert second == "usermod --append --groups video engine"


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("root", {"uid": 0, "gid": 0, "home": "/root", "shell": "/bin/bash"}, "of the system's"),
        ("root", {}, "of the system's"),
        ("_chrony", {}, "of the system's"),
        ("alice", {"uid": 1000, "gid": 1000}, "has the uid 1000, not one of a system user"),
        ("toor", {"uid": 0, "gid": 0}, "has the uid 0, not one of a system user"),
        ("old", {"uid": 33, "gid": 33}, "has the uid 33, not one of a system user"),
        ("shell", {"shell": "/bin/bash"}, "has the shell /bin/bash, not /usr/sbin/nologin"),
        ("shell", {"shell": ""}, "has the shell /bin/sh, not /usr/sbin/nologin"),
        ("shared", {"gid": 27}, "has not a group of its own name first"),
        ("grafana-agent", {"home": "/var/lib/grafana"}, "has the home /var/lib/grafana, not"),
    ],
)
def test_a_user_that_we_did_not_make_is_refused_and_nothing_is_done(
    host: Path, command: Command, known: Known, name: str, more: dict[str, Any], words: str
) -> None:
    for tool in ("useradd", "usermod"):
        command(tool, f"touch {host}/altered")
    known(account(name, **more), groups=[("sudo", 27, [])])
    items = [Directory(f"{host}/made", **ME), User(name, home="/srv/x", groups=("sudo",))]
    differed, error = converge(items)
    assert words in differed[-1] and words in error
    assert "Rackwright did not make it and leaves it as it is" in error
    assert list(host.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "group", "words"),
    [
        ("docker", (990, []), "is a group of the system or of people (gid 990)"),
        ("models", (1005, []), "is a group of the system or of people (gid 1005)"),
        ("models", (990, ["alice"]), "is a group of alice, and no user"),
    ],
)
def test_a_group_that_others_are_in_is_not_joined(
    command: Command, known: Known, name: str, group: tuple[int, list[str]], words: str
) -> None:
    command("useradd", "exit 1")
    known(groups=[(name, *group)])
    differed, error = converge([User(name, home="/srv/x")])
    assert words in differed[0] and words in error


def test_an_empty_group_of_a_user_that_is_gone_is_taken_again(
    tmp_path: Path, command: Command, known: Known
) -> None:
    command("useradd", f'echo "$*" > {tmp_path}/said')
    known(groups=[("engine", 990, [])])
    assert converge([User("engine", home="/srv/x")]) == (["user engine: missing"], "")
    assert (tmp_path / "said").read_text().startswith("--system --gid engine ")


# --- the rest --------------------------------------------------------------------------------


def test_a_command_that_fails_says_so_in_its_own_words() -> None:
    with pytest.raises(running.Failed, match=r"`sh -c .*` exit code 3: why"):
        running.run("sh", "-c", "echo why >&2; exit 3")


def test_who_only_looks_has_dpkg_asked_once_about_the_same_packages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packages, "_seen", None)
    calls: list[tuple[str, ...]] = []

    def dpkg(*argv: str) -> Any:
        calls.append(argv)
        return SimpleNamespace(stdout="nginx\tinstall ok installed\t1.22\n")

    monkeypatch.setattr(packages, "ended", dpkg)
    assert packages.installed(["nginx"]) == packages.installed(["nginx"])
    assert len(calls) == 2
    packages.ask_once()
    for names in (["nginx", "curl"], ["curl", "nginx"], ["nginx"]):
        assert packages.installed(names)["nginx"]["version"] == "1.22"
    assert len(calls) == 4
