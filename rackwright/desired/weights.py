"""The weights a host needs for its replicas."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rackwright.desired import paths
from rackwright.plan import Replica
from rackwright.spec import Settings

Values = dict[str, Any]


def hub_of(settings: Settings) -> str:
    """The hub that a host fetches weights from."""
    return settings.hub


def weights_request(
    replicas: Sequence[Replica],
    settings: Settings,
    token: Mapping[str, str],
    locked: Callable[[Replica], Mapping[str, Any]] = lambda _: {},
) -> dict[str, Any] | None:
    """What ``remote/weights.py`` needs; one entry a path, however many replicas use it.

    None where no replica needs any.
    ``token`` is ``{"HF_TOKEN": ...}`` or empty; it travels on standard input only. ``locked`` says
    SHA-256 and size of each file of a model's folder, or nothing.
    """
    entries = (_entries(replica, settings, locked(replica)) for replica in replicas)
    models = {entry["path"]: entry for own in entries for entry in own}
    if not models:
        return None
    return {
        "models": list(models.values()),
        "stamps": f"{settings.state_dir}/verified",
        "below": settings.state_dir,
        "user": settings.engine_user,
        "environment": {**settings.engine_environment, **token},
    }


def _entries(replica: Replica, settings: Settings, files: Mapping[str, Any]) -> list[Values]:
    """A folder, or each file of a GGUF model; none of a model that the engine pulls itself."""
    if replica.gguf:
        return [] if replica.gguf.pull else list(_gguf_files(replica, settings))
    source = replica.model.source
    folder = {
        "kind": "folder",
        "path": paths.model_path(replica, settings),
        "repo": source.repo,
        "revision": source.revision,
        "files": dict(files),
        "hub": settings.hub,
    }
    return [folder]


def _gguf_files(replica: Replica, settings: Settings) -> Iterator[Values]:
    for file, path in zip(replica.gguf_files, paths.weights_paths(replica, settings), strict=True):
        base = f"{settings.hub}/{file.repo}/resolve/{file.revision}"
        url = f"{base}/{file.file}" if file.repo else None
        known = {"sha256": file.sha256, "size_bytes": file.size_bytes}
        yield {"kind": "file", "path": path, "url": url, **known}
