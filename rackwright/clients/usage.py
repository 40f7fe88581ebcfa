"""What clients have used, as gateways counted it, and sums of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict, TypeAdapter

PARTS = ("client", "model", "day")
"""By what usage can be told apart, in the order of the columns."""
COUNTS = (
    "requests",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "overflow_requests",
    "audio_seconds",
)


class Usage(BaseModel):
    """Requests of a client for a model on a day (UTC, 2026-11-26), and tokens as engines told them.

    ``cached_tokens`` are those of the prompts that a replica had in its cache already;
    ``overflow_requests`` went to an outside API; ``audio_seconds`` are of sounds whose transcripts
    say how long they are. A part that is not told apart is empty.
    """

    model_config = ConfigDict(frozen=True)

    client: str = ""
    model: str = ""
    day: str = ""
    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    overflow_requests: int = 0
    audio_seconds: int = 0


_rows = TypeAdapter(list[Usage])


def usage_of(answer: object) -> list[Usage]:
    """A gateway's answer to ``GET /usage``. Raises ValueError where it is of another form."""
    return _rows.validate_python(answer)


def summed(rows: Iterable[Usage], by: Sequence[str]) -> list[Usage]:
    """One row for each value of the parts named in ``by``, in the order of ``PARTS``."""
    sums: dict[tuple[str, ...], dict[str, int]] = defaultdict(lambda: dict.fromkeys(COUNTS, 0))
    parts = [part for part in PARTS if part in by]
    for row in rows:
        own = sums[tuple(getattr(row, part) for part in parts)]
        for count in COUNTS:
            own[count] += getattr(row, count)
    return [
        Usage.model_validate({**dict(zip(parts, values, strict=True)), **own})
        for values, own in sorted(sums.items())
    ]
