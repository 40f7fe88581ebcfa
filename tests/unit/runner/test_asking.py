"""What becomes of a host that is asked and gives no answer."""

from __future__ import annotations

import gc
import weakref
from typing import Any, cast

import gevent
import pytest
from pyinfra.api.host import Host

from rackwright.runner.asking import ask

LIMIT_S = 0.01


class Connected:
    """A host that is connected to, as far as asking goes."""

    name = "gpu1"

    def connect(self, **_: Any) -> None:
        """It is."""

    def disconnect(self) -> None:
        """It was."""


class Stream:
    """What paramiko opens for a question, and closes when it is collected."""


@pytest.fixture
def no_collector() -> Any:
    """Only what nothing refers to any more is collected."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_nothing_that_was_open_for_a_question_outlives_it(no_collector: None) -> None:
    opened: list[weakref.ref[Stream]] = []

    def question(host: Host) -> dict[str, Any]:
        stream = Stream()
        opened.append(weakref.ref(stream))
        gevent.sleep(60)
        return {"never": stream}

    answer = ask(cast(Host, Connected()), question, LIMIT_S)
    assert answer == {"error": f"no answer within {LIMIT_S} s"}
    gevent.sleep(0)  # what threw the time-out comes to its own end
    # At the end of the program its locks are gone, and paramiko would say so in a traceback.
    assert [stream() for stream in opened] == [None]
