"""What goes to an outside API: over TLS that is verified, with its own key, named and counted."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from lab.local_gateway import LocalGateway, make_certificate, wait_until
from tests.nginx.clients import HI, of_openai
from tests.nginx.stand_in_api import StandIn
from tests.samples.stand_in_fleet import TEXT, StandInFleet, endpoint, key, secret, service

OUTSIDE_KEY = "the-outside-api-s-key"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outside")
    make_certificate(folder / "outside.crt", folder / "outside.key", ["localhost"])
    return folder / "outside.crt"


@pytest.fixture(scope="module")
def outside(certificate: Path) -> Iterator[StandIn]:
    """An API that answers as OpenAI's: models of another name, over TLS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
    engine = StandIn(("gpt-outside",), tls=tls).start()
    yield engine
    engine.stop()


def gateway_of(up: Any, engine: StandIn, outside: StandIn, trusted: Path, **more: Any) -> LocalGateway:
    """A service of one place, and whatever is beyond it goes outside, three times a day."""
    overflow = {"host": "localhost", "port": outside.port, "prefix": "/v1", "model": "gpt-outside",
                "in_flight": 1, "requests_a_day": 3, "tokens_a_day": None, "scheme": "bearer", **more}  # fmt: skip
    chat = service("chat", [engine], TEXT, overflow=overflow, aliases=["gpt-4o"])
    fleet = {"format": 1, "gateway": "gw1", "keys_required": True, "default": "chat", "hosts": {},
             "endpoints": {path: endpoint(path) for path in TEXT}, "services": {"chat": chat}}  # fmt: skip
    started: LocalGateway = up(
        fleet, keys={"format": 1, "keys": [key("alice")]}, trusted=str(trusted),
        secrets={"engine": None, "overflow": {"chat": OUTSIDE_KEY}},
    )  # fmt: skip
    return started


@pytest.fixture(scope="module")
def engine() -> Iterator[StandIn]:
    engine = StandIn(("chat",)).start()
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def gateway(up: Any, engine: StandIn, outside: StandIn, certificate: Path) -> LocalGateway:
    return gateway_of(up, engine, outside, certificate)


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
        with pytest.raises(openai.RateLimitError) as refused:
            while True:  # the replica has places beyond the number from which on others go outside
                ask(gateway, extra_body={"stand_in": {"wait": True}}, timeout=1)
        assert refused.value.code in ("overflow_exhausted", "queue_full")
        engine.gate.set()
        assert inside.result().headers["x-rackwright-replica"] == "chat-gpu1-0"
    for reached in outside.record:
        assert reached.header("authorization") == [f"Bearer {OUTSIDE_KEY}"]
        assert reached.model == "gpt-outside" and reached.path == "/v1/chat/completions"
        assert secret("alice") not in str(reached.headers)
    assert gateway.ask("GET", "/state")[1]["services"]["chat"]["overflow"]["today"]["requests"] == 3
    lines = [line for line in gateway.log_lines() if line["replica"] == "overflow"]
    assert len(lines) == len(outside.record) == 3 and OUTSIDE_KEY not in str(lines)


@pytest.mark.parametrize("wrong", ["another signed it", "it has another name"])
def test_who_cannot_prove_its_name_gets_nothing(
    up: Any, engine: StandIn, outside: StandIn, certificate: Path, tmp_path: Path, wrong: str
) -> None:
    trusted, more = certificate, {}
    if wrong == "another signed it":
        trusted = tmp_path / "other.crt"
        make_certificate(trusted, tmp_path / "other.key", ["localhost"])
    else:
        more = {"host": "127.0.0.1"}
    gateway = gateway_of(up, engine, outside, trusted, **more)
    engine.forget()
    before = len(outside.record)
    with ThreadPoolExecutor(1) as pool:
        inside = pool.submit(ask, gateway, extra_body={"stand_in": {"wait": True}})
        wait_until(lambda: bool(engine.record))
        with pytest.raises(openai.InternalServerError):
            ask(gateway)
        engine.gate.set()
        inside.result()
    assert len(outside.record) == before
