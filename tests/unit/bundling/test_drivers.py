"""The packages of a server's driver, as they are decided for it."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.bundling.drivers import driver_files
from rackwright.errors import HostError
from rackwright.inventory.reading import load_fleet
from rackwright.spec import FleetSpec
from tests.samples import driver
from tests.samples import fleet as sample
from tests.samples.bundles import system

VERSION = sample.DEFAULTS["driver_version"]


def fleet(**more: Any) -> FleetSpec:
    return load_fleet(sample.hosts(**more))


def test_what_a_deploy_would_install_is_asked_for_and_pinned() -> None:
    found = driver_files("gpu1", fleet(), system(driver=driver.seen()))
    assert f"nvidia-driver-cuda={VERSION}-*" in found.names
    assert f"nvidia-driver-pinning-{VERSION}" in found.names
    assert "linux-headers-6.1.0-41-amd64" in found.names
    (nvidia,) = (text for path, text in found.sources.items() if "nvidia" in path)
    assert "BEGIN PGP PUBLIC KEY" in nvidia and "debian12" in nvidia
    assert all(path.startswith("/etc/apt/sources.list.d/rackwright-") for path in found.sources)
    assert f"Pin: version {VERSION}-*" in found.preferences


def test_the_mirror_of_settings_is_asked_and_a_bundle_changes_nothing() -> None:
    mirror = {"driver_repository": "https://mirror.example/{distribution}/{architecture}/"}
    spec = fleet(**mirror, bundle="/nowhere")
    found = driver_files("gpu1", spec, system(driver=driver.seen()))
    assert any("https://mirror.example/debian12/x86_64/" in text for text in found.sources.values())


def test_a_server_that_was_not_asked_for_its_hardware() -> None:
    with pytest.raises(HostError, match="gpu1: its driver cannot be decided"):
        driver_files("gpu1", fleet(), system())


def test_a_server_for_which_nothing_is_known() -> None:
    seen = driver.seen(os={"id": "arch", "version_id": "1"})
    with pytest.raises(HostError, match="gpu1: no driver packages are known for arch 1"):
        driver_files("gpu1", fleet(), system(driver=seen))
