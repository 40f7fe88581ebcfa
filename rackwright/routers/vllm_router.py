"""vLLM's own router, where a fleet outgrows the gateway's Lua. Flags as of vllm-router 0.1.17.

It is given no key: what clients of the gateway send comes with the engines', which it passes on for
the paths that it reads, and drops for others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rackwright.engines.release import Release, Venv
from rackwright.routers.protocol import Membership, RouterKind
from rackwright.schema.fields import ProjectPath, Version
from rackwright.spec import SettingsModel

if TYPE_CHECKING:
    from rackwright.spec import Settings

HEALTH_S = 2
"""Between its looks at a replica: with three failures in a row one is out after six seconds."""
FAILURES = 3
"""In a row, after which it has a replica out: its own default."""
START_S = 365 * 86400
"""How long it waits, before it listens, for any replica to be well; then it would end."""


class VllmRouterSettings(SettingsModel):
    """What group data says of vLLM's router: its release."""

    vllm_router_version: Version
    vllm_router_requirements: ProjectPath


class VllmRouter(RouterKind):
    """The router ``vllm-router``."""

    name = "vllm-router"
    documentation = "https://github.com/vllm-project/router"
    settings_model = VllmRouterSettings
    paths = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
    health_path = "/liveness"
    readiness_path = "/readiness"
    notices_s = (FAILURES + 1) * HEALTH_S
    membership = Membership("/list_workers", "urls", "/add_worker?url=", "/remove_worker?url=")

    def release(self, settings: Settings) -> Release:
        """A venv; what serves is a library of Rust in it."""
        own = settings.of(VllmRouterSettings)
        content = Venv(
            own.vllm_router_requirements, "import vllm_router_rs", distribution=self.name
        )
        return Release(own.vllm_router_version, content)

    def program(self) -> str:
        """The launcher."""
        return "bin/vllm-router"

    def argv(self, service: Mapping[str, Any], port: int, metrics_port: int) -> tuple[str, ...]:
        """It never sends a request twice, as the gateway does not.

        Sticky, it takes the replica that has most of the prompt, whose tokens it has the engine
        count first (``/render``); else the less busy of two.
        """
        urls = (f"http://{one['host']}:{one['port']}" for one in service["replicas"])
        slots = sum(replica["slots"] for replica in service["replicas"])
        return (
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--prometheus-host", "127.0.0.1", "--prometheus-port", str(metrics_port)),
            *("--policy", "cache_aware" if service["sticky"] else "power_of_two"),
            "--disable-retries",
            *("--health-check-endpoint", service["health"]),
            *("--health-check-interval-secs", str(HEALTH_S)),
            *("--health-success-threshold", "1"),
            *(
                "--worker-startup-timeout-secs",
                str(START_S),
                "--worker-startup-check-interval",
                "1",
            ),
            *("--max-concurrent-requests", str(slots)),
            *("--worker-urls", *urls),
        )

    def readiness(self, body: Any) -> tuple[int, int] | None:
        """It leaves out how many are well where none is."""
        if not isinstance(body, dict):
            return None
        well, known = body.get("healthy_workers", 0), body.get("total_workers")
        return (well, known) if isinstance(well, int) and isinstance(known, int) else None


VLLM_ROUTER = VllmRouter()
