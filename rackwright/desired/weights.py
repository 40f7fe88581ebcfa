"""The weights a host needs for its replicas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rackwright.desired import paths
from rackwright.plan import Replica
from rackwright.spec import Settings


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
    entries = [_entry(replica, settings, locked(replica)) for replica in replicas]
    models = {entry["path"]: entry for entry in entries if entry}
    if not models:
        return None
    return {
        "models": list(models.values()),
        "stamps": f"{settings.state_dir}/verified",
        "below": settings.state_dir,
        "user": settings.engine_user,
        "environment": {**settings.engine_environment, **token},
    }


def _entry(replica: Replica, settings: Settings, files: Mapping[str, Any]) -> dict[str, Any] | None:
    """A folder or a file; None for a model that the engine pulls itself."""
    path = paths.model_path(replica, settings)
    if replica.gguf:
        gguf = replica.gguf
        if gguf.pull:
            return None
        url = (
            f"{settings.hub}/{gguf.repo}/resolve/{gguf.revision}/{gguf.file}" if gguf.repo else None
        )
        known = {"sha256": gguf.sha256, "size_bytes": gguf.size_bytes}
        return {"kind": "file", "path": path, "url": url, **known}
    source = replica.model.source
    return {
        "kind": "folder",
        "path": path,
        "repo": source.repo,
        "revision": source.revision,
        "files": dict(files),
        "hub": settings.hub,
    }
