"""What a host writes, read up to a number of bytes, and as text whatever bytes it is.

paramiko would keep all of it, take the square of a line's length for it, and end the reading of one
that is no UTF-8 with an error that nobody hears.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from paramiko import Channel, SSHClient

MOST_BYTES = 64 * 1024**2
"""Of each stream of a command: an answer of eight GPUs and their replicas has a few 100 kB."""
BLOCK_BYTES = 1 << 15

Streams = tuple[Any, Any, Any]


class BoundedLines:
    """The lines of one stream of a command. A command that writes without end is hung up on."""

    def __init__(self, channel: Channel, receive: Callable[[int], bytes]) -> None:
        """``receive`` gives the next bytes, none at the end."""
        self.channel, self._receive = channel, receive

    def __iter__(self) -> Iterator[str]:
        """Each line with its end; the last line says so where there were too many bytes."""
        begun: list[bytes] = []
        left = MOST_BYTES
        while block := self._receive(BLOCK_BYTES):
            left -= len(block)
            *ended, rest = block.split(b"\n")
            for part in ended:
                yield _line([*begun, part])
                begun = []
            begun.append(rest)
            if left < 0:
                self.channel.close()
                yield f"hung up: it wrote more than {MOST_BYTES} bytes\n"
                return
        if any(begun):
            yield _line(begun)


def _line(parts: list[bytes]) -> str:
    return b"".join(parts).decode(errors="replace") + "\n"


def bound(client: SSHClient) -> None:
    """Have all commands of a connection be read so."""
    client.exec_command = _bounded(client.exec_command)  # type: ignore[method-assign]


def _bounded(execute: Callable[..., Streams]) -> Callable[..., Streams]:
    def executed(*args: Any, **options: Any) -> Streams:
        stdin, stdout, _ = execute(*args, **options)
        channel = stdout.channel
        out = BoundedLines(channel, channel.recv)
        return stdin, out, BoundedLines(channel, channel.recv_stderr)

    return executed
