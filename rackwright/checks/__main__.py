"""``python -m rackwright.checks``: write the tables of ``docs/checks.md`` again."""

from __future__ import annotations

from pathlib import Path

from rackwright.checks.published import republished

PATH = Path(__file__).parents[2] / "docs/checks.md"

if __name__ == "__main__":
    PATH.write_text(republished(PATH.read_text()))
