"""All that a fleet needs, found out: from its pins, and the systems of its hosts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import hub
from rackwright.bundling import making
from rackwright.bundling.making import Contents, Making
from rackwright.bundling.system import System
from rackwright.errors import HostError, SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.locking import pins_of
from rackwright.locking.requirements import read_requirements
from rackwright.planning.placing import plan
from tests.samples import fleet as sample
from tests.samples.bundles import system

TARGET = "3.11 amd64 glibc 2.36"
PYTHON = {
    "key": "cpython-3.14.1-linux-x86_64-gnu",
    "version": "3.14.1",
    "url": "https://pythons.example/download/20261110/cpython-3.14.1%2B20261110-x86_64.tar.gz",
}


def uv(*words: str) -> str:
    """An index that has a pure wheel of each locked package, of the first digest that is locked."""
    if words[0] == "python":
        older = {**PYTHON, "version": "3.13.9", "key": "cpython-3.13.9-linux-x86_64-gnu"}
        other = {**PYTHON, "key": "cpython-3.14.1+freethreaded-linux-x86_64-gnu"}
        return json.dumps([older, PYTHON, other])
    lines = []
    for one in read_requirements(Path(words[-1]).read_text()):
        if one.sha256 and not one.condition:
            url = (
                f"https://index.example/{one.name.replace('-', '_')}-{one.version}-py3-none-any.whl"
            )
            wheel = f'{{ url = "{url}", size = 1, hashes = {{ sha256 = "{min(one.sha256)}" }} }}'
            lines += ["[[packages]]", f'name = "{one.name}"', f'version = "{one.version}"']
            lines += [f"wheels = [{wheel}]"]
    return "\n".join(lines)


@pytest.fixture
def no_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages have tests of their own."""
    monkeypatch.setattr(making.Repositories, "resolve", lambda _: None)


@pytest.fixture
def model_hub(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "repository"
    (folder / "nested").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "nested/model.safetensors").write_bytes(b"weights")
    repos = {"meta-llama/Llama-3.1-8B-Instruct": folder}
    with hub.serve(repos, sample.REVISION, "127.0.0.1", token="hf_right") as url:
        yield url


def made(
    tmp_path: Path, asks: Any = uv, systems: dict[str, System] | None = None, **more: Any
) -> Contents:
    spec = load_fleet(sample.hosts(driver_source="none", **more))
    pins = pins_of(spec, plan(spec))
    known = systems or {"gpu1": system(), "gw1": system(version_id="13")}
    return Making(spec, pins, None, known, tmp_path, asks, lambda _: None).contents()


def test_a_fleets_files_and_what_they_are_for(
    tmp_path: Path, no_apt: None, model_hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    contents = made(tmp_path, model_hub=model_hub)
    manifest = contents.manifest
    assert manifest.hosts["gpu1"].system == "debian 12 amd64"
    assert manifest.hosts["gpu1"].environment == TARGET
    assert (manifest.hosts["gw1"].system, manifest.hosts["gw1"].python) == ("debian 13 amd64", "")
    assert {key.partition("/")[0] for key in manifest.releases} == {"vllm", "uv"}
    (paths,) = manifest.releases[next(k for k in manifest.releases if "vllm" in k)].values()
    wanted = {one.path: one for one in contents.wanted}
    assert len(paths) > 100 and set(paths) <= set(wanted)
    key = f"meta-llama/Llama-3.1-8B-Instruct@{sample.REVISION}"
    assert set(manifest.models[key]) == {"config.json", "nested/model.safetensors"}
    weights = wanted[manifest.models[key]["nested/model.safetensors"]]
    assert weights.sha256 and weights.size_bytes == 7 and weights.secret == "hf_right"
    small = wanted[manifest.models[key]["config.json"]]
    assert small.sha256 is None and small.git_blob
    assert "controller/requirements.txt" in contents.written
    assert b"--no-index" in contents.written["controller/INSTALL.txt"]


def test_all_that_cannot_be_had_is_said_at_once(
    tmp_path: Path, no_apt: None, model_hub: str
) -> None:
    def broken(*words: str) -> str:
        if words[-1].endswith(("uv.txt", "/requirements.txt")):
            raise HostError(f"uv: no route to host for {words[-1][-8:]}")
        return uv(*words).replace("-py3-none-any", "-cp27-none-win32")

    with pytest.raises(SpecError) as caught:
        made(tmp_path, broken, model_hub="http://127.0.0.1:9")
    words = str(caught.value)
    assert "nothing was fetched" in words
    assert "no route to host for s/uv.txt" in words
    assert "controller: requirements.txt: the index gave no answer" in words
    assert f"has no wheel of torch 2.13.0 for {TARGET}" in words
    assert "models[meta-llama/Llama-3.1-8B-Instruct@" in words


def test_a_host_whose_python_will_not_do_gets_one_of_uvs(
    tmp_path: Path, no_apt: None, model_hub: str
) -> None:
    old = system(pythons={"/usr/bin/python3": "3.10.12"})
    contents = made(tmp_path, systems={"gpu1": old, "gw1": system()}, model_hub=model_hub)
    bundled = contents.manifest.hosts["gpu1"]
    assert (bundled.python, bundled.python_fetched) == ("3.14.1", True)
    assert bundled.environment == "3.14 amd64 glibc 2.36"
    (python,) = (one for one in contents.wanted if one.kind == "pythons")
    assert python.path == "pythons/20261110/cpython-3.14.1+20261110-x86_64.tar.gz"


def test_a_python_that_nobody_has_is_a_fault(tmp_path: Path, no_apt: None, model_hub: str) -> None:
    for wanted, rule in (("3.17", "is none of the Pythons"), ("/opt/python", "is no interpreter")):
        with pytest.raises(SpecError, match=rule):
            made(tmp_path, engine_python=wanted, model_hub=model_hub)


@pytest.mark.parametrize(
    ("gguf", "expected"),
    [
        ({"repo": "o/n", "revision": sample.REVISION, "file": "d/a.gguf"}, "d/a.gguf"),
        ({"path": "/srv/models/a.gguf"}, None),
    ],
)
def test_archives_and_single_files(
    tmp_path: Path, no_apt: None, gguf: dict[str, Any], expected: str | None
) -> None:
    known = {"sha256": "ab" * 32, "size_bytes": 4711}
    chat = sample.service(engine="ollama", gguf={**known, **gguf}, revision=...)
    contents = made(tmp_path, services={"chat": chat})
    key = next(key for key in contents.manifest.releases if key.startswith("ollama/"))
    (path,) = contents.manifest.releases[key]["amd64"]
    (archive,) = (one for one in contents.wanted if one.kind == "archives")
    assert archive.path == path == f"archives/{archive.sha256}/ollama-linux-amd64.tar.zst"
    files = [name for paths in contents.manifest.models.values() for name in paths]
    assert files == ([expected] if expected else [])
    if expected:
        (model,) = (one for one in contents.wanted if one.kind == "models")
        assert (model.sha256, model.size_bytes) == ("ab" * 32, 4711)
        assert model.url.endswith(f"/o/n/resolve/{sample.REVISION}/d/a.gguf")


def test_a_model_that_ollama_pulls_cannot_be_carried(tmp_path: Path, no_apt: None) -> None:
    gguf = {"sha256": "ab" * 32, "size_bytes": 4711, "pull": "qwen3:8b"}
    chat = sample.service(engine="ollama", gguf=gguf, revision=...)
    with pytest.raises(SpecError, match=r"models\[pull:qwen3:8b\]: is pulled from Ollama's"):
        made(tmp_path, services={"chat": chat})
