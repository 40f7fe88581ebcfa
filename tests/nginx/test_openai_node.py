"""OpenAI's JavaScript library against the gateway: every kind of request once, and its errors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.fleet import CACHE
from lab.local_gateway import LocalGateway
from tests.nginx.stand_in_answers import PROMPT_TOKENS
from tests.samples.stand_in_fleet import StandInFleet, secret

HERE = Path(__file__).with_name("node")
FILES = ("package.json", "package-lock.json", "ask.mjs")
Said = dict[str, dict[str, Any]]

pytestmark = pytest.mark.skipif(
    not (shutil.which("node") and shutil.which("npm")),
    reason="neither node nor npm is here; `make system` installs both",
)


@pytest.fixture(scope="module")
def library() -> Path:
    """The library as its lock file has it, in the cache; installed when the lock changes."""
    folder = CACHE / "node-clients"
    folder.mkdir(parents=True, exist_ok=True)
    is_new = (folder / FILES[1]).exists() and (folder / FILES[1]).read_bytes() == (
        HERE / FILES[1]
    ).read_bytes()
    if not (is_new and (folder / "node_modules/openai").exists()):
        for name in FILES[:2]:
            shutil.copy(HERE / name, folder)
        argv = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(argv, cwd=folder, check=True, capture_output=True, timeout=300)
    shutil.copy(HERE / FILES[2], folder)
    return folder


@pytest.fixture(scope="module")
def gateway(up: Any, served: StandInFleet) -> LocalGateway:
    return served.behind(up)


def ask(library: Path, gateway: LocalGateway, client: str, *kinds: str) -> Said:
    trusted = {"NODE_EXTRA_CA_CERTS": str(gateway.certificate)}
    env = {**os.environ, **trusted, "BASE_URL": f"{gateway.url}/v1", "API_KEY": secret(client)}
    argv = ["node", "ask.mjs", *kinds]
    done = subprocess.run(argv, cwd=library, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said: Said = json.loads(done.stdout)
    return said


@pytest.fixture(scope="module")
def said(library: Path, gateway: LocalGateway) -> Said:
    return ask(library, gateway, "alice")


ANSWERS = {
    "chat": "blue " * 3,
    "tool": '{"city": "Paris"}',
    "stream": ["", *["blue "] * 3],
    "usage": PROMPT_TOKENS + 3,
    "tool_stream": '{"city": "Paris"}',
    "completion": "blue " * 3,
    "response": "blue " * 3,
    "response_stream": "response.completed",
    "embeddings": [[0.5, -0.25]] * 2,
    "transcription": "blue " * 3,
    "image": "aGk=",
    "models": [
        "chat",
        "gpt-4o",
        "org/chat",
        "org/ear",
        "org/sql",
        "pool",
        "slow",
        "voice",
        "whisper-1",
    ],
    "model": "org/sql",
    "hang_up": "hung up",
}
ERRORS = {
    "unknown_model": ("NotFoundError", 404, "model_not_found"),
    "unknown_path": ("NotFoundError", 404, "not_found"),
    "no_name": ("BadRequestError", 400, "model_required"),
    "engine_fault": ("InternalServerError", 500, 500),
    "engine_lost": ("InternalServerError", 502, "replica_lost"),
}


@pytest.mark.parametrize(("kind", "answer"), ANSWERS.items(), ids=ANSWERS)
def test_a_kind_of_request_is_answered(said: Said, kind: str, answer: Any) -> None:
    assert said[kind] == {"answer": answer}


@pytest.mark.parametrize(("kind", "error"), ERRORS.items(), ids=ERRORS)
def test_an_error_is_the_library_s_own(said: Said, kind: str, error: tuple[str, int, Any]) -> None:
    assert (said[kind]["error"], said[kind]["status"], said[kind]["code"]) == error
    assert len(said[kind]["request_id"]) == 32


@pytest.mark.parametrize(
    ("client", "error"),
    [
        ("nobody", ("AuthenticationError", 401, "invalid_api_key")),
        ("pooler", ("PermissionDeniedError", 403, "model_not_allowed")),
    ],
)
def test_a_key_that_may_not(
    library: Path, gateway: LocalGateway, client: str, error: tuple[str, int, str]
) -> None:
    refused = ask(library, gateway, client, "chat")["chat"]
    assert (refused["error"], refused["status"], refused["code"]) == error


def test_a_limit_says_when_to_come_again(library: Path, gateway: LocalGateway) -> None:
    kinds = ask(library, gateway, "hurried", "chat", "tool", "completion", "response")
    refused = kinds["response"]
    assert (refused["error"], refused["code"]) == ("RateLimitError", "rate_limit_exceeded")
    assert 1 <= int(refused["retry_after"]) <= 60


def test_hanging_up_reaches_the_engine(
    library: Path, gateway: LocalGateway, served: StandInFleet
) -> None:
    served.forget()
    ask(library, gateway, "alice", "hang_up")
    (engine,) = (one for one in served.engines["chat"] if one.record)
    engine.wait_for(lambda record: record[0].hung_up)
