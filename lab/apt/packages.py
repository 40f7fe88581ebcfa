"""The stand-in packages: read from ``*.control`` and ``tree/``, and packed by dpkg-deb."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from debian.deb822 import Deb822

from lab.shell import sh

HERE = Path(__file__).parent
TREE = HERE / "tree"
VERSIONS = ("580.126.20", "580.159.04", "595.71.05")
"""Driver versions in the repository, as NVIDIA's holds them side by side."""
ALWAYS = {
    "Architecture": "amd64",
    "Section": "NVIDIA",
    "Maintainer": "Rackwright lab <lab@lab.example>",
    "Description": "stand-in of the Rackwright lab, not by NVIDIA and without a driver",
}


@dataclass(frozen=True)
class Package:
    """One binary package: its control fields, and the driver version or kernel it belongs to."""

    fields: dict[str, str]
    driver: str = ""
    kernel: str = ""

    @property
    def file(self) -> str:
        """The name of its .deb, as dpkg-deb gives it."""
        return "{Package}_{Version}_{Architecture}.deb".format(**self.fields)

    @property
    def branch(self) -> str:
        """The branch of its driver version, e.g. ``580``; "" if it has none."""
        return self.driver.partition(".")[0]

    def fill(self, text: str) -> str:
        """A text of ``tree/`` with this package's own words in place."""
        text = text.replace("{kernel}", self.kernel)
        return _fill(text, self.driver, self.fields["Package"])

    def build(self, folder: Path, scratch: Path, extra: Mapping[str, bytes | Path]) -> None:
        """Pack it into ``folder``, with its files of ``tree/``; files and links are ``extra``."""
        root = scratch / self.file
        for source, name in self._tree():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(self.fill(source.read_text()))
            shutil.copymode(source, root / name)
        for name, content in extra.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                (root / name).symlink_to(content)
            else:
                (root / name).write_bytes(content)
        (root / "DEBIAN").mkdir(parents=True, exist_ok=True)
        (root / "DEBIAN/control").write_text(str(Deb822(self.fields)))
        sh("dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(root), str(folder))

    def _tree(self) -> Iterator[tuple[Path, str]]:
        for top in TREE.iterdir():
            if self.fill(top.name) == self.fields["Package"]:
                files = (path for path in top.resolve().rglob("*") if path.is_file())
                yield from (
                    (path, self.fill(str(path.relative_to(top.resolve())))) for path in files
                )


def of_driver(version: str) -> list[Package]:
    """Every package of one driver version, e.g. ``580.159.04``."""
    text = (HERE / "driver.control").read_text()
    return [Package(fields, version) for fields in _stanzas(text, version)]


def others() -> list[Package]:
    """The packages that follow no driver version."""
    return [Package(fields) for fields in _stanzas((HERE / "other.control").read_text(), "")]


def kernel(release: str) -> Package:
    """Headers of the running kernel (``uname -r``)."""
    (fields,) = _stanzas((HERE / "kernel.control").read_text().replace("{kernel}", release), "")
    return Package(fields, kernel=release)


def keyring() -> Package:
    """The package that brings a repository's key and its source list."""
    return Package({"Package": "cuda-keyring", "Version": "1.1-1", **ALWAYS, "Architecture": "all"})


def _stanzas(text: str, driver: str) -> Iterator[dict[str, str]]:
    for fields in Deb822.iter_paragraphs(_fill(text, driver, "").splitlines()):
        yield {"Version": f"{driver}-1", **ALWAYS, **fields}


def _fill(text: str, driver: str, package: str) -> str:
    words = {"{version}": driver, "{branch}": driver.partition(".")[0], "{package}": package}
    for word, value in words.items():
        text = text.replace(word, value)
    return text
