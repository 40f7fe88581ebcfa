"""Files that an operator names: read whole and bounded, or refused; none is waited for."""

from __future__ import annotations

import io
import os
import socket
import sys
from pathlib import Path

import pytest

from rackwright.schema import files
from rackwright.schema.files import bytes_of, standard_input, text_of


@pytest.mark.parametrize("kind", ["fifo", "socket", "folder", "/dev/zero", "/dev/tty", "link"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(ValueError, match="no regular file"):
            text_of(path)


@pytest.mark.parametrize("path", ["/proc/self/mem", "/proc/kmsg", "/proc/kcore", "x" * 5000, "\0"])
def test_what_calls_itself_a_file_is_not_waited_for(path: str) -> None:
    """Those of /proc block, fail or do not end; which of them, depends on the kernel and user."""
    with pytest.raises((OSError, ValueError)):
        bytes_of(Path(path))


def test_a_file_has_a_most_of_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 10)
    (tmp_path / "file").write_bytes(b"x" * 10)
    assert text_of(tmp_path / "file") == "x" * 10
    (tmp_path / "file").write_bytes(b"x" * 11)
    with pytest.raises(ValueError, match="more than 10 bytes"):
        text_of(tmp_path / "file")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * 11)))
    with pytest.raises(ValueError, match="more than 10 bytes"):
        standard_input()


def test_text_is_utf_8_without_a_mark_and_its_lines_end_as_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("é\r\nb\rc\n".encode())
    assert text_of(tmp_path / "file") == "é\nb\nc\n"
    (tmp_path / "file").write_text("x", encoding="utf-8-sig")
    with pytest.raises(ValueError, match="starts with a byte order mark"):
        text_of(tmp_path / "file")
    (tmp_path / "file").write_text("x", encoding="utf-16")
    with pytest.raises(ValueError, match="can't decode byte"):
        text_of(tmp_path / "file")
