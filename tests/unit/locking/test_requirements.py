from __future__ import annotations

import pytest

from rackwright.desired.paths import PROJECT
from rackwright.locking.requirements import normalized, read_requirements, versions_of
from tests.samples.fleet import DEFAULTS

A, B = "a" * 64, "b" * 64
TEXT = f"""# by uv
aiohttp==3.14.5 \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
Foo_Bar[extra]==1.0 ; python_version < "3.12" \\
    --hash=sha256:{A}  # the old one
foo.bar==2.0 ; python_version >= "3.12" --hash=sha256:{B}
mine @ https://index.example/mine.whl --hash=sha256:{A}
--index-url https://index.example
"""


def test_each_requirement_has_version_condition_and_digests() -> None:
    read = read_requirements(TEXT)
    assert [(one.name, one.version, one.condition) for one in read] == [
        ("aiohttp", "3.14.5", ""),
        ("foo-bar", "1.0", 'python_version < "3.12"'),
        ("foo-bar", "2.0", 'python_version >= "3.12"'),
        ("mine", "https://index.example/mine.whl", ""),
    ]
    assert read[0].sha256 == {A, B}


def test_a_package_with_two_versions_has_both() -> None:
    assert versions_of(TEXT)["foo-bar"] == "1.0, 2.0"


@pytest.mark.parametrize("name", ["Foo_Bar", "foo.bar", "FOO--bar"])
def test_names_are_as_indexes_write_them(name: str) -> None:
    assert normalized(name) == "foo-bar"


@pytest.mark.parametrize(
    "path", sorted((PROJECT / "rackwright/engines/requirements").glob("*.txt"))
)
def test_the_projects_own_are_read_whole(path) -> None:  # type: ignore[no-untyped-def]
    text = path.read_text()
    read = read_requirements(text)
    assert len(read) == sum(1 for line in text.splitlines() if "==" in line.split(";")[0])
    assert all(one.sha256 for one in read)


def test_a_version_that_group_data_pin_is_said_there_alone() -> None:
    script = (PROJECT / "rackwright/engines/requirements/lock.sh").read_text()
    pinned = {key: value for key, value in DEFAULTS.items() if key.endswith("_version") and value}
    assert {"vllm_version", "sglang_version", "vllm_router_version"} <= {*pinned}
    assert [key for key, version in pinned.items() if version in script] == []
    assert all(f"$(of all {key})" in script for key in ("vllm_version", "sglang_version"))
