"""On a gateway: what its live state is asked, over a socket that only root may open."""

from __future__ import annotations

from typing import Any

from rackwright.remote.host import gateway_socket

SOCKET = "/run/rackwright-gateway/state.sock"
TIMEOUT_S = 20
ABSENT = "the gateway does not run here: nobody listens on its socket"

Values = dict[str, Any]


def ask(method: str, path: str, body: Values | None = None) -> Values:
    """``status`` and ``body`` of an answer; ``error`` where there was none.

    ``absent`` stands beside it where no gateway runs, so that nothing is sent to anybody either.
    """
    try:
        status, said = gateway_socket.ask(SOCKET, method, path, body, TIMEOUT_S)
    except (FileNotFoundError, ConnectionRefusedError):
        return {"error": ABSENT, "absent": True}
    except OSError as error:
        return {"error": f"the gateway gave no answer ({type(error).__name__}: {error})"}
    return {"status": status, "body": said}


def main(request: Values) -> Values:
    """One question: ``method``, ``path`` and perhaps ``body``."""
    return ask(request["method"], request["path"], request.get("body"))
