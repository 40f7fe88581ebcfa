"""The doors that are compared, all up at once on the door's core, before the same engines.

Each is set up as its own documentation does for a few engines, with the least it can do: LiteLLM
has no database and logs nothing, vllm-router chooses the less busy of two. This gateway checks a
key with limits, is sticky, reads usage and writes its log.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gateway.environments import LITELLM, VLLM_ROUTER, programs
from benchmarks.gateway.nginx import rendered, written
from benchmarks.gateway.processes import running, wait_for_port
from lab.local_gateway import LocalGateway, make_certificate
from lab.local_nginx import LocalNginx, local_nginx
from lab.ports import free_port
from rackwright.routers.vllm_router import VLLM_ROUTER as VLLM

DOOR_CORE, OTHER_CORE = 0, 1
"""The generator and the engine share the other one: the machine this is run on has two."""
START_S = 120
KEY = "rw-" + "b" * 43
LITELLM_KEY = "sk-" + "b" * 43
DIRECT, GATEWAY, PLAIN, ROUTER, LITELLM_PROXY = (
    "no door", "this gateway", "plain Nginx", "vllm-router", "LiteLLM"
)  # fmt: skip
GATEWAY_TLS, PLAIN_TLS = "this gateway, TLS", "plain Nginx, TLS"
COUNTED = 1_000_000_000
"""A limit that is counted and never reached."""


@dataclass(frozen=True)
class Door:
    """Where it listens, the key it is asked with, and its session (None: the engine itself)."""

    name: str
    port: int
    session: int | None
    key: str = KEY
    tls: bool = False

    @property
    def url(self) -> str:
        """Of a chat completion."""
        return f"http{'s' * self.tls}://127.0.0.1:{self.port}/v1/chat/completions"


class _OpenGateway(LocalGateway):
    """The gateway as it is deployed, and on one more port without TLS, as the others are asked."""

    open_port: int = 0

    def write(self) -> None:
        super().write()
        config = self.folder / "gateway.conf"
        first = f"    listen {self.port} ssl"
        more = f"    listen 127.0.0.1:{self.open_port};\n"
        text = config.read_text()
        if text.count(first) != 1:
            raise ValueError(f"{config} has no place for a port without TLS")
        config.write_text(text.replace(first, more + first))


@contextmanager
def doors(folder: Path, others: bool) -> Iterator[list[Door]]:
    """All of them, up; the first is no door at all. ``others``: also those that are no Nginx."""
    nginx, ports = local_nginx(), [free_port(), free_port()]
    with ExitStack() as stack:
        stack.enter_context(_engines(nginx, folder / "engine", ports))
        gateway = stack.enter_context(_gateway(folder / "gateway", ports))
        plain = stack.enter_context(_plain(nginx, folder / "plain", ports))
        up = [Door(DIRECT, ports[0], None), *gateway, *plain]
        if others:
            up.append(stack.enter_context(_vllm_router(folder / "vllm-router", ports)))
            up.append(stack.enter_context(_litellm(folder / "litellm", ports)))
        yield up


@contextmanager
def _engines(nginx: LocalNginx, folder: Path, ports: list[int]) -> Iterator[None]:
    config = written(nginx, folder, rendered("engine.conf.j2", engine_ports=ports))
    with nginx.running(config, _on(OTHER_CORE)):
        wait_for_port(ports[0], START_S, folder / "error.log")
        yield


@contextmanager
def _gateway(folder: Path, ports: list[int]) -> Iterator[list[Door]]:
    gateway = _OpenGateway(folder, free_port(), fleet(ports), keys(), workers=1)
    gateway.open_port = free_port()
    folder.mkdir(parents=True)
    with gateway.running(_on(DOOR_CORE)) as up:
        assert up.process
        yield [
            Door(GATEWAY, gateway.open_port, up.process.pid),
            Door(GATEWAY_TLS, gateway.port, up.process.pid, tls=True),
        ]


@contextmanager
def _plain(nginx: LocalNginx, folder: Path, ports: list[int]) -> Iterator[list[Door]]:
    folder.mkdir(parents=True)
    certificate, key = folder / "plain.crt", folder / "plain.key"
    make_certificate(certificate, key, ["localhost"])
    port, tls_port = free_port(), free_port()
    site = rendered(
        "plain.conf.j2", engine_ports=ports, port=port, tls_port=tls_port,
        certificate=certificate, certificate_key=key, folder=folder,
    )  # fmt: skip
    with nginx.running(written(nginx, folder, site), _on(DOOR_CORE)) as process:
        wait_for_port(port, START_S, folder / "error.log")
        yield [
            Door(PLAIN, port, process.pid),
            Door(PLAIN_TLS, tls_port, process.pid, tls=True),
        ]


@contextmanager
def _vllm_router(folder: Path, ports: list[int]) -> Iterator[Door]:
    folder.mkdir(parents=True)
    port = free_port()
    # Its quickest way that knows of load: the default has engines count each prompt's tokens too.
    service = {**fleet(ports)["services"]["chat"], "sticky": False}
    argv = [
        str(programs(VLLM_ROUTER) / "vllm-router"),
        *("--log-level", "warning"),
        *VLLM.argv(service, port, free_port()),
    ]
    with running(argv, folder, DOOR_CORE, {}) as session:
        wait_for_port(port, START_S, folder / "log")
        yield Door(ROUTER, port, session)


@contextmanager
def _litellm(folder: Path, ports: list[int]) -> Iterator[Door]:
    folder.mkdir(parents=True)
    config, port = folder / "litellm.yaml", free_port()
    config.write_text(rendered("litellm.yaml.j2", engine_ports=ports))
    argv = [
        str(programs(LITELLM) / "litellm"),
        *("--host", "127.0.0.1", "--port", str(port), "--config", str(config)),
        *("--num_workers", "1", "--telemetry", "False"),
    ]
    environment = {
        "LITELLM_MASTER_KEY": LITELLM_KEY,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches one
        "LITELLM_LOG": "ERROR",
    }
    with running(argv, folder, DOOR_CORE, environment) as session:
        wait_for_port(port, START_S, folder / "log")
        yield Door(LITELLM_PROXY, port, session, LITELLM_KEY)


def _on(core: int) -> tuple[str, ...]:
    return ("taskset", "-c", str(core % (os.cpu_count() or 1)))


def fleet(ports: list[int]) -> dict[str, Any]:
    """The gateway's data: one service, a replica a port."""
    path = "/v1/chat/completions"
    message = {"model": "chat", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    service = {
        "model": "chat",
        "aliases": [],
        "adapters": [],
        "context": 131072,
        "created": 1790000000,
        "paths": [path],
        "health": "/health",
        "canary": {"path": path, "body": message},
        "usage_in_streams": "ask",
        "sticky": True,
        "origins": [],
        "queue": {"length": 256, "wait_s": 30},
        "overflow": None,
        "replicas": [
            {"name": f"chat-gpu{n}-0", "host": "127.0.0.1", "port": port, "slots": 256, "weight": 1}
            for n, port in enumerate(ports, 1)
        ],
    }
    endpoint = {
        "method": "POST",
        "body": "json",
        "prompt": ["messages"],
        "api": "openai",
        "usage_option": True,
    }
    return {
        "format": 1,
        "gateway": "gw1",
        "keys_required": True,
        "default": None,
        "endpoints": {path: endpoint},
        "hosts": {},
        "services": {"chat": service},
    }


def keys() -> dict[str, Any]:
    """One client, whose every limit is kept count of."""
    limits = dict.fromkeys(
        ("requests_a_minute", "tokens_a_minute", "in_flight", "tokens_a_month"), COUNTED
    )
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    return {"format": 1, "keys": [{"sha256": digest, "client": "bench", **limits}]}
