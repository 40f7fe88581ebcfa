"""A file that a bundle is to have: where it comes from, and how it is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rackwright.causes.secrets import redacted


@dataclass(frozen=True)
class Wanted:
    """A file by URL (https, http, file). ``path`` is in the bundle, ``kind`` says what it is for.

    ``sha256`` is None for what is known by another digest alone: ``git_blob``, git's SHA-1 of a
    blob; or by none, where who installs it knows it by one. ``size_bytes`` None: nobody says.
    ``secret`` is a token that the first host of ``url`` wants, and nobody else hears.
    """

    path: str
    url: str
    kind: str
    size_bytes: int | None = None
    sha256: str | None = None
    git_blob: str | None = None
    secret: str = ""

    def __repr__(self) -> str:
        """Without the token."""
        return f"Wanted({self.path!r})"


def merged(wanted: Iterable[Wanted]) -> list[Wanted]:
    """Each path once, sorted. Raises ValueError for two files of one path."""
    by_path: dict[str, Wanted] = {}
    for one in wanted:
        other = by_path.setdefault(one.path, one)
        if other.sha256 != one.sha256:
            words = f"{one.path} is two files: {other.url} and {one.url}"
            raise ValueError(redacted(words))
    return [by_path[path] for path in sorted(by_path)]


def totals(wanted: Iterable[Wanted]) -> dict[str, tuple[int, int]]:
    """Of each kind: how many files, and their bytes as far as these are known."""
    found: dict[str, tuple[int, int]] = {}
    for one in wanted:
        files, size = found.get(one.kind, (0, 0))
        found[one.kind] = (files + 1, size + (one.size_bytes or 0))
    return dict(sorted(found.items()))
