"""What is said of an architecture that is not known: is it unsupported, gone, or mistyped?"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from difflib import SequenceMatcher, get_close_matches
from itertools import takewhile
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
FIXED_ATTENTION = (
    *("bigbird", "canine", "convbert", "cpmant", "deberta", "debertav2", "flaubert", "fsmt"),
    *("funnel", "gptneo", "gptneoxjapanese", "ibert", "layoutlmv2", "led", "lilt", "longformer"),
    *("luke", "megatronbert", "mpnet", "mpt", "mra", "mvp", "nystromformer", "openaigpt"),
    *("prophetnet", "reformer", "rembert", "roformer", "rwkv", "squeezebert", "tapas", "xglm"),
    *("xlm", "xlnet", "yoso"),
)
"""Models of text whose class has attention that nobody can replace: neither
``_supports_attention_backend`` nor ``_can_set_attn_implementation`` in transformers 5.19 and 5.24,
without which vLLM ends.
"""
_TELLING, _MISTYPED = 4, 0.88
"""Letters that two names must share at their beginning, or how alike they are otherwise."""
_TAILS = re.compile(r"(?:For[A-Z]\w+|LMHeadModel|Model)$")


ONE_LAYER, OF_A_DRAFT = 1, 2048
"""A model of one layer that is so wide is no model: EAGLE's drafts have the name and sizes of those
that they draft for (arXiv:2401.15077), and tensors that those have not.
"""
OTHER_THAN = {"HF_ColBERT": "bert", "HfMoondream": "moondream3"}
"""Names under which the engine builds one of several models, by the type that it has."""
COLBERT, TURNED = "HF_ColBERT", "ColBERTJinaRobertaModel"
"""What ColBERTs of any kind are called, and the engine's name for an XLM-R of Jina's among them."""


def unknown_rule(
    architecture: str, known: Collection[str], values: Mapping[str, Any] | None = None
) -> str:
    """The rule that an unknown name breaks, with what can be done, and the nearest known."""
    if own := SERVED_AS.get(architecture):
        return _named(own)
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
    tried = _tried(architecture, values or {}, label)
    return f"is no architecture that is known here or listed by {label}{tried}{nearest}: {WAYS}"


def _named(own: str) -> str:
    override = json.dumps({"architectures": [own]})
    return f"must be {own}, under which vLLM serves it with --hf-overrides '{override}'"


def _tried(architecture: str, values: Mapping[str, Any], label: str) -> str:
    """How the engine tries a name that it does not list: by its files' code, or transformers'.

    Source: _try_resolve_transformers in vllm/model_executor/models/registry.py, 0.32.
    """
    code = values.get("auto_map")
    if isinstance(code, Mapping) and any(str(key).startswith("AutoModel") for key in code):
        how = "the code in its files, with --trust-remote-code"
    elif _stem(architecture) in FIXED_ATTENTION:
        return f" ({label} cannot use transformers' class: its attention cannot be replaced)"
    else:
        how = "transformers' class of that name"
    return f" ({label} tries it by {how}, where its attention can be replaced)"


def other_version_rule(architecture: str, values: Mapping[str, Any]) -> str:
    """The rule that an older model breaks under a name that the engine has for a newer one."""
    built, kind = OTHER_THAN.get(architecture), values.get("model_type")
    if built is None or kind in (None, built):
        return ""
    if architecture == COLBERT and values.get("position_embedding_type") == "rotary":
        return _named(TURNED)
    return (
        f"is {built} to vLLM {listed().version}, whose tensors a {kind} has not: no vLLM serves it"
    )


def draft_rule(values: Mapping[str, Any]) -> str:
    """The rule that a draft breaks, which is no model by itself; empty where it is none.

    Source: maybe_override_with_speculators in vllm/transformers_utils/config.py, 0.32: asked to
    serve one, vLLM serves the model that it names, with it as the draft. One that does not say
    so is known by its one layer.
    """
    said = values.get("speculators_config")
    if not isinstance(said, Mapping):
        layers, width = values.get("num_hidden_layers"), values.get("hidden_size")
        wide = type(width) is int and width >= OF_A_DRAFT
        one = type(layers) is int and layers == ONE_LAYER and wide
        return f"has one layer as drafts have, which vLLM loads beside {DRAFTED}" if one else ""
    verifier = said.get("verifier")
    named = verifier.get("name_or_path") if isinstance(verifier, Mapping) else None
    drafted = f"{named}: size that one" if isinstance(named, str) and named else DRAFTED
    return f"is a draft, which vLLM {listed().version} loads beside {drafted}"


def nearest_known(architecture: str, known: Collection[str]) -> str:
    """The known name that is most alike in what sets names apart; empty where none is."""
    own = _stem(architecture)
    bare = {_stem(name): name for name in sorted(known, reverse=True)}
    alike = [name for name in known if _akin(own, _stem(name))]
    close = get_close_matches(own, [stem for stem in bare if _akin(own, stem)], n=1, cutoff=0.6)
    whole = get_close_matches(architecture, alike, n=1, cutoff=0.9)
    return whole[0] if whole else bare[close[0]] if close else ""


def _stem(architecture: str) -> str:
    return _TAILS.sub("", architecture).lower()


def _akin(one: str, other: str) -> bool:
    """Whether names begin alike, one ends with the other, or one was mistyped.

    Of letters alone MPNet has most in common with Glm5Next.
    """
    pairs = zip(one, other, strict=False)
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    short, long = sorted((one, other), key=len)
    ends = len(short) >= _TELLING and long.endswith(short)
    mistyped = SequenceMatcher(None, one, other).ratio() >= _MISTYPED
    return alike >= _TELLING or ends or mistyped
