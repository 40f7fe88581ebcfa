"""A stand-in for a gateway's socket: HTTP as the gateway's Lua answers there, without an Nginx."""

from __future__ import annotations

import hashlib
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

Values = dict[str, Any]


def replica(state: str = "in", **more: Any) -> Values:
    own = {"state": state, "why": "", "since": 1790000000, "in_flight": 2, "slots": 256}
    return {**own, "weight": 1.0, "requests": 1234, "failures": 0, **more}


def state(**replicas: Values) -> Values:
    """What `GET /state` says of one service, chat; ``_`` in a name stands for ``-``."""
    named = {name.replace("_", "-"): each for name, each in replicas.items()}
    return {
        "gateway": "gw1",
        "now": 1790000100,
        "loaded": {"fleet": "f" * 64, "keys": 0, "keys_sha256": ""},
        "services": {
            "chat": {"in_flight": 2, "waiting": 1, "overflow": None, "replicas": named},
        },
        "clients": {"alice": {"in_flight": 2, "tokens_this_month": 51234}},
    }


@dataclass
class Gateway:
    """What one gateway has in its folder, and says on its socket."""

    folder: Path
    state: Values = field(default_factory=lambda: state(chat_gpu1_0=replica()))
    usage: list[Values] = field(default_factory=list)
    refuses: str = ""
    asked: list[tuple[str, str, Any]] = field(default_factory=list)

    @property
    def socket(self) -> Path:
        return self.folder / "state.sock"

    @property
    def keys(self) -> Path:
        return self.folder / "keys.json"

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.asked.append((method, path, body))
        if (method, path) == ("POST", "/load"):
            return self._load()
        if method == "PUT":
            return self._put(path.removeprefix("/replicas/"), body)
        if method == "GET" and path.startswith("/usage?since="):
            return 200, [row for row in self.usage if row["day"] >= path.partition("=")[2]]
        return (200, self.state) if path == "/state" else (404, {"error": "not found"})

    def _load(self) -> tuple[int, Any]:
        if self.refuses:
            return 422, {"error": self.refuses}
        content = self.keys.read_bytes()
        loaded = self.state["loaded"]
        loaded["keys"] = len(json.loads(content)["keys"])
        loaded["keys_sha256"] = hashlib.sha256(content).hexdigest()
        return 200, {"fleet": loaded["fleet"], "keys": loaded["keys"]}

    def _put(self, name: str, body: Values) -> tuple[int, Any]:
        for service in self.state["services"].values():
            if name in service["replicas"]:
                found = service["replicas"][name]
                found |= {key: body[key] for key in ("weight", "why") if key in body}
                if "drained" in body:
                    found["state"] = "drained" if body["drained"] else "in"
                    found["why"] = body.get("why", "")
                return 200, found
        return 404, {"error": f"no replica {name}"}


@contextmanager
def listening(gateway: Gateway) -> Iterator[Gateway]:
    """The stand-in answers on its socket while the block runs."""

    class Answers(BaseHTTPRequestHandler):
        def do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, said = gateway.answer(self.command, self.path, body)
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do

        def address_string(self) -> str:
            return "a socket"

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with socketserver.ThreadingUnixStreamServer(str(gateway.socket), Answers) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield gateway
        finally:
            server.shutdown()
            thread.join()
            gateway.socket.unlink()
