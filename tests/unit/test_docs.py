"""What the documentation, and the package's own texts, name of the project is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
TEXTS = [
    *PROJECT.glob("*.md"),
    *PROJECT.glob("docs/*.md"),
    *PROJECT.glob("rackwright/**/*.py"),
]
NAMED = re.compile(
    r"(?<![\w./-])(?:rackwright|tests|tasks|templates|benchmarks)/[\w./-]+\.(?:py|md|yaml|j2|sh|txt)\b"
)
"""Files by their path; an inventory may be the reader's own, so ``inventories/`` is not asked."""


def absent(text: str) -> list[str]:
    return [path for path in NAMED.findall(text) if not (PROJECT / path).exists()]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see `rackwright/cli.py` and tests/unit/test_docs.py.", []),
        ("(`rackwright/step.py` puts steps together)", ["rackwright/step.py"]),
        ("/opt/rackwright/tests/there.py and inventories/mine.py", []),
    ],
)
def test_a_path_that_leads_nowhere_is_seen(text: str, found: list[str]) -> None:
    assert absent(text) == found


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_path_that_is_named_is_there(path: Path) -> None:
    gone = absent(path.read_text(encoding="utf-8"))
    assert not gone, f"{path.relative_to(PROJECT)}: correct {', '.join(gone)}, which is not there"
