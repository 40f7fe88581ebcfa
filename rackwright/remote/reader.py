"""Questions asked one by one, each with its reason where it had no answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Question = Callable[..., Any]
"""May raise what it likes."""


class Reader:
    """Asks questions one by one; notes why one had no answer, and goes on."""

    def __init__(self) -> None:
        """Nothing is unavailable yet."""
        self.unavailable: dict[str, str] = {}

    def read(self, path: str, question: Question, *at: Any) -> Any:
        """The answer, or ``None`` with the reason kept under ``path``."""
        try:
            return question(*at)
        except Exception as error:
            self.unavailable[path] = f"{type(error).__name__}: {error}"
            return None

    def fill(self, path: str, table: Any, *at: Any) -> Any:
        """A table of questions, nested as its answers are to be, answered."""
        if not isinstance(table, dict):
            return self.read(path, table, *at)
        return {key: self.fill(f"{path}.{key}", part, *at) for key, part in table.items()}
