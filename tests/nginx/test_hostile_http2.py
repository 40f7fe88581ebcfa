"""HTTP/2 by its frames, as no client library would write them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import pytest

from lab.local_gateway import LocalGateway, wait_until
from tests.nginx.hostile.bodies import GOOD
from tests.nginx.hostile.sent import CHAT, whole
from tests.samples.exchanges import exchange, outcome
from tests.samples.raw_requests import context
from tests.samples.stand_in_fleet import StandInFleet, secret

Headers = list[tuple[str, str]]
BODY = GOOD.encode()
PATIENCE_S = 10


@pytest.fixture(scope="module")
def gateway(up: Any, served: StandInFleet) -> LocalGateway:
    return served.behind(up)


@pytest.fixture(autouse=True)
def the_door_stays_up(gateway: LocalGateway, served: StandInFleet) -> Iterator[None]:
    served.forget()
    yield
    assert outcome(exchange(("127.0.0.1", gateway.port), whole(GOOD))) == "200"
    wait_until(lambda: in_flight(gateway) == 0)


def in_flight(gateway: LocalGateway) -> int:
    services = gateway.ask("GET", "/state")[1]["services"].values()
    return sum(one["in_flight"] + one["waiting"] for one in services)


class Frames:
    """A connection whose headers are not looked at before they are sent."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        config = h2.config.H2Configuration(
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
        )
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.push()

    def push(self) -> None:
        with suppress(OSError):  # it may have hung up already
            self.connection.sendall(self.h2.data_to_send())

    def ask(self, headers: Headers, body: bytes = BODY, *, ended: bool = True) -> int:
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, headers, end_stream=ended and not body)
        if body:
            self.h2.send_data(stream, body, end_stream=ended)
        self.push()
        return int(stream)

    def heard(self, streams: set[int]) -> dict[int, str]:
        """Of each stream its status and the error's code, ``reset``, or ``gone``: all of it."""
        said: dict[int, list[Any]] = {one: ["", b""] for one in streams}
        open_streams = set(streams)
        while open_streams:
            try:
                piece = self.connection.recv(65536)
            except OSError:
                piece = b""
            if not piece:
                break
            for event in self.h2.receive_data(piece):
                if isinstance(event, h2.events.ConnectionTerminated):
                    open_streams.clear()
                stream = getattr(event, "stream_id", None)
                if stream not in said:
                    continue
                if isinstance(event, h2.events.ResponseReceived):
                    status = next(
                        value
                        for name, value in event.headers or []
                        if name in (b":status", ":status")
                    )
                    said[stream][0] = status.decode() if isinstance(status, bytes) else status
                elif isinstance(event, h2.events.DataReceived):
                    said[stream][1] += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                elif isinstance(event, h2.events.StreamReset):
                    said[stream][0] = said[stream][0] or "reset"
                    open_streams.discard(stream)
                elif isinstance(event, h2.events.StreamEnded):
                    open_streams.discard(stream)
            self.push()
        return {stream: _words(*answer) for stream, answer in said.items()}

    def one(self, headers: Headers, body: bytes = BODY) -> str:
        stream = self.ask(headers, body)
        return self.heard({stream})[stream]


def _words(status: str, body: bytes) -> str:
    if status.isdigit() and int(status) >= 400:
        return f"{status} {json.loads(body)['error']['code']}"
    return status or "gone"


@contextmanager
def frames(gateway: LocalGateway) -> Iterator[Frames]:
    trust = context()
    trust.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_S) as plain,
        trust.wrap_socket(plain, server_hostname="localhost") as safe,
    ):
        assert safe.selected_alpn_protocol() == "h2"
        yield Frames(safe)


def head(*more: tuple[str, str], without: str = "", **pseudo: str) -> Headers:
    """Of a request in good faith, but for what is said; ``without`` a name."""
    named = {":method": "POST", ":scheme": "https", ":authority": "localhost", ":path": CHAT}
    named |= {f":{name}": value for name, value in pseudo.items()}
    plain = [("authorization", f"Bearer {secret('guest')}"), ("content-length", str(len(BODY)))]
    return [pair for pair in [*named.items(), *plain, *more] if pair[0] != without]


MALFORMED = "400 bad_request or reset"
"""Nginx 1.22 resets the stream, later ones answer. A body without a length is refused by the Lua
module of Ubuntu 24.04 alone (0.10.26)."""

