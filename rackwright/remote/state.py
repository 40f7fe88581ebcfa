"""On the host: look at many items in one go, or make them so. See ``desired/items.py``."""

from __future__ import annotations

import base64
import fcntl
import grp
import hashlib
import json
import os
import pwd
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

STAMPS = Path("/var/lib/rackwright/units")
UNIT_FILES = Path("/etc/systemd/system")
LOCK = Path("/run/rackwright.lock")
UNIT_PROPERTIES = "LoadState,ActiveState,UnitFileState,NeedDaemonReload,NRestarts,Result,Job"
PACKAGE_LOCK_WAIT_S = 300
LOCKED = ("Could not get lock", "Unable to lock", "locked by another process")
"""What apt and dpkg say while another of them runs."""

Values = dict[str, Any]


class Failed(Exception):
    """Something on the host said no; its own words are the message."""


def run(*argv: str, env: dict[str, str] | None = None, umask: int = -1) -> str:
    """Run a command and return its output; Failed with its own words otherwise."""
    done = subprocess.run(
        argv,
        env=env,
        umask=umask,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    output = done.stdout.decode(errors="replace").strip()
    if done.returncode != 0:
        raise Failed(f"`{' '.join(argv[:4])}` exit code {done.returncode}: {output[-1500:]}")
    return output


# --- looking ---------------------------------------------------------------------------------


def observe(queries: Sequence[Values]) -> list[Values]:
    """Answer all queries, in their order; packages and units are asked for together."""
    packages = _packages([q["key"] for q in queries if q["kind"] == "package"])
    units = _units([q for q in queries if q["kind"] == "unit"])
    look: dict[str, Callable[[Values], Values]] = {
        "directory": _path,
        "file": _path,
        "link": _path,
        "user": _user,
        "certificate": _certificate,
        "initramfs": _initramfs,
        "units": lambda q: {"units": [path.name for path in _other_units(q)]},
        "absent": lambda q: {"there": True} if _leftover(Path(q["key"]), q["mark"]) else {},
        "package": lambda q: packages.get(q["key"], {}),
        "unit": lambda q: units.get(q["key"], {}),
    }
    return [look[query["kind"]](query) for query in queries]


def _path(query: Values) -> Values:
    path = Path(query["key"])
    try:
        info = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    seen = {"mode": stat.S_IMODE(info.st_mode), "owner": _owner(info), "group": _group(info)}
    if stat.S_ISLNK(info.st_mode):
        return {**seen, "type": "link", "target": str(path.readlink())}
    if stat.S_ISDIR(info.st_mode):
        return {**seen, "type": "directory"}
    if not stat.S_ISREG(info.st_mode):
        return {**seen, "type": "special file"}
    content = path.read_bytes()
    text = content.decode(errors="replace") if query.get("text") else None
    return {**seen, "type": "file", "sha256": hashlib.sha256(content).hexdigest(), "text": text}


def _owner(info: os.stat_result) -> str:
    try:
        return pwd.getpwuid(info.st_uid).pw_name
    except KeyError:
        return str(info.st_uid)


def _group(info: os.stat_result) -> str:
    try:
        return grp.getgrgid(info.st_gid).gr_name
    except KeyError:
        return str(info.st_gid)


def _user(query: Values) -> Values:
    try:
        entry = pwd.getpwnam(query["key"])
    except KeyError:
        return {}
    others = [g.gr_name for g in grp.getgrall() if query["key"] not in g.gr_mem]
    return {"home": entry.pw_dir, "missing_groups": others}


def _certificate(query: Values) -> Values:
    if not (Path(query["key"]).exists() and Path(query["key_path"]).exists()):
        return {}
    path, name, month_s = query["key"], query["server_name"], str(30 * 86400)
    asked = "-checkip" if _is_ip(name) else "-checkhost"
    lasts, _ = _ask("openssl", "x509", "-noout", "-in", path, "-checkend", month_s)
    _, words = _ask("openssl", "x509", "-noout", "-in", path, asked, name)
    return {"ends_soon": not lasts, "for_name": "does match" in words}


def _ask(*argv: str) -> tuple[bool, str]:
    """Whether a command says yes, and its words; a no is an answer too."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0, done.stdout.decode(errors="replace")


def _is_ip(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False


def _packages(names: Sequence[str]) -> dict[str, Values]:
    if not names:
        return {}
    _, words = _ask("dpkg-query", "-W", "-f", "${Package}\t${Status}\t${Version}\n", *names)
    rows = [line.split("\t") for line in words.splitlines()]
    return {
        name: {"status": said, "version": version}
        for name, said, version in rows
        if not said.endswith(" not-installed")
    }


def _initramfs(query: Values) -> Values:
    try:
        return {"stamp": (STAMPS / f"{query['key']}.initramfs").read_text()}
    except FileNotFoundError:
        return {}


def _units(units: Sequence[Values]) -> dict[str, Values]:
    """What systemd says of the units it has loaded; one block of its answer is one unit."""
    if not units:
        return {}
    names = [unit["key"] for unit in units]
    blocks = run("systemctl", "show", "--property", UNIT_PROPERTIES, *names).split("\n\n")
    if len(blocks) != len(names):
        raise Failed(f"systemctl answered for {len(blocks)} of {len(names)} units")
    found = {}
    for index, unit in enumerate(units):
        lines = blocks[index].splitlines()
        seen = dict(line.split("=", 1) for line in lines if "=" in line)
        if seen.get("LoadState") == "loaded":
            found[unit["key"]] = _unit(unit, seen)
    return found


def _unit(unit: Values, seen: dict[str, str]) -> Values:
    return {
        "active": _activity(seen),
        "enabled": seen["UnitFileState"],
        "reload_daemon": seen["NeedDaemonReload"] == "yes",
        "restarts": int(seen.get("NRestarts") or 0),
        "result": seen.get("Result", ""),
        "stamp": _read_stamp(unit),
    }


def _activity(seen: dict[str, str]) -> str:
    """The state; but a unit whose restart still waits its turn is active only as it was."""
    waits = seen.get("Job", "") not in ("", "0")
    return "activating" if waits and seen["ActiveState"] == "active" else seen["ActiveState"]


def _read_stamp(unit: Values) -> Values:
    """What the unit was last started with; without "reload" where it loaded other certificates."""
    try:
        stamp = json.loads((STAMPS / f"{unit['key']}.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(stamp, dict):
        return {}
    if stamp.pop("loaded", {}) != _loaded(unit):
        stamp.pop("reload", None)
    return stamp


def _loaded(unit: Values) -> dict[str, str]:
    """Digests of the certificates a unit loads: made here, so nobody else knows them."""
    paths = [Path(path) for path in unit.get("loads", [])]
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths if p.is_file()}


def _other_units(query: Values) -> list[Path]:
    """Unit files of ours that are not among those to keep."""
    found = sorted(UNIT_FILES.glob(query["key"]))
    return [
        path for path in found if path.name not in query["keep"] and _is_ours(path, query["mark"])
    ]


def _is_ours(path: Path, mark: str) -> bool:
    """Whether it is there with what we know ours by: something in a folder, a line of a file."""
    if path.is_dir() and not path.is_symlink():
        return any(path.glob(mark))
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return False
    return any(line.startswith(mark) for line in lines)


def _leftover(path: Path, mark: str) -> bool:
    return _is_ours(path, mark) or os.path.lexists(_aside(path))


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.rackwright-old")


# --- making it so ----------------------------------------------------------------------------


def apply(changes: Sequence[Values]) -> None:
    """Make the changes in their order, alone on this host."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = {c["key"]: _saved(Path(c["key"])) for c in changes if c["kind"] == "file"}
        _install([c for c in changes if c["kind"] == "package"])
        make = {
            "directory": _make_directory,
            "file": _make_file,
            "link": _make_link,
            "user": _make_user,
            "certificate": _make_certificate,
            "initramfs": _make_initramfs,
            "units": _remove_units,
            "absent": _remove,
        }
        for change in changes:
            if change["kind"] in make:
                make[change["kind"]](change)
        _make_units([c for c in changes if c["kind"] == "unit"], before)


def _saved(path: Path) -> Values | None:
    """A file as it is, to be put back; None where there is none."""
    try:
        info, content = path.stat(), path.read_bytes()
    except OSError:
        return None
    owned = {"uid": info.st_uid, "gid": info.st_gid, "mode": stat.S_IMODE(info.st_mode)}
    return {"content": content, **owned, "mtime_ns": info.st_mtime_ns}


def _install(packages: Sequence[Values]) -> None:
    """One transaction for all of them; then those that are to be held are."""
    if not packages:
        return
    options = ["-o", f"DPkg::Lock::Timeout={PACKAGE_LOCK_WAIT_S}"]
    options += ["-o", "Dpkg::Options::=--force-confold"]
    install = ["apt-get", *options, "install", "-y", "-q", "--no-install-recommends"]
    if any(package.get("version") for package in packages):
        install += ["--allow-downgrades", "--allow-change-held-packages"]
    _get([*install, *map(_wanted, packages)], options)
    if held := [package["key"] for package in packages if package.get("hold")]:
        _patiently("apt-mark", "hold", *held)


def _wanted(package: Values) -> str:
    """A package as apt-get is asked for it: any revision of the version that is pinned."""
    version = package.get("version")
    return f"{package['key']}={version}-*" if version else str(package["key"])


def _get(install: Sequence[str], options: Sequence[str]) -> None:
    try:
        _patiently(*install)
    except Failed:  # a cut-off dpkg, or package lists that are old or missing
        _patiently("dpkg", "--configure", "-a")
        _patiently("apt-get", *options, "update", "-q")
        _patiently(*install)


def _make_initramfs(change: Values) -> None:
    """By the tool that the host has; one without any boots without such an image."""
    if shutil.which("update-initramfs"):
        run("update-initramfs", "-u", "-k", "all")
    elif shutil.which("dracut"):
        run("dracut", "--regenerate-all", "--force")
    STAMPS.mkdir(parents=True, exist_ok=True)
    path = STAMPS / f"{change['key']}.initramfs"
    _write(path, change["stamp"].encode(), os.getuid(), os.getgid(), 0o644)


def _patiently(*argv: str) -> None:
    """Run apt or dpkg, waiting while another does: a fresh server updates itself as it boots."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    deadline = time.monotonic() + PACKAGE_LOCK_WAIT_S
    while True:
        try:
            run(*argv, env=environment)
            return
        except Failed as failure:
            if time.monotonic() > deadline or not any(one in str(failure) for one in LOCKED):
                raise
            time.sleep(2)


def _make_directory(change: Values) -> None:
    """Mode and owner are set on what was opened: in a folder that others own, a path may turn."""
    path = Path(change["key"])
    _refuse(path, path.is_symlink() or (path.exists() and not path.is_dir()), "a directory")
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(handle, *_ids(change))
        os.fchmod(handle, change["mode"])
    finally:
        os.close(handle)


def _refuse(path: Path, wrong: bool, wanted: str) -> None:
    if wrong:
        raise Failed(f"{path} is there and is not {wanted}: move it away")


def _ids(change: Values) -> tuple[int, int]:
    try:
        return pwd.getpwnam(change["owner"]).pw_uid, grp.getgrnam(change["group"]).gr_gid
    except KeyError:
        owner = f"{change['owner']}:{change['group']}"
        raise Failed(f"{change['key']}: {owner} is not known here, run stage base") from None


def _make_file(change: Values) -> None:
    path = Path(change["key"])
    _refuse(path, path.is_dir() and not path.is_symlink(), "a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, base64.b64decode(change["content"]), *_ids(change), change["mode"])


def _write(target: Path, content: bytes, uid: int, gid: int, mode: int) -> None:
    """Write beside the target, closed to others until owner and mode are right, then rename."""
    fresh = target.with_name(f".{target.name}.rackwright-new")
    fresh.unlink(missing_ok=True)  # left by a run that was cut off
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            os.fchown(handle, uid, gid)
            os.fchmod(handle, mode)
            out.flush()
            os.fsync(handle)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def _make_link(change: Values) -> None:
    path = Path(change["key"])
    _refuse(path, path.exists() and not path.is_symlink(), "a link")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.rackwright-new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(change["target"])
    fresh.replace(path)


def _make_user(change: Values) -> None:
    name, home = change["key"], change["home"]
    try:
        pwd.getpwnam(name)
    except KeyError:
        group = ["--gid", name] if _has_group(name) else ["--user-group"]
        run("useradd", "--system", *group, "--shell", "/usr/sbin/nologin",
            "--home-dir", home, "--no-create-home", name)  # fmt: skip
    else:
        run("usermod", "--home", home, name)
    groups = [group for group in change["groups"] if _has_group(group)]
    if groups:
        run("usermod", "--append", "--groups", ",".join(groups), name)


def _has_group(name: str) -> bool:
    try:
        return bool(grp.getgrnam(name))
    except KeyError:
        return False


def _make_certificate(change: Values) -> None:
    """A key and a certificate for 825 days; the key is root's alone from its first byte.

    The certificate is put in place last: cut off before that, the next run makes both again.
    """
    name, target, key = change["server_name"], Path(change["key"]), Path(change["key_path"])
    new_target, new_key = Path(f"{target}.new"), Path(f"{key}.new")
    for path in (target, key):
        path.parent.mkdir(parents=True, exist_ok=True)
        Path(f"{path}.new").unlink(missing_ok=True)
    kind = "IP" if _is_ip(name) else "DNS"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "825", "-subj", f"/CN={name}", "-addext",
        f"subjectAltName={kind}:{name}", "-keyout", str(new_key), "-out", str(new_target),
        umask=0o077)  # fmt: skip
    new_key.replace(key)
    new_target.chmod(0o644)
    new_target.replace(target)


def _remove_units(change: Values) -> None:
    """Stop, disable and remove; the unit's file goes last, so that a run cut off begins again."""
    for path in _other_units(change):
        run("systemctl", "disable", "--quiet", "--now", path.name)
        name = path.name[change["key"].index("*") : -len(".service")]
        for beside in (*change["beside"], str(STAMPS / f"{path.name}.json")):
            _take_away(Path(beside.replace("{name}", name)))
        path.unlink()
    run("systemctl", "daemon-reload")


def _remove(change: Values) -> None:
    """Out of the way, then unloaded, then gone: a run that is cut off between leaves a trace."""
    path = Path(change["key"])
    if _is_ours(path, change["mark"]):
        path.replace(_aside(path))
    if change["reload"]:
        run("systemctl", "try-reload-or-restart", change["reload"])
    _take_away(_aside(path))


def _take_away(path: Path) -> None:
    """A file, a link or a folder with all that is in it; links in it are not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _make_units(units: Sequence[Values], before: dict[str, Values | None]) -> None:
    if not units:
        return
    run("systemctl", "daemon-reload")
    seen = _units(units)
    for unit in units:
        _validate(unit, before)
    run("systemctl", "enable", "--quiet", *[unit["key"] for unit in units])
    for unit in units:
        _bring_up(unit, seen.get(unit["key"], {}))


def _bring_up(unit: Values, seen: Values) -> None:
    """A reload is over in a moment and may fail; a restart takes minutes and is polled for.

    Old failures are forgotten first, so that a restart counted after this one is a new failure.
    """
    action = _action(seen, unit["stamp"])
    if action == "restart":
        run("systemctl", "reset-failed", unit["key"])
        run("systemctl", "--no-block", "restart", unit["key"])
    elif action == "reload":
        run("systemctl", "reload", unit["key"])
    if action:
        _stamp(unit)


def _action(seen: Values, stamp: dict[str, str]) -> str | None:
    old = seen.get("stamp", {})
    if seen.get("active") in (None, "inactive", "failed", "deactivating"):
        return "restart"
    if old.get("restart", "") != stamp["restart"]:
        return "restart"
    if old.get("reload", "") != stamp["reload"]:
        return "reload"
    return None


def _validate(unit: Values, before: dict[str, Values | None]) -> None:
    if not unit["validate"]:
        return
    try:
        run(*unit["validate"])
    except (Failed, OSError):
        for path in unit["guarded"]:
            if path in before:
                _put_back(Path(path), before[path])
        raise


def _put_back(path: Path, saved: Values | None) -> None:
    """Restore a file of this run to what it was, with its owner, mode and time.

    By its time the upstream check knows that whoever runs has read it.
    """
    if saved is None:
        path.unlink()
        return
    mtime_ns = saved["mtime_ns"]
    _write(path, saved["content"], saved["uid"], saved["gid"], saved["mode"])
    os.utime(path, ns=(mtime_ns, mtime_ns))


def _stamp(unit: Values) -> None:
    STAMPS.mkdir(parents=True, exist_ok=True)
    stamp = json.dumps({**unit["stamp"], "loaded": _loaded(unit)})
    _write(STAMPS / f"{unit['key']}.json", stamp.encode(), os.getuid(), os.getgid(), 0o644)


def main(request: Values) -> Any:
    """Dispatch on ``request["do"]``: observe or apply."""
    if request["do"] == "observe":
        return observe(request["items"])
    try:
        apply(request["items"])
    except (Failed, OSError) as failure:
        return {"error": str(failure)}
    return {}
