"""What clients of bad faith send, and what comes back: the table of ``docs/hostile.md``, sent.

After every row the door answers a plain request, no worker has died, nothing is in flight, and only
what the table says has reached an engine, in the gateway's own words.
"""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from lab.local_gateway import LocalGateway, wait_until
from tests.nginx.hostile.bodies import GOOD
from tests.nginx.hostile.sent import CHAT, HEAR, Sent, whole
from tests.nginx.hostile.table import PAGE, TABLE, page
from tests.nginx.stand_in_api import Reached
from tests.samples.exchanges import exchange, outcome
from tests.samples.stand_in_fleet import ENGINE_KEY, StandInFleet

ROWS = [
    pytest.param(row, id=f"{about}: {row.name}"[:90])
    for about, rows in TABLE.items()
    for row in rows
]
NEVER = (
    "x-api-key",
    "connection",
    "upgrade",
    "expect",
    "transfer-encoding",
    "te",
    "proxy-authorization",
)


@pytest.fixture(scope="module")
def gateway(up: Any, served: StandInFleet) -> LocalGateway:
    return served.behind(up)


@pytest.fixture(scope="module")
def first_workers(gateway: LocalGateway) -> list[str]:
    return workers(gateway)


def workers(gateway: LocalGateway) -> list[str]:
    assert gateway.process
    argv = ["pgrep", "-P", str(gateway.process.pid)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()


def is_as_the_gateway_sends(reached: Reached, model: str) -> None:
    """No path, key, name or framing of the client's own; and one model, however one reads it."""
    assert reached.method == "POST" and reached.path in (CHAT, HEAR)
    assert reached.header("authorization") == [f"Bearer {ENGINE_KEY}"]
    assert reached.header("host") == ["localhost"]
    assert reached.header("x-request-id") != ["forged"]
    assert len(reached.header("x-request-id")) == len(reached.header("content-length")) == 1
    assert [name for name in NEVER if reached.header(name)] == []
    if reached.path == CHAT:  # names in forms differ by their case to every reader
        assert [name for name in reached.asked if name.casefold() == "model"] == ["model"]
    assert reached.model == model


@pytest.mark.parametrize("row", ROWS)
def test_what_comes_back_and_what_reaches_an_engine(
    gateway: LocalGateway, served: StandInFleet, first_workers: list[str], row: Sent
) -> None:
    where = ("127.0.0.1", gateway.port)
    served.forget()
    answers = exchange(where, row.words)
    assert outcome(answers) == row.answer
    reached = served.reached()
    assert [one.model for one in reached] == ([row.reached] if row.reached else [])
    for one in reached:
        is_as_the_gateway_sends(one, row.reached)
    assert outcome(exchange(where, whole(GOOD))) == "200"
    assert workers(gateway) == first_workers
    wait_until(lambda: nothing_is_in_flight(gateway))


def nothing_is_in_flight(gateway: LocalGateway) -> bool:
    _, state = gateway.ask("GET", "/state")
    services, clients = state["services"].values(), state["clients"].values()
    counts = [one[name] for one in services for name in ("in_flight", "waiting")]
    return not any([*counts, *(one["in_flight"] for one in clients)])


def test_every_line_of_the_log_can_be_read_and_none_has_a_key(gateway: LocalGateway) -> None:
    """After all that was sent above."""
    gateway.access_log.read_bytes().decode("utf-8")
    lines = gateway.log_lines()
    assert len(lines) > len(ROWS)
    assert [line for line in lines if "rw-" in str(line)] == []


def test_the_page_is_what_the_table_says() -> None:
    assert PAGE.read_text() == page(), "write it again: python -m tests.nginx.hostile.table"
