"""Whether clients, gateway and engines tell the same story of every request."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gateway.clients import Tally

FIGURES = ("prompt_tokens", "cached_tokens", "completion_tokens")
SHOWN = 5


def faults(
    tally: Tally,
    state: Mapping[str, Any],
    usage: Sequence[Mapping[str, Any]],
    log: Sequence[Mapping[str, Any]],
    journals: Mapping[str, Path],
    killed: str,
) -> list[str]:
    """All that does not fit, in words; empty where every request is accounted for."""
    notes = {name: _notes(path) for name, path in journals.items()}
    return [
        *_shown("not as expected", tally.wrong),
        *_still_in_flight(state),
        *_engines(tally, notes, log, killed),
        *_log(tally, log, notes),
        *unlike_the_log(usage, log),
    ]


def _notes(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text().splitlines() if path.exists() else []
    notes = [json.loads(line) for line in lines]
    return [note for note in notes if note["client"]]  # the others are the gateway's own


def _shown(words: str, entries: Sequence[str]) -> list[str]:
    return [f"{len(entries)} {words}: {'; '.join(entries[:SHOWN])}"] if entries else []


def _still_in_flight(state: Mapping[str, Any]) -> list[str]:
    found = []
    for name, service in state["services"].items():
        counts = {one: each["in_flight"] for one, each in service["replicas"].items()}
        counts |= {f"{name}: waiting": service["waiting"]}
        found += [f"{one} {count}" for one, count in counts.items() if count]
    found += [
        f"{name} {client['in_flight']}"
        for name, client in state["clients"].items()
        if client["in_flight"]
    ]
    return _shown("still in flight", found)


def _engines(
    tally: Tally,
    notes: Mapping[str, Sequence[Mapping[str, Any]]],
    log: Sequence[Mapping[str, Any]],
    killed: str,
) -> list[str]:
    """No request came to two engines; what is whole was answered; what broke was on the killed.

    That it was there says the log: the stand-in notes an answer behind it, or is killed before.
    """
    by_event: dict[str, dict[str, str]] = defaultdict(dict)
    times: Counter[str] = Counter()
    for name, lines in notes.items():
        for note in lines:
            by_event[note["event"]][note["id"]] = name
            times[note["id"]] += note["event"] == "begun"
    on_killed = {line["request_id"] for line in log if line["replica"] == killed}
    killed_at = on_killed & by_event["begun"].keys()
    unfinished = on_killed - by_event["answered"].keys()
    return [
        *_shown("came to engines twice", [one for one, count in times.items() if count > 1]),
        *_shown(
            "were answered by no engine",
            [one for one in tally.whole if one not in by_event["answered"].keys() | killed_at],
        ),
        *_shown(
            "broke though their replica lived",
            [f"{one} {why}" for one, why in tally.broken.items() if one not in unfinished],
        ),
    ]


def _log(
    tally: Tally,
    log: Sequence[Mapping[str, Any]],
    notes: Mapping[str, Sequence[Mapping[str, Any]]],
) -> list[str]:
    """Of what was answered to the end, the log says the tokens that the engine said."""
    logged = {line["request_id"]: line for line in log}
    answered = {
        note["id"]: (name, note)
        for name, lines in notes.items()
        for note in lines
        if note["event"] == "answered" and note["id"] in tally.whole
    }
    wrong = [
        one
        for one, (name, note) in answered.items()
        if one not in logged or _figures(logged[one]) != _said(note["usage"])
        or logged[one]["replica"] != name or logged[one]["client"] != note["client"]
    ]  # fmt: skip
    return _shown("were logged otherwise than answered", wrong)


def _figures(line: Mapping[str, Any]) -> list[int]:
    return [line[name] for name in FIGURES]


def _said(usage: Mapping[str, Any]) -> list[int]:
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return [usage["prompt_tokens"], cached, usage["completion_tokens"]]


def unlike_the_log(
    usage: Sequence[Mapping[str, Any]], log: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What is billed is what was logged, of each client and model."""
    billed: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in usage:
        billed[row["client"], row["model"]].update({name: row[name] for name in FIGURES})
    logged: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for line in log:
        logged[line["client"], line["model"]].update({name: line[name] for name in FIGURES})
    wrong = [
        f"{key} {dict(billed[key])} but {dict(logged[key])}"
        for key in {*billed, *logged}
        if +billed[key] != +logged[key]
    ]
    return _shown("sums of usage differ from the log", wrong)
