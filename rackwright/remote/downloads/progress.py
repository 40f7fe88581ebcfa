"""What a host tells the operator while it works."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """One line of progress for the operator."""
    print(text, file=sys.stderr, flush=True)


def progress(text: str) -> None:
    """A line that the next one may replace: ``runner/progress.py`` knows it by its begin."""
    print(f"\r  {text}", file=sys.stderr, flush=True)


class Packages:
    """What uv says while it installs: of its lines for each package, only how far it is.

    It announces the large ones, as in ``Downloading torch (192.3MiB)``.
    """

    def __init__(self) -> None:
        """Nothing is announced yet."""
        self._sizes: dict[str, str] = {}
        self._done: set[str] = set()

    def hear(self, line: str) -> None:
        """Pass a line on, or count it."""
        word, _, rest = line.strip().partition(" ")
        name, _, size = rest.partition(" ")
        if word == "Downloading":
            self._sizes[name] = size
        elif word == "Downloaded":
            self._done.add(name)
            left = [
                f"{name} {size}" for name, size in self._sizes.items() if name not in self._done
            ]
            waited = f": {', '.join(left[:3])}" if left else ""
            progress(f"{len(left)} of {len(self._sizes)} downloads to come{waited}")
        elif word != "+":
            say(line)
