"""What may stand between a gateway and the replicas of one service. A router is one module here."""

from __future__ import annotations

from rackwright.routers.protocol import RouterKind
from rackwright.routers.vllm_router import VLLM_ROUTER

__all__ = ["ROUTERS", "RouterKind"]

ROUTERS: dict[str, RouterKind] = {router.name: router for router in (VLLM_ROUTER,)}
"""By the name that a service asks for it by; engines say which of them understand theirs."""
