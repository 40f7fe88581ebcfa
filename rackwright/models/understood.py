"""What is understood: architectures with what they are, and quantizations as they are written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rackwright.catalog.served import listed
from rackwright.models.families import FAMILIES, base_of
from rackwright.models.family import Family
from rackwright.models.quantization.reading import READERS
from rackwright.models.shape import KvCache, Layer, Shape, Sharding, Tensor
from rackwright.models.wrappers import ANY_TEXT, TEXT_OF

_STATES = {
    "FalconH1ForCausalLM",
    "FalconMambaForCausalLM",
    "Glm5NextForCausalLM",
    "GraniteMoeHybridForCausalLM",
    "JambaForCausalLM",
    "KimiLinearForCausalLM",
    "Lfm2ForCausalLM",
    "Lfm2MoeForCausalLM",
    "Mamba2ForCausalLM",
    "MambaForCausalLM",
    "NemotronHForCausalLM",
    "NemotronHPuzzleForCausalLM",
    "Zamba2ForCausalLM",
}
"""With layers that keep a state of a request, where that is no trait of the family."""
_TABLE = Tensor("embed_tokens", 64, 64, Sharding.VOCABULARY)


class Understood(NamedTuple):
    """One architecture; ``text_model`` is what a wrapper is sized and served as.

    ``example`` has layers as its models have them: what engines judge by. ``listed``: the pinned
    vLLM has it under this name; others it tries by transformers' modules.
    """

    architecture: str
    kind: str
    text_model: str | None
    example: Shape
    listed: bool


def understood() -> list[Understood]:
    """Every architecture whose tensors are computed, by name."""
    return sorted([*_families(), *_wrappers()], key=lambda one: one.architecture)


def not_yet() -> list[str]:
    """Those that the pinned vLLM lists and that are not understood, by name."""
    known = {one.architecture for one in understood()}
    return sorted(name for name in listed().architectures - known if not base_of(name))


def quantizations() -> list[str]:
    """Methods of ``quantization_config`` that are read, by name."""
    return sorted(READERS)


def _families() -> Iterator[Understood]:
    names = listed().architectures
    for name, family in FAMILIES.items():
        if name in TEXT_OF:
            continue
        yield Understood(name, _kind(name, family), None, _example(name, family), name in names)


def _wrappers() -> Iterator[Understood]:
    names = listed().architectures
    for name, text in {**dict.fromkeys(ANY_TEXT, ""), **TEXT_OF}.items():
        family = FAMILIES.get(text, Family())
        made, kind = _example(text, family, text_only=True), _kind(text, family)
        inside = text or "what text_config names"
        yield Understood(name, f"text half: {kind}" if text else "text half", inside, made,
                         name in names)  # fmt: skip


def _kind(name: str, family: Family) -> str:
    if family.hears:
        return "encoder and decoder"
    if family.encoder:
        return "encoder"
    parts = ["mixture of experts" if family.experts else "dense"]
    parts += ["latent attention"] if family.latent else []
    parts += ["states beside attention"] if family.linear or name in _STATES else []
    parts += ["sliding windows"] if family.windows else []
    return ", ".join(parts)


def _example(name: str, family: Family, text_only: bool = False) -> Shape:
    """A model of that kind in little: what its layers keep is what tells engines apart."""
    state = 64 if family.linear or name in _STATES else 0
    kept = [KvCache(1, 64, family.latent, 64 if family.windows else None)]
    kept += [KvCache(0, 0, state_bytes=state)] if state else []
    return Shape(
        architecture=name,
        hidden_size=64,
        heads=1,
        kv_heads=1,
        vocab_size=64,
        layers=tuple(Layer((), one, 64, 64, 64) for one in kept),
        embedding=_TABLE,
        head=_TABLE,
        norm=Tensor("norm", 64),
        rotary=Tensor("rotary", 0, stored=False),
        tied=family.tied,
        max_position_embeddings=64,
        text_only=text_only,
        answers=family.answers,
    )
