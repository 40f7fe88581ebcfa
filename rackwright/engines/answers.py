"""What a running engine is asked, and what its answers say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Ask(NamedTuple):
    """A question to a replica beside the usual ones: a GET, or a POST where there is a body."""

    name: str
    path: str
    body: Mapping[str, Any] | None = None


class Canary(NamedTuple):
    """A POST that proves a replica: its answer is a completion.

    A ``body`` of text is a form (multipart/form-data) that begins with its boundary.
    """

    path: str
    body: Mapping[str, Any] | str

    @property
    def sent(self) -> dict[str, Any] | str:
        """Its body as JSON has it."""
        return self.body if isinstance(self.body, str) else dict(self.body)


@dataclass(frozen=True)
class Loaded:
    """What an engine says that it holds; None where it does not say.

    ``context`` is the tokens of one request, ``slots`` how many requests at a time.
    ``on_gpu_bytes`` of ``total_bytes`` lie in the memory of GPUs. ``digest`` is of the weights.
    """

    context: int | None = None
    slots: int | None = None
    total_bytes: int | None = None
    on_gpu_bytes: int | None = None
    digest: str | None = None


def models_listed(body: Any, context_key: str = "max_model_len") -> dict[str, int | None] | None:
    """Served name to context from an OpenAI list of models; None when it is not one."""
    rows = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        return None
    return {str(row.get("id")): row.get(context_key) for row in rows}
