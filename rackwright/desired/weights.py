"""The weights a host needs for its replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rackwright.desired import paths
from rackwright.planner import Replica
from rackwright.settings import Settings


def weights_request(
    replicas: Sequence[Replica], settings: Settings, token: Mapping[str, str]
) -> dict[str, object] | None:
    """What ``runner/remote/weights.py`` needs; one entry a folder, however many replicas use it.

    None without replicas.
    ``token`` is ``{"HF_TOKEN": ...}`` or empty; it travels on standard input only.
    """
    if not replicas:
        return None
    models = {paths.model_path(replica, settings): replica.model.source for replica in replicas}
    return {
        "models": [
            {"path": path, "repo": source.repo, "revision": source.revision}
            for path, source in models.items()
        ],
        "hf": f"{paths.release_dir(settings)}/bin/hf",
        "user": settings.engine_user,
        "environment": {"HF_HUB_DISABLE_TELEMETRY": "1", **settings.engine_environment, **token},
    }
