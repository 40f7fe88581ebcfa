"""What a host is told of where its things come from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.bundling.manifest import BundledHost
from rackwright.desired.items import Change, File, Item, Package
from rackwright.errors import HostError
from rackwright.inventory.reading import load_fleet
from rackwright.runner import supplies
from rackwright.runner.supplies import apt_of, to_apply, with_supply
from tests.samples import fleet as sample
from tests.samples.bundles import bundle_in

SHA256 = "ab" * 32
REVISION = sample.REVISION
MODEL = f"o/n@{REVISION}"
RELEASE = {
    "python": ">=3.11",
    "releases": [
        {"kind": "venv", "folder": "/opt/vllm"},
        {"kind": "archive", "downloads": {"amd64": ["https://a.example/b.tar", SHA256]}},
    ],
}
HOST: Any = SimpleNamespace(name="gpu1", inventory=None)
URL = "http://127.0.0.1:4711/word"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Settings of the fleet, and a way to its bundle."""

    def tell(**more: Any) -> None:
        spec = load_fleet(sample.hosts(**more))
        monkeypatch.setattr(supplies, "settings_of", lambda host: spec.settings[host.name])
        monkeypatch.setattr(supplies, "way_to", lambda *_: URL)

    return tell


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    host = BundledHost(system="debian 12 amd64", python="3.11.2")
    folder = f"models/o--n/{REVISION}"
    files = {
        f"archives/{SHA256}/b.tar": b"archive",
        f"{folder}/config.json": b"{}",
        f"{folder}/d/a.safetensors": b"weights",
        f"{folder}/a.gguf": b"gguf",
    }
    models = {
        MODEL: {name: f"{folder}/{name}" for name in ("config.json", "d/a.safetensors")},
        f"{MODEL}:a.gguf": {"a.gguf": f"{folder}/a.gguf"},
    }
    bundle_in(tmp_path, files, {"gpu1": host}, models=models)
    return str(tmp_path)


def test_nothing_is_added_where_nothing_is_set(told: Any) -> None:
    told()
    assert apt_of(HOST) is None
    assert with_supply(HOST, "release", RELEASE) == {**RELEASE, "index": None, "builds": None}
    assert with_supply(HOST, "weights", {"models": []}) == {"models": []}


def test_a_host_of_no_fleet_of_ours_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supplies, "settings_of", lambda _: None)
    assert apt_of(HOST) is None
    assert with_supply(HOST, "release", RELEASE) == RELEASE


def test_mirrors(told: Any) -> None:
    told(
        python_index="https://mirror.example/simple",
        apt_sources={"debian12": "README.md"},
    )
    assert with_supply(HOST, "release", RELEASE)["index"] == "https://mirror.example/simple"
    found = apt_of(HOST)
    assert found and found["only"] is False and set(found["sources"]) == {"debian12"}


def test_a_release_from_a_bundle(told: Any, bundle: str) -> None:
    told(bundle=bundle)
    found = with_supply(HOST, "release", RELEASE)
    assert found["bundle"] == {"url": URL, "python": "3.11"}
    assert found["releases"][0] == RELEASE["releases"][0]
    assert found["releases"][1]["downloads"] == {
        "amd64": [f"{URL}/archives/{SHA256}/b.tar", SHA256]
    }


@pytest.mark.parametrize(
    ("fetched", "asked", "expected"),
    [
        (False, ">=3.11", "3.11"),  # the host's own, in any patch
        (True, ">=3.11", "3.11.2"),  # uv's, and no other is there
        (False, "==3.11.4", "==3.11.4"),  # a lock's
    ],
)
def test_the_python_that_the_wheels_are_for(
    told: Any, tmp_path: Path, fetched: bool, asked: str, expected: str
) -> None:
    host = BundledHost(system="debian 12 amd64", python="3.11.2", python_fetched=fetched)
    bundle_in(tmp_path, {}, {"gpu1": host})
    told(bundle=str(tmp_path))
    found = with_supply(HOST, "release", {**RELEASE, "python": asked})
    assert found["bundle"]["python"] == expected


def test_weights_from_a_bundle(told: Any, bundle: str) -> None:
    told(bundle=bundle)
    gguf = {"kind": "file", "path": "/m/a.gguf", "url": "https://hub/x"}
    models = [
        {"kind": "folder", "path": "/m", "repo": "o/n", "revision": REVISION},
        {"kind": "folder", "path": "/srv/own", "repo": None, "revision": None},
        {**gguf, "sha256": _digest(bundle, f"models/o--n/{REVISION}/a.gguf")},
    ]
    found = with_supply(HOST, "weights", {"models": models})
    folder, own, file = found["models"]
    assert folder["bundled"]["url"] == f"{URL}/models/o--n/{REVISION}"
    assert folder["bundled"]["files"] == [
        [name, file.size_bytes, f"sha256:{file.sha256}"]
        for name in ("config.json", "d/a.safetensors")
        for file in (supplies.manifest_of(bundle).files[f"models/o--n/{REVISION}/{name}"],)
    ]
    assert "bundled" not in own
    assert file["url"] == f"{URL}/models/o--n/{REVISION}/a.gguf"
    assert found["bundle"] == {"url": URL}


def _digest(bundle: str, path: str) -> str:
    return supplies.manifest_of(bundle).files[path].sha256


def test_apt_reads_the_repository_of_the_hosts_system_alone(told: Any, bundle: str) -> None:
    told(bundle=bundle)
    found = apt_of(HOST)
    assert found and found["only"]
    text = found["sources"]["debian12"]
    assert f"URIs: {URL}/debs/debian-12-amd64\n" in text
    assert "Suites: ./\n" in text and "Trusted: yes\n" in text


@pytest.mark.parametrize("item", [Package("nginx"), File("/etc/x", b"")])
def test_changes_are_asked_for_with_where_packages_come_from(
    told: Any, bundle: str, item: Item
) -> None:
    told(bundle=bundle)
    asked = to_apply(HOST, [Change(item, "missing", {})])
    assert asked["do"] == "apply" and len(asked["items"]) == 1
    assert asked.get("apt") == (apt_of(HOST) if isinstance(item, Package) else None)


def test_a_host_that_the_bundle_does_not_know_is_refused(told: Any, tmp_path: Path) -> None:
    bundle_in(tmp_path, {}, {})
    told(bundle=str(tmp_path))
    with pytest.raises(HostError, match="gpu1: the bundle was made without this host"):
        apt_of(HOST)
