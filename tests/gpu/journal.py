"""What the journey has seen so far, in a file that is whole after every part, and as a table."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Journal:
    """Parts (what was done, how long it took, how it ended) and replicas (planned and measured)."""

    def __init__(self, path: Path, inventory: str, total_s: float) -> None:
        self.path = path
        self.until = time.monotonic() + total_s
        self.document: dict[str, Any] = {"schema": 1, "inventory": inventory}
        self.document |= {"time_unix_s": round(time.time()), "parts": [], "replicas": {}}

    @property
    def left_s(self) -> float:
        """Seconds of the journey's time that are left."""
        return self.until - time.monotonic()

    @contextmanager
    def part(self, name: str) -> Iterator[dict[str, Any]]:
        """Note a part of the journey, however it ends; more figures may be added to it."""
        row: dict[str, Any] = {"part": name, "seconds": 0.0, "ended": "well"}
        started = time.monotonic()
        try:
            yield row
        except BaseException as error:
            row["ended"] = f"{type(error).__name__}: {error}"[:500]
            raise
        finally:
            row["seconds"] = round(time.monotonic() - started, 1)
            self.document["parts"].append(row)
            self.save()

    def replica(self, name: str, **figures: Any) -> None:
        """Add figures to the row of a replica, or of a service."""
        self.document["replicas"].setdefault(name, {}).update(figures)
        self.save()

    def save(self) -> None:
        """Write it, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(self.document, indent=1) + "\n")
        fresh.replace(self.path)


def table(document: dict[str, Any]) -> str:
    """The whole journey in Markdown."""
    lines = ["| part | seconds | ended |", "| --- | --- | --- |"]
    for part in document["parts"]:
        ended = f"{_short(part['ended'])}{_under_load(part.get('load', {}))}"
        lines.append(f"| {part['part']} | {part['seconds']} | {ended} |")
    lines += ["", "| of | planned | measured |", "| --- | --- | --- |"]
    for name, row in document["replicas"].items():
        for what in ("layout", "KV cache tokens", "weights GiB", *_loads(row)):
            if what in row:
                planned, measured = row[what]
                lines.append(f"| {name}: {what} | {_shown(planned)} | {_shown(measured)} |")
    return "\n".join(lines)


def _under_load(load: dict[str, Any]) -> str:
    """What became of the requests that were sent meanwhile."""
    words = "; {}: {completed} requests answered, {failed} failed, longest gap {longest_gap_s} s"
    return "".join(words.format(name, **summary) for name, summary in load.items())


def _loads(row: dict[str, Any]) -> list[str]:
    return [what for what in row if what.startswith("requests at once ")]


def _short(words: str) -> str:
    return words.splitlines()[0][:100].replace("|", "/") if words else ""


def _shown(figure: Any) -> str:
    if figure is None:
        return "-"
    return f"{figure:,}" if isinstance(figure, int | float) else str(figure)
