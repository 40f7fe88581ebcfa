"""Packages with all that they need, by apt itself, and the repository that is made of them.

The archive that is asked is one that this module makes, of packages of a few bytes.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import zlib
from email.utils import parsedate_to_datetime
from pathlib import Path
from shutil import which

import pytest
from debian.deb822 import Deb822, Packages

from rackwright.bundling import apt_root
from rackwright.bundling.apt_root import AptRoot, require_apt
from rackwright.bundling.debs import Deb, index_files, resolved
from rackwright.bundling.system import System
from rackwright.errors import HostError, InputError
from tests.samples.bundles import system

pytestmark = pytest.mark.skipif(
    any(which(tool) is None for tool in ("apt-get", "dpkg-deb")), reason="apt is Debian's"
)
ARCHIVE = (
    {"Package": "web", "Version": "1:1.2-1", "Depends": "base (= 2.0), extra | other"},
    {"Package": "base", "Version": "2.0"},
    {"Package": "extra", "Version": "0.1~rc1", "Recommends": "unwanted"},
    {"Package": "unwanted", "Version": "1"},
    {"Package": "broken", "Version": "1", "Depends": "absent"},
    {"Package": "tied", "Version": "2.0", "Depends": "base (= 2.0)"},
)


def packed(folder: Path, fields: dict[str, str]) -> Deb:
    control = {
        **fields,
        "Architecture": "amd64",
        "Maintainer": "tests <tests@example.com>",
        "Description": "of a test",
    }
    root = folder / "build" / fields["Package"]
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(str(Deb822(control)))
    file = f"{fields['Package']}_{fields['Version'].replace(':', '%3a')}_amd64.deb"
    target = folder / "archive/pool" / file
    target.parent.mkdir(parents=True, exist_ok=True)
    argv = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(root), str(target)]
    subprocess.run(argv, check=True, capture_output=True)
    content = target.read_bytes()
    known = {"Size": str(len(content)), "SHA256": hashlib.sha256(content).hexdigest()}
    return Deb(f"copy:{target}", file, {**control, **known})


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flat repository, with the indexes that bundles have."""
    folder = tmp_path_factory.mktemp("debs")
    debs = [packed(folder, fields) for fields in ARCHIVE]
    for name, content in index_files(debs).items():
        (folder / "archive" / name).write_bytes(content)
    return folder / "archive"


@pytest.fixture
def root(archive: Path, tmp_path: Path) -> AptRoot:
    return rooted(archive, tmp_path, system())


def rooted(archive: Path, folder: Path, asked: System) -> AptRoot:
    text = f"Types: deb\nURIs: copy:{archive}\nSuites: ./\nTrusted: yes\n"
    root = AptRoot(folder, asked, {"/etc/apt/sources.list.d/a.sources": text})
    root.update()
    return root


def test_all_that_is_needed_comes_along_and_nothing_that_is_merely_recommended(
    root: AptRoot,
) -> None:
    found = {deb.file: deb for deb in resolved(root, system(), ["web"])}
    assert sorted(found) == [
        "base_2.0_amd64.deb",
        "extra_0.1~rc1_amd64.deb",
        "web_1%3a1.2-1_amd64.deb",
    ]
    one = found["web_1%3a1.2-1_amd64.deb"].wanted("debs/debian-12-amd64")
    assert one.path == "debs/debian-12-amd64/pool/web_1%3a1.2-1_amd64.deb"
    content = Path(one.url.removeprefix("copy:").replace("%25", "%")).read_bytes()
    assert (one.size_bytes, one.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_what_a_host_has_would_be_upgraded_beside_it_comes_too(
    archive: Path, tmp_path: Path
) -> None:
    """tied wants base in its own version: to install web, apt upgrades both on this host."""
    status = "".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0\n"
        f"Maintainer: a\nDescription: b\n{more}\n"
        for name, more in (("base", ""), ("tied", "Depends: base (= 1.0)\n"))
    )
    packed_status = base64.b64encode(zlib.compress(status.encode())).decode()
    host = system(status=packed_status)
    files = {deb.file for deb in resolved(rooted(archive, tmp_path, host), host, ["web"])}
    assert "tied_2.0_amd64.deb" in files
    assert "tied_2.0_amd64.deb" not in {
        deb.file for deb in resolved(rooted(archive, tmp_path / "b", host), system(), ["web"])
    }


@pytest.mark.parametrize("name", ["broken", "nowhere"])
def test_what_cannot_be_had_is_said_in_apts_words(root: AptRoot, name: str) -> None:
    with pytest.raises(HostError, match=rf"packages of debian 12 amd64: .*{name}"):
        resolved(root, system(), [name])


def test_an_archive_that_is_not_there_is_no_archive(tmp_path: Path) -> None:
    root = AptRoot(tmp_path, system(), {"/etc/apt/a.list": f"deb copy:{tmp_path}/none ./"})
    with pytest.raises(HostError, match="archives of debian 12 amd64: "):
        root.update()


def test_an_unsigned_archive_of_a_host_is_refused(archive: Path, tmp_path: Path) -> None:
    """Trust is the host's to give: only what it marks as trusted, or has a key of, is read."""
    root = AptRoot(tmp_path, system(), {"/etc/apt/a.list": f"deb copy:{archive} ./"})
    with pytest.raises(HostError, match="not signed"):
        root.update()


def test_keys_lie_where_the_sources_copy_says(tmp_path: Path) -> None:
    host = system()
    AptRoot(tmp_path, host, {one.path: one.text for one in host.sources})
    (source,) = (tmp_path / "etc/sources.list.d").iterdir()
    key = Deb822(source.read_text())["Signed-By"]
    assert Path(key).read_bytes() == b"key" and Path(key).is_relative_to(tmp_path)


def test_indexes_are_the_same_for_the_same_packages_and_lead_to_the_pool(archive: Path) -> None:
    text = (archive / "Packages").read_bytes()
    records = list(Packages.iter_paragraphs(text.decode().splitlines(), use_apt_pkg=False))
    assert [record["Package"] for record in records] == sorted(one["Package"] for one in ARCHIVE)
    assert all((archive / record["Filename"]).is_file() for record in records)
    release = Deb822((archive / "Release").read_text())
    assert hashlib.sha256(text).hexdigest() in release["SHA256"]
    assert parsedate_to_datetime(release["Date"])
    debs = [Deb("", f"{n}_1_amd64.deb", {"Package": n, "Size": "1"}) for n in "ba"]
    assert index_files(debs) == index_files(debs[::-1])


def test_a_machine_without_apt_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt_root, "which", lambda tool: None if tool == "apt-get" else tool)
    with pytest.raises(InputError, match="apt-get is not here"):
        require_apt()
