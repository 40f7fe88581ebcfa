"""What is said of an architecture that is not known: is it unsupported, gone, or mistyped?"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from difflib import get_close_matches

from rackwright.catalog.served import listed

BY_HAND = "give its memory by hand as `figures` instead of `config` (docs/planner.md)"
WAYS = "its files' headers make an estimate (`tensors`), or figures by hand (docs/planner.md)"
SERVED_AS = {
    "NewForSequenceClassification": "GteNewForSequenceClassification",
    "NewModel": "GteNewModel",
}
"""Names that are too common for the engine, by those that it serves their models under.

Source: docs/models/supported_models.md and models/registry.py, 0.32.
"""
_TAILS = re.compile(r"(?:For[A-Z]\w+|LMHeadModel|Model)$")


def unknown_rule(architecture: str, known: Collection[str]) -> str:
    """The rule that an unknown name breaks, with what can be done, and the nearest known."""
    if own := SERVED_AS.get(architecture):
        override = json.dumps({"architectures": [own]})
        return f"must be {own}, under which vLLM serves it with --hf-overrides '{override}'"
    release, close = listed(), nearest_known(architecture, known)
    label = f"vLLM {release.version}"
    nearest = f"; the nearest by name that is known is {close}" if close else ""
    if architecture in release.architectures:
        return f"is not supported yet, {label} serves it: {WAYS}{nearest}"
    if last := release.no_longer.get(architecture):
        return f"is served by no vLLM after {last}"
    if plugin := release.plugins.get(architecture):
        return f"is served by no vLLM without its plugin {plugin}, which is not planned for"
    return f"is no architecture that is known here or listed by {label}{nearest}: {WAYS}"


def nearest_known(architecture: str, known: Collection[str]) -> str:
    """The known name that is most alike in what sets names apart; empty where none is."""
    bare = {_TAILS.sub("", name).lower(): name for name in sorted(known, reverse=True)}
    close = get_close_matches(_TAILS.sub("", architecture).lower(), bare, n=1, cutoff=0.6)
    whole = get_close_matches(architecture, known, n=1, cutoff=0.9)
    return whole[0] if whole else bare[close[0]] if close else ""
