"""The table of ``docs/drift.md``, made from the kinds: nobody writes it by hand."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.drift.kinds import DEPLOY, KINDS, Kind

MARK = "<!-- kinds: python -m rackwright.drift -->\n"
END = "<!-- end -->"
_BAR = r"\|"


def republished(text: str) -> str:
    """The document with its table made again, between its mark and its end."""
    before, _, rest = text.partition(MARK)
    _, end, after = rest.partition(END)
    return "".join((before, MARK, *(f"{line}\n" for line in _table()), end, after))


def _table() -> Iterator[str]:
    yield "| drift | means | what ends it |"
    yield "| --- | --- | --- |"
    for kind in KINDS:
        cells = (f"`{kind.name}`", kind.means, _remedy(kind))
        yield f"| {' | '.join(cell.replace('|', _BAR) for cell in cells)} |"


def _remedy(kind: Kind) -> str:
    return "the next deploy" if kind.remedy == DEPLOY else kind.remedy
