"""Plain tables: columns as wide as what is in them, and no cell is cut or wrapped."""

from __future__ import annotations

from collections.abc import Sequence

from rackwright.printable import printable

Row = Sequence[object]


def table_text(headings: Sequence[str], rows: Sequence[Row], numbers: Sequence[str] = ()) -> str:
    """A line of headings, then one a row; columns of ``numbers`` stand to the right.

    None is a ``-``; whole numbers have their thousands marked.
    """
    cells = [list(headings), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    signs = [">" if heading in numbers else "<" for heading in headings]
    return "\n".join(
        "  ".join(
            f"{cell:{sign}{width}}" for cell, sign, width in zip(row, signs, widths, strict=True)
        ).rstrip()
        for row in cells
    )


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:,}" if isinstance(value, int) else printable(str(value))
