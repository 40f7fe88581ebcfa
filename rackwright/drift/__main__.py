"""``python -m rackwright.drift``: write the table of ``docs/drift.md`` again."""

from __future__ import annotations

from pathlib import Path

from rackwright.drift.published import republished

PATH = Path(__file__).parents[2] / "docs/drift.md"

if __name__ == "__main__":
    PATH.write_text(republished(PATH.read_text()))
