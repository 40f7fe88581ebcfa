from __future__ import annotations

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
    NginxLimits,
    NoOtherUnits,
    Package,
    Symlink,
    Unit,
    User,
    differences,
    payload,
    query,
    upstream_version,
)

DIRECTORY = Directory("/etc/rackwright", mode=0o750, group="rackwright")
FILE = File("/etc/a.conf", b"listen 443\n", mode=0o640, group="rackwright")
LINK = Symlink("/opt/current", "/opt/0.32.0")
USER = User("rackwright", home="/var/lib/rackwright", groups=("render", "video"))
FIRST_LINK = Symlink("/tls/served", "/tls/until", only_first=True)
CERTIFICATE = Certificate("/tls/a.crt", "/tls/a.key", ("llm.example.com", "b.example.com"))
SECRET = File("/etc/a.env", b"KEY=hunter2\n", mode=0o640, secret=True)
NO_OTHERS = NoOtherUnits("ours-*.service", "Description=Ours", keep=("ours-a.service",))
ABSENT = Absent("/etc/nginx/conf.d/ours.conf", "# Ours", reload="nginx.service")
UNIT = Unit("a.service", restart_on=(FILE, LINK), reload_on=(CERTIFICATE,))
LIMITS = NginxLimits(worker_connections=4096, worker_rlimit_nofile=8192)
COMES_ALONG = Package("libdep1", exact="1.0-2", where_present=True)
PINNED = Package("libcuda", version="580.159.04", hold=True)
IMAGES = Initramfs("nouveau", (FILE,))

ACCESS = {"mode": 0o750, "owner": "root", "group": "rackwright"}
FOLDER = {"type": "directory", **ACCESS}
CONTENT = {"type": "file", "sha256": FILE.sha256, **ACCESS, "mode": 0o640}
RUNNING = {"active": "active", "enabled": "enabled", "stamp": UNIT.stamp}

