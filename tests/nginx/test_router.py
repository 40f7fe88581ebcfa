"""vLLM's own router, the real one, between the gateway and engines: from the same data."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest

from benchmarks.gateway import doors
from benchmarks.gateway.environments import VLLM_ROUTER, programs
from benchmarks.gateway.processes import running, wait_for_port
from lab.local_gateway import LocalGateway, wait_until
from lab.ports import free_port
from rackwright.routers.vllm_router import VLLM_ROUTER as KIND
from tests.samples.controlled_engine import ControlledEngine

PATH = "/v1/chat/completions"


def test_vllm_router_stands_behind_the_gateway(
    engines: tuple[ControlledEngine, ControlledEngine],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Clients see one replica, the router; each request comes to one engine, once, with its key."""
    data = doors.fleet([engine.port for engine in engines])
    service, port = data["services"]["chat"], free_port()
    router = {"name": "router-chat", "host": "127.0.0.1", "port": port, "slots": 64, "weight": 1}
    data["services"]["chat"] = {**service, "sticky": False, "replicas": [router]}
    program = str(programs(VLLM_ROUTER) / "vllm-router")
    argv = [program, *KIND.argv(service, port, free_port())]
    secrets = {"engine": "of-engines", "overflow": {}}
    folder = tmp_path_factory.mktemp("gateway")
    for part in (folder, *folder.parents[:2]):
        part.chmod(0o755)  # Nginx's workers are not root
    with running(argv, tmp_path, 0, {}):
        wait_for_port(port, 60, tmp_path / "log")
        with LocalGateway(folder, free_port(), data, doors.keys(), secrets).running() as gateway:
            for _ in range(4):
                for document in "ab":
                    answer = ask(gateway, document * 2000)
                    assert answer.status_code == 200, answer.text
                    assert answer.headers["x-rackwright-replica"] == "router-chat"
            # A replica's place is free behind the answer: the client may have that already.
            wait_until(
                lambda: gateway.ask("GET", "/state")[1]["services"]["chat"]["in_flight"] == 0
            )
    keys = {one.headers.get("authorization") for engine in engines for one in engine.posts()}
    assert keys == {"Bearer of-engines"}
    lines = [one.line for engine in engines for one in engine.posts()]
    # Each once; beside them the router has each engine count a prompt's tokens.
    assert lines.count(f"POST {PATH} HTTP/1.1") == 8
    assert {line.split()[1] for line in lines} <= {PATH, f"{PATH}/render"}


def ask(gateway: LocalGateway, text: str) -> httpx.Response:
    body = {"model": "chat", "messages": [{"role": "user", "content": text}], "max_tokens": 1}
    context = ssl.create_default_context(cafile=str(gateway.certificate))
    headers = {"Authorization": f"Bearer {doors.KEY}"}
    return httpx.post(gateway.url + PATH, json=body, headers=headers, verify=context, timeout=60)
