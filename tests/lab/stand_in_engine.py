"""Stands in for the engine on a lab host, to be wrong in one way at a time.

Run by the replica's own unit, so that all the system says of it is right. ``/run/wrong`` names the
way, read at each request; nothing there is an engine that does as planned.
"""

from __future__ import annotations

import json
import resource
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODEL, LENGTH = "tiny-llama", 1024
METRICS = """vllm:num_requests_running{engine="0"} 0.0
vllm:cache_config_info{kv_cache_size_tokens="4096"} 1.0
"""


class Engine(BaseHTTPRequestHandler):
    """What vLLM answers, as far as checks ask."""

    def do_GET(self) -> None:
        wrong = Path("/run/wrong").read_text().strip()
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        soft = 4096 if wrong == "files" else most
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
        version = "0.31.0" if wrong == "version" else "0.32.0"
        model = "another-model" if wrong == "model" else MODEL
        pages: dict[str, Any] = {
            "/health": "",
            "/version": {"version": version},
            "/v1/models": {"data": [{"id": model, "max_model_len": LENGTH}]},
            "/metrics": "" if wrong == "metrics" else METRICS,
        }
        self.say(200, pages[self.path])

    def do_POST(self) -> None:
        wrong = Path("/run/wrong").read_text().strip()
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if wrong == "completion":
            return self.say(500, {"error": "EngineDeadError"})
        if wrong == "model":
            return self.say(404, {"error": f"The model {asked['model']} does not exist."})
        if asked.get("stream"):
            return self.say(200, events(0 if wrong == "stream" else asked["max_tokens"]))
        choices = [{"message": {"content": "blue"}}]
        answer = {"object": "chat.completion", "model": MODEL, "choices": choices}
        self.say(200, {**answer, "usage": {"completion_tokens": asked["max_tokens"]}})

    def say(self, status: int, page: Any) -> None:
        body = (page if isinstance(page, str) else json.dumps(page)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def events(tokens: int) -> str:
    one = json.dumps({"choices": [{"delta": {"content": "a"}}]})
    return f"data: {one}\n\n" * tokens + "data: [DONE]\n\n"


ThreadingHTTPServer((sys.argv[1], 8000), Engine).serve_forever()
