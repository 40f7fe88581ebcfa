"""All rows of hostile input, and ``docs/hostile.md`` written from them: ``python -m tests.nginx.hostile.table``."""

from __future__ import annotations

from pathlib import Path

from tests.nginx.hostile.bodies import BODIES
from tests.nginx.hostile.forms import FORMS
from tests.nginx.hostile.framing import FRAMING
from tests.nginx.hostile.routes import ROUTES
from tests.nginx.hostile.sent import Sent

TABLE: dict[str, list[Sent]] = {**BODIES, **FORMS, **FRAMING, **ROUTES}
