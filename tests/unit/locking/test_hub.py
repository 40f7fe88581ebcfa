from __future__ import annotations

import hashlib
import json

import pytest

from rackwright.errors import HostError
from rackwright.locking.hub import MOST_FILES, files_of
from tests.samples.outside import CONFIG, LFS, Recorded, hub_pages

HUB = "https://hub.example"


def test_large_files_are_known_by_the_list_and_small_ones_are_fetched() -> None:
    outside = Recorded(pages=hub_pages())
    found = files_of(HUB, "o/n", "abc", outside)
    assert list(found) == ["config.json", "model.safetensors"]
    assert (found["model.safetensors"].sha256, found["model.safetensors"].size_bytes) == (
        LFS,
        16_000_000_000,
    )
    assert found["config.json"].sha256 == hashlib.sha256(CONFIG).hexdigest()
    assert outside.asked == [
        f"{HUB}/api/models/o/n/tree/abc?recursive=true",
        f"{HUB}/o/n/resolve/abc/config.json",
    ]


def test_a_file_of_another_size_than_listed_is_not_taken() -> None:
    pages = {**hub_pages(), "/config.json": CONFIG + b" "}
    with pytest.raises(HostError, match=r"config\.json has 40 bytes, 39 are listed"):
        files_of(HUB, "o/n", "abc", Recorded(pages=pages))


@pytest.mark.parametrize(
    "listed",
    [
        b"<html>",
        b"{}",
        b"[]",
        b'[{"type": "file"}]',
        b"3",
        json.dumps([{"type": "file", "path": str(n)} for n in range(MOST_FILES)]).encode(),
        b'[{"type": "file", "path": "a", "lfs": {"oid": "zz", "size": 1}}]',
    ],
)
def test_what_a_hub_says_is_read_strictly(listed: bytes) -> None:
    with pytest.raises(HostError, match="cannot be read"):
        files_of(HUB, "o/n", "abc", Recorded(pages={"?recursive=true": listed}))


def test_a_repository_that_is_not_there_is_said() -> None:
    with pytest.raises(HostError, match="404"):
        files_of(HUB, "o/n", "abc", Recorded())
