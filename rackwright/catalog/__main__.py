"""``python -m rackwright.catalog``: make the copy of the catalog's files anew."""

from __future__ import annotations

from pathlib import Path

from rackwright.catalog.data import COPY, copy

if __name__ == "__main__":
    Path(__file__).with_name(COPY).write_text(copy())
