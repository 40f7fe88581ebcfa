"""A bundle as it is served, asked by the real pip, uv and apt, which are told what hosts are told.

Where each would go by itself nobody answers.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from rackwright.bundling.apt_root import AptRoot
from rackwright.bundling.debs import Deb, index_files
from rackwright.bundling.manifest import BundledHost
from rackwright.bundling.pythons import FOLDER, below_mirror
from rackwright.bundling.serving import Answer, Shelf
from rackwright.remote.host import supplies
from rackwright.remote.host.supplies import archives, of_pip, of_uv, of_uv_python
from tests.samples.bundles import bundle_in, system

UV = Path(sys.executable).with_name("uv")
NOWHERE = "http://127.0.0.1:9/simple"
WHEEL = "wheels/thing-1.0+local-py3-none-any.whl"
DEB = {
    "Package": "thing",
    "Version": "1:2.0~rc1-1",
    "Architecture": "amd64",
    "Size": "3",
    "SHA256": hashlib.sha256(b"deb").hexdigest(),
    "Description": "of a test",
}
asked: list[str] = []


class Heard(Answer):
    """The answers of a bundle, with a list of what was asked for."""

    def do_GET(self) -> None:
        asked.append(self.path)
        super().do_GET()

    do_HEAD = do_GET


def wheel(folder: Path) -> bytes:
    path = folder / "thing.whl"
    about = "thing-1.0+local.dist-info"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("thing.py", "said = 'hello'\n")
        packed.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0+local\n"
        )
        packed.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        packed.writestr(f"{about}/RECORD", "")
    return path.read_bytes()


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    deb = Deb("", "thing_1%3a2.0~rc1-1_amd64.deb", DEB)
    folder = "debs/debian-12-amd64"
    indexes = {f"{folder}/{name}": text for name, text in index_files([deb]).items()}
    files = {WHEEL: wheel(tmp_path), f"{folder}/{deb.path}": b"deb", **indexes}
    manifest = bundle_in(tmp_path / "b", files, {"gpu1": BundledHost(system="debian 12 amd64")})
    locked = f"thing==1.0+local --hash=sha256:{manifest.files[WHEEL].sha256}\n"
    (tmp_path / "lock.txt").write_text(locked)
    shelf = Shelf(tmp_path / "b", manifest.files)
    asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Heard, shelf)) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{shelf.word}"
        server.shutdown()


def ran(*argv: str, **places: str) -> subprocess.CompletedProcess[str]:
    elsewhere = {"UV_DEFAULT_INDEX": NOWHERE, "PIP_INDEX_URL": NOWHERE, "http_proxy": NOWHERE}
    quick = {"UV_HTTP_TIMEOUT": "5", "PIP_DEFAULT_TIMEOUT": "5", "no_proxy": "127.0.0.1"}
    environment = {**os.environ, **elsewhere, **quick, **places}
    return subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=300)


def request(url: str) -> dict[str, Any]:
    return {"python": ">=3.11", "bundle": {"url": url, "python": "3.14.1"}}


@pytest.mark.skipif(not UV.exists(), reason="uv comes with the development tools")
def test_uv_installs_from_it_alone(url: str, tmp_path: Path) -> None:
    words, places = of_uv(request(url))
    argv = [str(UV), "pip", "sync", "--target", str(tmp_path / "there"), "--require-hashes"]
    cache = str(tmp_path / "cache")
    done = ran(*argv, *words, str(tmp_path / "lock.txt"), **places, UV_CACHE_DIR=cache)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there/thing.py").exists()
    assert any(path.endswith("/wheels/") for path in asked)


def test_pip_installs_from_it_alone(url: str, tmp_path: Path) -> None:
    words, places = of_pip(request(url))
    argv = [sys.executable, "-m", "pip", "install", "--target", str(tmp_path / "there")]
    argv += ["--require-hashes", "--only-binary=:all:", "--no-cache-dir"]
    done = ran(*argv, *words, "-r", str(tmp_path / "lock.txt"), **places)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there/thing.py").exists()


@pytest.mark.skipif(not UV.exists(), reason="uv comes with the development tools")
def test_uv_asks_for_a_python_where_a_bundle_has_it(url: str, tmp_path: Path) -> None:
    """It is not there, so this ends badly: what counts is the path."""
    listed = ran(str(UV), "python", "list", "--only-downloads", "--output-format", "json", "3.14")
    newest = next(one for one in json.loads(listed.stdout) if one["variant"] == "default")
    own = {"url": url, "python": newest["version"]}
    words, places = of_uv_python({"python": ">=3.11", "bundle": own})
    folder = {
        "UV_PYTHON_INSTALL_DIR": str(tmp_path / "pythons"),
        "UV_PYTHON_DOWNLOADS": "automatic",
    }
    done = ran(str(UV), "venv", *words, str(tmp_path / "venv"), **places, **folder)
    if done.returncode == 0:
        pytest.skip("this machine has that very Python")
    path = f"/{FOLDER}/{below_mirror(newest['url'])}".replace("+", "%2B")
    assert any(one.endswith(path) for one in asked), (asked, done.stderr)


@pytest.mark.skipif(which("apt-get") is None, reason="apt is Debian's")
def test_apt_reads_its_repository_and_finds_the_files_in_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supplies, "os_release", lambda: {"ID": "debian", "VERSION_ID": "12"})
    text = f"Types: deb\nURIs: {url}/debs/debian-12-amd64\nSuites: ./\nTrusted: yes\n"
    with archives({"only": True, "sources": {"debian12": text}}) as options:
        parts = next(word for word in options if "sourceparts=" in word).partition("=")[2]
        texts = {str(path): path.read_text() for path in Path(parts).iterdir()}
        root = AptRoot(tmp_path / "apt", system(), texts)
    root.update()
    said = root.transaction(["thing"], root.empty)
    (line,) = [line for line in said.splitlines() if line.startswith("'")]
    assert "thing_1%3a2.0~rc1-1_amd64.deb 3 " in line
    fetched = ran("curl", "-sf", "--path-as-is", line.split("'")[1])
    assert fetched.stdout == "deb"
