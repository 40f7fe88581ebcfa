"""What goes to an outside API: over TLS that is verified, with its own key, named and counted."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from lab.local_gateway import LocalGateway, make_certificate, wait_until
from tests.nginx.clients import HI, of_openai
from tests.nginx.stand_in_api import StandIn
from tests.samples.stand_in_fleet import TEXT, endpoint, key, secret, service

OUTSIDE_KEY = "the-outside-api-s-key"


HOST = "127.0.0.1"
"""By its address: no name server is asked. A certificate says it as if it were a name."""


@contextmanager
def api(folder: Path, name: str) -> Iterator[StandIn]:
    """An API that answers as OpenAI's, over TLS, with a certificate of this name."""
    make_certificate(folder / "api.crt", folder / "api.key", [name])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "api.crt", folder / "api.key")
    engine = StandIn(("gpt-outside",), tls=tls).start()
    try:
        yield engine
    finally:
        engine.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="module")
def outside(folder: Path) -> Iterator[StandIn]:
    with api(folder, HOST) as engine:
        yield engine


def gateway_of(
    up: Any,
    engine: StandIn,
    outside: StandIn,
    trusted: Path,
    in_flight: int | None = 1,
    slots: int = 8,
    **more: Any,
) -> LocalGateway:
    """A service of one place, and whatever is beyond it goes outside, three times a day."""
    overflow = {
        "host": HOST,
        "port": outside.port,
        "prefix": "/v1",
        "model": "gpt-outside",
        "in_flight": in_flight,
        "requests_a_day": 3,
        "tokens_a_day": None,
        "scheme": "bearer",
    }
    chat = service("chat", [engine], TEXT, overflow=overflow, aliases=["gpt-4o"], **more)
    chat["replicas"][0]["slots"] = slots
    fleet = {
        "format": 1,
        "gateway": "gw1",
        "keys_required": True,
        "default": "chat",
        "hosts": {},
        "endpoints": {path: endpoint(path) for path in TEXT},
        "services": {"chat": chat},
    }
    started: LocalGateway = up(
        fleet,
        keys={"format": 1, "keys": [key("alice")]},
        trusted=str(trusted),
        secrets={"engine": None, "overflow": {"chat": OUTSIDE_KEY}},
    )
    return started


@pytest.fixture(scope="module")
def engine() -> Iterator[StandIn]:
    engine = StandIn(("chat",)).start()
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def gateway(up: Any, engine: StandIn, outside: StandIn, folder: Path) -> LocalGateway:
    return gateway_of(up, engine, outside, folder / "api.crt")


def ask(gateway: LocalGateway, **more: Any) -> Any:
    with of_openai(gateway) as client:
        return client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HI, **more)


def test_what_is_beyond_goes_outside_until_its_budget_is_used_up(
    gateway: LocalGateway, engine: StandIn, outside: StandIn
) -> None:
    engine.forget()
    with ThreadPoolExecutor(1) as pool:
        inside = pool.submit(ask, gateway, extra_body={"stand_in": {"wait": True}})
        wait_until(lambda: bool(engine.record))
        for _ in range(2):
            said = ask(gateway)
            assert said.headers["x-rackwright-replica"] == "overflow"
            assert said.parse().model == "gpt-outside"
        with of_openai(gateway) as client:
            events = list(client.chat.completions.create(model="gpt-4o", messages=HI, stream=True))
        assert all(one.choices for one in events)
        inside_too = ask(gateway)  # the budget is used up; its replica has places yet
        assert inside_too.headers["x-rackwright-replica"] == "chat-gpu1-0"
        gateway.ask("PUT", "/replicas/chat-gpu1-0", {"drained": True})
        with pytest.raises(openai.RateLimitError) as refused:
            ask(gateway)
        assert refused.value.code == "overflow_exhausted"
        gateway.ask("PUT", "/replicas/chat-gpu1-0", {"drained": False})
        engine.gate.set()
        assert inside.result().headers["x-rackwright-replica"] == "chat-gpu1-0"
    assert outside.record
    for reached in outside.record:
        assert reached.header("authorization") == [f"Bearer {OUTSIDE_KEY}"]
        assert reached.model == "gpt-outside" and reached.path == "/v1/chat/completions"
        assert secret("alice") not in str(reached.headers)
    assert gateway.ask("GET", "/state")[1]["services"]["chat"]["overflow"]["today"]["requests"] == 3
    assert len(outside.record) == 3
    wait_until(lambda: len(lines_of_overflow(gateway)) == 3)
    assert OUTSIDE_KEY not in str(lines_of_overflow(gateway))


def lines_of_overflow(gateway: LocalGateway) -> list[dict[str, Any]]:
    return [line for line in gateway.log_lines() if line["replica"] == "overflow"]


def test_who_waits_goes_outside_when_a_turn_takes_the_only_replica(
    up: Any, engine: StandIn, outside: StandIn, folder: Path
) -> None:
    """It came for a place there; outside it has an answer now."""
    queue, trusted = {"length": 8, "wait_s": 30}, folder / "api.crt"
    gateway = gateway_of(up, engine, outside, trusted, in_flight=None, slots=1, queue=queue)
    engine.forget()
    with ThreadPoolExecutor(2) as pool:
        inside = pool.submit(ask, gateway, extra_body={"stand_in": {"wait": True}})
        wait_until(lambda: bool(engine.record))
        waits = pool.submit(ask, gateway)
        wait_until(lambda: gateway.ask("GET", "/state")[1]["services"]["chat"]["waiting"] == 1)
        turn = {"owner": "me", "for_s": 60, "alone": True, "hold_s": 60}
        assert gateway.ask("PUT", "/replicas/chat-gpu1-0", {"turn": turn})[0] == 200
        assert waits.result().headers["x-rackwright-replica"] == "overflow"
        assert ask(gateway).headers["x-rackwright-replica"] == "overflow"
        engine.gate.set()
        assert inside.result().headers["x-rackwright-replica"] == "chat-gpu1-0"


@pytest.mark.parametrize(("name", "trusts"), [("other.example", "api.crt"), (HOST, "other.crt")])
def test_who_cannot_prove_its_name_gets_nothing(
    up: Any, engine: StandIn, tmp_path: Path, name: str, trusts: str
) -> None:
    """Another name, signed by whom one trusts; and the right one, signed by somebody else."""
    make_certificate(tmp_path / "other.crt", tmp_path / "other.key", [HOST])
    with api(tmp_path, name) as impostor, ThreadPoolExecutor(1) as pool:
        gateway = gateway_of(up, engine, impostor, tmp_path / trusts)
        engine.forget()
        inside = pool.submit(ask, gateway, extra_body={"stand_in": {"wait": True}})
        wait_until(lambda: bool(engine.record))
        with pytest.raises(openai.InternalServerError):
            ask(gateway)
        engine.gate.set()
        inside.result()
        assert impostor.record == []
