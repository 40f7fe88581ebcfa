"""Where files come from that no peer has: ranges of a URL, as many pieces as follow one another."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

from rackwright.remote.downloads.fetching import opened

GIVEN_UP_S = 45.0
"""Without a piece, while connections break: then another server may try."""
LONGEST_REST_S = 15.0
BUSY = (408, 425, 429)
"""Answers that mean: later."""


class Refused(Exception):
    """The origin does not give it, in words: to ask again is in vain."""


class Broken(Exception):
    """The connection broke, or the origin is busy: to ask again may help."""


class Origin:
    """Files by URL. ``headers`` (a token) go to the host of ``url`` alone."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        """Works until it is found to refuse; ``failed`` is then why."""
        self.headers = headers
        self.failed = ""
        self._broken_since_s = 0.0
        self._lock = threading.Lock()

    def open(self, url: str, start: int, end: int) -> Any:
        """The answer with these bytes. Raises Refused or Broken."""
        try:
            answer = opened(url, {**self.headers, "Range": f"bytes={start}-{end - 1}"})
        except HTTPError as error:
            words = f"{url}: HTTP {error.code} {error.reason}"
            if error.code >= 500 or error.code in BUSY:
                raise Broken(words) from None
            raise Refused(words + _advice(error.code)) from None
        except (OSError, HTTPException, ValueError) as error:
            raise Broken(f"{url}: {error}") from None
        length = answer.headers.get("Content-Length")
        whole = answer.status == 200 and start == 0 and length == str(end)
        if answer.status != 206 and not whole:
            answer.close()
            name = urlsplit(url).netloc
            raise Refused(f"{url}: {name} answered {answer.status} to a range of bytes")
        return answer

    def moved_on(self) -> None:
        """A piece came."""
        self._broken_since_s = 0.0

    def rest(self, words: str) -> None:
        """After a connection that broke: for a while, the longer nothing came; or it has failed."""
        with self._lock:
            now = time.monotonic()
            self._broken_since_s = self._broken_since_s or now
            silent_s = now - self._broken_since_s
        if silent_s > GIVEN_UP_S:
            self.failed = f"{words}: nothing came for {GIVEN_UP_S:.0f} s"
        else:
            time.sleep(min(max(1.0, silent_s), LONGEST_REST_S))


def _advice(status: int) -> str:
    return ": is HF_TOKEN set, and may it read that?" if status in (401, 403) else ""
