"""All rows of hostile input, and ``docs/hostile.md`` written from them.

``python -m tests.nginx.hostile.table`` writes it.
"""

from __future__ import annotations

from pathlib import Path

from tests.nginx.hostile.bodies import BODIES
from tests.nginx.hostile.forms import FORMS
from tests.nginx.hostile.framing import FRAMING
from tests.nginx.hostile.routes import ROUTES
from tests.nginx.hostile.sent import Sent

PAGE = Path(__file__).parents[3] / "docs/hostile.md"
TABLE: dict[str, list[Sent]] = {**BODIES, **FORMS, **FRAMING, **ROUTES}
HEAD = """# Hostile input

Written by `python -m tests.nginx.hostile.table` from the rows that `tests/nginx/test_hostile.py`
sends to a real Nginx with the gateway's Lua. The client's key lets it use two aliases alone; "the
engine gets" is the name of the model in what reached an engine, and nothing did where the column is
empty. After every row the door answered a plain request, its workers were those from before,
nothing was in flight, and its error log was empty. `headless`: an answer as to HTTP/0.9. What is
slow, endless or too much at once is in `tests/nginx/test_hostile_load.py`, HTTP/2 by its frames in
`tests/nginx/test_hostile_http2.py`.
"""


def page() -> str:
    """The page, whole."""
    parts = [HEAD]
    for about, rows in TABLE.items():
        parts.append(f"\n## {about}\n\n| sent | answer | the engine gets |\n| --- | --- | --- |\n")
        parts += [f"| {_cell(row.name)} | {row.answer} | {row.reached} |\n" for row in rows]
    return "".join(parts)


def _cell(text: str) -> str:
    """As one reads it: a bar would end the cell, and letters that look alike are named."""
    shown = text.encode("ascii", "backslashreplace").decode() if not text.isascii() else text
    return f"`{shown}`" if shown.startswith("/") or "\\" in shown else shown.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
