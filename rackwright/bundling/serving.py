"""The files of a bundle over HTTP, to who knows the word that every path begins with.

Only what the manifest names is given, in whole or from a byte on; a folder of wheels is a page of
links, which pip and uv read (``--find-links``).
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit

from rackwright.bundling.manifest import BundledFile

BLOCK_BYTES = 1 << 20
_FROM = re.compile(r"bytes=([0-9]{1,18})-([0-9]{1,18})?")
_LAST = re.compile(r"bytes=-([0-9]{1,18})")


class Shelf:
    """The files of one bundle. ``word`` begins every path: other users of a host do not know it."""

    def __init__(self, folder: Path, files: Mapping[str, BundledFile]) -> None:
        """``files`` are those of the manifest."""
        self.folder, self.files = folder, files
        self.word = secrets.token_urlsafe(16)

    def page(self, below: str) -> bytes | None:
        """The files of a folder as links; None where there are none."""
        names = sorted(path[len(below) :] for path in self.files if path.startswith(below))
        links = "\n".join(self._links(name for name in names if "/" not in name))
        return (
            f"<!DOCTYPE html>\n<title>{html.escape(below)}</title>\n{links}\n".encode()
            if (links)
            else None
        )

    def _links(self, names: Iterable[str]) -> Iterable[str]:
        for name in names:
            yield f'<a href="{html.escape(quote(name))}">{html.escape(name)}</a>'

    def open(self, path: str) -> tuple[BinaryIO, int] | None:
        """A file and its size; None for one that is not the manifest's, or of another size."""
        file = self.files.get(path)
        try:
            content = (self.folder / path).open("rb") if file else None
        except OSError:
            return None
        if content is None or file is None:
            return None
        return content, file.size_bytes


class Answer(BaseHTTPRequestHandler):
    """The answers on one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "rackwright-bundle"
    sys_version = ""
    shelf: Shelf

    def __init__(self, shelf: Shelf, *connection: Any) -> None:
        """``shelf`` is bound for a connection; the base class answers before it returns."""
        self.shelf = shelf
        super().__init__(*connection)

    def log_message(self, *_: Any) -> None:
        """Nothing on standard error."""

    def do_GET(self) -> None:
        """Answer GET; HEAD is the same without the body."""
        asked = unquote(urlsplit(self.path).path).lstrip("/")
        word, *parts = [part for part in asked.split("/") if part != "."]  # apt asks for ./Packages
        path = "/".join(parts)
        if not secrets.compare_digest(word.encode(), self.shelf.word.encode()):
            self._end(404)
        elif path.endswith("/"):
            self._page(self.shelf.page(path))
        else:
            self._file(path)

    do_HEAD = do_GET

    def _page(self, page: bytes | None) -> None:
        if page is None:
            self._end(404)
            return
        self._end(200, len(page), {"Content-Type": "text/html; charset=utf-8"})
        if self.command == "GET":
            self.wfile.write(page)

    def _file(self, path: str) -> None:
        opened = self.shelf.open(path)
        if opened is None:
            self._end(404)
            return
        content, size = opened
        with content:
            wanted = part(self.headers.get("Range", ""), size)
            if wanted == (0, 0) and size:
                self._end(416, 0, {"Content-Range": f"bytes */{size}"})
                return
            start, end = wanted or (0, size)
            ranged = {"Content-Range": f"bytes {start}-{end - 1}/{size}"} if wanted else {}
            self._end(206 if wanted else 200, end - start, {"Accept-Ranges": "bytes", **ranged})
            if self.command == "GET":
                self._send(content, start, end)

    def _send(self, content: BinaryIO, start: int, end: int) -> None:
        content.seek(start)
        left = end - start
        while left and (block := content.read(min(BLOCK_BYTES, left))):
            self.wfile.write(block)
            left -= len(block)
        if left:
            self.close_connection = True  # the file is shorter than it was: say no more

    def _end(self, status: int, size: int = 0, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        kind = {"Content-Type": "application/octet-stream"}
        for name, value in {**kind, **(headers or {}), "Content-Length": str(size)}.items():
            self.send_header(name, value)
        self.end_headers()


def part(header: str, size: int) -> tuple[int, int] | None:
    """First byte, and the one after the last, that a ``Range`` asks for; None for all of them.

    (0, 0) where there are no such bytes.
    """
    if last := _LAST.fullmatch(header.strip()):
        return max(0, size - int(last[1])), size
    wanted = _FROM.fullmatch(header.strip())
    if wanted is None:
        return None
    start, end = int(wanted[1]), min(int(wanted[2] or size) + 1, size)
    return (start, end) if start < end else (0, 0)
