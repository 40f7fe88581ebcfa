#!/usr/bin/python3
"""A stand-in for `ollama`: the documented HTTP API, models on disk, and no computing at all.

It runs on lab hosts as a program of its own, so it imports nothing of the project. Blobs are
checked against their digests, as Ollama does. A model is on the GPU where the CUDA library lies
beside the program, and falls back to the CPU without a word where not.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

VERSION = "0.0.0-standin"
CUDA = Path(__file__).resolve().parent.parent / "lib/ollama/cuda_v13/libggml-cuda.so"
REGISTRY = {"tiny:1b": b"GGUF weights of tiny:1b"}
"""What can be pulled: name and weights."""
ANSWER = "Hello from a stand-in for Ollama."

Values = dict[str, Any]


class Store:
    """Models on disk, in OLLAMA_MODELS: blobs by digest, and one manifest a name."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it is missing."""
        self.blobs, self.manifests = folder / "blobs", folder / "manifests"
        for each in (self.blobs, self.manifests):
            each.mkdir(parents=True, exist_ok=True)

    def blob(self, digest: str) -> Path:
        """Where the bytes of ``sha256:...`` are."""
        return self.blobs / digest.replace(":", "-")

    def manifest(self, name: str) -> Path:
        """Where a model's description is."""
        return self.manifests / f"{full(name).replace('/', '_')}.json"

    def write(self, name: str, weights: str, parameters: Values) -> None:
        """Describe a model."""
        described = {"name": full(name), "weights": weights, "parameters": parameters}
        self.manifest(name).write_text(json.dumps(described, sort_keys=True))

    def read(self, name: str) -> Values | None:
        """A model's description; None where there is no such model."""
        path = self.manifest(name)
        return dict(json.loads(path.read_text())) if path.exists() else None

    def models(self) -> list[Values]:
        """What /api/tags lists. The digest is the manifest's."""
        found = []
        for path in sorted(self.manifests.glob("*.json")):
            text = path.read_bytes()
            described = json.loads(text)
            name, size = described["name"], self.blob(described["weights"]).stat().st_size
            digest = hashlib.sha256(text).hexdigest()
            found.append({"name": name, "model": name, "size": size, "digest": digest})
        return found


def full(name: str) -> str:
    """A name with its tag."""
    return name if ":" in name else f"{name}:latest"


def is_own(host: str) -> bool:
    """Whether a Host is a name of this machine, or one of its addresses."""
    name = host.partition(":")[0].lower()
    own = ("", "localhost", "127.0.0.1", socket.gethostname().lower())
    return name in own or name.endswith((".localhost", ".local", ".internal"))