ROWS: dict[str, tuple[Headers, str]] = {
    "in good faith": (head(), "200"),
    "no :authority, no host": (head(without=":authority"), "400 bad_request"),
    "host instead of :authority": (head(("host", "localhost"), without=":authority"), "200"),
    "an :authority of another's": (head(authority="evil.example"), "421 misdirected_request"),
    "a host of another's beside it": (head(("host", "evil.example")), "400 bad_request"),
    "no :path": (head(without=":path"), "400 bad_request"),
    "an empty :path": (head(path=""), "400 bad_request"),
    "a :path without its slash": (head(path="metrics"), "400 bad_request"),
    "a :path with a whole address": (head(path="https://localhost/metrics"), "400 bad_request"),
    "a :path with a line break": (head(path=f"{CHAT} HTTP/1.1\r\nX: 1"), MALFORMED),
    "a :path above the root": (head(path="/v1/../../metrics"), "400 bad_request"),
    "a :path to what is closed": (
        head(path="/v1/chat/completions/../../../metrics"),
        "404 not_found",
    ),
    "no :method": (head(without=":method"), "400 bad_request"),
    "a :method with a space": (head(method="POST /metrics"), "400 bad_request"),
    "CONNECT": (head(method="CONNECT"), "405 method_not_allowed"),
    "a name in capitals": (head(("X-Capital", "a")), MALFORMED),
    "a header with a line break": (head(("x-a", "b\r\ntransfer-encoding: chunked")), MALFORMED),
    "connection": (head(("connection", "authorization")), "200"),
    "transfer-encoding": (head(("transfer-encoding", "chunked")), "400 bad_request"),
    "te": (head(("te", "trailers, deflate")), "200"),
    "upgrade": (head(("upgrade", "websocket")), "200"),
    "two :path": ([*head(), (":path", "/metrics")], "400 bad_request"),
    "another pseudo-header": (head((":protocol", "websocket")), "400 bad_request"),
    "a length that is too long": (
        [*head(without="content-length"), ("content-length", "1000")],
        "400 bad_request",
    ),
    "no length": (head(without="content-length"), "200 or 411 length_required"),
    "no key": (head(without="authorization"), "401 invalid_api_key"),
}


@pytest.mark.parametrize(("headers", "answer"), ROWS.values(), ids=ROWS)
def test_a_request_by_its_frames(
    gateway: LocalGateway, served: StandInFleet, headers: Headers, answer: str
) -> None:
    with frames(gateway) as asking:
        said = asking.one(headers)
    assert said in answer.split(" or ")
    reached = served.reached()
    assert len(reached) == (said == "200")
    for one in reached:
        assert (one.path, one.model, one.header("host")) == (CHAT, "chat", ["localhost"])
        never = ("connection", "transfer-encoding", "te", "upgrade", "x-a")
        assert [name for name in never if one.header(name)] == []
        assert one.header("content-length") == [str(one.body_bytes)]


def test_many_streams_at_once_are_all_answered(gateway: LocalGateway) -> None:
    with frames(gateway) as asking:
        streams = {
            asking.ask([*head(path="/v1/models", method="GET", without="content-length")], b"")
            for _ in range(100)
        }
        assert set(asking.heard(streams).values()) == {"200"}


def test_streams_that_are_reset_at_once(gateway: LocalGateway) -> None:
    """Rapid reset: 2,000 requests begun and taken back; a connection is cut off, no door."""
    for _ in range(4):
        with frames(gateway) as asking:
            for _ in range(500):
                try:
                    stream = asking.ask(head(), ended=False)
                    asking.h2.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
                    asking.push()
                except h2.exceptions.ProtocolError:
                    break
    assert exchange(("127.0.0.1", gateway.port), whole(GOOD))[0].status == 200


def test_a_client_that_takes_nothing_holds_nobody_up(
    gateway: LocalGateway, served: StandInFleet
) -> None:
    """A window of no bytes: its answer waits, others do not, and its place is given back."""
    with frames(gateway) as asking:
        asking.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        asking.push()
        asking.ask(head())
        wait_until(lambda: bool(served.reached()))
        assert outcome(exchange(("127.0.0.1", gateway.port), whole(GOOD))) == "200"


def test_pings_and_settings_without_end(gateway: LocalGateway) -> None:
    with frames(gateway) as asking:
        for number in range(5000):
            asking.h2.ping(number.to_bytes(8, "big"))
            if number % 100 == 0:
                asking.h2.update_settings(
                    {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1000 + number}
                )
                asking.push()
    assert outcome(exchange(("127.0.0.1", gateway.port), whole(GOOD))) == "200"
