"""What an operator reads of an exchange: how far it is, and what came from where."""

from __future__ import annotations

from collections.abc import Sequence

from rackwright.remote.sideways.peers import Peer

MIB, GIB = 1 << 20, 1 << 30
LARGE_BYTES = 10 * GIB
"""From there on in GiB, with a decimal."""
MOST_NAMES = 8
HEARD_S = 10
"""A server begins to give when its own turn in a run has come; before that it is not missed."""


def so_far(label: str, total: int, left: int, bytes_per_s: float) -> str:
    """How far it is; ``bytes_per_s`` is 0 where that is not known yet."""
    words = f"{label}: {_number(total - left, total)} of {size(total)}"
    if not left:
        return f"{words}, comparing with the digests"
    if not bytes_per_s:
        return words
    return f"{words}, {bytes_per_s / MIB:.0f} MiB/s, {duration(left / bytes_per_s)} left"


def in_the_end(
    label: str, lacked: int, took_s: float, of_origin: int, peers: Sequence[Peer]
) -> str:
    """What came in which time, and from where; and who did not answer in it."""
    words = f"{label}: {size(lacked)} in {duration(took_s)}"
    if lacked:
        words += f" ({lacked / max(took_s, 0.001) / MIB:.0f} MiB/s)"
    gave = [peer.name for peer in peers if peer.taken_bytes]
    lost = [peer.name for peer in peers if not peer.was_heard and took_s >= HEARD_S]
    parts = [f"{size(of_origin)} from the origin"] if of_origin else []
    if gave:
        parts.append(f"{size(sum(peer.taken_bytes for peer in peers))} from {_names(gave)}")
    if lost:
        parts.append(f"{_names(lost)} did not answer (were the stages before this run there?)")
    return f"{words}: {'; '.join(parts)}" if parts else words


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} servers"


def size(size_bytes: int) -> str:
    """In MiB or GiB."""
    return f"{_number(size_bytes, size_bytes)} {'GiB' if size_bytes >= LARGE_BYTES else 'MiB'}"


def _number(size_bytes: int, total: int) -> str:
    return f"{size_bytes / GIB:.1f}" if total >= LARGE_BYTES else f"{size_bytes / MIB:.0f}"


def duration(seconds: float) -> str:
    """In seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
