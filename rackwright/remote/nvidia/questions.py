"""Questions to NVML, put together; each is asked with (pynvml, a device handle, ...)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from rackwright.remote.reader import Question


def ask(name: str, *arguments: Any, then: Callable[[Any], Any] = lambda value: value) -> Question:
    """The question ``nvmlDeviceGet<name>(handle, ..., *arguments)``, its answer put in shape."""
    return lambda nvml, *at: then(getattr(nvml, f"nvmlDeviceGet{name}")(*at, *arguments))


def first(*questions: Question) -> Question:
    """The first that has an answer; when none has, the last one's reason."""

    def question(*at: Any) -> Any:
        for attempt in questions[:-1]:
            with contextlib.suppress(Exception):
                return attempt(*at)
        return questions[-1](*at)

    return question
