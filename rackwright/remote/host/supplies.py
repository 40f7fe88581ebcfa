"""Where a host has packages from, if not from where it is set up to: a mirror, or a bundle.

A bundle is at a loopback address, which leads to the controller over SSH: no proxy stands between.
Nothing that the host is set up with is changed, and apt's own lists stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rackwright.remote.host.operating_system import os_release
from rackwright.remote.host.running import Failed

APT_PARTS = Path("/etc/apt/sources.list.d")
OURS = "rackwright-"
"""How source files begin that were written here."""

Values = dict[str, Any]


def beyond_proxies() -> dict[str, str]:
    """Have what runs from here ask loopback addresses itself; what says so, for other users."""
    names = ("no_proxy", "NO_PROXY")
    for name in names:
        others = os.environ.get(name)
        os.environ[name] = f"{others},127.0.0.1" if others else "127.0.0.1"
    return {name: os.environ[name] for name in names}


def of_pip(request: Values) -> tuple[list[str], dict[str, str]]:
    """What pip is told, in words and by its environment: that nobody else on the host reads."""
    if bundle := request.get("bundle"):
        links = f"{bundle['url']}/wheels/"
        return ["--no-index"], {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": links}
    index = request.get("index")
    return (["--index-url", index] if index else []), {}


def of_uv(request: Values) -> tuple[list[str], dict[str, str]]:
    """What uv is told of where packages are, likewise."""
    if bundle := request.get("bundle"):
        return ["--no-config", "--no-index"], {"UV_FIND_LINKS": f"{bundle['url']}/wheels/"}
    index = request.get("index")
    return (["--default-index", index] if index else []), {}


def of_uv_python(request: Values) -> tuple[list[str], dict[str, str]]:
    """Which Python uv takes, and what its environment says of where it has one from."""
    if bundle := request.get("bundle"):
        wanted = bundle.get("python") or request["python"]
        places = {"UV_PYTHON_INSTALL_MIRROR": f"{bundle['url']}/pythons"}
        return ["--no-config", "--python", wanted], places
    builds = request.get("builds")
    environment = {"UV_PYTHON_INSTALL_MIRROR": builds} if builds else {}
    return ["--python", request["python"]], environment


def sources_for(supply: Values | None) -> str:
    """A text for this host; empty where its own sources are meant. Raises Failed, see below."""
    release = os_release() if supply else {}
    here = f"{release.get('ID', '')}{release.get('VERSION_ID', '').replace('.', '')}"
    text = (supply or {}).get("sources", {}).get(here, "")
    if not text and supply and supply["only"]:
        known = ", ".join(sorted(supply["sources"])) or "none"
        raise Failed(f"the bundle has packages of {known} for this host, which is {here}")
    return str(text)


def instead(supply: Values | None, added: dict[str, str]) -> tuple[dict[str, str], bool]:
    """Source files for apt, name to text, and whether the host's own are not read beside them.

    ``added`` are those of ours (a driver's archive), which a mirror of the distribution has not,
    and a bundle has.
    """
    text = sources_for(supply)
    if not text or supply is None:
        return added, False
    files = {f"{OURS}supply.sources": text}
    return (files if supply["only"] else {**added, **files}), True


@contextmanager
def archives(supply: Values | None) -> Iterator[list[str]]:
    """apt's options for sources that only this run reads; none where the host's own are meant.

    ``supply`` has ``sources``, a deb822 text by release (``debian12``); ``only`` says that a host
    of another has none. Raises Failed (OSError) then.
    """
    import tempfile  # slow to load: to look needs none of it

    files, alone = instead(supply, _ours())
    if not alone:
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="rackwright-apt-", dir="/var/tmp") as name:
        folder = Path(name)
        (folder / "lists/partial").mkdir(parents=True)
        (folder / "sources").mkdir()
        for file, text in files.items():
            (folder / "sources" / file).write_text(text)
        yield [word for pair in _private(folder) for word in ("-o", "=".join(pair))]


def _ours() -> dict[str, str]:
    """Source files that were written here."""
    found = sorted(APT_PARTS.glob(f"{OURS}*"))
    return {path.name: path.read_text() for path in found if path.suffix in (".list", ".sources")}


def _private(folder: Path) -> list[tuple[str, str]]:
    return [
        ("Dir::Etc::sourcelist", "/dev/null"),
        ("Dir::Etc::sourceparts", f"{folder}/sources"),
        ("Dir::State::lists", f"{folder}/lists"),
        ("Dir::Cache::pkgcache", ""),
        ("Dir::Cache::srcpkgcache", ""),
        ("APT::Sandbox::User", "root"),
        ("Acquire::Languages", "none"),
        ("Acquire::http::Proxy::127.0.0.1", "DIRECT"),
    ]
