"""A model by whatever name it is asked for: of the catalog, a directory, or a repository."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import httpx

from rackwright import catalog
from rackwright.errors import Fault, SpecError, nearest
from rackwright.models.outside import bounded_get
from rackwright.models.spec import ModelSpec
from rackwright.schema.secrets import secret_rule
from rackwright.schema.validation import parse

HUB = "https://huggingface.co"


def find_model(name: str) -> ModelSpec:
    """The model called ``name``: catalog name, repository, or path of (or to) a config.json.

    A repository that is not in the catalog is asked for its config.json: HF_ENDPOINT names
    another hub than the public one, HF_TOKEN opens gated repositories. Raises SpecError where
    there is no such model, or where its config cannot be judged.
    """
    model = _of_catalog(name) or _of_path(name) or _of_repository(name)
    if reason := model.unjudged:
        raise SpecError([Fault("model", f"cannot be sized: {reason}", name)])
    return model


def _of_catalog(name: str) -> ModelSpec | None:
    for key, entry in catalog.model_entries().items():
        if name.lower() in (key, entry["repo"].lower()):
            return ModelSpec(name=key, **entry)
    return None


def _of_path(name: str) -> ModelSpec | None:
    path = Path(name)
    try:
        path.stat()
    except (OSError, ValueError):  # also a name that no path can have
        return None
    resolved = path.resolve()
    label = resolved.name if path.is_dir() else resolved.parent.name
    return _read({"name": _named_after(label), "path": "/unplaced", "config": str(path)}, name)


def _named_after(text: str) -> str:
    """A model's name made of what a folder or repository is called; other signs become hyphens."""
    return re.sub(r"[^A-Za-z0-9._:/-]+", "-", text).lstrip("._:/-")[:200] or "model"


def _of_repository(name: str) -> ModelSpec:
    owner, _, repository = name.partition("/")
    if not (owner and repository) or "/" in repository or name.startswith((".", "~")):
        rule = nearest(name, catalog.model_entries(), "model")
        hint = f"{rule} (nor is it a directory or a repository, owner/name)"
        raise SpecError([Fault("model", hint, name)])
    hub = os.environ.get("HF_ENDPOINT", HUB).rstrip("/")
    try:
        answer = bounded_get(f"{hub}/{name}/resolve/main/config.json", _authorization())
        config = json.loads(answer)
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        gated = ", set HF_TOKEN if it is gated" if code in (401, 403) else ""
        rule = f"has no config.json that the hub would give (HTTP {code}{gated})"
        raise SpecError([Fault("model", rule, name)]) from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
        reason = str(error) or type(error).__name__
        rule = f"is not in the catalog, and its config.json could not be fetched: {reason}"
        raise SpecError([Fault("model", rule, name)]) from None
    if not isinstance(config, dict):  # a text would be read as the path of a file of this machine
        raise SpecError([Fault("model", "has a config.json that is no JSON object", name)])
    label = _named_after(repository.lower())
    return _read({"name": label, "repo": name, "config": config}, name)


def _authorization() -> dict[str, str]:
    token = os.environ.get("HF_TOKEN", "").strip()
    if token and (rule := secret_rule(token)):
        raise SpecError([Fault("HF_TOKEN", rule)])
    return {"Authorization": f"Bearer {token}"} if token else {}


def _read(entry: dict[str, object], name: str) -> ModelSpec:
    faults: list[Fault] = []
    model = parse(ModelSpec, entry, "model", faults)
    if model is None:
        raise SpecError(faults or [Fault("model", "cannot be read", name)])
    return model


def find_gpus(
    name: str | None, types: Mapping[str, catalog.GpuType] | None = None
) -> list[catalog.GpuType]:
    """The GPU type called ``name``, or every one. Raises SpecError for a name that is none.

    ``types`` are those of the catalog, unless an inventory has its own beside them.
    """
    known = catalog.gpu_types() if types is None else types
    if name is None:
        return list(known.values())
    if found := catalog.find_gpu(name, types=types):
        return [found]
    start = re.sub(r"[\s_]+", "-", name.lower())
    several = [key for key, gpu in known.items() if key.startswith(start) or gpu.is_named(name)]
    rule = nearest(name, several or known, "GPU type")
    if len(several) > 1:
        rule = f"may be any of {', '.join(several)}"
    raise SpecError([Fault("--gpu", rule, name)])
