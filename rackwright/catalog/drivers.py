"""What goes with what: driver branches, CUDA, kernels. The data is ``drivers.yaml``."""

from __future__ import annotations

import re
from functools import cache

from pydantic import BaseModel, ConfigDict, Field

from rackwright.catalog.data import read

Capability = tuple[int, int]
"""A CUDA compute capability: (9, 0)."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Branch(_Entry):
    """A driver branch; ``drivers.yaml`` says what each figure means. ``number`` is its key."""

    number: int
    supported_until: str | None
    proprietary: bool
    minimum_capability: Capability
    suffixed: bool
    kernels: dict[str, str] = {}
    archives: frozenset[str]
    sources: str = Field(min_length=1)

    def newest_kernel(self, version: str) -> str | None:
        """The newest Linux release this driver version builds on; None where nothing is known."""
        named = [each for each in self.kernels if numbers(each) <= numbers(version)]
        return self.kernels[max(named, key=numbers)] if named else None


class OpenModules(_Entry):
    """From which GPU on the open kernel modules work, and from which on nothing else does."""

    minimum_capability: Capability
    required_from: Capability
    sources: str = Field(min_length=1)


class Cuda(_Entry):
    """What a CUDA major needs: the oldest driver branch, and the oldest GPU."""

    minimum_branch: int
    minimum_capability: Capability


class Drivers(_Entry):
    """All of ``drivers.yaml``."""

    branches: dict[int, Branch]
    open_modules: OpenModules
    cuda: dict[int, Cuda]
    cuda_sources: str = Field(min_length=1)
    toolkits: tuple[str, ...]
    keys: dict[str, str]
    repositories: dict[str, str]


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, to compare by: ``6.1.0-44-amd64`` gives (6, 1, 0)."""
    found = []
    for part in version.split("-")[0].split("+")[0].split("."):
        if not re.fullmatch(r"[0-9]{1,18}", part):
            break
        found.append(int(part))
    return tuple(found)


@cache
def drivers() -> Drivers:
    """The whole table, read once."""
    entry = read("drivers.yaml")
    branches = {number: {**each, "number": number} for number, each in entry["branches"].items()}
    return Drivers(**{**entry, "branches": branches})
