"""What a host needs of releases and weights by the plan, and where there may be more of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rackwright.desired import paths
from rackwright.desired.engines import engines_of
from rackwright.desired.folders import root_folder
from rackwright.desired.routers import kinds_of
from rackwright.engines import ENGINES
from rackwright.engines.release import Released
from rackwright.plan import Replica, Router
from rackwright.routers import ROUTERS
from rackwright.spec import Settings


def cleaning_request(
    replicas: Sequence[Replica], routers: Sequence[Router], settings: Settings
) -> dict[str, Any]:
    """What ``remote/cleaning.py`` has to know: where our folders are, and what the plan names."""
    kinds: list[Released] = [*ENGINES.values(), *ROUTERS.values()]
    releases = [paths.engine_dir(kind, settings) for kind in kinds]
    return {
        "root": settings.root_dir,
        "inside": list(root_folder(settings).inside),
        "releases": [*releases, f"{settings.root_dir}/uv"],
        "models": f"{settings.state_dir}/models",
        "stamps": f"{settings.state_dir}/verified",
        "turns": paths.turns_dir(settings),
        "config": settings.config_dir,
        "user": settings.engine_user,
        "keep": _needed(replicas, routers, settings),
    }


def _needed(
    replicas: Sequence[Replica], routers: Sequence[Router], settings: Settings
) -> list[str]:
    used: list[Released] = [*engines_of(replicas), *kinds_of(routers)]
    releases = [paths.release_dir(one, settings) for one in used]
    installer = [paths.uv_dir(settings)] if used else []
    weights = [path for replica in replicas for path in paths.weights_paths(replica, settings)]
    return [*releases, *installer, *dict.fromkeys(weights)]
