"""Bundles for tests: what hosts say of their systems, and folders of files with a manifest."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rackwright.bundling.manifest import BundledFile, BundledHost, Manifest, write_manifest
from rackwright.bundling.system import System, system_of

SOURCES = """Types: deb
URIs: https://archive.example/debian
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/archive.gpg
"""


def said(**more: Any) -> dict[str, Any]:
    """What a host of Debian 12 answers of its system; ``more`` over it."""
    return {
        "id": "debian",
        "version_id": "12",
        "codename": "bookworm",
        "machine": "x86_64",
        "architecture": "amd64",
        "glibc": "2.36",
        "pythons": {"/usr/bin/python3": "3.11.2", "/usr/bin/python3.11": "3.11.2"},
        "sources": [{"path": "/etc/apt/sources.list.d/debian.sources", "text": SOURCES}],
        "files": {"/usr/share/keyrings/archive.gpg": base64.b64encode(b"key").decode()},
        "status": base64.b64encode(zlib.compress(b"Package: dpkg\n")).decode(),
        **more,
    }


def system(**more: Any) -> System:
    """The same, read."""
    return system_of("gpu1", said(**more))


def bundle_in(
    folder: Path, contents: Mapping[str, bytes], hosts: Mapping[str, BundledHost], **more: Any
) -> Manifest:
    """A whole bundle with these files; ``more`` is what its manifest says they are for."""
    files = {}
    for path, content in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        files[path] = BundledFile(size_bytes=len(content), sha256=sha256)
    manifest = Manifest(hosts=dict(hosts), files=files, **more)
    write_manifest(folder, manifest)
    return manifest
