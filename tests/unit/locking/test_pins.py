from __future__ import annotations

from typing import Any

import pytest

from rackwright.inventory.reading import load_fleet
from rackwright.locking import Pins, known_of, pins_of
from rackwright.locking.lock import LockedArchive, LockedVenv
from rackwright.planning.placing import plan
from tests.samples import fleet as sample

GGUF = {"sha256": "ab" * 32, "size_bytes": 4711}


def pins(hosts: dict[str, Any]) -> Pins:
    spec = load_fleet(hosts)
    return pins_of(spec, plan(spec))


def test_a_server_has_its_engine_its_installer_model_driver_and_packages() -> None:
    of_server = pins(sample.hosts()).hosts["gpu1"]
    uv, vllm = of_server.releases
    assert uv.startswith("uv/") and vllm.startswith("vllm/0.32.0-cuda-")
    assert of_server.models == (f"meta-llama/Llama-3.1-8B-Instruct@{sample.REVISION}",)
    assert {"gcc", "python3-venv", "nftables"} <= {*of_server.packages}
    assert of_server.driver == sample.DEFAULTS["driver_version"]
    assert of_server.python == ">=3.11,<3.15"


def test_a_gateway_has_nothing_of_engines() -> None:
    of_gateway = pins(sample.hosts()).hosts["gw1"]
    assert (of_gateway.releases, of_gateway.models, of_gateway.driver) == ((), (), None)
    assert {"nginx", "libnginx-mod-http-lua"} <= {*of_gateway.packages}
    assert of_gateway.python == ""


def test_what_a_setting_takes_away_is_not_pinned() -> None:
    assert pins(sample.hosts(driver_source="none")).hosts["gpu1"].driver is None
    assert "nftables" not in pins(sample.hosts(firewall="off")).hosts["gpu1"].packages


def test_a_gateway_that_asks_a_ca_has_its_client() -> None:
    acme = {"email": "ops@example.com", "agree_to_terms": True}
    gateway = {"server_name": "llm.example.com", "acme": acme}
    assert "certbot" in pins(sample.hosts(gateway=gateway)).hosts["gw1"].packages
    assert "certbot" not in pins(sample.hosts()).hosts["gw1"].packages


@pytest.mark.parametrize(
    ("gguf", "key"),
    [
        ({"pull": "qwen3:8b"}, "pull:qwen3:8b"),
        ({"path": "/srv/a.gguf"}, "/srv/a.gguf"),
        (
            {"repo": "o/n", "revision": sample.REVISION, "file": "a.gguf"},
            f"o/n@{sample.REVISION}:a.gguf",
        ),
    ],
)
def test_a_model_in_one_file_is_known_by_its_digest(gguf: dict[str, Any], key: str) -> None:
    service = sample.service(engine="ollama", gguf={**gguf, **GGUF}, revision=...)
    found = pins(sample.hosts(services={"chat": service}))
    assert found.hosts["gpu1"].models == (key,)
    (file,) = known_of(found).models[key].files.values()
    assert (file.sha256, file.size_bytes) == (GGUF["sha256"], GGUF["size_bytes"])


def test_what_is_known_without_asking_has_versions_and_no_files_of_the_index() -> None:
    lock = known_of(pins(sample.hosts()))
    venvs = [one for one in lock.releases.values() if isinstance(one, LockedVenv)]
    assert [one.version for one in venvs][1:] == ["0.32.0-cuda"]
    assert venvs[1].packages["vllm"] == "0.32.0" and venvs[1].cuda == 13
    assert all(not one.wheels for one in venvs)
    assert (lock.hosts, lock.systems, lock.drivers) == ({}, {}, {})


def test_an_archive_has_its_digest_and_url() -> None:
    gguf = {"pull": "qwen3:8b", **GGUF}
    services = {"chat": sample.service(engine="ollama", gguf=gguf, revision=...)}
    (release,) = known_of(pins(sample.hosts(services=services))).releases.values()
    assert isinstance(release, LockedArchive)
    assert set(release.downloads) == {"amd64", "arm64"}
    assert "{version}" not in release.downloads["amd64"].url


def test_another_requirements_file_of_one_version_is_another_release() -> None:
    here = {*pins(sample.hosts()).releases}
    there = {*pins(sample.hosts(vllm_requirements="lab/vllm-0.32.0-cpu.txt")).releases}
    assert len(here - there) == 1 and len(there - here) == 1
