"""What a bundle lacks of a fleet: all of it, by host, before any host is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rackwright.bundling.lacking import lacking
from rackwright.bundling.manifest import BundledHost, Manifest
from rackwright.inventory.reading import load_fleet
from rackwright.locking import Deb, Lock, LockedSystem, Pins, pins_of
from rackwright.planning.placing import plan
from rackwright.runner.bundle_faults import bundle_faults
from tests.samples import fleet as sample
from tests.samples.bundles import bundle_in

SYSTEM, TARGET = "debian 12 amd64", "3.11 amd64 glibc 2.36"
MODEL = f"meta-llama/Llama-3.1-8B-Instruct@{sample.REVISION}"
FILES = {
    "wheels/vllm.whl": b"vllm",
    "wheels/uv.whl": b"uv",
    "models/m/config.json": b"{}",
    "debs/debian-12-amd64/Packages": b"packages",
    "debs/debian-12-amd64/pool/nginx.deb": b"nginx",
}


def pins(**more: Any) -> Pins:
    spec = load_fleet(sample.hosts(**more))
    return pins_of(spec, plan(spec))


def whole(folder: Path, wanted: Pins, **changed: Any) -> Manifest:
    """The bundle of this fleet; ``changed`` are parts of its manifest."""
    names = {name for host in wanted.hosts.values() for name in host.packages}
    hosts = {
        "gpu1": BundledHost(
            system=SYSTEM,
            python="3.11.2",
            environment=TARGET,
            driver=wanted.hosts["gpu1"].driver or "",
        ),
        "gw1": BundledHost(system=SYSTEM),
    }
    uv, vllm = wanted.hosts["gpu1"].releases
    parts: dict[str, Any] = {
        "releases": {uv: {TARGET: ("wheels/uv.whl",)}, vllm: {TARGET: ("wheels/vllm.whl",)}},
        "models": {MODEL: {"config.json": "models/m/config.json"}},
        "debs": {SYSTEM: tuple(sorted(names))},
    }
    manifest = bundle_in(folder, FILES, hosts, **parts)
    return manifest.model_copy(update=changed)


def said(folder: Path, manifest: Manifest, wanted: Pins, *hosts: str) -> list[str]:
    return [str(one) for one in lacking(folder, manifest, wanted, hosts or ("gpu1", "gw1"))]


def test_a_whole_one_lacks_nothing(tmp_path: Path) -> None:
    wanted = pins()
    assert said(tmp_path, whole(tmp_path, wanted), wanted) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"models": {}}, f"settings[gpu1].bundle: lacks model {MODEL}"),
        ({"debs": {}}, "lacks packages of debian 12 amd64: "),
        ({"hosts": {}}, "settings[gpu1].bundle: lacks host gpu1, it was made for none"),
        ({"releases": {}}, "lacks release vllm/0.32.0-cuda-"),
        (
            {"hosts": {"gpu1": BundledHost(system=SYSTEM, environment=TARGET, driver="1.2.3")}},
            "(but 1.2.3)",
        ),
        (
            {"hosts": {"gpu1": BundledHost(system=SYSTEM, environment="3.12 arm64 glibc 2.39")}},
            "lacks release uv/",
        ),
    ],
)
def test_each_part_that_is_missing_is_said(
    tmp_path: Path, changed: dict[str, Any], words: str
) -> None:
    wanted = pins()
    found = said(tmp_path, whole(tmp_path, wanted, **changed), wanted)
    assert any(words in one for one in found), found
    assert all("make it again with `rackwright bundle`" in one for one in found)
    assert all(str(tmp_path) in one for one in found)


def test_what_many_hosts_lack_is_said_once(tmp_path: Path) -> None:
    wanted = pins()
    manifest = whole(tmp_path, wanted)
    packages = tuple(name for name in manifest.debs[SYSTEM] if name != "nftables")
    lesser = manifest.model_copy(update={"debs": {SYSTEM: packages}})
    (one,) = said(tmp_path, lesser, wanted)
    assert one.startswith("settings[gpu1].bundle: lacks packages of debian 12 amd64: nftables")


def test_files_that_are_gone_or_cut_short_are_said_for_whom_they_are(tmp_path: Path) -> None:
    wanted = pins()
    manifest = whole(tmp_path, wanted)
    (tmp_path / "wheels/vllm.whl").unlink()
    (tmp_path / "debs/debian-12-amd64/pool/nginx.deb").write_bytes(b"ng")
    found = said(tmp_path, manifest, wanted)
    assert any(one.startswith("settings[gpu1].bundle: lacks the file wheels/vllm") for one in found)
    assert any(one.startswith("settings[gpu1, gw1].bundle: lacks the file debs/") for one in found)
    assert len(found) == 2
    assert said(tmp_path, manifest, wanted, "gw1") == [
        one.replace("gpu1, ", "") for one in found if "nginx" in one
    ]


def test_another_release_of_the_same_engine_is_named(tmp_path: Path) -> None:
    wanted = pins()
    manifest = whole(tmp_path, wanted)
    uv, _ = wanted.hosts["gpu1"].releases
    older = {uv: manifest.releases[uv], "vllm/0.31.0-cuda-abc": {TARGET: ()}}
    found = said(tmp_path, manifest.model_copy(update={"releases": older}), wanted)
    assert any("(but vllm/0.31.0-cuda-abc)" in one for one in found), found


def test_what_ollama_pulls_is_in_no_bundle(tmp_path: Path) -> None:
    gguf = {"sha256": "ab" * 32, "size_bytes": 4711, "pull": "qwen3:8b"}
    wanted = pins(services={"chat": sample.service(engine="ollama", gguf=gguf, revision=...)})
    manifest = Manifest(hosts={"gpu1": BundledHost(system=SYSTEM)})
    assert any(
        "pull:qwen3:8b: what Ollama pulls is in no bundle" in one
        for one in said(tmp_path, manifest, wanted, "gpu1")
    )


def test_packages_that_are_locked_at_another_version_are_said(tmp_path: Path) -> None:
    wanted = pins()
    manifest = whole(tmp_path, wanted)
    there = manifest.files["debs/debian-12-amd64/pool/nginx.deb"].sha256
    debs = {"nginx": Deb(version="1.22", sha256=there), "zstd": Deb(version="1.5", sha256="0" * 64)}
    lock = Lock(hosts={"gw1": SYSTEM}, systems={SYSTEM: LockedSystem(packages=debs)})
    (one,) = (str(fault) for fault in lacking(tmp_path, manifest, wanted, ("gw1",), lock))
    assert one.startswith("settings[gw1].bundle: lacks packages that are locked: zstd 1.5: make")


class TestOfSettings:
    """Hosts whose settings name a bundle."""

    def faults(self, **more: Any) -> list[str]:
        spec = load_fleet(sample.hosts(**more))
        return [str(fault) for fault in bundle_faults(spec, plan(spec))]

    def test_none_is_named(self) -> None:
        assert self.faults() == []

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        (one,) = self.faults(bundle=str(tmp_path / "none"))
        assert one.startswith("settings.bundle: must be a bundle: ") and "is absent" in one

    def test_one_that_is_not_whole(self, tmp_path: Path) -> None:
        (one,) = self.faults(bundle=str(tmp_path))
        assert "is not whole yet" in one

    def test_one_of_another_form(self, tmp_path: Path) -> None:
        (tmp_path / "manifest.json").write_text('{"format": 9}')
        (one,) = self.faults(bundle=str(tmp_path))
        assert "manifest.json.format" in one

    def test_stages_that_take_nothing_from_it_need_none(self, tmp_path: Path) -> None:
        assert self.faults(bundle=str(tmp_path), stages="verify") == []
        assert self.faults(bundle=str(tmp_path), stages="verify,engines") != []
