"""What a command is given, as bytes."""

from __future__ import annotations

import io
from typing import Any

import pytest

from rackwright.runner.access.standard_input import as_bytes


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (None, b""),
        ("", b"\n"),
        ("ä", b"\xc3\xa4\n"),
        ("a\n", b"a\n"),
        (["a", "b\n"], b"a\nb\n"),
        (io.StringIO("a\nb"), b"a\nb\n"),
        (io.BytesIO(b"a\nb"), b"a\nb\n"),
        (b"\x00\xff no line end", b"\x00\xff no line end"),
    ],
)
def test_lines_are_ended_and_bytes_are_as_they_are(given: Any, written: bytes) -> None:
    assert as_bytes(given) == written
