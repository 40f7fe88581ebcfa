"""What is to be said of a model that sees or hears: items a prompt, towers, what they take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rackwright.models import Shape, Tower
from rackwright.sizing import GIB, Limits, Split
from rackwright.sizing.vision import (
    budget_tokens,
    images_at_once,
    largest,
    seeing,
    tower_bytes,
)


def images_words(shape: Shape, split: Split, limits: Limits) -> list[str]:
    """Sentences; none where a model is served as text."""
    used = largest(shape)
    if not used:
        return []
    tower, a_prompt = used
    sees = seeing(shape, split, limits, 0)
    size = sees.peak_bytes + sees.kept_bytes + sees.standing_bytes
    at_once = images_at_once(tower, a_prompt, limits)
    if shape.answers == "transcripts":
        return [
            f"{_hears(tower)}; encoding {at_once} at once takes up to {size / GIB:.1f} GiB, "
            "an estimate"
        ]
    prompts = ", ".join(f"{kind}: {many} a prompt" for kind, _, many in _kinds(shape))
    item = "an image" if tower is shape.tower else "a sound"
    words = [
        f"{prompts}, tower {tower_bytes(shape, split) / GIB:.2f} GiB a GPU; "
        f"up to {tower.tokens:,} tokens {item}, {budget_tokens(tower, limits):,} a step; "
        f"encoding {at_once} at once takes up to {size / GIB:.1f} GiB, an estimate"
    ]
    if tower.tokens > limits.max_model_len:
        items = "images" if tower is shape.tower else "sounds"
        words.append(
            f"{items} of more than {limits.max_model_len:,} tokens do not fit the context: send "
            "smaller ones"
        )
    return words


def tower_words(shape: Shape) -> list[str]:
    """A sentence of each whole tower, whatever it is split over; none where served as text."""
    if shape.answers == "transcripts" and shape.ear:
        return [f"{_hears(shape.ear)}; its encoder is counted with the weights"]
    return [
        f"{kind}: {many} a prompt, of up to {tower.tokens:,} tokens each; {_weighs(shape, tower)}"
        for kind, tower, many in _kinds(shape)
    ]


def _hears(tower: Tower) -> str:
    return f"hears one sound a request, {tower.tokens:,} frames whatever its length"


def _weighs(shape: Shape, tower: Tower) -> str:
    if not tower.parameters:
        return "without a tower: what projects them is a part of the text model"
    return (
        f"counted with the weights: a tower of {tower.parameters / 1e6:,.0f} million parameters, "
        f"{tower_bytes(_only(shape, tower), Split()) / GIB:.2f} GiB"
    )


def images_document(
    shape: Shape, split: Split, limits: Limits, kind: str = "images"
) -> dict[str, Any] | None:
    """The same for programs; docs/planner.md names every key. None where it has none of a kind.

    ``kind`` is ``images`` or ``audios``. What encoding takes is of the tower whose items have the
    most tokens: that is what the engine makes room for.
    """
    found = next((used for used in _kinds(shape) if used[0] == kind), None)
    if not found:
        return None
    _, tower, many = found
    sees = seeing(shape, split, limits, 0)
    return {
        "a_prompt": many,
        "tower_parameters": tower.parameters,
        "tower_gib": round(tower_bytes(_only(shape, tower), split) / GIB, 3),
        "most_tokens": tower.tokens,
        "budget_tokens": max(budget_tokens(each, limits) for each, _ in shape.towers),
        "at_once": images_at_once(tower, many, limits),
        "encoder_peak_gib": round(sees.peak_bytes / GIB, 3),
        "kept_gib": round((sees.kept_bytes + sees.standing_bytes) / GIB, 3),
        "estimate": True,
    }


def _kinds(shape: Shape) -> Iterator[tuple[str, Tower, int]]:
    """What it is served with, and how many of each a prompt may have."""
    for tower, many in shape.towers:
        yield ("images" if tower is shape.tower else "audios"), tower, many


def _only(shape: Shape, tower: Tower) -> Shape:
    if tower is shape.tower:
        return shape.seeing(shape.images)
    return shape.seeing(0, shape.audios)
