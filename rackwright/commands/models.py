"""`rackwright models`: the architectures and quantizations that are understood."""

from __future__ import annotations

import json
from typing import Any

import click

from rackwright.catalog.served import listed
from rackwright.engines import ENGINES, Engine
from rackwright.exits import tell
from rackwright.models.tasks import IN_WORDS, task_of
from rackwright.models.understood import Understood, not_yet, quantizations, understood
from rackwright.report.table import table_text


@click.command(short_help="What models are understood")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, those to come as well.")
def models(as_json: bool) -> None:
    """The architectures that are sized, what serves each, and quantizations that are read.

    Others are sized by their files' headers as an estimate (`rackwright size`, `rackwright
    tensors`), or by figures by hand.
    """
    tell(json.dumps(document(), indent=1) if as_json else text())


def engines_of(one: Understood) -> list[str]:
    """Engines for which such a model can be planned; none where it is only sized."""
    task = task_of(one.example)
    able = (engine for engine in ENGINES.values() if task is None or task in engine.tasks)
    return [engine.name for engine in able if _serves(engine, one)]


def _what(one: Understood) -> str:
    task = task_of(one.example)
    return f"{one.kind}, for {IN_WORDS[task]}" if task else one.kind


def _serves(engine: Engine, one: Understood) -> bool:
    """llama.cpp and Ollama have no list here: they serve what somebody made a GGUF file of."""
    gone = engine.name == listed().engine and one.architecture in listed().no_longer
    return not gone and not engine.unjudged(one.example)


def text() -> str:
    """A line an architecture, then quantizations, then what to do with others."""
    release, found, missing = listed(), understood(), not_yet()
    rows = [
        (
            one.architecture,
            _what(one),
            ", ".join(engines_of(one)) or "only sized",
            "yes" if one.listed else "by transformers",
        )
        for one in found
    ]
    label = f"{release.engine} {release.version}"
    return "\n".join(
        [
            table_text(("architecture", "what it is", "planned for", f"in {label}"), rows),
            "",
            f"quantizations: {', '.join(quantizations())}",
            f"{label} lists {len(missing)} more architectures that are not supported yet (--json"
            " names them):",
            "`rackwright size` estimates those by their files' headers, or takes --figures",
        ]
    )


def document() -> dict[str, Any]:
    """The same as values for JSON; docs/planner.md names the keys."""
    release = listed()
    return {
        "architectures": [
            {
                "architecture": one.architecture,
                "kind": one.kind,
                "text_model": one.text_model,
                "answers": one.example.answers,
                "task": task_of(one.example),
                "engines": engines_of(one),
                "listed_by_engine": one.listed,
            }
            for one in understood()
        ],
        "quantizations": quantizations(),
        "engine": {"name": release.engine, "version": release.version},
        "not_supported_yet": not_yet(),
    }
