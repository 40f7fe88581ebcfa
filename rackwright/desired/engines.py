"""The releases of a host's engines: what they are installed from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rackwright.desired import paths
from rackwright.desired.folders import cache_folder, root_folder
from rackwright.desired.items import Directory, File, Item
from rackwright.engines import ENGINES, Engine, Venv
from rackwright.engines.release import Released, script_text
from rackwright.plan import Replica
from rackwright.spec import Settings


def engines_of(replicas: Iterable[Replica]) -> tuple[Engine, ...]:
    """The engines that replicas run, each once, in the order of ``ENGINES``."""
    used = {replica.service.engine for replica in replicas}
    return tuple(engine for name, engine in ENGINES.items() if name in used)


def lock_items(engines: Sequence[Released], settings: Settings) -> list[Item]:
    """The folders of the releases, and the requirements files of those that are venvs.

    Where replicas share what they compile, the folder for it is there before the release is tried.
    """
    folders: list[Item] = [root_folder(settings)] if engines else []
    folders += [Directory(paths.engine_dir(engine, settings)) for engine in engines]
    owner = settings.engine_user
    if shared := [e for e in engines if e.release(settings).shares_compiled]:
        names = [paths.compiled_dir(engine, settings) for engine in shared]
        folders.append(cache_folder(settings))
        folders += [Directory(name, owner=owner, group=owner) for name in names]
    files: list[Item] = []
    for engine in engines:
        content = engine.release(settings).content
        if isinstance(content, Venv):
            lock = paths.lock_file(content.requirements)
            files.append(File(paths.requirements_path(engine, settings), lock))
    if files:
        uv = File(paths.uv_requirements_path(settings), paths.lock_file(settings.uv_requirements))
        folders.append(Directory(f"{settings.root_dir}/uv"))
        files.append(uv)
    return folders + files


def release_request(engines: Sequence[Released], settings: Settings) -> dict[str, Any] | None:
    """What ``remote/release.py`` needs to install the releases; None without any."""
    if not engines:
        return None
    return {
        "releases": [_release(engine, settings) for engine in engines],
        "uv": paths.uv_dir(settings),
        "uv_requirements": paths.uv_requirements_path(settings),
        "python": settings.engine_python,
        "compile_bytecode": settings.compile_bytecode,
        "user": settings.engine_user,
    }


def _release(engine: Released, settings: Settings) -> dict[str, Any]:
    release, folder = engine.release(settings), paths.release_dir(engine, settings)
    content, own = release.content, paths.release_environment(engine, settings, folder)
    environment = own | settings.engine_environment
    if isinstance(content, Venv):
        return {
            "kind": "venv",
            "folder": folder,
            "environment": environment,
            "sample": _sample(content.sample),
            "requirements": paths.requirements_path(engine, settings),
            "amendment": content.amendment,
            "smoke_test": content.smoke_test,
        }
    return {
        "kind": "archive",
        "folder": folder,
        "environment": environment,
        "downloads": {name: list(each) for name, each in content.downloads.items()},
        "smoke_test": list(content.smoke_test),
    }


def _sample(module: str) -> dict[str, Any] | None:
    """The trial on a GPU: the script that chooses one, and the engine's own part of it."""
    if not module:
        return None
    scripts = {name: script_text(name) for name in ("sampling", module)}
    return {"module": module, "scripts": scripts}
