"""Which wheels of a lock a host takes: by its Python, its architecture, its C library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rackwright.bundling.wheels import Listed, chosen, listed, markers
from rackwright.errors import HostError
from rackwright.locking.wheels import Target

BOOKWORM = Target("3.11.2", "amd64", "2.36")
OLD = Target("3.11.2", "amd64", "2.27")
ARM = Target("3.12.3", "arm64", "2.39")
DIGESTS = {letter: letter * 64 for letter in "abcdef"}


def file(name: str, digest: str = "a", **more: Any) -> dict[str, Any]:
    url = f"https://index.example/files/{name}"
    return {"url": url, "size": 10, "hashes": {"sha256": DIGESTS[digest]}, **more}


def requirements(*lines: str) -> str:
    hashes = " ".join(f"--hash=sha256:{digest}" for digest in DIGESTS.values())
    return "\n".join(f"{line} {hashes}" for line in lines)


def taken(files: list[dict[str, Any]], target: Target, marker: str = "") -> list[str]:
    wanted, without = chosen(
        [Listed("thing", "1.0", marker, files)], requirements("thing==1.0"), target
    )
    assert len(wanted) + len(without) <= 1
    return [one.path for one in wanted] + without


PURE = "thing-1.0-py3-none-any.whl"
GLIBC_28 = "thing-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"
GLIBC_17 = "thing-1.0-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"
STABLE = "thing-1.0-cp38-abi3-manylinux_2_17_aarch64.whl"


@pytest.mark.parametrize(
    ("names", "target", "expected"),
    [
        ([PURE, GLIBC_17, GLIBC_28], BOOKWORM, GLIBC_28),
        ([PURE, GLIBC_17, GLIBC_28], OLD, GLIBC_17),
        ([PURE, GLIBC_17, GLIBC_28], ARM, PURE),
        ([GLIBC_17, STABLE], ARM, STABLE),
        (["thing-1.0-cp311-cp311-musllinux_1_2_x86_64.whl", PURE], BOOKWORM, PURE),
    ],
)
def test_the_best_that_fits_is_taken(names: list[str], target: Target, expected: str) -> None:
    files = [file(name) for name in names]
    assert taken(files, target) == [f"wheels/{expected}"]
    assert taken(files[::-1], target) == [f"wheels/{expected}"]


@pytest.mark.parametrize(
    "name",
    [
        "thing-1.0-cp312-cp312-manylinux_2_17_x86_64.whl",
        "thing-1.0-cp311-cp311-macosx_11_0_arm64.whl",
        "thing-1.0-cp311-cp311-manylinux_2_39_x86_64.whl",
        "thing-1.0.tar.gz",
    ],
)
def test_what_has_no_wheel_that_fits_is_said(name: str) -> None:
    assert taken([file(name)], BOOKWORM) == ["thing 1.0 for 3.11 amd64 glibc 2.36"]


def test_a_file_that_the_lock_does_not_know_is_none() -> None:
    stranger = file(GLIBC_28, hashes={"sha256": "9" * 64})
    assert taken([stranger, file(PURE)], BOOKWORM) == [f"wheels/{PURE}"]
    assert taken([file(GLIBC_28, hashes={})], BOOKWORM) == ["thing 1.0 for 3.11 amd64 glibc 2.36"]


@pytest.mark.parametrize(
    ("marker", "wants"),
    [
        ("sys_platform == 'win32'", False),
        ("python_full_version < '3.12' and platform_machine == 'x86_64'", True),
        ("implementation_name == 'pypy'", False),
        ("platform_machine == 's390x'", False),
    ],
)
def test_conditions_are_the_hosts_not_this_machines(marker: str, wants: bool) -> None:
    assert bool(taken([file(PURE)], BOOKWORM, marker)) is wants


def test_two_versions_of_one_package_are_each_their_own() -> None:
    packages = [
        Listed("thing", "1.0", "python_version < '3.12'", [file("thing-1.0-py3-none-any.whl")]),
        Listed("thing", "2.0", "python_version >= '3.12'", [file("thing-2.0-py3-none-any.whl")]),
    ]
    text = requirements("thing==1.0", "thing==2.0")
    assert [one.path for one in chosen(packages, text, ARM)[0]] == [
        "wheels/thing-2.0-py3-none-any.whl"
    ]


def test_size_url_and_digest_come_along_and_names_are_as_files_have_them() -> None:
    odd = file("thing-1.0%2Bcpu-py3-none-any.whl", size=7)
    packages = [Listed("thing", "1.0+cpu", "", [odd])]
    (one,), _ = chosen(packages, requirements("thing==1.0+cpu"), BOOKWORM)
    assert (one.path, one.size_bytes, one.sha256) == (
        "wheels/thing-1.0+cpu-py3-none-any.whl", 7, DIGESTS["a"]
    )  # fmt: skip
    assert one.url == "https://index.example/files/thing-1.0%2Bcpu-py3-none-any.whl"


def test_conditions_are_of_a_whole_version() -> None:
    assert markers(ARM)["python_version"] == "3.12"
    assert markers(ARM)["python_full_version"] == "3.12.3"
    assert markers(ARM)["platform_machine"] == "aarch64"


ANSWER = """
[[packages]]
name = "thing"
version = "1.0"
marker = "sys_platform == 'linux'"
wheels = [{ url = "https://a.example/thing-1.0-py3-none-any.whl", size = 3, hashes = {} }]
[[packages]]
name = "only-source"
version = "2.0"
"""


class TestIndex:
    """uv is asked, by a stand-in that notes what it is told."""

    def test_uv_lists_all_files(self, tmp_path: Path) -> None:
        said: list[str] = []

        def uv(*words: str) -> str:
            said.extend(words)
            return ANSWER

        found = listed(tmp_path / "lock.txt", "https://mirror.example/simple", uv)
        assert [(one.name, one.version, len(one.files)) for one in found] == [
            ("thing", "1.0", 1),
            ("only-source", "2.0", 0),
        ]
        assert said[said.index("--default-index") + 1] == "https://mirror.example/simple"
        assert "--no-deps" in said and said[-1] == str(tmp_path / "lock.txt")

    def test_what_it_says_when_it_fails_is_the_error(self, tmp_path: Path) -> None:
        def uv(*_: str) -> str:
            raise HostError("uv: error: no route to host")

        with pytest.raises(HostError, match=r"lock\.txt: .*no route to host"):
            listed(tmp_path / "lock.txt", None, uv)

    @pytest.mark.parametrize("answer", ["[", "packages = 3", "[[packages]]\nversion = '1'"])
    def test_an_answer_that_is_none(self, tmp_path: Path, answer: str) -> None:
        with pytest.raises(HostError, match="cannot be read"):
            listed(tmp_path / "lock.txt", None, lambda *_: answer)
