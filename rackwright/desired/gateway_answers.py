"""What Nginx answers itself, before or instead of the Lua, so that OpenAI's clients can read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class GatewayAnswer:
    """An error of the gateway's own: ``code`` names it, to the client and in the configuration.

    ``instead_of`` are Nginx's statuses that it stands for.
    """

    code: str
    status: int
    message: str
    instead_of: tuple[int, ...]
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def location(self) -> str:
        """Where Nginx has it."""
        return f"/rackwright/{self.code}"

    @property
    def body(self) -> str:
        """As OpenAI's API has errors. Nginx takes ``$``, ``'`` and backslashes for its own."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": self.message, "type": kind, "param": None, "code": self.code}
        return json.dumps({"error": error})


NOT_AGAIN = (("X-Should-Retry", "false"),)
"""OpenAI's clients send whatever ended with 5xx again, unless they are told not to."""


def gateway_answers(name: str) -> Iterator[GatewayAnswer]:
    """Every error that Nginx makes by itself. ``name`` is the gateway's.

    Those of the Lua are in templates/gateway.lua.
    """
    answer = GatewayAnswer
    yield answer("bad_request", 400, "the request is not valid HTTP", (400,))
    yield answer("plain_http", 400, "this port speaks TLS: ask for https://", (497,))
    yield answer("forbidden", 403, "the gateway does not let this client in", (403,))
    yield answer("not_found", 404, "not a path of this gateway", (404,))
    yield answer("length_required", 411, "the request does not say how long it is", (411,))
    yield answer("uri_too_long", 414, "the path of the request is too long", (414,))
    message = f"this is not the gateway of that name: ask for https://{name}"
    yield answer("misdirected_request", 421, message, (421,))
    yield answer("headers_too_large", 431, "the headers of the request are too large", (494,))
    message = "the gateway failed: its error log says why"
    yield answer("gateway_failed", 500, message, (500, 507), NOT_AGAIN)
    message = "the transfer encoding is not known"
    yield answer("not_implemented", 501, message, (501,), NOT_AGAIN)
    message = "the version of HTTP is not known"
    yield answer("version_not_supported", 505, message, (505,), NOT_AGAIN)
