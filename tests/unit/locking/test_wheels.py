from __future__ import annotations

from pathlib import Path

import pytest

from rackwright.errors import HostError
from rackwright.locking.wheels import Target, wheels_of
from tests.samples.outside import PYLOCK, Recorded

BOOKWORM = Target("3.11.2", "amd64", "2.36")


class Told(Recorded):
    """uv says this."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.arguments = text, ()  # type: tuple[str, ...]

    def uv(self, *arguments: str) -> str:
        self.arguments = arguments
        return self.text


@pytest.mark.parametrize(
    ("target", "wheel"),
    [
        (BOOKWORM, "numpy-2.4.1-cp311-cp311-manylinux_2_28_x86_64.whl"),
        (Target("3.11.2", "amd64", "2.27"), "numpy-2.4.1-cp311-cp311-manylinux_2_27_x86_64.whl"),
        (Target("3.12.3", "amd64", "2.39"), "numpy-2.4.1-cp312-cp312-manylinux_2_28_x86_64.whl"),
        (Target("3.13.1", "amd64", "2.41"), "numpy-2.4.1-py3-none-any.whl"),
        (Target("3.11.2", "arm64", "2.36"), "numpy-2.4.1-py3-none-any.whl"),
    ],
)
def test_a_target_takes_the_wheel_that_fits_it_best(target: Target, wheel: str) -> None:
    found = wheels_of("some.txt", [target], Recorded())
    assert set(found) == {wheel, "oldest-1.0.tar.gz"}


def test_a_wheel_has_digest_and_size() -> None:
    found = wheels_of("some.txt", [BOOKWORM], Recorded())
    numpy = found["numpy-2.4.1-cp311-cp311-manylinux_2_28_x86_64.whl"]
    assert (numpy.sha256, numpy.size_bytes) == ("2" * 64, 200)


def test_two_targets_have_the_files_of_both() -> None:
    found = wheels_of("some.txt", [BOOKWORM, Target("3.13.1", "amd64", "2.41")], Recorded())
    assert len(found) == 3


@pytest.mark.parametrize(
    ("glibc", "platform"),
    [("2.36", "2_36"), ("2.41", "2_40"), ("2.30", "2_28"), ("2.17", "2_17")],
)
def test_uv_is_asked_for_a_platform_that_it_knows(glibc: str, platform: str) -> None:
    outside = Told(PYLOCK)
    wheels_of("some.txt", [Target("3.11.2", "amd64", glibc)], outside)
    assert f"x86_64-manylinux_{platform}" in outside.arguments
    assert outside.arguments[-1] == str(Path("some.txt").resolve()), "never an option"


@pytest.mark.parametrize("text", ["no toml [", 'packages = [{name = "a"}]', "packages = 3"])
def test_what_uv_says_is_read_strictly(text: str) -> None:
    with pytest.raises(HostError):
        wheels_of("some.txt", [BOOKWORM], Told(text))


def test_a_target_is_one_of_all_patch_releases() -> None:
    assert str(BOOKWORM) == "3.11 amd64 glibc 2.36"
