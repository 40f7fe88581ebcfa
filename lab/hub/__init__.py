"""A stand-in for the Hugging Face hub: local folders as repositories at a pinned revision.

It answers what huggingface_hub (2.4) and hosts ask for a model: repository info, the tree,
and files with the hub's headers, byte ranges and error codes. Not there: the redirect to a CDN,
Xet, data sets, uploads, accounts. Clients are pointed at it by ``HF_ENDPOINT``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

from lab.hub.answers import Answer, Hub
from lab.hub.content import read_folder


@contextmanager
def serve(
    repos: Mapping[str, Path],
    revision: str,
    address: str,
    port: int = 0,
    token: str | None = None,
    *,
    bytes_per_s: int | None = None,
    on_request: Callable[[str], None] = lambda _: None,
) -> Iterator[str]:
    """Serve folders as repositories (``owner/name`` -> folder) and yield the URL to ask.

    All of them are at ``revision`` (also as ``main``), with the files they hold now. ``port`` 0
    takes a free one. With ``token`` they are gated as on the hub: listed to anyone, given to who
    bears it. ``bytes_per_s`` slows each file down, so that a download can be cut off in the middle;
    ``on_request`` is told each request, as in ``GET /owner/name/resolve/main/a.bin bytes=5-``.
    """
    known = {repo: read_folder(folder) for repo, folder in repos.items()}
    hub = Hub(known, revision, token, bytes_per_s, on_request)
    with ThreadingHTTPServer((address, port), partial(Answer, hub)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://{address}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
