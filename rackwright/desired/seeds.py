"""Which replicas are alike: what one of them compiled when it started is of use to the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from rackwright.desired import paths
from rackwright.engines import ENGINES
from rackwright.engines.environment import OF_THE_PLACE
from rackwright.plan import FleetPlan, Replica
from rackwright.sizing import GIB
from rackwright.spec import FleetSpec, Settings


def has_seed(replica: Replica, settings: Settings) -> bool:
    """Whether its engine compiles something worth keeping, and settings let it be kept."""
    return settings.seeds != "off" and bool(ENGINES[replica.service.engine].compiled)


def facts(replica: Replica, settings: Settings) -> dict[str, Any]:
    """All that is planned of a replica and decides what it compiles.

    Too much of it makes a seed that nobody takes, too little one that is of no use: engines look
    what they compiled up by keys of their own, which know more (vLLM's: configuration, variables,
    sources; PyTorch's and Triton's: the code itself, and the GPU). What decides on the host beside
    that is in ``remote/compiled/machine.py``. Of variables digests: a value may be a secret.
    """
    engine = ENGINES[replica.service.engine]
    model_path = paths.model_path(replica, settings)
    release = engine.release(settings)
    cache = engine.cache(replica, settings)
    variables = {**release.environment, **engine.environment(replica, settings, None)}
    deciding = {
        name: _digest(value)
        for name, value in sorted(variables.items())
        if name not in OF_THE_PLACE and cache not in value
    }
    return {
        "engine": engine.name,
        "release": paths.release_id(release),
        "folder": paths.release_dir(engine, settings),
        "arguments": list(engine.compiling(replica, model_path, settings)),
        "environment": deciding,
        "gpu": replica.gpu.name,
    }


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:16]


def asked(replica: Replica, settings: Settings) -> dict[str, Any]:
    """A replica as ``remote/seeds.py`` is told of it."""
    engine = ENGINES[replica.service.engine]
    return {
        "name": replica.name,
        "cache": engine.cache(replica, settings),
        "parts": list(engine.compiled),
        "user": settings.engine_user,
        "facts": facts(replica, settings),
    }


def request(do: str, settings: Settings, replicas: Sequence[Replica] = ()) -> dict[str, Any]:
    """A question to a server's seeds; see ``remote/seeds.py``."""
    return {
        "do": do,
        "folder": paths.seeds_dir(settings),
        "most_bytes": settings.seeds_gib * GIB,
        "replicas": [asked(replica, settings) for replica in replicas],
    }


def alike_elsewhere(replica: Replica, plan: FleetPlan, spec: FleetSpec) -> Iterator[str]:
    """Other servers with a replica that compiles the same, which give it away; each once."""
    own = spec.settings[replica.server.name]
    if own.seeds != "fleet":
        return
    wanted, told = facts(replica, own), {replica.server.name}
    for other in plan.replicas:
        name = other.server.name
        if name in told or other.service.engine != replica.service.engine:
            continue
        if spec.settings[name].seeds == "fleet" and facts(other, spec.settings[name]) == wanted:
            told.add(name)
            yield name
