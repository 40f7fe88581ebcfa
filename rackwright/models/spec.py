"""A model as it is declared: where its weights come from, and the figures that size it."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, InstanceOf, model_validator

from rackwright.errors import Fault, SpecError
from rackwright.models import Figures, Shape, read_shape, shape_by_hand
from rackwright.models.gguf import Gguf, Mmproj
from rackwright.models.mistral_params import PARAMS, config_of_params
from rackwright.models.quantization import NAMED, QUANTIZATION_FILE, with_file_beside
from rackwright.models.tasks import pooled
from rackwright.models.tensors.headers import Headers
from rackwright.schema.depth import TOO_DEEP, too_deep
from rackwright.schema.fields import (
    Count,
    Entry,
    Repo,
    Revision,
    ServedName,
    WeightsPath,
)
from rackwright.schema.files import text_of


class ModelSource(Entry):
    """Where weights come from: a repository at a pinned revision, or a directory on the server.

    A catalog entry has the repository only; it is pinned once a service adds a revision.
    """

    repo: Repo | None = None
    revision: Revision | None = None
    path: WeightsPath | None = None

    @property
    def pinned(self) -> bool:
        """Whether this names exactly one set of weights."""
        return bool(self.path) or bool(self.repo and self.revision)


def _config_json(value: object) -> object:
    """A config given as a path is read: a ``config.json``, or the directory that holds it.

    What an older ModelOpt wrote beside it (``hf_quant_config.json``) belongs to it.
    """
    if isinstance(value, str):
        value = _read_config(Path(value))
    if too_deep(value):
        raise ValueError(TOO_DEEP)
    return value


def _read_config(path: Path) -> object:
    if params := _params(path):
        return _of_params(_read_json(params, PARAMS))
    config = _read_json(path, "config.json")
    beside = (path if path.is_dir() else path.parent) / QUANTIZATION_FILE
    if not isinstance(config, dict) or config.get("quantization_config") or not beside.is_file():
        return config
    added = _read_json(beside, QUANTIZATION_FILE)
    if not isinstance(added, dict):
        raise ValueError(f"must have a {QUANTIZATION_FILE} beside it that is a JSON object")
    return with_file_beside(config, added)


def _params(path: Path) -> Path | None:
    """Mistral's own file, where it is named or is all that a folder has."""
    try:
        if path.is_dir() and not (path / "config.json").exists():
            return path / PARAMS if (path / PARAMS).is_file() else None
    except (OSError, ValueError):
        return None
    return path if path.name == PARAMS else None


def _of_params(values: object) -> object:
    if not isinstance(values, dict):
        raise ValueError(f"must have a {PARAMS} that is a JSON object")
    if too_deep(values):
        raise ValueError(TOO_DEEP)
    try:
        return config_of_params(values)
    except ValueError as error:
        raise ValueError(f"{error} ({PARAMS})") from None


def _read_json(path: Path, name: str) -> object:
    try:
        return json.loads(text_of(path / name if path.is_dir() else path))
    except OSError as error:
        what = error.strerror or "no file"
    except (json.JSONDecodeError, UnicodeDecodeError):
        what = "no JSON"
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    except ValueError as error:  # what text_of refuses, and a name that no path can have
        what = str(error)
    raise ValueError(f"must be a readable {name} ({what})") from None


def _headers(value: object) -> object:
    """Headers given as a path are read: a file of ours, or a folder with safetensors files."""
    if not isinstance(value, str):
        return value
    from rackwright.models.tensors.files import read_headers

    return read_headers(Path(value))


def _shape_of_header(path: Path) -> Shape:
    from rackwright.models.gguf_header import read_header
    from rackwright.models.gguf_shape import gguf_shape

    return gguf_shape(read_header(path))


