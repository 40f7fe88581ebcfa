"""Names and paths that end in a file on a host: one rule each, whatever key they come from."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright import catalog
from rackwright.inventory.reading import load_fleet
from tests.samples.engines import GGUF, SETTINGS
from tests.samples.faulty import Hosts, faults, with_service
from tests.samples.fleet import TINY, hosts, service

NAME = "must be letters, digits and ._:/- only, and start with a letter or digit"
DETOUR = "must be a path without . and .. in it"


def with_own(name: str) -> Hosts:
    """A service of a model of that name, which is served as it."""
    chat = service(name, revision=..., max_model_len=1024)
    return hosts(services={"chat": chat}, models={name: TINY})


@pytest.mark.parametrize(
    "name",
    ["", "a b", "evil\n[Service]\nExecStartPre=/bin/true", "a\r", "100%", "$x", "a;b", "é", "-x"],
)
def test_a_models_own_name_obeys_the_rule_of_served_names(name: str) -> None:
    (line,) = [line for line in faults(with_own(name)) if line.startswith("models[")]
    assert f".name: {NAME} (got {name!r})" in line
    assert any(NAME in line for line in faults(with_service(served_model_name=name)))


def test_a_name_of_201_characters_is_too_long_and_one_of_200_is_not() -> None:
    load_fleet(with_own("a" * 200))
    assert any("must have at most 200 characters" in line for line in faults(with_own("a" * 201)))


@pytest.mark.parametrize("name", ["Qwen/Qwen3-8B", "llama3.2:3b", "a", "tiny-llama", "x_y.z"])
def test_names_as_models_have_them_are_taken(name: str) -> None:
    assert load_fleet(with_own(name)).services["chat"].served_as == name


def test_every_model_of_the_catalog_has_such_a_name() -> None:
    for name in catalog.model_entries():
        assert load_fleet(with_own(f"{name}-own"))


def gguf(**more: Any) -> Hosts:
    entry = {key: value for key, value in {**GGUF, **more}.items() if value is not ...}
    chat = service(engine="llamacpp", revision=..., gguf=entry)
    return hosts(services={"chat": chat}, **SETTINGS)


ELSEWHERE: dict[str, tuple[Hosts, str]] = {
    "a file of a repository": (gguf(file="../../../x.gguf"), "services[chat].gguf.file"),
    "a file below one": (gguf(file="a/../../x.gguf"), "services[chat].gguf.file"),
    "a file by path": (
        gguf(repo=..., revision=..., file=..., path="/srv/../etc/x.gguf"),
        "services[chat].gguf.path",
    ),
    "a folder of weights": (
        hosts(services={"chat": service(revision=..., path="/srv/../etc")}),
        "services[chat].path",
    ),
    "a model's folder": (
        hosts(models={"own": {**TINY, "path": "/a/./b"}}),
        "models[own].path",
    ),
    "a certificate": (
        hosts(
            gateway={
                "server_name": "a.example.com",
                "certificate": "/etc/tls/../x",
                "certificate_key": "/etc/tls/x",
            }
        ),
        "gateways[gw1].certificate",
    ),
    "requirements": (
        hosts(vllm_requirements="../x.txt"),
        "settings[gpu1, gw1].vllm_requirements",
    ),
    "requirements of uv": (
        hosts(uv_requirements="a/../../x.txt"),
        "settings[gpu1, gw1].uv_requirements",
    ),
    "a program": (hosts(llamacpp_program="../sh"), "settings[gpu1, gw1].llamacpp_program"),
    "a key": (hosts(driver_repository_key="../k"), "settings[gpu1, gw1].driver_repository_key"),
    "a Python": (hosts(engine_python="/opt/../x"), "settings[gpu1, gw1].engine_python"),
    "a pulled model": (
        hosts(
            services={
                "chat": service(
                    engine="ollama",
                    revision=...,
                    gguf={
                        "pull": "a/../../b:1",
                        "sha256": GGUF["sha256"],
                        "size_bytes": 2_000_000_000,
                    },
                )
            }
        ),
        "services[chat].gguf.pull",
    ),
}


@pytest.mark.parametrize(("data", "path"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_path_with_a_detour_is_refused_wherever_it_stands(data: Hosts, path: str) -> None:
    assert any(line.startswith(f"{path}: {DETOUR} (got ") for line in faults(data)), faults(data)


@pytest.mark.parametrize("repo", ["a--b/c", "a/b--c", "a..b/c", "a/b..c"])
def test_two_repositories_never_have_one_folder(repo: str) -> None:
    (line,) = faults(gguf(repo=repo))
    assert "none of which has -- or .. in its name" in line


@pytest.mark.parametrize(
    "flag",
    ["é", "²", "a b", "a=b", "", "-x", "--x", "a\n", "a;b", "a.b c", "a.b\nc", "a.b=c", "a."],
)
def test_a_flag_is_plain_ascii(flag: str) -> None:
    lines = faults(with_service(extra_args={flag: 1}))
    assert any("must be a flag's name without its leading dashes" in line for line in lines)
