"""A stand-in for Ollama, packaged as the vendor packages it.

``standin.py`` is the program: it answers the documented API (docs/api.md of Ollama 0.32) and keeps
its models on disk, but computes nothing. Here it is put into an archive: bin/ollama and lib/ollama.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PROGRAM = Path(__file__).parent / "standin.py"
CUDA = "lib/ollama/cuda_v13/libggml-cuda.so"
"""Without this file the stand-in loads models beside the GPUs, as Ollama does without its own."""


def pack(version: str, folder: Path) -> tuple[Path, str]:
    """``ollama-VERSION.tar.zst`` in ``folder``, and its SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"ollama-{version}.tar.zst"
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        program, library = root / "bin/ollama", root / CUDA
        for file in (program, library):
            file.parent.mkdir(parents=True)
        program.write_text(PROGRAM.read_text().replace("0.0.0-standin", version))
        program.chmod(0o755)
        library.write_text("a stand-in, no library\n")
        argv = ["tar", "--zstd", "--sort=name", "--owner=0", "--group=0", "--mtime=@0",
                "-cf", str(target), "-C", str(root), "bin", "lib"]  # fmt: skip
        subprocess.run(argv, check=True)
    return target, hashlib.sha256(target.read_bytes()).hexdigest()


class _Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, whole."""

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@contextmanager
def serve(folder: Path, address: str, port: int = 0) -> Iterator[str]:
    """Serve a folder's files over HTTP, and yield the URL of the folder."""
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer((address, port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://{address}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
