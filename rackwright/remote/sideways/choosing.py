"""Which piece a server asks for next, and of whom. Pieces are bits of a number.

Each piece has an owner among those who lack it. He takes it from who has it first, the others
take it from him, or from one another: so a source sends each piece once, and everybody sends
about as much as he takes. Who would have to wait for long takes what there is.
"""

from __future__ import annotations

import random
from functools import lru_cache


@lru_cache(maxsize=64)
def own(pieces: int, takers: tuple[str, ...], me: str) -> int:
    """The pieces that are ``me``'s to take first, of those who take."""
    if me not in takers:
        return 0
    first, step = takers.index(me), len(takers)
    return sum(1 << number for number in range(first, pieces, step))


def any_of(bits: int, pieces: int) -> int | None:
    """One of these pieces, at random: not all ask for the same; None where there is none."""
    if not bits:
        return None
    start = random.randrange(pieces)
    rest = bits >> start
    return start + first_of(rest) if rest else first_of(bits)


def first_of(bits: int) -> int:
    """The lowest of some pieces."""
    return (bits & -bits).bit_length() - 1


def run_from(bits: int, first: int, most: int) -> int:
    """How many pieces follow one another from ``first`` on."""
    count = 0
    while count < most and bits >> (first + count) & 1:
        count += 1
    return count
