"""A host's items in words that any tool knows: packages, users, folders, files, units, commands.

What only this project keeps is left out: its stamps, the mark of a step under way, digests of
weights that it has looked at. What it does beyond the state is no part of it either (rules of the
firewall on trial, what a gateway says that it has loaded, the verification).
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rackwright.desired.items import (
    Absent,
    Certificate,
    Directory,
    File,
    Item,
    NginxLimits,
    NoOtherUnits,
    Package,
    Unit,
    User,
)
from rackwright.remote.items.accounts import MARK, SHELL

Values = dict[str, Any]
UNITS = "/etc/systemd/system"
NOT_STATE = ("turn", "gateway data")
"""Kinds of items that are no state of the host: what is under way, and what Nginx has loaded."""


def plain(items: Sequence[Item], release: Values | None, contents: Path) -> Values:
    """All of it for one host; what files hold is put into the folder ``contents``, by digest."""
    unknown = {item.kind for item in items} - {*NOT_STATE, *_PARTS}
    assert not unknown, f"no tool is told of {unknown}"
    state: Values = {part: [] for part in dict.fromkeys((*_PARTS.values(), "releases"))}
    for item in items:
        if part := _PARTS.get(item.kind):
            for words in _words(item, contents):
                if words not in state[part]:  # folders are asked for by several stages
                    state[part].append(words)
    paths = [one["path"] for one in (*state["folders"], *state["files"])]
    assert len(paths) == len(set(paths)), "two stages want something else at one path"
    state["releases"] = list(_releases(release)) if release else []
    return state


_PARTS = {
    "package": "packages",
    "user": "users",
    "units": "leftovers",
    "directory": "folders",
    "file": "files",
    "limits": "lines",
    "certificate": "certificates",
    "absent": "absent",
    "unit": "units",
}


def _words(item: Item, contents: Path) -> Iterator[Any]:
    match item:
        case Package():
            yield item.key
        case Absent():
            yield item.key
        case User():
            more = {"groups": list(item.groups), "comment": MARK, "shell": SHELL}
            yield {"name": item.key, "home": item.home, **more}
        case Directory() | File():
            own = {"path": item.key, "owner": item.owner, "group": item.group}
            own["mode"] = f"{item.mode:04o}"
            yield {**own, "source": _kept(item, contents)} if isinstance(item, File) else own
        case NoOtherUnits():
            yield {"folder": UNITS, "pattern": item.key, "mark": item.mark, "keep": [*item.keep]}
        case NginxLimits():
            yield from _lines(item)
        case Certificate():
            yield _certificate(item)
        case Unit():
            restart = [one.key for one in item.restart_on]
            reload = [one.key for one in item.reload_on]
            yield {"name": item.key, "restart_on": restart, "reload_on": reload}


def _kept(file: File, contents: Path) -> str:
    kept = contents / hashlib.sha256(file.content).hexdigest()
    if not kept.exists():
        kept.write_bytes(file.content)
    return str(kept)


def _lines(limits: NginxLimits) -> Iterator[Values]:
    """Within `events`, and before it."""
    for name, value in limits.wanted.items():
        indent = "\t" if name == "worker_connections" else ""
        line = f"{indent}{name} {value};"
        yield {"path": limits.key, "name": name, "line": line, "before": "^events"}


def _certificate(item: Certificate) -> Values:
    names = ",".join(f"DNS:{name}" for name in item.names)
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "825", "-subj", f"/CN={item.names[0]}"),
        *("-addext", f"subjectAltName={names}", "-keyout", item.key_path, "-out", item.key),
    ]
    words = f"umask 077 && {shlex.join(command)} 2>/dev/null && chmod 0644 {item.key}"
    return {"path": item.key, "command": words}


def _releases(request: Values) -> Iterator[Values]:
    """The installer, then each release, as one shell command; whole once its mark is there."""
    uv, wanted = request["uv"], shlex.quote(request["uv_requirements"])
    python = f"{uv}/bin/python"
    install = f"{python} -m pip install --quiet --require-hashes --only-binary=:all: -r {wanted}"
    yield _whole(uv, f"python3 -m venv {uv} && {install}")
    for release in request["releases"]:
        assert release["kind"] == "venv", "only releases that are venvs are put in words"
        assert not (release["amendment"] or release["sample"] or request["compile_bytecode"])
        yield _whole(release["folder"], " && ".join(_venv(request, release)))


def _venv(request: Values, release: Values) -> Iterator[str]:
    uv, folder = f"{request['uv']}/bin/uv", release["folder"]
    pythons = f"{Path(request['uv']).parent}/python"
    yield f"export UV_PYTHON_INSTALL_DIR={pythons}"
    yield f"{uv} venv --quiet --python {shlex.quote(request['python'])} {folder}"
    lock = shlex.quote(release["requirements"])
    yield f"{uv} pip sync --quiet --python {folder}/bin/python --require-hashes {lock}"
    variables = [f"{name}={value}" for name, value in release["environment"].items()]
    trial = ["env", "-i", "PATH=/usr/bin:/bin", "HOME=/tmp", *variables, f"{folder}/bin/python"]
    trial += ["-c", release["smoke_test"]]
    yield f"cd / && runuser -u {request['user']} -- {shlex.join(trial)}"


def _whole(folder: str, command: str) -> Values:
    mark = f"{folder}/.complete"
    return {"path": mark, "command": f"rm -rf {folder} && {command} && touch {mark}"}


def write(folder: Path, states: dict[str, Values]) -> None:
    """One file of JSON a host."""
    for name, state in states.items():
        (folder / f"{name}.json").write_text(json.dumps(state, indent=1))
