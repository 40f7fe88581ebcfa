"""Packing a host: a root folder, wheels and the project, where there are package registries."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab import image, registries
from lab.errors import LabError
from lab.fleet import CACHE, ROOT
from lab.gpu_host import BUNDLE, DRIVER, OWN_WHEELS, PROJECT, WHEELS
from lab.gpu_host.pieces import MANIFEST, Manifest, Stream, cut, load
from lab.gpu_host.unpacking import venv_id
from lab.shell import say, sh, step
from rackwright.desired.base import GATEWAY_PACKAGES

LOCKS = ("rackwright/engines/requirements/vllm-0.32.0-cu130.txt",)
OWN_LOCKS = ("requirements.txt", "rackwright/engines/requirements/uv.txt")
PACKAGES = (
    *GATEWAY_PACKAGES, "gcc", "g++", "libc6-dev", "python3-dev", "python3-venv", "zstd",
    "libnuma1", "make",
)  # fmt: skip
"""What a GPU server with a gateway gets from apt, for there is no archive where it boots; and
make, for `make test-gpu`."""
MASKED = ("systemd-modules-load.service",)
"""The kernel is the machine's: a host loads nothing into it."""
PIP = f"""[global]
no-index = true
find-links = {WHEELS} {OWN_WHEELS}
disable-pip-version-check = 1
"""
UV = f'no-index = true\nfind-links = ["{WHEELS}", "{OWN_WHEELS}"]\n'
LEFT_OUT = ("usr/share/doc/*", "usr/share/locale/*", "usr/share/man/*", "var/cache/apt/*",
            "var/lib/apt/lists/*", "tmp/*", "var/tmp/*")  # fmt: skip
SAME_BYTES = ("--sort=name", "--mtime=@0", "--numeric-owner", "--owner=0", "--group=0")
"""Equal files give an equal archive: pieces that did not change need not be carried again."""


def pack(out: Path, locks: Sequence[str], suite: str, bundle: Path | None = None) -> None:
    """Pack everything into ``out``; the wheels of each lock are a stream, each wheel is in one.

    ``bundle`` is a folder that ``rackwright bundle`` made: a stream of its own.
    """
    if bundle and not (bundle / MANIFEST).is_file():
        raise LabError(f"{bundle} is no whole bundle: `rackwright bundle` makes it")
    if absent := [lock for lock in locks if not (ROOT / lock).is_file()]:
        raise LabError(f"no file of the project: {', '.join(absent)}")
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    manifest = Manifest(suite)
    with _root(suite) as root:
        _furnish(root)
        wheels = _download(root, locks)
        _project_only_venv(root)
        with step("packing the root folder"):
            archive = ("tar", "--numeric-owner", *(f"--exclude=./{one}" for one in LEFT_OUT),
                       "-C", str(root), "-I", "xz -T0 -1", "-cf", "-", ".")  # fmt: skip
            about = f"{suite}, the project's venv of {venv_id(ROOT)}"
            manifest.streams["i"] = _cut(archive, out, "i", "/", about, compressed=True)
    for number, (lock, names) in enumerate(_each_once(locks, wheels)):
        with step(f"packing {len(names)} wheels of {lock}"):
            archive = ("tar", *SAME_BYTES, "-C", str(wheels), "-cf", "-", "--", *names)
            about = f"{len(names)} wheels of {lock}"
            manifest.streams[f"w{number}"] = _cut(archive, out, f"w{number}", WHEELS, about)
    if bundle:
        with step(f"packing {bundle}"):
            archive = ("tar", *SAME_BYTES, "-C", str(bundle), "-cf", "-", ".")
            manifest.streams["b"] = _cut(archive, out, "b", BUNDLE, f"the bundle {bundle.name}")
    _pack_project(out, manifest)


def refresh(out: Path) -> None:
    """Pack the project's files anew, beside what was packed; LabError when the venv changed too."""
    manifest = load(out)
    if not manifest.streams["i"].about.endswith(venv_id(ROOT)):
        raise LabError("requirements.txt or pyproject.toml is another than was packed: pack all")
    _pack_project(out, manifest)


def _pack_project(out: Path, manifest: Manifest) -> None:
    """The commit that is checked out, over the venv; what is not committed is not in it."""
    commit = sh("git", "rev-parse", "HEAD", cwd=ROOT).strip()
    if sh("git", "status", "--porcelain", cwd=ROOT):
        say(f"  what is not committed is left out: the project is packed as of {commit[:12]}")
    archive = ("git", "-c", "tar.tar.xz.command=xz -1", "archive", "--format=tar.xz", "HEAD")
    project = _cut(archive, out, "p", PROJECT, f"the project, {commit}", compressed=True)
    manifest.streams["p"] = project
    manifest.save(out)
    total = sum(piece.size_bytes for one in manifest.streams.values() for piece in one.pieces)
    count = sum(len(one.pieces) for one in manifest.streams.values())
    say(f"packed {count} pieces, {total / 1e9:.2f} GB, and {MANIFEST} in {out}")


