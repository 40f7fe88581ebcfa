"""The GGUF file that an engine serves, as it is declared: one file, or the parts of a split one."""

from __future__ import annotations

from typing import Any, Self

from pydantic import model_validator

from rackwright.schema.fields import (
    Count,
    Entry,
    GgufName,
    GgufPath,
    PulledName,
    Repo,
    Revision,
    Sha256,
)
from rackwright.schema.gguf_parts import gguf_part


class Mmproj(Entry):
    """The projector of a GGUF model that sees or hears: one file, in a repository or at a path."""

    repo: Repo | None = None
    revision: Revision | None = None
    file: GgufName | None = None
    path: GgufPath | None = None
    sha256: Sha256
    size_bytes: Count

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        from_repo = (self.repo, self.revision, self.file)
        if any(from_repo) == bool(self.path) or (any(from_repo) and not all(from_repo)):
            raise ValueError("must have repo, revision and file, or path")
        return self

    def place(self, state_dir: str) -> str:
        """Where it lies on a host: the operator's path, or below the state folder."""
        return self.path or in_models(state_dir, self.repo, self.revision, self.file)


def in_models(state_dir: str, repo: str | None, revision: str | None, file: str | None) -> str:
    """Where a file of a repository is downloaded to."""
    assert repo and revision
    folder = f"{state_dir}/models/{repo.replace('/', '--')}/{revision}"
    return f"{folder}/{file}" if file else folder


class GgufDigest(Entry):
    """One part of a split GGUF file."""

    sha256: Sha256
    size_bytes: Count


class Gguf(Entry):
    """A GGUF file: in a repository at a pinned revision, at a path on the server, or pulled.

    ``sha256`` is of the file; of a model to ``pull`` from Ollama's registry it is the digest that
    `ollama list` shows. ``size_bytes`` decides how many GPUs it needs. ``quantization`` is only
    shown. A split one is named by its first file and has ``parts``, one a file in their order:
    then ``sha256`` is the first one's and ``size_bytes`` of all, and neither needs to be given.
    """

    repo: Repo | None = None
    revision: Revision | None = None
    file: GgufName | None = None
    path: GgufPath | None = None
    pull: PulledName | None = None
    sha256: Sha256
    size_bytes: Count
    quantization: str = ""
    parts: tuple[GgufDigest, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _of_parts(cls, data: Any) -> Any:
        """What parts say is not asked for once more."""
        if not isinstance(data, dict) or not data.get("parts"):
            return data
        digests, sizes = (_of_each(data["parts"], key) for key in ("sha256", "size_bytes"))
        told = {"sha256": digests[0], "size_bytes": sum(sizes)} if digests and sizes else {}
        return {**_UNREAD, **told, **data}

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        from_repo = (self.repo, self.revision, self.file)
        kinds = (any(from_repo), bool(self.path), bool(self.pull))
        if sum(kinds) != 1 or (any(from_repo) and not all(from_repo)):
            raise ValueError("must have repo, revision and file, or path, or pull")
        return self

    @model_validator(mode="after")
    def _all_parts(self) -> Self:
        named = gguf_part(self.file or self.path or "")
        if named and len(self.parts) != named.parts and (self.parts or named.parts > 1):
            rule = f"must have {named.parts} parts, as its name says: sha256 and size_bytes of each"
            raise ValueError(f"{rule} (got {len(self.parts)})")
        if self.parts and not named:
            raise ValueError("must have parts only where the first is named (-00001-of-)")
        said = (self.sha256, self.size_bytes)
        if self.parts and said != (self.parts[0].sha256, sum(p.size_bytes for p in self.parts)):
            raise ValueError("must have no sha256 and size_bytes beside those of its parts")
        return self

    @property
    def files(self) -> tuple[Gguf, ...]:
        """Each of its files as one of its own: itself where it is not split."""
        named = gguf_part(self.file or self.path or "")
        if not (named and self.parts):
            return (self,)
        key = "file" if self.file else "path"
        return tuple(
            self.model_copy(update={key: named.named(number), "parts": (), **dict(part)})
            for number, part in enumerate(self.parts, 1)
        )


_UNREAD = {"sha256": "0" * 64, "size_bytes": 1}
"""Stands where parts that cannot be read would say it: their own faults are told."""


def _of_each(parts: object, key: str) -> list[Any]:
    """What every part says; empty where one does not."""
    entries = parts if isinstance(parts, list | tuple) else ()
    found = [dict(one).get(key) if isinstance(one, dict | Entry) else None for one in entries]
    kind = int if key == "size_bytes" else str
    return found if all(type(value) is kind for value in found) else []
