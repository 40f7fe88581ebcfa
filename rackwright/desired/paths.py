"""Where things live on a host. One place, so that units, links and checks agree."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rackwright.engines import Release, Venv
from rackwright.engines.release import Released
from rackwright.models.gguf import in_models
from rackwright.plan import Replica, Router
from rackwright.spec import Settings

PROJECT = Path(__file__).resolve().parent.parent.parent
"""The checkout: inventories, templates and requirements files are beside the package."""


def lock_file(relative: str) -> bytes:
    """Content of a hash-locked requirements file, named relative to the project."""
    return (PROJECT / relative).read_bytes()


def release_id(release: Release) -> str:
    """Version, build and digest of what is installed: another lock, or amendment, is another."""
    content = release.content
    if isinstance(content, Venv):
        made_of = lock_file(content.requirements) + content.amendment.encode()
        digest = hashlib.sha256(made_of).hexdigest()
    else:
        first, *rest = sorted(download.sha256 for download in content.downloads.values())
        digest = hashlib.sha256("".join((first, *rest)).encode()).hexdigest() if rest else first
    return f"{release.version}-{digest[:12]}"


def engine_dir(engine: Released, settings: Settings) -> str:
    """The folder of an engine's releases."""
    return f"{settings.root_dir}/{engine.name}"


def release_dir(engine: Released, settings: Settings) -> str:
    """The folder of the engine's pinned release."""
    return f"{engine_dir(engine, settings)}/{release_id(engine.release(settings))}"


def requirements_path(engine: Released, settings: Settings) -> str:
    """Where the release's requirements file lies on the host."""
    return f"{release_dir(engine, settings)}.txt"


def former_link(engine: Released, settings: Settings) -> str:
    """The link that units ran from before they named the release's own folder."""
    return f"{engine_dir(engine, settings)}/current"


def compiled_dir(engine: Released, settings: Settings) -> str:
    """Where the replicas of an engine keep what they compile at run time, if they share it."""
    return f"{settings.cache_dir}/{engine.name}"


def release_environment(engine: Released, settings: Settings, folder: str) -> dict[str, str]:
    """What every process of the engine's release is told, where the release is in ``folder``."""
    compiled = compiled_dir(engine, settings)
    return engine.release(settings).environment_in(folder, compiled)


def uv_digest(settings: Settings) -> str:
    """By which the installer's release is called: the begin of its requirements' digest."""
    return hashlib.sha256(lock_file(settings.uv_requirements)).hexdigest()[:12]


def uv_dir(settings: Settings) -> str:
    """The venv of the installer."""
    return f"{settings.root_dir}/uv/{uv_digest(settings)}"


def uv_requirements_path(settings: Settings) -> str:
    """Where the installer's requirements file lies on the host."""
    return f"{uv_dir(settings)}.txt"


def script(name: str, settings: Settings) -> str:
    """Where a program of ours lies that units run, by its name in ``remote``."""
    return f"{settings.root_dir}/bin/{name.replace('_', '-')}"


UNIT_PREFIX = "rackwright-"


def unit_name(replica: Replica) -> str:
    """The systemd unit of a replica."""
    return f"{UNIT_PREFIX}{replica.name}.service"


def watchdog_dir(settings: Settings) -> str:
    """What the watchdog of a server keeps: quarantine, restarts, evidence."""
    return f"{settings.state_dir}/watchdog"


def router_unit(router: Router) -> str:
    """The systemd unit of a router, on its gateway."""
    return f"{UNIT_PREFIX}{router.name}.service"


def environment_path(replica: Replica, settings: Settings) -> str:
    """The environment file of a replica."""
    return f"{settings.config_dir}/replicas/{replica.name}.env"


def turns_dir(settings: Settings) -> str:
    """Where a server keeps which step is under way, and what ran before each replica's last one."""
    return f"{settings.state_dir}/turns"


def seeds_dir(settings: Settings) -> str:
    """Where a server keeps what its proven replicas compiled."""
    return f"{settings.state_dir}/seeds"


def model_path(replica: Replica, settings: Settings) -> str:
    """The weights: the operator's own, or ours a repo and revision; a folder, or one GGUF file."""
    gguf, source = replica.gguf, replica.model.source
    if gguf and gguf.pull:
        return settings.cache_dir
    given = gguf.path if gguf else source.path
    if given:
        return given
    if gguf:
        return in_models(settings.state_dir, gguf.repo, gguf.revision, gguf.file)
    return in_models(settings.state_dir, source.repo, source.revision, None)


def weights_paths(replica: Replica, settings: Settings) -> list[str]:
    """All that is loaded: of a split GGUF file each part, all beside the first; its projector."""
    first = model_path(replica, settings)
    beside = [replica.mmproj.place(settings.state_dir)] if replica.mmproj else []
    if not (replica.gguf and replica.gguf.parts):
        return [first, *beside]
    folder = first.rpartition("/")[0]
    names = [str(file.file or file.path).rpartition("/")[2] for file in replica.gguf.files]
    return [*(f"{folder}/{name}" for name in names), *beside]


def certificate_paths(config_dir: str) -> tuple[str, str]:
    """Certificate and key of a gateway that was given none."""
    return f"{config_dir}/tls/gateway.crt", f"{config_dir}/tls/gateway.key"


LINEAGE = "rackwright"
"""What certbot calls the gateway's certificate among those of others."""
ISSUED = f"/etc/letsencrypt/live/{LINEAGE}"
"""Where certbot has it: ``fullchain.pem`` and ``privkey.pem``."""


def served_link(config_dir: str) -> str:
    """The folder of the certificate that a gateway serves which has its own by ACME."""
    return f"{config_dir}/tls/served"


def until_issued(config_dir: str) -> str:
    """Where the link leads until the CA has issued one: a self-signed certificate."""
    return f"{config_dir}/tls/until-issued"


def in_folder(folder: str) -> tuple[str, str]:
    """Certificate and key as certbot names them."""
    return f"{folder}/fullchain.pem", f"{folder}/privkey.pem"


def challenges_dir(settings: Settings) -> str:
    """Where certbot leaves the answers to the CA's challenges."""
    return f"{settings.state_dir}/acme"


def issued_hook(settings: Settings) -> str:
    """What certbot runs once a certificate was issued."""
    return f"{settings.root_dir}/bin/certificate-issued"
