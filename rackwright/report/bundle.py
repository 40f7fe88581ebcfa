"""A bundle in the making, for a terminal: how much there is to come, and how far it is."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rackwright.bundling.wanted import Wanted, totals
from rackwright.report.progress import Progress


def bytes_text(size_bytes: int) -> str:
    """In MB, or in GB where that is shorter: powers of ten, as disks are sold."""
    return f"{size_bytes / 1e9:,.2f} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e6:,.1f} MB"


def bundle_text(wanted: Sequence[Wanted], missing: Sequence[Wanted]) -> str:
    """Of each kind how many files and bytes there are to be, and how many are still to come."""
    to_come, of_kinds = totals(missing), totals(wanted)
    rows = [
        (kind, files, size, to_come.get(kind, (0, 0))[1])
        for kind, (files, size) in of_kinds.items()
    ]
    in_all = [sum(row[column] for row in of_kinds.values()) for column in (0, 1)]
    rows.append(("in all", in_all[0], in_all[1], sum(size for _, size in to_come.values())))
    return "\n".join(
        f"{kind:<10} {files:>6,} files {bytes_text(size):>12}, {bytes_text(left)} to come"
        for kind, files, size, left in rows
    )


class FetchProgress:
    """Many files that come at once, in one line."""

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        """``wanted`` are to come."""
        self._line = Progress(sys.stderr)
        self._total = sum(one.size_bytes or 0 for one in wanted)
        self._files = len(wanted)
        self._there: dict[str, int] = {}

    def hear(self, one: Wanted, there_bytes: int) -> None:
        """How many bytes of a file are there."""
        self._there[one.path] = there_bytes
        name = one.path.rpartition("/")[2]
        share = f"{bytes_text(sum(self._there.values()))} of {bytes_text(self._total)}"
        self._line.show(f"  {len(self._there)} of {self._files} files, {share}: {name}")

    def end(self) -> None:
        """Make way for what is said next."""
        self._line.clear()
