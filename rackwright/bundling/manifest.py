"""What a bundle has, as a value and as its file ``manifest.json``, which is written last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import Field

from rackwright.errors import Fault, InputError, SpecError
from rackwright.schema.fields import Entry, Sha256, Whole
from rackwright.schema.files import text_of
from rackwright.schema.validation import parse

NAME = "manifest.json"
HEADING = "in the bundle; no host was touched"


class BundledFile(Entry):
    """A file of the bundle."""

    size_bytes: Whole
    sha256: Sha256


class BundledHost(Entry):
    """A host that the bundle was made for.

    ``system`` is as in a lock (``debian 12 amd64``). ``python`` is what its engines run on,
    exactly, ``environment`` which wheels fit it (``locking.wheels.Target``); both are empty
    where it has no Python engine; ``python_fetched``: uv brings it, from the bundle. ``driver`` is
    the version whose packages are there; empty for none.
    """

    system: str
    python: str = ""
    python_fetched: bool = False
    environment: str = ""
    driver: str = ""


class Manifest(Entry):
    """All of a bundle, by the keys of a lock. Paths are relative to its folder, with ``/``.

    ``releases``: key to the paths of its files by environment, or by architecture of an archive.
    ``models``: key to path by the name in its repository. ``debs``: system to the names of packages
    that are there with all that they need.
    """

    format: Literal[1] = 1
    hosts: dict[str, BundledHost] = Field(default_factory=dict)
    releases: dict[str, dict[str, tuple[str, ...]]] = Field(default_factory=dict)
    models: dict[str, dict[str, str]] = Field(default_factory=dict)
    debs: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    files: dict[str, BundledFile] = Field(default_factory=dict)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle.

    Raises InputError where the folder is none, or its making was cut off; SpecError with every
    fault of the file.
    """
    path = folder / NAME
    try:
        data = json.loads(text_of(path))
    except FileNotFoundError:
        kind = "is not whole yet: run `rackwright bundle` again" if folder.is_dir() else "is absent"
        raise InputError(f"bundle {folder} has no {NAME}: it {kind}") from None
    except (OSError, ValueError, RecursionError) as error:
        words = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {words}") from None
    faults: list[Fault] = []
    manifest = parse(Manifest, data, NAME, faults)
    if manifest is None:
        raise SpecError(faults, HEADING)
    if outside := next((name for name in manifest.files if not is_inside(name)), None):
        raise SpecError([Fault(f"{NAME}.files", "must name files of the bundle", outside)], HEADING)
    return manifest


def is_inside(path: str) -> bool:
    """Whether a path of a manifest stays in the bundle."""
    parts = path.split("/")
    return bool(path) and all(part not in ("", ".", "..") for part in parts)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Whole or not at all. Raises OSError."""
    partial = folder / f"{NAME}.partial"
    text = json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True)
    partial.write_text(f"{text}\n", encoding="utf-8")
    partial.replace(folder / NAME)
