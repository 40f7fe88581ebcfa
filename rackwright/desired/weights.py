"""The weights a host needs for its replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rackwright.desired import paths
from rackwright.engines import ENGINES
from rackwright.plan import Replica
from rackwright.spec import Settings

HUB = "https://huggingface.co"
"""Where repositories are, unless ``engine_environment`` names another HF_ENDPOINT."""


def weights_request(
    replicas: Sequence[Replica], settings: Settings, token: Mapping[str, str]
) -> dict[str, Any] | None:
    """What ``remote/weights.py`` needs; one entry a path, however many replicas use it.

    None where no replica needs any.
    ``token`` is ``{"HF_TOKEN": ...}`` or empty; it travels on standard input only.
    """
    entries = [_entry(replica, settings) for replica in replicas]
    models = {entry["path"]: entry for entry in entries if entry}
    if not models:
        return None
    return {
        "models": list(models.values()),
        "stamps": f"{settings.state_dir}/verified",
        "below": settings.state_dir,
        "user": settings.engine_user,
        "environment": {"HF_HUB_DISABLE_TELEMETRY": "1", **settings.engine_environment, **token},
    }


def _entry(replica: Replica, settings: Settings) -> dict[str, Any] | None:
    """A folder or a file; None for a model that the engine pulls itself."""
    engine, path = ENGINES[replica.service.engine], paths.model_path(replica, settings)
    if replica.gguf:
        gguf = replica.gguf
        if gguf.pull:
            return None
        hub = settings.engine_environment.get("HF_ENDPOINT", HUB).rstrip("/")
        url = f"{hub}/{gguf.repo}/resolve/{gguf.revision}/{gguf.file}" if gguf.repo else None
        known = {"sha256": gguf.sha256, "size_bytes": gguf.size_bytes}
        return {"kind": "file", "path": path, "url": url, **known}
    source = replica.model.source
    return {
        "kind": "folder",
        "path": path,
        "repo": source.repo,
        "revision": source.revision,
        "hf": f"{paths.release_dir(engine, settings)}/{engine.downloader}",
    }
