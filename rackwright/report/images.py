"""What is to be said of a model that sees: images a prompt, its tower, what they take of a GPU."""

from __future__ import annotations

from typing import Any

from rackwright.models import Shape
from rackwright.sizing import GIB, Limits, Split
from rackwright.sizing.vision import budget_tokens, images_at_once, seeing, tower_bytes


def images_words(shape: Shape, split: Split, limits: Limits) -> list[str]:
    """Sentences; none where a model is served as text."""
    tower = shape.tower
    if not (shape.images and tower):
        return []
    sees = seeing(shape, split, limits, 0)
    size = sees.peak_bytes + sees.kept_bytes + sees.standing_bytes
    words = [
        f"images: {shape.images} a prompt, tower {tower_bytes(shape, split) / GIB:.2f} GiB a GPU; "
        f"up to {tower.tokens:,} tokens an image, {budget_tokens(tower, limits):,} a step; "
        f"encoding {images_at_once(tower, shape.images, limits)} at once takes up to "
        f"{size / GIB:.1f} GiB, an estimate"
    ]
    if tower.tokens > limits.max_model_len:
        words.append(
            f"images of more than {limits.max_model_len:,} tokens do not fit the context: send "
            "smaller ones"
        )
    return words


def tower_words(shape: Shape) -> list[str]:
    """A sentence of the whole tower, whatever it is split over; none where served as text."""
    if not (shape.images and shape.tower):
        return []
    millions, size = shape.tower.parameters / 1e6, tower_bytes(shape, Split()) / GIB
    return [
        f"images: {shape.images} a prompt, of up to {shape.tower.tokens:,} tokens each; counted "
        f"with the weights: a tower of {millions:,.0f} million parameters, {size:.2f} GiB"
    ]


def images_document(shape: Shape, split: Split, limits: Limits) -> dict[str, Any] | None:
    """The same for programs; docs/planner.md names every key. None where it is served as text."""
    tower = shape.tower
    if not (shape.images and tower):
        return None
    sees = seeing(shape, split, limits, 0)
    return {
        "a_prompt": shape.images,
        "tower_parameters": tower.parameters,
        "tower_gib": round(tower_bytes(shape, split) / GIB, 3),
        "most_tokens": tower.tokens,
        "budget_tokens": budget_tokens(tower, limits),
        "at_once": images_at_once(tower, shape.images, limits),
        "encoder_peak_gib": round(sees.peak_bytes / GIB, 3),
        "kept_gib": round((sees.kept_bytes + sees.standing_bytes) / GIB, 3),
        "estimate": True,
    }