class ModelSpec(Entry):
    """A model: where its weights come from, and the figures that decide how large it is.

    ``gguf`` is its file for engines that serve those, beside or instead of ``source``, ``mmproj``
    the projector beside that.
    ``config`` is its Hugging Face ``config.json``, as a dict or as a path to it; ``figures`` are
    given by hand where the architecture is not known; ``header`` is the path of its GGUF file on
    this machine, whose header says all of it. ``tensors`` are the headers of its files, as
    a path to what `rackwright tensors` wrote. ``answers`` is for one whose config names an
    architecture that writes, though it was trained to answer with vectors. ``max_model_len``
    shortens the longest context that the figures name. ``published_extra`` is what
    ``published_parameters`` counts beside the model's own weights: vision, scales, layers for
    drafts.
    """

    name: ServedName
    source: ModelSource
    gguf: Gguf | None = None
    mmproj: Mmproj | None = None
    config: Annotated[dict[str, Any] | None, BeforeValidator(_config_json)] = None
    figures: Figures | None = None
    tensors: Annotated[
        InstanceOf[Headers] | None, BeforeValidator(_headers), Field(exclude=True)
    ] = None
    header: str | None = Field(None, min_length=1, max_length=4096)
    max_model_len: Count | None = None
    dtype: Literal["bfloat16", "float16"] | None = None
    answers: Literal["vectors"] | None = None
    published_parameters: Count | None = None
    published_extra: dict[str, Annotated[int, Field(strict=True)]] = Field(default_factory=dict)
    provenance: str = ""

    @model_validator(mode="before")
    @classmethod
    def _from_entry(cls, data: Any) -> Any:
        """Flat entry (``path``, ``repo``, ``revision`` beside the figures) to nested source."""
        if not isinstance(data, dict) or isinstance(data.get("source"), (dict, ModelSource)):
            return data
        entry = {("provenance" if key == "source" else key): data[key] for key in data}
        entry["source"] = {
            key: entry.pop(key) for key in ("repo", "revision", "path") if key in entry
        }
        return entry

    @model_validator(mode="after")
    def _one_kind_of_figures(self) -> Self:
        given = (self.config is not None, self.figures is not None, self.header is not None)
        if sum(given) != 1:
            kinds = "config (its config.json), figures (by hand) or header (its GGUF file)"
            raise ValueError(f"must have either {kinds}")
        if self.tensors and not self.config:
            raise ValueError("must have tensors beside config, not beside figures or header")
        if self.answers and not self.config:
            raise ValueError("must have answers beside config, not beside figures or header")
        return self

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.source.path and (self.source.repo or self.source.revision):
            raise ValueError("must have path, or repo and revision, not both")
        return self

    @cached_property
    def shape(self) -> Shape:
        """The model tensor by tensor. Raises SpecError where its config cannot be judged."""
        shape = self._shape()
        return pooled(shape) if self.answers and shape.answers == "text" else shape

    def _shape(self) -> Shape:
        if self.figures:
            return shape_by_hand(self.figures)
        if self.header:
            return _shape_of_header(Path(self.header))
        own = {"torch_dtype": self.dtype, "dtype": self.dtype} if self.dtype else {}
        values, path = {**(self.config or {}), **own}, f"models[{self.name}].config"
        if self.tensors:
            from rackwright.models.tensors.shapes import shape_of_files

            return shape_of_files(values, self.tensors, path)
        return read_shape(values, path)

    @property
    def unjudged(self) -> str:
        """Why the model cannot be sized; empty where it can."""
        try:
            _ = self.shape
        except SpecError as error:
            return "; ".join(_without_model(fault) for fault in error.faults)
        return ""

    @property
    def longest_context(self) -> int:
        """The most tokens of one request, prompt and answer together."""
        return self.max_model_len or self.shape.max_position_embeddings


def _without_model(fault: Fault) -> str:
    """A fault of a model's figures, for a sentence that names the model already.

    That of a file on this machine (a header) keeps its path.
    """
    if not fault.path.startswith("models["):
        return str(fault)
    return str(replace(fault, path=fault.path.partition("].config.")[2] or "config"))


@lru_cache(maxsize=1024)
def quantized(shape: Shape, name: str | None) -> Shape:
    """``shape`` with the quantization of that name made of it; itself where that is None."""
    return shape.with_quantization(NAMED[name]) if name else shape


@lru_cache(maxsize=1024)
def seeing(shape: Shape, images: int, audios: int = 0) -> Shape:
    """``shape`` with its towers, for so many images and sounds a prompt; itself without either."""
    asked = (images and shape.tower) or (audios and shape.ear)
    return shape.seeing(images, audios) if asked else shape
