"""A model by whatever name it is asked for: of the catalog, a directory, or a repository."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from rackwright import catalog
from rackwright.errors import Fault, SpecError, nearest
from rackwright.models import is_known
from rackwright.models.hub import authorization, hub_address
from rackwright.models.mistral_params import PARAMS, config_of_params
from rackwright.models.outside import bounded_get
from rackwright.models.quantization import QUANTIZATION_FILE, with_file_beside
from rackwright.models.spec import ModelSpec
from rackwright.models.tensors.files import has_weights, read_headers
from rackwright.models.tensors.headers import Headers
from rackwright.models.tensors.hub import hub_headers
from rackwright.schema.validation import parse


def find_model(name: str, tensors: bool = False) -> ModelSpec:
    """The model called ``name``: catalog name, repository, or path of (or to) a config.json.

    ``tensors``: with the headers of its files, which are read unasked where a folder has them and
    where a hub is asked anyway for a model whose architecture is not known.

    A repository that is not in the catalog is asked for its config.json: HF_ENDPOINT names
    another hub than the public one, HF_TOKEN opens gated repositories. Raises SpecError where
    there is no such model, or where its config cannot be judged.
    """
    model = _of_catalog(name, tensors) or _of_path(name, tensors) or _of_repository(name, tensors)
    if reason := model.unjudged:
        raise SpecError([Fault("model", f"cannot be sized: {reason}")])
    return model


def _of_catalog(name: str, tensors: bool) -> ModelSpec | None:
    for key, entry in catalog.model_entries().items():
        if name.lower() in (key, entry["repo"].lower()):
            beside = {"tensors": hub_headers(entry["repo"])} if tensors else {}
            return ModelSpec(name=key, **entry, **beside)
    return None


def _of_path(name: str, tensors: bool) -> ModelSpec | None:
    path = Path(name)
    try:
        path.stat()
    except (OSError, ValueError):  # also a name that no path can have
        return None
    resolved = path.resolve()
    label = resolved.name if path.is_dir() else resolved.parent.name
    entry: dict[str, object] = {"name": named_after(label), "path": "/unplaced"}
    entry["config"] = str(path)
    folder = path if path.is_dir() else path.parent
    if tensors or (path.is_dir() and has_weights(path)):
        entry["tensors"] = _of_folder(folder, name)
    return _read(entry, name)


def _of_folder(folder: Path, name: str) -> Headers:
    try:
        return read_headers(folder)
    except ValueError as error:
        rule = f"has files that cannot be read: {error} (its config.json alone can be sized too)"
        raise SpecError([Fault("model", rule, name)]) from None


def named_after(text: str) -> str:
    """A model's name made of what a folder or repository is called; other signs become hyphens."""
    return re.sub(r"[^A-Za-z0-9._:/-]+", "-", text).lstrip("._:/-")[:200] or "model"


def _of_repository(name: str, tensors: bool) -> ModelSpec:
    owner, _, repository = name.partition("/")
    if not (owner and repository) or "/" in repository or name.startswith((".", "~")):
        rule = nearest(name, catalog.model_entries(), "model")
        hint = f"{rule} (nor is it a directory or a repository, owner/name)"
        raise SpecError([Fault("model", hint, name)])
    try:
        config = _config_of(f"{hub_address()}/{name}/resolve/main")
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
    if not config.get("quantization_config"):
        config = with_file_beside(config, _file_beside(f"{hub_address()}/{name}"))
    label = named_after(repository.lower())
    entry: dict[str, object] = {"name": label, "repo": name, "config": config}
    if tensors or _is_unknown(config):
        entry["tensors"] = _headers_or_why(name, config, asked=tensors)
    return _read(entry, name)


def _config_of(files: str) -> Any:
    """A repository's config.json; where it has none, Mistral's own params.json.

    Raises httpx's errors, that of the config.json where there is neither, and ValueError.
    """
    try:
        return json.loads(bounded_get(f"{files}/config.json", authorization()))
    except httpx.HTTPStatusError as error:
        if error.response.status_code != httpx.codes.NOT_FOUND:
            raise
        try:
            params = json.loads(bounded_get(f"{files}/{PARAMS}", authorization()))
        except (httpx.HTTPError, ValueError):
            raise error from None
        if not isinstance(params, dict):
            raise error
        return config_of_params(params)


def _is_unknown(config: Mapping[str, object]) -> bool:
    """Whether it names an architecture at all, and one that is not known."""
    named = config.get("architectures")
    one = isinstance(named, list) and len(named) == 1 and isinstance(named[0], str)
    return one and not is_known(config)


def _headers_or_why(name: str, config: Mapping[str, object], asked: bool) -> Headers:
    """What a repository's files say; where they cannot be had, also why they were needed."""
    try:
        return hub_headers(name)
    except SpecError as error:
        faults = list(error.faults)
    if not asked:
        unknown = _read({"name": "model", "repo": name, "config": config}, name).unjudged
        faults.append(Fault("model", f"cannot be sized: {unknown}"))
    raise SpecError(faults)


def _file_beside(repository: str) -> dict[str, Any] | None:
    """What an older ModelOpt wrote beside ``config.json``; None where there is no such file."""
    try:
        url = f"{repository}/resolve/main/{QUANTIZATION_FILE}"
        found = json.loads(bounded_get(url, authorization()))
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.NOT_FOUND:
            return None
        reason = f"HTTP {error.response.status_code}"
    except (httpx.HTTPError, ValueError, RecursionError) as error:
        reason = str(error) or type(error).__name__
    else:
        if isinstance(found, dict):
            return found
        reason = "no JSON object"
    rule = f"may be quantized, but its {QUANTIZATION_FILE} could not be read: {reason}"
    raise SpecError([Fault("model", rule, repository.rpartition("//")[2])])


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
