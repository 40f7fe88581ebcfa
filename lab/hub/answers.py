"""What the hub answers to each request: info, tree and files; or an error in its own form."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote, urlsplit

from lab.hub.content import Entry

BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class Hub:
    """What is served: files by repository, all at one revision; ``token`` gates their content."""

    repos: Mapping[str, Mapping[str, Entry]]
    revision: str
    token: str | None
    bytes_per_s: int | None
    on_request: Callable[[str], None]


class Refusal(Exception):
    """An error answer: a status, a code that clients act on (or none), and a sentence."""

    def __init__(self, status: int, code: str | None, message: str) -> None:
        """``code`` goes into X-Error-Code, ``message`` into X-Error-Message and the body."""
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Answer(BaseHTTPRequestHandler):
    """The answers on one connection, which stays open as clients of the hub expect."""

    protocol_version = "HTTP/1.1"
    server_version = "rackwright-lab-hub"

    def __init__(self, hub: Hub, *connection: Any) -> None:
        """``hub`` is bound when the server is made; the base class answers before it returns."""
        self.hub = hub
        super().__init__(*connection)

    def handle(self) -> None:
        """Answer until the client hangs up, in the middle of a file or not."""
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Nothing on standard error; ``on_request`` is told instead."""

    def do_GET(self) -> None:
        """Answer GET; HEAD is the same without the body."""
        wanted = self.headers.get("Range", "")
        self.hub.on_request(f"{self.command} {self.path} {wanted}".rstrip())
        try:
            self._route(unquote(urlsplit(self.path).path).strip("/").split("/"))
        except Refusal as refusal:
            self._refuse(refusal)

    do_HEAD = do_GET

    def _route(self, path: list[str]) -> None:
        match path:
            case ["api", "models", owner, name]:
                self._info(f"{owner}/{name}", "main")
            case ["api", "models", owner, name, "revision", revision]:
                self._info(f"{owner}/{name}", revision)
            case ["api", "models", owner, name, "tree", revision]:
                files = self._files(f"{owner}/{name}", revision)
                self._json(200, [entry.listed() for entry in files.values()])
            case [owner, name, "resolve", revision, *rest] if rest:
                self._file(f"{owner}/{name}", revision, "/".join(rest))
            case _:
                raise Refusal(404, None, "Sorry, we can't find the page you are looking for.")

    def _files(self, repo: str, revision: str) -> Mapping[str, Entry]:
        if repo not in self.hub.repos:  # the hub does not tell a stranger which ones are private
            raise Refusal(401, "RepoNotFound", "Repository not found")
        if revision not in (self.hub.revision, "main"):
            raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return self.hub.repos[repo]

    def _info(self, repo: str, revision: str) -> None:
        siblings = [{"rfilename": path} for path in self._files(repo, revision)]
        gated = "manual" if self.hub.token else False
        about = {"id": repo, "modelId": repo, "private": False, "gated": gated}
        self._json(200, {**about, "sha": self.hub.revision, "siblings": siblings})

    def _file(self, repo: str, revision: str, path: str) -> None:
        files = self._files(repo, revision)
        self._admit(repo)
        if path not in files:
            raise Refusal(404, "EntryNotFound", "Entry not found")
        self._send(files[path])

    def _admit(self, repo: str) -> None:
        """Refuse a gated file, in the two ways that the hub has: no token, a wrong token."""
        given = self.headers.get("Authorization")
        if self.hub.token is None or given == f"Bearer {self.hub.token}":
            return
        if given:
            raise Refusal(401, None, "Invalid credentials in Authorization header")
        rule = "You must have access to it and be authenticated to access it. Please log in."
        raise Refusal(401, "GatedRepo", f"Access to model {repo} is restricted. {rule}")

    def _send(self, entry: Entry) -> None:
        wanted = byte_range(self.headers.get("Range", ""), entry.size_bytes)
        start, end = wanted or (0, entry.size_bytes)
        headers = _described(entry, self.hub.revision)
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{entry.size_bytes}"
        self._head(206 if wanted else 200, end - start, headers)
        if self.command == "GET":
            self._stream(entry, start, end)

    def _stream(self, entry: Entry, start: int, end: int) -> None:
        """Send bytes ``start`` to ``end`` of a file, no faster than the hub is told to."""
        with entry.source.open("rb") as content:
            content.seek(start)
            while block := content.read(min(BLOCK_BYTES, end - content.tell())):
                self.wfile.write(block)
                if self.hub.bytes_per_s:
                    time.sleep(len(block) / self.hub.bytes_per_s)

    def _refuse(self, refusal: Refusal) -> None:
        code = {"X-Error-Code": refusal.code} if refusal.code else {}
        headers = {**code, "X-Error-Message": refusal.message}
        self._json(refusal.status, {"error": refusal.message}, headers)

    def _json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        kind = {"Content-Type": "application/json; charset=utf-8"}
        self._head(status, len(body), {**(headers or {}), **kind})
        if self.command == "GET":
            self.wfile.write(body)

    def _head(self, status: int, length: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()


def byte_range(header: str, size_bytes: int) -> tuple[int, int] | None:
    """First byte, and the one after the last, of ``bytes=A-`` or ``bytes=A-B``; None for all.

    Raises Refusal (416) when the range begins after the end.
    """
    unit, _, wanted = header.partition("=")
    first, dash, last = wanted.partition("-")
    if unit != "bytes" or not dash or not first.isdigit():
        return None
    if int(first) >= size_bytes:
        raise Refusal(416, None, "Requested range not satisfiable")
    return int(first), min(int(last) + 1, size_bytes) if last.isdigit() else size_bytes


def _described(entry: Entry, revision: str) -> dict[str, str]:
    headers = {
        "X-Repo-Commit": revision,
        "ETag": entry.etag,
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
    }
    if entry.sha256:
        headers |= {"X-Linked-ETag": entry.etag, "X-Linked-Size": str(entry.size_bytes)}
    return headers
