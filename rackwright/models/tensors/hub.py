"""Tensor headers of a repository on a hub: its index, then the first bytes of each file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from threading import Thread
from typing import NamedTuple

import httpx

from rackwright.errors import Fault, SpecError
from rackwright.models.hub import authorization, hub_address
from rackwright.models.outside import in_time, outside_client
from rackwright.models.tensors.cache import COMMIT, cached, keep
from rackwright.models.tensors.headers import Headers, headers_of
from rackwright.remote.tensors import index
from rackwright.remote.tensors.header import LENGTH_BYTES, length_of, parse
from rackwright.remote.tensors.summary import File, summary

FIRST_BYTES = 256 * 1024
"""Holds the whole header of most files, so that one request is enough."""
AT_ONCE = 8
DEADLINE_S = 300
"""For all files of a model; the largest have some 200."""
_RANGE = re.compile(r"bytes 0-\d+/(\d{1,15})")


class Start(NamedTuple):
    """The first bytes of a file, its size, and the commit it is of (empty: nobody says)."""

    content: bytes
    size: int
    commit: str


def hub_headers(repo: str, revision: str = "main", hub: str | None = None) -> Headers:
    """The headers of a repository's files; asked of ``hub``, or of HF_ENDPOINT, or the public one.

    Kept by commit (``cache``), and then nothing is asked. Raises SpecError with one fault.
    """
    if kept := cached(repo, revision):
        return kept
    address = (hub or hub_address()).rstrip("/")
    try:
        return in_time(lambda: _ask(repo, revision, address), DEADLINE_S)
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        gated = ", set HF_TOKEN if it is gated" if code in (401, 403) else ""
        asked = (*error.response.history, error.response)[0].request
        why = f"{asked.url.path.rpartition('/')[2]}: HTTP {code}{gated}"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        why = str(error) or type(error).__name__
    raise SpecError(
        [Fault("model", f"has no tensor headers that could be read: {why}", repo)],
        heading="in what was asked",
    )


def _ask(repo: str, revision: str, address: str) -> Headers:
    with outside_client(address) as client:
        client.headers.update(authorization())
        asking = _Asking(client, f"{address}/{repo}/resolve/{revision}")
        names = asking.names()
        commit = revision if COMMIT.fullmatch(revision) else asking.commit
        if commit and (kept := cached(repo, commit)):
            return kept
        values = summary(asking.files(names))
    tensors = [list(entry) for entry in values["tensors"]]
    found = headers_of({**values, "tensors": tensors}, repo, commit or revision)
    keep(found)
    return found


class _Asking:
    """One repository at one revision. ``commit`` is what its first answer was of."""

    def __init__(self, client: httpx.Client, base: str) -> None:
        self.client, self.base, self.commit = client, base, ""

    def names(self) -> list[str]:
        """The files that hold the weights."""
        try:
            start = self.start(index.NAME, index.MOST_BYTES + 1)
        except httpx.HTTPStatusError as error:
            if error.response.status_code != 404:
                raise
            self.commit = self.start(index.SINGLE, LENGTH_BYTES).commit
            return [index.SINGLE]
        if len(start.content) > index.MOST_BYTES:
            raise ValueError(f"{index.NAME} has more than {index.MOST_BYTES} bytes")
        self.commit = start.commit
        return index.files_of(start.content)

    def files(self, names: Sequence[str]) -> list[File]:
        """Some at once; the first that cannot be read is raised, by the order of names."""
        found: dict[str, File | Exception] = {}

        def work(mine: Sequence[str]) -> None:
            for name in mine:
                try:
                    found[name] = self._file(name)
                except Exception as error:
                    found[name] = error
                    return

        threads = [Thread(target=work, args=(names[i::AT_ONCE],), daemon=True)
                   for i in range(AT_ONCE)]  # fmt: skip
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in names:
            if isinstance(answer := found.get(name), Exception):
                raise answer
        read = (found[name] for name in names)
        return [file for file in read if isinstance(file, File)]

    def _file(self, name: str) -> File:
        start = self.start(name, FIRST_BYTES)
        if start.commit and self.commit and start.commit != self.commit:
            raise ValueError(f"{name} is of another commit than the index: ask once more")
        try:
            whole = LENGTH_BYTES + length_of(start.content, start.size)
            if len(start.content) < whole:
                start = self.start(name, whole)
            header = start.content[LENGTH_BYTES:whole]
            if len(header) + LENGTH_BYTES < whole:
                raise ValueError(f"was sent in part: {len(header):,} bytes of its header")
            return File(name, start.size, parse(header, start.size))
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None

    def start(self, name: str, count: int) -> Start:
        """The first ``count`` bytes; a server that sends the whole file is left after them."""
        sent = {"Accept-Encoding": "identity", "Range": f"bytes=0-{count - 1}"}
        with self.client.stream("GET", f"{self.base}/{name}", headers=sent) as answer:
            answer.raise_for_status()
            content = bytearray()
            for piece in answer.iter_raw():
                content += piece
                if len(content) >= count:
                    break
        responses = (*answer.history, answer)
        commits = [answer.headers.get("X-Repo-Commit", "") for answer in responses]
        commit = next((text for text in commits if COMMIT.fullmatch(text)), "")
        return Start(bytes(content[:count]), _size(answer, name), commit)


def _size(answer: httpx.Response, name: str) -> int:
    """Bytes of the whole file, as the answer to a range says it, or one that takes none."""
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise ValueError(f"{name} is sent as {answer.headers['Content-Encoding']:.40}")
    if answer.status_code == 206:
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        text = found[1] if found else ""
    else:
        text = answer.headers.get("Content-Length", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise ValueError(f"{name} is sent without its size")
    return int(text)
