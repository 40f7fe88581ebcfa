"""A model as it is declared: where its weights come from, and the figures that size it."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from rackwright.errors import Fault, SpecError
from rackwright.models import Figures, Shape, read_shape, shape_by_hand
from rackwright.models.quantization import NAMED
from rackwright.schema.depth import TOO_DEEP, too_deep
from rackwright.schema.fields import (
    Count,
    Entry,
    GgufName,
    GgufPath,
    PulledName,
    Repo,
    Revision,
    ServedName,
    Sha256,
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


class Gguf(Entry):
    """One GGUF file: in a repository at a pinned revision, at a path on the server, or pulled.

    ``sha256`` is of the file; of a model to ``pull`` from Ollama's registry it is the digest that
    `ollama list` shows. ``size_bytes`` decides how many GPUs it needs. ``quantization`` is only
    shown.
    """

    repo: Repo | None = None
    revision: Revision | None = None
    file: GgufName | None = None
    path: GgufPath | None = None
    pull: PulledName | None = None
    sha256: Sha256
    size_bytes: Count
    quantization: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        from_repo = (self.repo, self.revision, self.file)
        kinds = (any(from_repo), bool(self.path), bool(self.pull))
        if sum(kinds) != 1 or (any(from_repo) and not all(from_repo)):
            raise ValueError("must have repo, revision and file, or path, or pull")
        return self


def _config_json(value: object) -> object:
    """A config given as a path is read: a ``config.json``, or the directory that holds it."""
    if isinstance(value, str):
        value = _read_config(Path(value))
    if too_deep(value):
        raise ValueError(TOO_DEEP)
    return value


def _read_config(path: Path) -> object:
    try:
        return json.loads(text_of(path / "config.json" if path.is_dir() else path))
    except OSError as error:
        what = error.strerror or "no file"
    except (json.JSONDecodeError, UnicodeDecodeError):
        what = "no JSON"
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    except ValueError as error:  # what text_of refuses, and a name that no path can have
        what = str(error)
    raise ValueError(f"must be a readable config.json ({what})") from None


class ModelSpec(Entry):
    """A model: where its weights come from, and the figures that decide how large it is.

    ``gguf`` is its file for engines that serve those, beside or instead of ``source``.
    ``config`` is its Hugging Face ``config.json``, as a dict or as a path to it; ``figures`` are
    given by hand where the architecture is not known. ``max_model_len`` shortens the longest
    context that the figures name. ``published_extra`` is what ``published_parameters`` counts
    beside the model's own weights: vision, scales, layers for drafts.
    """

    name: ServedName
    source: ModelSource
    gguf: Gguf | None = None
    config: Annotated[dict[str, Any] | None, BeforeValidator(_config_json)] = None
    figures: Figures | None = None
    max_model_len: Count | None = None
    dtype: Literal["bfloat16", "float16"] | None = None
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
        if (self.config is None) == (self.figures is None):
            raise ValueError("must have either config (its config.json) or figures (by hand)")
        return self

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.source.path and (self.source.repo or self.source.revision):
            raise ValueError("must have path, or repo and revision, not both")
        return self

    @cached_property
    def shape(self) -> Shape:
        """The model tensor by tensor. Raises SpecError where its config cannot be judged."""
        if self.figures:
            return shape_by_hand(self.figures)
        own = {"torch_dtype": self.dtype, "dtype": self.dtype} if self.dtype else {}
        return read_shape({**(self.config or {}), **own}, f"models[{self.name}].config")

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
    """A fault of a model's figures, for a sentence that names the model already."""
    return str(replace(fault, path=fault.path.partition("].config.")[2]))


@lru_cache(maxsize=1024)
def quantized(shape: Shape, name: str | None) -> Shape:
    """``shape`` with the quantization of that name made of it; itself where that is None."""
    return shape.with_quantization(NAMED[name]) if name else shape
