"""Building the repository: packages once, then an index and a signature for each variant."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import nvml
from lab.apt import packages
from lab.apt.packages import Package
from lab.fleet import CACHE, GATEWAY_ADDRESS
from lab.shell import sh, step

PORT = 8980
URL = f"http://{GATEWAY_ADDRESS}:{PORT}"
KERNEL_URL = f"{URL}/kernel"
"""Where hosts with the lab's stand-in kernel have its headers from, as from their distribution."""
DISTRIBUTIONS = ("debian12", "debian13")
ARCHIVES = CACHE / "apt"
"""Packages that hosts fetched by apt, real ones and stand-ins, kept for the next run."""
KEYRING = "usr/share/keyrings/cuda-archive-keyring.gpg"
SOURCE = "etc/apt/sources.list.d/cuda-{}-x86_64.list"
LIBRARIES = "usr/lib/x86_64-linux-gnu"


@dataclass(frozen=True)
class Variant:
    """One repository, at URL + prefix: its signer, the key offered beside it, what it lacks."""

    prefix: str
    signed_by: str = "lab"
    offers: str = "lab"
    lacks: tuple[str, ...] = ()
    """Branches of the driver."""


VARIANTS = (
    Variant(""),
    Variant("/stranger", signed_by="stranger"),
    Variant("/sha1", signed_by="sha1", offers="sha1"),
    Variant("/no580", lacks=("580",)),
)
KEYS = {"lab": (), "stranger": (), "sha1": ("--cert-digest-algo", "SHA1")}
"""Signers, and how their own key is made. One that vouches for itself by SHA-1, as NVIDIA's older
key does, is good for gpgv (Debian 12), and refused by sqv (Debian 13)."""


def repository() -> Path:
    """The folder to serve; built when it is not there yet, never half built."""
    ready = CACHE / f"apt-repository-{_recipe()}"
    if ready.exists():
        return ready
    for stale in CACHE.glob("apt-repository*"):
        shutil.rmtree(stale)
    partial = CACHE / "apt-repository.partial"
    with step("building the imitated apt repository"), tempfile.TemporaryDirectory() as scratch:
        built = _build_packages(partial / "pool", Path(scratch))
        with _keys(Path(scratch)) as keys:
            for name in KEYS:
                public = str(partial / f"{name}.pub")
                _gpg(keys, "--armor", "--output", public, "--export", _address(name))
            for variant in VARIANTS:
                for distribution in DISTRIBUTIONS:
                    _variant(partial, variant, distribution, built, keys)
        _kernel(partial / "kernel", Path(scratch))
    shutil.rmtree(partial / "pool")
    partial.rename(ready)
    return ready


def _recipe() -> str:
    sources = sorted(path for path in packages.HERE.rglob("*") if path.is_file())
    found = hashlib.sha256(os.uname().release.encode())
    for path in (*sources, *nvml.SOURCES):
        if "__pycache__" not in path.parts:
            found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:12]


def _build_packages(pool: Path, scratch: Path) -> list[Package]:
    pool.mkdir(parents=True)
    nvml.build(scratch / "libnvidia-ml.so.1")
    library = (scratch / "libnvidia-ml.so.1").read_bytes()
    found = [one for version in packages.VERSIONS for one in packages.of_driver(version)]
    unique = {one.file: one for one in (*found, *packages.others())}
    for one in unique.values():
        is_nvml = one.fields["Package"] == "libnvidia-ml1"
        one.build(pool, scratch, _nvml(one.driver, library) if is_nvml else {})
        for old in ARCHIVES.glob(f"*/{one.file}"):  # apt knows a file by its name and size alone
            old.unlink()
    return list(unique.values())


def _nvml(version: str, library: bytes) -> dict[str, bytes | Path]:
    """As NVIDIA lays it: a file of the driver's version, and a link by the library's own name."""
    file = nvml.file_of(version)
    return {f"{LIBRARIES}/{file}": library, f"{LIBRARIES}/{nvml.SONAME}": Path(file)}


def _kernel(folder: Path, scratch: Path) -> None:
    folder.mkdir()
    packages.kernel(os.uname().release).build(folder, scratch, {})
    _index(folder)


@contextmanager
def _keys(scratch: Path) -> Iterator[Path]:
    """A folder with the signers' secret keys for as long as the repository is being built."""
    home = scratch / "keys"
    home.mkdir(mode=0o700)
    try:
        for name, options in KEYS.items():
            _gpg(home, *options, "--passphrase", "", "--quick-gen-key", _address(name), "rsa3072",
                 "sign", "never")  # fmt: skip
        yield home
    finally:
        sh("gpgconf", "--homedir", str(home), "--kill", "all")


def _address(name: str) -> str:
    return f"{name} <{name}@lab.example>"


def _gpg(home: Path, *words: str) -> str:
    return sh("gpg", "--homedir", str(home), "--batch", "--quiet", "--yes", *words)


def _variant(
    top: Path, variant: Variant, distribution: str, built: Sequence[Package], keys: Path
) -> None:
    path = f"{variant.prefix}/repos/{distribution}/x86_64"
    folder = top / path.lstrip("/")
    folder.mkdir(parents=True)
    for one in built:
        if one.branch not in variant.lacks:
            os.link(top / "pool" / one.file, folder / one.file)
    key = _address(variant.offers)
    shutil.copy(top / f"{variant.offers}.pub", folder)
    ring = folder / "cuda-archive-keyring.gpg"
    _gpg(keys, "--output", str(ring), "--export", key)
    source = f"deb [signed-by=/{KEYRING}] {URL}{path}/ /\n"
    files = {KEYRING: ring.read_bytes(), SOURCE.format(distribution): source.encode()}
    packages.keyring().build(folder, keys.parent / distribution / variant.signed_by, files)
    _index(folder)
    _gpg(keys, "--local-user", _address(variant.signed_by), "--clear-sign", "--output",
         str(folder / "InRelease"), str(folder / "Release"))  # fmt: skip


def _index(folder: Path) -> None:
    listed = sh("apt-ftparchive", "packages", ".", cwd=folder)
    (folder / "Packages").write_text(listed)
    (folder / "Packages.gz").write_bytes(gzip.compress(listed.encode(), mtime=0))
    fields = [f"APT::FTPArchive::Release::{name}=NVIDIA" for name in ("Origin", "Label")]
    options = [word for field in fields for word in ("-o", field)]
    (folder / "Release").write_text(sh("apt-ftparchive", *options, "release", ".", cwd=folder))