def _cut(
    argv: Sequence[str], out: Path, prefix: str, target: str, about: str, compressed: bool = False
) -> Stream:
    """Run a program that writes an archive, and cut what it writes."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT) as running:
        assert running.stdout is not None
        sha256, pieces = cut(running.stdout, out, prefix)
    if running.returncode != 0:
        raise LabError(f"`{' '.join(argv[:6])}` failed with exit code {running.returncode}")
    return Stream(prefix, target, about, compressed, sha256, pieces)


@contextmanager
def _root(suite: str) -> Iterator[Path]:
    """A copy of the lab's base image, taken away again."""
    base = image.base(suite)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="gpu-host-") as work:
        root = Path(work) / "root"
        sh("cp", "-a", str(base), str(root))
        yield root


def _inside(root: Path, script: str, *binds: str) -> None:
    """Run a shell script in the root folder; LabError with its words when it fails."""
    binds = (*binds, *(f"--bind-ro={folder}" for folder in registries.find_links()))
    sh("systemd-nspawn", "-q", f"--directory={root}", "--register=no", "--keep-unit", "--pipe",
       "--as-pid2", *binds, "sh", "-euc", script)  # fmt: skip


def _furnish(root: Path) -> None:
    """Packages, the project with its venv, and folders of wheels."""
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    registries.install(root, "/var/cache/uv")
    packages = " ".join(PACKAGES)
    with step("installing packages"):
        _inside(root, "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update; "
                      f"apt-get -qq install -y --no-install-recommends {packages}")  # fmt: skip
    for folder in (PROJECT, WHEELS, OWN_WHEELS):
        (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", root / PROJECT[1:]], input=archive.stdout, check=True)
    with step("making the project's venv"):
        _inside(root, f"cd {PROJECT}; python3 -m venv .venv; pip='.venv/bin/python -m pip'; "
                "$pip install -q --require-hashes -r requirements.txt; "
                "$pip install -q --no-deps --no-build-isolation --editable .")  # fmt: skip


def _download(root: Path, locks: Sequence[str]) -> Path:
    """Wheels for the host's Python: the engines' into the cache, the project's into the root."""
    python = next((root / "usr/bin").glob("python3.[0-9]*[0-9]")).name
    wheels = CACHE / "gpu-host" / python
    wheels.mkdir(parents=True, exist_ok=True)
    # Its /tmp is in memory, and some wheels are larger than that may be.
    pip = f"TMPDIR=/var/tmp {PROJECT}/.venv/bin/python -m pip"
    download = f"{pip} download -q --no-deps --require-hashes"
    binds = (f"--bind={wheels}:{WHEELS}", f"--bind-ro={ROOT}:/mnt")
    places = dict.fromkeys(locks, WHEELS) | dict.fromkeys(OWN_LOCKS, OWN_WHEELS)
    for lock, place in places.items():
        with step(f"fetching the wheels of {lock}"):
            _inside(root, f"{download} -r /mnt/{lock} -d {place} --find-links {place}", *binds)
    return wheels


def _project_only_venv(root: Path) -> None:
    """The project's files are a stream of their own; how registries are reached stays here."""
    for path in (root / PROJECT.lstrip("/")).iterdir():
        if path.name != ".venv":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (root / "etc/pip.conf").write_text(PIP)
    (root / "etc/uv/uv.toml").write_text(UV)
    (root / "etc/ld.so.conf.d/nvidia.conf").write_text(f"{DRIVER}/lib64\n{DRIVER}/lib\n")
    (root / "etc/resolv.conf").write_text("")
    for name in image.APT_SOURCES:
        (root / name).write_text("")
    for unit in MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")


def _each_once(locks: Sequence[str], wheels: Path) -> Iterator[tuple[str, list[str]]]:
    """Each lock with the wheels that it names by digest and no lock before it had."""
    digests = {path.name: _sha256(path) for path in sorted(wheels.iterdir())}
    packed: set[str] = set()
    for lock in locks:
        wanted = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", (ROOT / lock).read_text()))
        names = [name for name, digest in digests.items() if digest in wanted - packed]
        packed |= {digests[name] for name in names}
        yield lock, names


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
