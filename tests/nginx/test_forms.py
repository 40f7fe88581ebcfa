"""Sounds come as forms: routed by their part, asked for their usage, and a canary that is one."""

from __future__ import annotations

from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import httpx
import pytest

from lab.local_gateway import LocalGateway, wait_until
from rackwright.engines.silence import form
from tests.samples.controlled_engine import ControlledEngine, Request
from tests.samples.gateway_data import ENDPOINTS, fleet, service

HEAR = "/v1/audio/transcriptions"
OTHER = "/v1/audio/translations"
Engines = tuple[ControlledEngine, ControlledEngine]
FORMS = {path: {**ENDPOINTS[HEAR], "usage_option": True} for path in (HEAR, OTHER)}


@pytest.fixture(scope="module")
def gateway(up: Any, engines: Engines) -> LocalGateway:
    canary = {"path": HEAR, "body": form({"model": "canary"})}
    more: dict[str, Any] = {
        "paths": [HEAR, OTHER],
        "canary": canary,
        "aliases": ["whisper-1"],
        "sticky": False,
    }
    ears = service("ear", [one.port for one in engines], **more)
    chat = service("chat", [engines[0].port], paths=["/v1/chat/completions"])
    started: LocalGateway = up(fleet({"ear": ears, "chat": chat}, endpoints={**ENDPOINTS, **FORMS}))
    return started


def parts(request: Request) -> dict[str, Any]:
    """What an engine got, by the name of each part."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    whole = BytesParser(policy=HTTP).parsebytes(head + request.body)
    assert isinstance(whole, EmailMessage) and whole.is_multipart() and not whole.defects
    return {
        str(one.get_param("name", header="content-disposition")): one.get_content()
        for one in whole.iter_parts()
        if isinstance(one, EmailMessage)
    }


def sent(ask: httpx.Client, engines: Engines, path: str = HEAR, **fields: str) -> dict[str, Any]:
    """What of a form with a sound reaches an engine."""
    before = {one.port: len(one.requests) for one in engines}
    answer = ask.post(path, data=fields, files={"file": ("a.wav", b"RIFF\r\n--x", "audio/wav")})
    assert answer.status_code == 200, answer.text
    new = [one for engine in engines for one in engine.requests[before[engine.port] :]]
    (got,) = [one for one in new if "x-request-id" in one.headers and "POST" in one.line]
    assert got.line.split()[1] == path
    return parts(got)


@pytest.mark.parametrize("path", [HEAR, OTHER])
def test_a_sound_reaches_its_engine_as_it_was_sent(
    ask: httpx.Client, engines: Engines, path: str
) -> None:
    got = sent(ask, engines, path, model="whisper-1", language="de")
    assert got == {"model": "ear", "language": "de", "file": b"RIFF\r\n--x"}


@pytest.mark.parametrize("said", ["true", "1", "True", "on"])
def test_a_stream_is_asked_for_its_usage(ask: httpx.Client, engines: Engines, said: str) -> None:
    got = sent(ask, engines, model="ear", stream=said)
    assert (got["stream_include_usage"], got["stream"], got["model"]) == ("true", said, "ear")
    off = sent(ask, engines, model="whisper-1", stream=said, stream_include_usage="false")
    assert (off["stream_include_usage"], off["model"], len(off)) == ("true", "ear", 4)


def test_what_is_no_stream_is_not_asked(ask: httpx.Client, engines: Engines) -> None:
    """vLLM refuses options of a stream where there is none."""
    assert "stream_include_usage" not in sent(ask, engines, model="ear")
    assert "stream_include_usage" not in sent(ask, engines, model="ear", stream="false")


def test_a_path_that_a_model_does_not_answer_is_refused(ask: httpx.Client) -> None:
    files = {"file": ("a.wav", b"RIFF", "audio/wav")}
    refused = [
        ask.post(HEAR, data={"model": "chat"}, files=files),
        ask.post("/v1/chat/completions", json={"model": "ear", "messages": []}),
    ]
    for answer in refused:
        assert (answer.status_code, answer.json()["error"]["code"]) == (
            404,
            "endpoint_not_supported",
        )


def test_one_that_hears_again_comes_back_by_a_sound(
    ask: httpx.Client, gateway: LocalGateway, engines: Engines
) -> None:
    """Its canary is a form, whose answer has no more than a text, which may be empty."""

    def state(name: str) -> str:
        found = gateway.ask("GET", "/state")[1]["services"]["ear"]["replicas"]
        return str(found[name]["state"])

    dead, name = engines[0], "ear-a-0"
    dead.mode = "errors"
    files = {"file": ("a.wav", b"RIFF", "audio/wav")}

    def is_out() -> bool:
        ask.post(HEAR, data={"model": "ear"}, files=files)
        return state(name) == "ejected"

    wait_until(is_out, 30)
    before = len(dead.requests)
    dead.mode = "well"
    wait_until(lambda: state(name) == "in", 30)
    asked = [one for one in dead.requests[before:] if one.line.startswith(f"POST {HEAR}")]
    got = parts(asked[0])
    assert "x-request-id" not in asked[0].headers
    assert got["model"] == "canary" and got["file"].startswith(b"RIFF")
