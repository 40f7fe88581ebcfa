"""All that is known of a host as plain facts, each by what it is about: to lie beside others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rackwright.desired.items import Directory, File, Item, Symlink, Unit, User
from rackwright.drift.comparing import drifts, observed
from rackwright.drift.expected import expected
from rackwright.drift.host import PlannedHost
from rackwright.drift.neutral import Neutral
from rackwright.drift.question import Question, known_of
from rackwright.drift.unit_text import variables_of
from rackwright.remote.host.process_settings import digest

Values = Mapping[str, Any]
Fact = tuple[str, str | tuple[str, ...]]
"""What it is about, and a word or the lines of a text."""
SECRET = "<secret "


def facts(question: Question, answer: Values, neutral: Neutral) -> dict[str, str | tuple[str, ...]]:
    """Of what is there, what is planned, and what differs between the two."""
    host, known = question.host, known_of(answer)
    items = expected(host, known)
    found: list[Fact] = [
        *_system(answer),
        *(("GPU " + str(i), str((gpu or {}).get("name"))) for i, gpu in enumerate(known.gpus)),
        *_noted(answer["noted"] or {}),
        *(fact for item in items for fact in _planned(item, host, question.nonce, neutral)),
        *_units(items, observed(question, answer)),
        *(
            (f"drift: {one.kind.name} {one.path}", one.there or "not there")
            for one in drifts(question, answer)
        ),
    ]
    return {neutral(about): _neutral(value, neutral) for about, value in found}


def _neutral(value: str | tuple[str, ...], neutral: Neutral) -> str | tuple[str, ...]:
    return neutral(value) if isinstance(value, str) else tuple(map(neutral, value))


def _system(answer: Values) -> Iterator[Fact]:
    for name, value in {**(answer["noted"] or {}).get("system", {}), **answer["host"]}.items():
        yield name, str(value)


def _noted(noted: Values) -> Iterator[Fact]:
    for name, package in noted.get("packages", {}).items():
        yield f"package {name}", package["version"] + (", on hold" if package["hold"] else "")
    for folder, packages in noted.get("releases", {}).items():
        for name, version in packages.items():
            yield f"release {folder}: {name}", version
    for path, files in noted.get("weights", {}).items():
        for name, file in files.items():
            content = (file["sha256"] or "digest not known")[:12]
            yield f"weights {path}: {name}", f"{file['size_bytes']} bytes, {content}"


def _units(items: list[Item], seen: Mapping[tuple[str, str], Values]) -> Iterator[Fact]:
    for item in items:
        if isinstance(item, Unit) and (one := seen.get((item.kind, item.key))):
            yield f"unit {item.key}", f"{one['active']}, {one['enabled']}"


def _planned(item: Item, host: PlannedHost, nonce: str, neutral: Neutral) -> Iterator[Fact]:
    """Access and content; of a secret only whether it is the same."""
    if isinstance(item, File | Directory):
        yield f"{item.kind} {item.key}", f"{item.mode:04o} {item.owner}:{item.group}"
    if isinstance(item, File):
        yield f"content of {item.key}", _content(item, host, nonce)
    elif isinstance(item, Symlink):
        yield f"link {item.key}", item.target
    elif isinstance(item, User):
        yield f"user {item.key}", item.home


def _content(item: File, host: PlannedHost, nonce: str) -> str | tuple[str, ...]:
    text = item.content.decode(errors="replace")
    if b"\0" in item.content:
        return f"a program, {item.sha256[:12]}"
    if not item.secret:
        return tuple(text.splitlines())
    variables = variables_of(text)
    if not variables:
        return f"{SECRET}{digest(text, nonce)}>"
    return tuple(
        f"{name}={SECRET + digest(value, nonce) + '>' if name in host.secret_variables else value}"
        for name, value in variables.items()
    )