TABLE: list[tuple[Item, dict[str, Any], str | None]] = [
    (DIRECTORY, FOLDER, None),
    (DIRECTORY, {}, "missing"),
    (DIRECTORY, {**FOLDER, "type": "file"}, "is a file, not a directory"),
    (DIRECTORY, {**FOLDER, "type": "link"}, "is a link, not a directory"),
    (DIRECTORY, {**FOLDER, "mode": 0o755}, "mode is 0755, not 0750"),
    (DIRECTORY, {**FOLDER, "mode": 0o1750}, "mode is 1750, not 0750"),
    (DIRECTORY, {**FOLDER, "owner": "1000"}, "owner is 1000:rackwright, not root:rackwright"),
    (DIRECTORY, {**FOLDER, "group": "root"}, "owner is root:root, not root:rackwright"),
    (FILE, CONTENT, None),
    (FILE, {}, "missing"),
    (FILE, {**ACCESS, "type": "directory"}, "is a directory, not a file"),
    (FILE, {**ACCESS, "type": "special file"}, "is a special file, not a file"),
    (FILE, {**CONTENT, "sha256": "0" * 64}, "content differs"),
    (FILE, {**CONTENT, "mode": 0o644}, "mode is 0644, not 0640"),
    (FILE, {**CONTENT, "owner": "bob"}, "owner is bob:rackwright, not root:rackwright"),
    (LIMITS, {"worker_connections": 4096, "worker_rlimit_nofile": 65536}, None),
    (
        LIMITS,
        {"worker_connections": 768},
        "worker_connections is 768, not 4096, worker_rlimit_nofile is not set, not 8192",
    ),
    (
        LIMITS,
        {},
        "worker_connections is not set, not 4096, worker_rlimit_nofile is not set, not 8192",
    ),
    (LINK, {"type": "link", "target": "/opt/0.32.0"}, None),
    (LINK, {}, "missing"),
    (LINK, {"type": "link", "target": "/opt/old"}, "points to /opt/old, not /opt/0.32.0"),
    (LINK, {"type": "directory"}, "points to directory, not /opt/0.32.0"),
    (Package("nginx"), {"status": "install ok installed"}, None),
    (Package("nginx"), {"status": "hold ok installed"}, None),
    (Package("nginx"), {}, "not installed"),
    (COMES_ALONG, {}, None),
    (COMES_ALONG, {"status": "deinstall ok config-files", "version": "1.0-1"}, None),
    (COMES_ALONG, {"status": "install ok installed", "version": "1.0-1"}, "is 1.0-1, not 1.0-2"),
    (COMES_ALONG, {"status": "install ok installed", "version": "1.0-2"}, None),
    (COMES_ALONG, {"status": "install ok installed", "version": "1.0-10"}, None),
    (PINNED, {"status": "hold ok installed", "version": "580.159.04-1ubuntu1"}, None),
    (PINNED, {"status": "hold ok installed", "version": "1:580.159.04-1"}, None),
    (
        PINNED,
        {"status": "hold ok installed", "version": "580.126.20-1"},
        "is 580.126.20-1, not 580.159.04",
    ),
    (PINNED, {"status": "install ok installed", "version": "580.159.04-1"}, "is not held"),
    (IMAGES, {"stamp": IMAGES.stamp}, None),
    (IMAGES, {}, "does not know /etc/a.conf yet: rebuild"),
    (Package("nginx"), {"status": "install ok unpacked"}, "is 'install ok unpacked'"),
    (Package("nginx"), {"status": "install ok half-installed"}, "is 'install ok half-installed'"),
    (Package("nginx"), {"status": "deinstall ok config-files"}, "is 'deinstall ok config-files'"),
    (USER, {"home": "/var/lib/rackwright", "missing_groups": ["sudo"]}, None),
    (USER, {}, "missing"),
    (USER, {"home": "/root", "missing_groups": []}, "home is /root, not /var/lib/rackwright"),
    (
        USER,
        {"home": "/var/lib/rackwright", "missing_groups": ["render", "sudo", "video"]},
        "not in group render, video",
    ),
    (CERTIFICATE, {"not_for": [], "ends_soon": False}, None),
    (CERTIFICATE, {}, "missing"),
    (CERTIFICATE, {"not_for": ["b.example.com"], "ends_soon": False}, "is not for b.example.com"),
    (CERTIFICATE, {"not_for": [], "ends_soon": True}, "ends within 30 days"),
    (FIRST_LINK, {}, "missing"),
    (FIRST_LINK, {"type": "link", "target": "/elsewhere", "leads": True}, None),
    (
        FIRST_LINK,
        {"type": "link", "target": "/nowhere", "leads": False},
        "points to /nowhere, not /tls/until",
    ),
    (NO_OTHERS, {"units": []}, None),
    (NO_OTHERS, {"units": ["ours-b.service"]}, "ours-b.service left the plan: stop and remove"),
    (ABSENT, {}, None),
    (ABSENT, {"there": True}, "is not planned any more: remove"),
    (UNIT, RUNNING, None),
    (UNIT, {**RUNNING, "active": "reloading"}, None),
    (UNIT, {}, "not there yet: enable and start"),
    (UNIT, {**RUNNING, "active": "activating"}, "still starting: wait"),
    (UNIT, {**RUNNING, "active": "inactive"}, "is inactive: start"),
    (UNIT, {**RUNNING, "active": "failed"}, "is failed: start"),
    (UNIT, {**RUNNING, "active": "deactivating"}, "is deactivating: start"),
    (UNIT, {**RUNNING, "stamp": {}}, "runs with older settings: restart"),
    (
        UNIT,
        {**RUNNING, "stamp": {**UNIT.stamp, "restart": "0"}},
        "runs with older settings: restart",
    ),
    (
        UNIT,
        {**RUNNING, "stamp": {**UNIT.stamp, "reload": "0"}},
        "has older configuration loaded: reload",
    ),
    (
        UNIT,
        {**RUNNING, "stamp": {"restart": UNIT.stamp["restart"]}},
        "has older configuration loaded: reload",
    ),
    (UNIT, {**RUNNING, "enabled": "disabled"}, "is disabled: enable"),
    (UNIT, {**RUNNING, "enabled": "masked"}, "is masked: unmask and enable"),
]


@pytest.mark.parametrize(("item", "seen", "reason"), TABLE)
def test_the_reason_is_in_words(item: Item, seen: dict[str, Any], reason: str | None) -> None:
    assert item.difference(seen) == reason


def test_the_table_has_every_kind_both_equal_and_missing() -> None:
    kinds = {Directory, File, Symlink, Package, User, Certificate, Unit, Initramfs, NginxLimits}
    unwanted = {NoOtherUnits, Absent}
    assert {type(item) for item, seen, reason in TABLE if reason is None} == kinds | unwanted
    assert {type(item) for item, seen, reason in TABLE if reason and not seen} == kinds
    assert {type(item) for item, seen, reason in TABLE if reason and seen} >= unwanted


