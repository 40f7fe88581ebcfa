"""What a host writes: so many bytes at most, and text whatever bytes they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pyinfra.connectors.util import read_output_buffers

from rackwright.runner import bounded
from rackwright.runner.bounded import BoundedLines, bound


class Channel:
    """Gives these blocks, on both streams, until it is closed."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.blocks, self.closed = blocks, False

    def recv(self, size: int) -> bytes:
        return b"" if self.closed else next(self.blocks, b"")

    def recv_stderr(self, size: int) -> bytes:
        return b""

    def close(self) -> None:
        self.closed = True


class Client:
    def __init__(self, *blocks: bytes) -> None:
        self.channel = Channel(iter(blocks))

    def exec_command(self, command: str, get_pty: bool = False) -> Any:
        stream = type("Stream", (), {"channel": self.channel})
        return "stdin", stream, stream


def read(client: Any) -> list[str]:
    """As pyinfra reads."""
    bound(client)
    stdin, out, err = client.exec_command("x", get_pty=False)
    assert stdin == "stdin" and out.channel is client.channel
    seen = read_output_buffers(out, err, timeout=10, print_output=False, print_prefix="")
    assert seen.stderr_lines == []
    return seen.stdout_lines


@pytest.mark.parametrize(
    ("blocks", "lines"),
    [
        ([], []),
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"on", b"e\nt", b"wo"], ["one", "two"]),
        ([b"\n\n", b"x"], ["", "", "x"]),
        ([b"a\xff\xfe\x9b31m\n", b"\xc3", b"\xa9\n"], ["a\ufffd\ufffd\ufffd31m", "é"]),
    ],
)
def test_lines_are_those_that_came(blocks: list[bytes], lines: list[str]) -> None:
    assert read(Client(*blocks)) == lines


@pytest.mark.parametrize("block", [b"x" * 1000, b"line\n" * 200], ids=["one line", "lines"])
def test_one_that_writes_without_end_is_hung_up_on(
    block: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "MOST_BYTES", 10_000)
    channel: Any = Channel(iter(lambda: block, None))
    lines = list(BoundedLines(channel, channel.recv))
    assert channel.closed
    assert lines[-1] == "hung up: it wrote more than 10000 bytes\n"
    assert sum(map(len, lines)) < 13_000
