"""On the host: install releases of engines, each into a folder of its own, whole or not at all.

A release counts as there when its ``.complete`` file is. An installation that was cut off leaves
a folder without one, which the next removes. Two never run at once: the lock is held by the
installer's children too, so it outlives a broken connection.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rackwright.remote.downloads.progress import Packages, say
from rackwright.remote.host.alone import alone
from rackwright.remote.host.supplies import beyond_proxies, of_pip, of_uv, of_uv_python
from rackwright.remote.host.trees import remove as remove_tree

LOCK = Path("/run/rackwright-install.lock")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LIMIT_S, TIMED_OUT = 1200, 124
BOUNDED = ("timeout", "--kill-after=30", str(LIMIT_S))
"""Of a trial: what a GPU never answers would else hold the lock for ever. SGLang compiles in it."""
MOST_LINE = 1 << 16
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

Values = dict[str, Any]
Steps = Iterator[tuple[list[str], Values]]
"""Commands to run one after another, each with its options for Popen."""
Build = Callable[[Values], Steps]


def _wanted(request: Values) -> list[tuple[str, Path, Build, Values]]:
    """Name, folder and builder of everything that must be there; the installer of venvs first."""
    builders = {"venv": _install_venv, "archive": _install_archive}
    wanted: list[tuple[str, Path, Build, Values]] = [
        (_name(one["folder"]), Path(one["folder"]), builders[one["kind"]], {**request, **one})
        for one in request["releases"]
    ]
    if any(one["kind"] == "venv" for one in request["releases"]):
        wanted.insert(0, ("uv", Path(request["uv"]), _install_uv, request))
    return wanted


def _name(folder: str) -> str:
    return "/".join(Path(folder).parts[-2:])


def missing(request: Values) -> list[str]:
    """Which of the releases and their installer (uv) are not there whole."""
    return [name for name, folder, _, _ in _wanted(request) if not is_complete(folder)]


def is_complete(folder: Path) -> bool:
    """Whether a release is there whole."""
    return (folder / ".complete").exists()


def install(request: Values) -> str:
    """Install what is missing and say so; exits with the failing command's words."""
    started = time.monotonic()
    with alone(LOCK, "installation") as lock:
        for _, folder, build, values in _wanted(request):
            if not is_complete(folder):
                _fresh(folder, build, values, lock)
        remove_tree(wheels_dir(request), ignore_errors=True)
    return f"engine releases installed in {time.monotonic() - started:.0f} s"


def have_installer(request: Values) -> None:
    """Install what installs venvs, where it is missing."""
    with alone(LOCK, "installation") as lock:
        _, folder, build, values = _wanted(request)[0]
        if build is _install_uv and not is_complete(folder):
            _fresh(folder, build, values, lock)


def wheels_dir(request: Values) -> Path:
    """Where wheels are that came from other servers, until what they bring is installed."""
    return Path(request["uv"]).parent.parent / "wheels"


def _fresh(folder: Path, build: Build, request: Values, lock: int) -> None:
    if folder.exists():
        say(f"removing {folder}, which a cut-off installation left")
        remove_tree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    for argv, options in build(request):
        code = _run(argv, pass_fds=(lock,), **options)
        if code != 0:
            sys.exit(f"`{' '.join(argv[:6])}` {_ended(code)}: see above")
    os.sync()
    (folder / ".complete").touch()


def _ended(code: int) -> str:
    """How a process ended that did not end well."""
    if code == TIMED_OUT:
        return f"was not done in {LIMIT_S} s"
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"failed with exit code {code}"


