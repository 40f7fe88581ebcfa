from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rackwright.errors import InputError, SpecError
from rackwright.locking import resolving
from rackwright.locking.resolving import resolved, written
from tests.samples import fleet as sample
from tests.samples.outside import Recorded

TEXT = f"torch==2.14.0 \\\n    --hash=sha256:{'a' * 64}\nvllm==0.33.0 --hash=sha256:{'b' * 64}\n"


class Index(Recorded):
    """uv resolves to this text; what it was asked for is kept."""

    def __init__(self, text: str = TEXT) -> None:
        super().__init__()
        self.text, self.wanted_text = text, ""

    def uv(self, *arguments: str) -> str:
        assert "--universal" in arguments and "--generate-hashes" in arguments
        self.wanted_text = Path(arguments[-1]).read_text()
        return self.text


def test_another_version_has_a_file_of_its_own_and_says_what_to_set() -> None:
    index = Index()
    found = resolved("vllm==0.33.0", sample.settings(), index)
    assert index.wanted_text == "vllm==0.33.0\n"
    assert found.text == TEXT
    file = "rackwright/engines/requirements/" + "vllm-0.33.0-cu130.txt"
    assert found.settings == {"vllm_version": "0.33.0", "vllm_requirements": file}


def test_it_says_packages_cuda_and_the_drivers_floor() -> None:
    packages, built = resolved("vllm==0.33.0", sample.settings(), Index()).means
    assert " packages change: vllm 0.32.0 -> 0.33.0, torch 2.13.0 -> 2.14.0, " in packages
    assert "CUDA 13; driver branch 580 or newer" in built


def test_a_router_is_resolved_as_well() -> None:
    found = resolved("vllm-router==0.2.0", sample.settings(), Index())
    assert found.settings["vllm_router_version"] == "0.2.0"
    assert found.requirements.endswith("/vllm-router-0.2.0.txt")


@pytest.mark.parametrize(
    ("asked", "more", "rule"),
    [
        ("vllm", {}, "must be a name and an exact version"),
        ("vlm==0.33.0", {}, "is not a known Python release, did you mean 'vllm'?"),
        ("ollama==0.33.0", {}, "is not a known Python release"),
        ("vllm==0.33.0", {"vllm_build": "cpu"}, "must be of the build for GPUs"),
        ("vllm==0.33.0", {"vllm_version": "0.31.0"}, "must have 0.31.0 in its name"),
    ],
)
def test_what_cannot_be_resolved_is_said_by_its_rule(
    asked: str, more: dict[str, Any], rule: str
) -> None:
    with pytest.raises(SpecError, match=rule):
        resolved(asked, sample.settings(**more), Index())


def test_what_is_no_locked_file_is_not_taken() -> None:
    with pytest.raises(InputError, match="must have each requirement with its version and --hash"):
        resolved("vllm==0.33.0", sample.settings(), Index("vllm==0.33.0\n"))


def test_it_is_written_where_its_setting_will_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = resolved("vllm==0.33.0", sample.settings(), Index())
    monkeypatch.setattr(resolving, "PROJECT", tmp_path)
    with pytest.raises(InputError, match="cannot be written: No such file"):
        written(found)
    (tmp_path / found.requirements).parent.mkdir(parents=True)
    assert written(found).read_text() == TEXT