def test_every_item_says_its_kind_and_key_to_the_host() -> None:
    items = [
        DIRECTORY,
        FILE,
        LINK,
        Package("nginx"),
        USER,
        CERTIFICATE,
        NO_OTHERS,
        ABSENT,
        UNIT,
        IMAGES,
    ]
    assert [one["kind"] for one in query(items)] == [
        "directory", "file", "link", "package", "user", "certificate", "units", "absent",
        "unit", "initramfs",
    ]  # fmt: skip
    changes = [Change(item, "missing", {}) for item in items]
    assert [one["key"] for one in payload(changes)] == [item.key for item in items]


def test_differences_keep_the_order_and_leave_out_what_is_right() -> None:
    changes = differences([DIRECTORY, FILE, LINK], [{}, CONTENT, {}])
    assert [str(one) for one in changes] == [
        "directory /etc/rackwright: missing",
        "link /opt/current: missing",
    ]


def test_an_answer_too_few_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        differences([DIRECTORY, FILE], [{}])


def other(part: File | Symlink) -> File | Symlink:
    return (
        Symlink(part.key, "/elsewhere") if isinstance(part, Symlink) else File(part.key, b"other")
    )


@pytest.mark.parametrize("part", [FILE, LINK])
def test_what_a_unit_starts_with_changes_its_restart_stamp_alone(part: File | Symlink) -> None:
    before = Unit("a.service", restart_on=(part,), reload_on=(CERTIFICATE,))
    after = Unit("a.service", restart_on=(other(part),), reload_on=(CERTIFICATE,))
    assert before.stamp["restart"] != after.stamp["restart"]
    assert before.stamp["reload"] == after.stamp["reload"]


def test_what_a_unit_loads_changes_its_reload_stamp_alone() -> None:
    before, after = Unit("a", reload_on=(FILE,)), Unit("a", reload_on=(other(FILE),))
    assert before.stamp["reload"] != after.stamp["reload"]
    assert before.stamp["restart"] == after.stamp["restart"] == ""


def test_a_unit_that_depends_on_nothing_needs_no_stamp() -> None:
    running = {"active": "active", "enabled": "enabled", "stamp": {}}
    assert Unit("a.service").difference(running) is None


def test_mode_and_owner_of_a_file_restart_nothing() -> None:
    closed = File(FILE.key, FILE.content, mode=0o600)
    assert Unit("a", restart_on=(FILE,)).stamp == Unit("a", restart_on=(closed,)).stamp


def test_a_certificate_made_anew_reloads_its_unit_and_no_other() -> None:
    lonely = Unit("b.service")
    seen = [
        {"not_for": [], "ends_soon": True},
        RUNNING,
        {**RUNNING, "stamp": {}},
    ]
    assert [str(one) for one in differences([CERTIFICATE, UNIT, lonely], seen)] == [
        "certificate /tls/a.crt: ends within 30 days",
        "unit a.service: has an older certificate loaded: reload",
    ]


def test_a_restart_is_not_called_a_reload_where_the_certificate_changes_too() -> None:
    seen = [{}, {**RUNNING, "active": "failed"}]
    assert differences([CERTIFICATE, UNIT], seen)[1].reason == "is failed: start"


def test_a_secret_shows_nowhere_but_in_what_is_sent() -> None:
    change = Change(SECRET, "content differs", {})
    unit = Unit("a.service", restart_on=(SECRET,))
    shown = [repr(SECRET), str(SECRET), repr(change), str(change), repr(unit), str(unit.stamp)]
    assert not [text for text in shown if "hunter2" in text]
    assert not [one for one in query([SECRET, unit]) if "hunter2" in str(one)]


def test_the_host_is_not_asked_for_the_text_of_a_secret_or_of_a_large_file() -> None:
    assert FILE.query() == {"text": True, "sha256": FILE.sha256}
    assert SECRET.query() == {"text": False}
    assert File("/big", b"x" * 65536).query() == {"text": False}


@pytest.mark.parametrize(
    ("version", "upstream"),
    [
        ("580.159.04-1", "580.159.04"),
        ("1:580.159.04-0ubuntu0.24.04.1", "580.159.04"),
        ("2:1.2-3-4", "1.2-3"),
        ("1.19.1", "1.19.1"),
        ("", ""),  # a package that dpkg has begun to unpack
        ("no version!-1", "no version!-1"),
    ],
)
def test_the_upstream_part_of_a_debian_version(version: str, upstream: str) -> None:
    assert upstream_version(version) == upstream