class Answer(BaseHTTPRequestHandler):
    """One request. ``store`` and ``loaded`` are the server's."""

    store: Store
    loaded: ClassVar[dict[str, Values]] = {}
    protocol_version = "HTTP/1.1"

    def parse_request(self) -> bool:
        """On a loopback address, only names of this machine are answered (server/routes.go)."""
        if not super().parse_request():
            return False
        if self.server.server_address[0] != "127.0.0.1" or is_own(self.headers.get("Host", "")):
            return True
        self.send_error(403)
        return False

    def do_GET(self) -> None:
        """Version, lists, and the OpenAI list."""
        if self.path == "/api/version":
            self.reply({"version": VERSION})
        elif self.path == "/api/tags":
            self.reply({"models": self.store.models()})
        elif self.path == "/api/ps":
            self.reply({"models": list(self.loaded.values())})
        elif self.path == "/v1/models":
            rows = [{"id": one["name"], "object": "model"} for one in self.store.models()]
            self.reply({"object": "list", "data": rows})
        else:
            self.reply({"error": "not found"}, 404)

    def do_HEAD(self) -> None:
        """Whether a blob is there."""
        digest = self.path.rpartition("/")[2]
        self.send_response(200 if self.store.blob(digest).exists() else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        """Everything that changes or computes."""
        if self.path.startswith("/api/blobs/"):
            self.take_blob(self.path.rpartition("/")[2])
            return
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = str(body.get("model", ""))
        acts = {
            "/api/create": self.create,
            "/api/pull": self.pull,
            "/api/show": self.show,
            "/api/generate": self.load,
            "/v1/chat/completions": self.chat,
        }
        act = acts.get(self.path)
        if act is None:
            self.reply({"error": "not found"}, 404)
        else:
            act(name, body)

    def do_DELETE(self) -> None:
        """Forget a model."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.store.manifest(body["model"]).unlink(missing_ok=True)
        self.reply({})

    def take_blob(self, digest: str) -> None:
        """Write a blob, unless its bytes are of another digest."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        found = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if found != digest:
            self.reply({"error": f"digest mismatch, expected {digest}, got {found}"}, 400)
            return
        self.store.blob(digest).write_bytes(content)
        self.reply({}, 201)

    def create(self, name: str, body: Values) -> None:
        """From a GGUF blob, or from another model."""
        base = self.store.read(body["from"]) if "from" in body else None
        files = list((body.get("files") or {}).values())
        weights = base["weights"] if base else (files or [""])[0]
        if not weights or not self.store.blob(weights).exists():
            self.stream([{"error": "no such blob or model"}])
            return
        if self.store.blob(weights).read_bytes()[:4] != b"GGUF":
            self.stream([{"error": "only GGUF is supported"}])
            return
        self.store.write(name, weights, body.get("parameters") or {})
        self.loaded.pop(full(name), None)
        self.stream([{"status": "parsing GGUF"}, {"status": "success"}])

    def pull(self, name: str, _: Values) -> None:
        """From the stand-in's own registry."""
        if name not in REGISTRY:
            self.stream([{"error": "pull model manifest: file does not exist"}])
            return
        content = REGISTRY[name]
        weights = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.store.blob(weights).write_bytes(content)
        self.store.write(name, weights, {})
        size = len(content)
        self.stream(
            [{"status": "pulling", "total": size, "completed": size}, {"status": "success"}]
        )

    def show(self, name: str, _: Values) -> None:
        """The model's file and parameters."""
        found = self.store.read(name)
        if found is None:
            self.reply({"error": f"model '{name}' not found"}, 404)
            return
        lines = [f"{key}    {value}" for key, value in found["parameters"].items()]
        file = self.store.blob(found["weights"])
        self.reply({"modelfile": f"# of {name}\nFROM {file}\n", "parameters": "\n".join(lines)})

    def load(self, name: str, _: Values) -> None:
        """Load a model, on the GPU where that can be."""
        found = self.store.read(name)
        if found is None:
            self.reply({"error": f"model '{name}' not found"}, 404)
            return
        context = found["parameters"].get("num_ctx") or os.environ["OLLAMA_CONTEXT_LENGTH"]
        size = self.store.blob(found["weights"]).stat().st_size
        self.loaded[full(name)] = {
            "name": full(name),
            "model": full(name),
            "size": size,
            "size_vram": size if CUDA.exists() else 0,
            "context_length": int(context),
        }
        self.reply({"model": name, "done": True, "done_reason": "load"})

    def chat(self, name: str, body: Values) -> None:
        """Always the same words."""
        if self.store.read(name) is None:
            self.reply({"error": {"message": f"model '{name}' not found"}}, 404)
            return
        words = ANSWER.split(" ")
        usage = {"prompt_tokens": 1, "completion_tokens": len(words), "total_tokens": 8}
        if body.get("stream"):
            self.stream_words(name, words, usage)
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}}
        kind = "chat.completion"
        self.reply({"object": kind, "model": name, "choices": [choice], "usage": usage})

    def stream_words(self, name: str, words: list[str], usage: Values) -> None:
        """An event a word, as OpenAI streams; the last one has none and counts them."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        kind = {"object": "chat.completion.chunk", "model": name}
        for word in words:
            choice = {"index": 0, "delta": {"role": "assistant", "content": f"{word} "}}
            self.event({**kind, "choices": [choice]})
        self.event({**kind, "choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def event(self, value: Values) -> None:
        """One server-sent event."""
        self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())
        self.wfile.flush()

    def stream(self, events: list[Values]) -> None:
        """Lines of JSON, as Ollama tells of long work."""
        text = "".join(json.dumps(event) + "\n" for event in events).encode()
        self.send(200, text, "application/x-ndjson")

    def reply(self, value: Values, status: int = 200) -> None:
        """One JSON value."""
        self.send(status, json.dumps(value).encode(), "application/json")

    def send(self, status: int, content: bytes, kind: str) -> None:
        """Headers and body."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """One line a request, in the journal."""
        print(format % arguments, file=sys.stderr, flush=True)


def main() -> None:
    """``serve``, or ``--version``."""
    if sys.argv[1:] == ["--version"]:
        print(f"ollama version is {VERSION}")
        return
    host, _, port = os.environ["OLLAMA_HOST"].rpartition(":")
    Answer.store = Store(Path(os.environ["OLLAMA_MODELS"]))
    ThreadingHTTPServer((host, int(port)), Answer).serve_forever()


if __name__ == "__main__":
    main()
