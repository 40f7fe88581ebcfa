"""What is said of an architecture that is not known: is it unsupported, gone, or mistyped?"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from rackwright.catalog.served import listed

BY_HAND = "give its memory by hand as `figures` instead of `config` (docs/planner.md)"
WAYS = "its files' headers make an estimate (`tensors`), or figures by hand (docs/planner.md)"
DRAFTED = "the model that it drafts for: size that one"
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
    if architecture in release.drafts:
        return f"is a draft, which {label} loads beside {DRAFTED}"
    if last := release.no_longer.get(architecture):
        return f"is served by no vLLM after {last}"
    if plugin := release.plugins.get(architecture):
        return f"is served by no vLLM without its plugin {plugin}, which is not planned for"
    return f"is no architecture that is known here or listed by {label}{nearest}: {WAYS}"


def draft_rule(values: Mapping[str, Any]) -> str:
    """The rule that a draft in the format of ``speculators`` breaks; empty where it is none.

    Source: maybe_override_with_speculators in vllm/transformers_utils/config.py, 0.32: asked to
    serve one, vLLM serves the model that it names, with it as the draft.
    """
    said = values.get("speculators_config")
    if not isinstance(said, Mapping):
        return ""
    verifier = said.get("verifier")
    named = verifier.get("name_or_path") if isinstance(verifier, Mapping) else None
    drafted = f"{named}: size that one" if isinstance(named, str) and named else DRAFTED
    return f"is a draft, which vLLM {listed().version} loads beside {drafted}"


def nearest_known(architecture: str, known: Collection[str]) -> str:
    """The known name that is most alike in what sets names apart; empty where none is."""
    bare = {_TAILS.sub("", name).lower(): name for name in sorted(known, reverse=True)}
    close = get_close_matches(_TAILS.sub("", architecture).lower(), bare, n=1, cutoff=0.6)
    whole = get_close_matches(architecture, known, n=1, cutoff=0.9)
    return whole[0] if whole else bare[close[0]] if close else ""
