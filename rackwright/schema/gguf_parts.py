"""Names of the files of a split GGUF model, as llama.cpp gives them (``llama_split_path``)."""

from __future__ import annotations

import re
from typing import NamedTuple


class GgufPart(NamedTuple):
    """What the name of a part says: all before the numbers, which part it is, and of how many."""

    stem: str
    number: int
    parts: int

    def named(self, number: int) -> str:
        """The name of another part."""
        return f"{self.stem}-{number:05}-of-{self.parts:05}.gguf"


def gguf_part(name: str) -> GgufPart | None:
    """A file's name as llama.cpp names the parts of a split model; None for another."""
    found = re.fullmatch(r"(.*)-([0-9]{5})-of-([0-9]{5})\.gguf", name)
    return GgufPart(found[1], int(found[2]), int(found[3])) if found else None
