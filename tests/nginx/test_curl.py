"""curl against the gateway, and what browsers ask: bytes as they are, without a library between."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from lab.local_gateway import LocalGateway
from tests.nginx.stand_in_answers import answer
from tests.samples.stand_in_fleet import APP, StandInFleet, secret

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def gateway(up: Any, served: StandInFleet) -> LocalGateway:
    return served.behind(up)


@pytest.fixture(autouse=True)
def clean(served: StandInFleet) -> None:
    served.forget()


def curl(gateway: LocalGateway, path: str, *words: str, client: str = "alice") -> str:
    key = ["-H", f"Authorization: Bearer {secret(client)}"] if client else []
    argv = [
        "curl",
        "-sS",
        "-N",
        "--cacert",
        str(gateway.certificate),
        *key,
        *words,
        gateway.url + path,
    ]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


def body(**more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [], "max_tokens": 6, **more}


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize(
    "more",
    [{}, {"stream_options": {"include_usage": True}}, {"tools": [{"function": {"name": "a"}}]}],
)
def test_a_stream_has_the_engine_s_bytes(
    gateway: LocalGateway, version: str, more: dict[str, Any]
) -> None:
    """Also where the gateway asked for the usage and took its event out again."""
    asked = body(stream=True, **more)
    events = answer(CHAT, {**asked, "model": "chat"}, ("chat",)).events
    assert curl(gateway, CHAT, version, "--json", json.dumps(asked)) == "".join(events)


def test_a_recording_by_a_form(gateway: LocalGateway, served: StandInFleet) -> None:
    said = curl(
        gateway,
        "/v1/audio/transcriptions",
        "-F",
        "file=@/etc/hostname;type=audio/wav",
        "-F",
        "model=whisper-1",
    )
    assert json.loads(said)["text"] == "blue " * 3
    assert served.the_one().model == "voice"


def test_a_key_by_either_header(gateway: LocalGateway) -> None:
    asked = ("--json", json.dumps(body()))
    assert "blue" in curl(gateway, CHAT, *asked, "-H", f"x-api-key: {secret('alice')}", client="")
    assert "invalid_api_key" in curl(gateway, CHAT, *asked, client="")


def headers_of(text: str) -> dict[str, str]:
    lines = text.replace("\r", "").split("\n\n")[0].splitlines()
    return {"status": lines[0].split()[1]} | {
        name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])
    }


PREFLIGHT = (
    "-i",
    "-X",
    "OPTIONS",
    "-H",
    "Access-Control-Request-Method: POST",
    "-H",
    "Access-Control-Request-Headers: authorization, content-type, x-stainless-os",
)


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_a_browser_s_preflight_and_its_request(gateway: LocalGateway, version: str) -> None:
    """The first has no key: browsers send none with it."""
    before = headers_of(curl(gateway, CHAT, version, *PREFLIGHT, "-H", f"Origin: {APP}", client=""))
    assert before["status"] == "204"
    assert before["access-control-allow-origin"] == APP
    assert "POST" in before["access-control-allow-methods"]
    assert "x-stainless-os" in before["access-control-allow-headers"]
    said = headers_of(
        curl(gateway, CHAT, version, "-i", "-H", f"Origin: {APP}", "--json", json.dumps(body()))
    )
    assert (said["status"], said["access-control-allow-origin"], said["vary"]) == (
        "200",
        APP,
        "Origin",
    )
    refused = headers_of(
        curl(
            gateway,
            CHAT,
            "-i",
            "-H",
            f"Origin: {APP}",
            "--json",
            json.dumps(body()),
            client="nobody",
        )
    )
    assert (refused["status"], refused["access-control-allow-origin"]) == ("401", APP)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{APP}.evil.example", "http://app.example"]
)
def test_another_origin_is_let_nothing_see(gateway: LocalGateway, origin: str) -> None:
    before = headers_of(curl(gateway, CHAT, *PREFLIGHT, "-H", f"Origin: {origin}", client=""))
    assert before["status"] == "405"
    said = headers_of(
        curl(gateway, CHAT, "-i", "-H", f"Origin: {origin}", "--json", json.dumps(body()))
    )
    assert not [name for name in (*before, *said) if name.startswith("access-control-")]


def test_an_origin_is_one_service_s(gateway: LocalGateway) -> None:
    """``pool`` has none: an answer of its engine is not for that page."""
    asked = json.dumps({"model": "pool", "input": "hi"})
    said = headers_of(
        curl(gateway, "/v1/embeddings", "-i", "-H", f"Origin: {APP}", "--json", asked)
    )
    assert said["status"] == "200" and "access-control-allow-origin" not in said