def _run(argv: list[str], **options: Any) -> int:
    """Run a command, passing on what it says; of uv's lines for 150 packages, how far it is."""
    options |= {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    try:
        running = subprocess.Popen(argv, stdout=subprocess.PIPE, **options)
    except OSError as error:
        sys.exit(f"`{argv[0]}` cannot be run: {error.strerror}")
    with running:
        packages = Packages()
        while running.stdout and (line := running.stdout.readline(MOST_LINE)):
            packages.hear(line.decode(errors="replace").rstrip())
    return int(running.returncode)


def _install_uv(request: Values) -> Steps:
    """Into a venv of the Python that runs this; the engine's own may be one that uv fetches."""
    folder = request["uv"]
    yield [sys.executable, "-m", "venv", folder], {}
    words, places = of_pip(request)
    options = {"env": {**os.environ, **places}}
    yield [f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "--require-hashes",
           "--only-binary=:all:", *words, "-r", request["uv_requirements"]], options  # fmt: skip


def _install_venv(request: Values) -> Steps:
    uv, folder = f"{request['uv']}/bin/uv", request["folder"]
    python = f"{folder}/bin/python"
    wanted, places = of_uv_python(request)
    options = {"env": {**os.environ, **beside(request), **places}}
    yield [uv, "venv", "--quiet", *wanted, folder], options
    words, links = _wheels_from(request, folder)
    sync = [uv, "pip", "sync", "--python", python, "--require-hashes", *words]
    if request["compile_bytecode"]:
        sync.append("--compile-bytecode")
    yield [*sync, request["requirements"]], {"env": {**os.environ, **links}}
    import tempfile  # slow to load: to look needs none of it

    if request.get("amendment"):
        yield [python, "-c", request["amendment"]], {}
    with tempfile.TemporaryDirectory(prefix="rackwright-") as home:
        sample = request.get("sample")
        for name, text in sample["scripts"].items() if sample else ():
            Path(home, f"{name}.py").write_text(text)  # before the folder is another user's
        as_user = _as_engine_user(request, home)
        yield [*BOUNDED, python, "-c", request["smoke_test"]], as_user
        if sample:
            yield [*BOUNDED, python, f"{home}/sampling.py", sample["module"]], as_user


def _wheels_from(request: Values, folder: str) -> tuple[list[str], dict[str, str]]:
    """What uv is told of where wheels are: those that came from other servers, or the usual way."""
    if wheels := request.get("wheels", {}).get(folder):
        return ["--no-index", "--find-links", wheels], {}
    return of_uv(request)


def _install_archive(request: Values) -> Steps:
    """Downloaded beside its folder, and kept there until it is unpacked and works."""
    import tempfile

    from rackwright.remote.downloads.fetching import fetch  # HTTP: to look needs none of it

    folder, architecture = Path(request["folder"]), ARCHITECTURES.get(os.uname().machine, "")
    if architecture not in request["downloads"]:
        known = ", ".join(sorted(request["downloads"]))
        sys.exit(f"{_name(str(folder))} is given for {known}, this host is {os.uname().machine}")
    url, sha256 = request["downloads"][architecture]
    archive = folder.with_name(f"{folder.name}.download")
    fetch(url, archive, sha256)
    folder.mkdir()
    yield ["tar", "--no-same-owner", "-xf", str(archive), "-C", str(folder)], {}
    with tempfile.TemporaryDirectory(prefix="rackwright-") as home:
        program, *rest = request["smoke_test"]
        yield [str(folder / program), *rest], _as_engine_user(request, home)
    archive.unlink()


def beside(request: Values) -> dict[str, str]:
    """A Python that uv fetches goes where the engine's user can read it, not into root's home."""
    return {"UV_PYTHON_INSTALL_DIR": str(Path(request["uv"]).parent / "python")}


def _as_engine_user(request: Values, home: str) -> Values:
    """The smoke test runs as the engine will: without root's rights, and what root's shell says."""
    user = pwd.getpwnam(request["user"])
    os.chown(home, user.pw_uid, user.pw_gid)
    return {
        "user": user.pw_uid,
        "group": user.pw_gid,
        "extra_groups": [],
        "env": {"PATH": PATH, "LANG": "C.UTF-8", "HOME": home, **request["environment"]},
        "cwd": "/",
    }


def main(request: Values) -> Any:
    """``do`` is observe (what is missing) or install."""
    if request["do"] == "observe":
        return missing(request)
    if request.get("bundle"):
        beyond_proxies()
    return install(request)
