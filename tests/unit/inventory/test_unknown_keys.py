"""A key that is not known is refused at any depth, with the nearest that is."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from rackwright.inventory.reading import load_fleet
from tests.samples.faulty import BY_HAND, TARGET, faults
from tests.samples.fleet import TINY, hosts, server, service

GGUF: dict[str, Any] = {"path": "/srv/a.gguf", "sha256": "a" * 64, "size_bytes": 4_000_000}
SERVICES: dict[str, Any] = {
    "chat": service(objective=TARGET, gpus={"gpu1": [0]}, concurrency=4),
    "own": service(
        "tiny", revision=..., gpus={"gpu1": [1]}, engine="llamacpp", gguf=GGUF, max_model_len=2048
    ),
}
MODELS: dict[str, Any] = {"tiny": TINY, "hand": {**BY_HAND, "gguf": GGUF}}
ARCHIVE = {"llamacpp_version": "1", "llamacpp_url": "https://a/b.tgz", "llamacpp_sha256": "a" * 64}
PLACES: dict[str, tuple[str, ...]] = {
    "hosts[gpu1]": (),
    "servers[gpu1]": ("server",),
    "servers[gpu1].gpus": ("server", "gpus"),
    "services[chat]": ("services", "chat"),
    "services[chat].objective": ("services", "chat", "objective"),
    "services[own].gguf": ("services", "own", "gguf"),
    "models[hand]": ("models", "hand"),
    "models[hand].gguf": ("models", "hand", "gguf"),
    "models[hand].figures": ("models", "hand", "figures"),
}


def fleet() -> dict[str, dict[str, Any]]:
    return deepcopy(hosts({"gpu1": server()}, SERVICES, models=MODELS, **ARCHIVE))


@pytest.mark.parametrize(("path", "place"), PLACES.items(), ids=PLACES)
def test_an_unknown_key_is_refused_with_the_nearest(path: str, place: tuple[str, ...]) -> None:
    data = fleet()
    entry: Any = data["gpu1"]
    for key in place:
        entry = entry[key]
    known = sorted(entry, key=len)[-1]
    entry[f"{known}_"] = 1
    text = f"{path}.{known}_: is not a known key, did you mean {known!r}?"
    assert text in faults(data)


def test_the_sample_itself_is_well() -> None:
    assert load_fleet(fleet()).services["own"].gguf


def test_a_gateway_s_unknown_key_is_refused() -> None:
    (line,) = faults(hosts(gateway={"server_name": "a.example.com", "certificat": "/a"}))
    assert line == "gateways[gw1].certificat: is not a known key, did you mean 'certificate'?"
