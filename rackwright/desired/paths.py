"""Where things live on a host. One place, so that units, links and checks agree."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rackwright.planner import Replica
from rackwright.settings import Settings

PROJECT = Path(__file__).resolve().parent.parent.parent
"""The checkout: inventories, templates and requirements files are beside the package."""


def lock_file(relative: str) -> bytes:
    """Content of a hash-locked requirements file, named relative to the project."""
    return (PROJECT / relative).read_bytes()


def release_id(settings: Settings) -> str:
    """Version, build and digest of the lock: another lock is another release."""
    digest = hashlib.sha256(lock_file(settings.vllm_requirements)).hexdigest()
    return f"{settings.vllm_version}-{settings.vllm_build}-{digest[:12]}"


def release_dir(settings: Settings) -> str:
    """The venv of the pinned engine release."""
    return f"{settings.root_dir}/vllm/{release_id(settings)}"


def requirements_path(settings: Settings) -> str:
    """Where the release's requirements file lies on the host."""
    return f"{release_dir(settings)}.txt"


def current_link(settings: Settings) -> str:
    """The link that units run from; switching it is an upgrade or a rollback."""
    return f"{settings.root_dir}/vllm/current"


def uv_dir(settings: Settings) -> str:
    """The venv of the installer."""
    digest = hashlib.sha256(lock_file(settings.uv_requirements)).hexdigest()
    return f"{settings.root_dir}/uv/{digest[:12]}"


def uv_requirements_path(settings: Settings) -> str:
    """Where the installer's requirements file lies on the host."""
    return f"{uv_dir(settings)}.txt"


UNIT_PREFIX = "rackwright-"


def unit_name(replica: Replica) -> str:
    """The systemd unit of a replica."""
    return f"{UNIT_PREFIX}{replica.name}.service"


def environment_path(replica: Replica, settings: Settings) -> str:
    """The environment file of a replica."""
    return f"{settings.config_dir}/replicas/{replica.name}.env"


def model_path(replica: Replica, settings: Settings) -> str:
    """The folder of the weights: the operator's own, or ours a repo and revision."""
    source = replica.model.source
    if source.path:
        return source.path
    assert source.repo and source.revision
    return f"{settings.state_dir}/models/{source.repo.replace('/', '--')}/{source.revision}"


def certificate_paths(config_dir: str) -> tuple[str, str]:
    """Certificate and key of a gateway that was given none."""
    return f"{config_dir}/tls/gateway.crt", f"{config_dir}/tls/gateway.key"
