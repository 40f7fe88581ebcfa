"""`python -m lab.ask [QUESTION]`: one question through the gateway, as a client on the outside.

HTTP/2 over TLS, verified against the certificate that the gateway made for itself; the answer
streams in as its tokens are made.
"""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx

from lab.errors import LabError
from lab.fleet import LAB, host_named
from rackwright.exits import exits

GATEWAY = host_named("gw1")
NAME = "llm.lab.example"
CERTIFICATE = "/etc/rackwright/tls/gateway.crt"
QUESTION = "Who are you, and what do you run on?"


def trusted_certificate(gateway: str = GATEWAY.name) -> str:
    """A gateway's certificate (PEM), fetched over SSH, whose host key is known."""
    argv = ["ssh", "-F", str(LAB / "ssh_config"), gateway, "cat", CERTIFICATE]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


class _Resolved(httpx.HTTPTransport):
    """Sends requests for ``NAME`` to the gateway's address, as DNS would; TLS still uses NAME."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sni_hostname"] = NAME
        request.url = request.url.copy_with(host=GATEWAY.address)
        return super().handle_request(request)


def client(timeout_s: float = 300) -> httpx.Client:
    """An HTTP/2 client of the lab's gateway; certificate and name are verified."""
    trust = ssl.create_default_context(cadata=trusted_certificate())
    transport = _Resolved(verify=trust, http2=True)
    return httpx.Client(transport=transport, base_url=f"https://{NAME}", timeout=timeout_s)


def question(text: str, *, stream: bool = False, max_tokens: int = 48) -> dict[str, Any]:
    """Body of a chat completion request."""
    messages = [{"role": "user", "content": text}]
    return {
        "model": "tiny-llama",
        "messages": messages,
        "stream": stream,
        "max_tokens": max_tokens,
        "temperature": 0,
    }


def tokens(response: httpx.Response) -> Iterator[str]:
    """The text of each server-sent event of a streamed chat completion, as it arrives."""
    for line in response.iter_lines():
        if line.startswith("data: {"):
            delta = json.loads(line[6:])["choices"][0]["delta"]
            yield delta.get("content") or ""


def main() -> int:
    """Ask, print the answer as it comes, then who gave it."""
    text = " ".join(sys.argv[1:]) or QUESTION
    print(
        f"\nPOST https://{NAME}/v1/chat/completions  (at {GATEWAY.address})\n> {text}\n< ", end=""
    )
    body = question(text, stream=True)
    started = time.monotonic()
    with client() as http, http.stream("POST", "/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        for token in tokens(response):
            print(token, end="", flush=True)
        seconds = time.monotonic() - started
        replica = response.headers["X-Rackwright-Replica"]
        print(f"\n\nanswered by {replica} in {seconds:.2f} s over {response.http_version}")
    return 0


if __name__ == "__main__":
    with exits():
        try:
            sys.exit(main())
        except (httpx.HTTPError, socket.gaierror, subprocess.CalledProcessError) as error:
            raise LabError(f"no answer: {error}") from None
