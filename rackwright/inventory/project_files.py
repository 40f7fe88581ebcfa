"""Files of this project that settings name: there, and of the kind that hosts are to get."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import chain

from rackwright.desired.paths import PROJECT
from rackwright.driver.sources import read
from rackwright.engines import ENGINES, Venv
from rackwright.errors import Fault, gathered
from rackwright.inventory.settings import host_settings
from rackwright.routers import ROUTERS
from rackwright.schema.files import text_of
from rackwright.spec import FleetSpec, ServiceSpec

_DECODERS = ("av", "soundfile")
"""What vLLM's extra ``audio`` brings (multimodal/media/audio.py, 0.32): without them, or a system's
ffmpeg, each request with sound fails, and a change of its rate in any case.
"""
_KEY = "driver_repository_key"
_SOURCES = "apt_sources"
_LOCKED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[^]]*\])? *(== *[^\s*]+(?=[\s;]|$)|@ *\S+)")
_HASH = re.compile(r"--hash=sha(256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})(?=\s|$)")


def project_file_faults(spec: FleetSpec) -> Iterator[Fault]:
    """What is wrong with files that the settings of hosts name."""
    found = (
        (host, Fault(f"settings.{key}", rule, relative))
        for host in dict.fromkeys((*spec.servers, *spec.gateways))
        for key, relative in _named(spec, host)
        if (rule := _wrong_with(relative, key))
    )
    yield from gathered(found)
    yield from dict.fromkeys(_sound_faults(spec))


def _sound_faults(spec: FleetSpec) -> Iterator[Fault]:
    """Services of models that hear, where the engine would start and decode no sound."""
    for service in spec.services.values():
        engine = ENGINES.get(service.engine)
        hears = service.audios or _transcribes(spec, service)
        for host in service.servers if hears and engine else ():
            settings = spec.settings.get(host)
            content = engine.release(settings).content if engine and settings else None
            if isinstance(content, Venv) and (lacking := _deaf(content.requirements)):
                rule = (
                    f"{content.requirements} has no {lacking}, which decode sound; name a file "
                    "that has (vllm-0.32.0-cu130-audio.txt is one)"
                )
                where = f"services[{service.name}]"
                if service.audios:
                    yield Fault(f"{where}.audios", f"must be left out: {rule}", service.audios)
                else:
                    yield Fault(f"{where}.model", f"must not hear: {rule}", service.model)


def _transcribes(spec: FleetSpec, service: ServiceSpec) -> bool:
    """Whether it hears whatever it is told; a model that is not known has a fault of its own."""
    model = spec.models.get(service.model)
    return model is not None and model.shape.answers == "transcripts"


@cache
def _deaf(relative: str) -> str:
    """What a requirements file lacks of what decodes sound; another fault says that it is gone."""
    try:
        text = text_of(PROJECT / relative)
    except (OSError, ValueError):
        return ""
    return " and ".join(name for name in _DECODERS if f"\n{name}==" not in f"\n{text}")


def _named(spec: FleetSpec, host: str) -> Iterator[tuple[str, str]]:
    """Those that the host may get: on one that is a gateway alone no requirements of engines."""
    settings = spec.settings.get(host)
    of_routers = chain.from_iterable(one.settings_model.model_fields for one in ROUTERS.values())
    for key in host_settings().model_fields if host in spec.servers else of_routers:
        if settings and (key.endswith("_requirements") or key == _KEY) and getattr(settings, key):
            yield key, getattr(settings, key)
    for release, relative in sorted(settings.apt_sources.items()) if settings else ():
        yield f"{_SOURCES}[{release}]", relative


@cache
def _wrong_with(relative: str, key: str) -> str:
    """The rule that a file breaks; empty where it is as it must be."""
    try:
        text = text_of(PROJECT / relative)
    except FileNotFoundError:
        return "is not a file of this project"
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or error
        return f"is not a file of this project that can be read ({words})"
    if key.startswith(_SOURCES):
        return _unsourced(text)
    return _unarmored(text) if key == _KEY else unlocked(text)


def _unsourced(text: str) -> str:
    found = read({"given.sources": text})
    whole = found and all(source.uris and source.suites for source in found)
    return "" if whole else "must have sources as deb822: Types, URIs and Suites (sources.list(5))"


def _unarmored(text: str) -> str:
    """Apt reads a key inside a source file only where it is text."""
    armored = "-----BEGIN PGP PUBLIC KEY BLOCK-----" in text
    return "" if armored else "must be an armored public key (`gpg --armor --export`)"


def unlocked(text: str) -> str:
    """Why a requirements file does not say which files are installed; empty where it does.

    Each requirement has an exact version and a hash, as ``uv pip compile --generate-hashes`` writes
    them; options stand on lines of their own, and no other file is named: only this one travels.
    """
    lines = [line for line in text.replace("\\\n", " ").splitlines() if _content(line)]
    requirements = [line for line in map(_content, lines) if not line.startswith("-")]
    if other := next((line for line in lines if re.match(r"-[a-zA-Z]|--(req|con|edit)", line)), ""):
        return f"must name no other file ({_short(other)})"
    for line in requirements:
        if not (_LOCKED.match(line) and _HASH.search(line)):
            return f"must have each requirement with its version and --hash ({_short(line)})"
    return "" if requirements else "must have requirements with hashes, it has none"


def _content(line: str) -> str:
    """A line without its comment."""
    return re.sub(r"(^|\s)#.*", "", line).strip() if "#" in line else line.strip()


def _short(line: str) -> str:
    return line.strip()[:60]
