"""What the last deploy noted of a host beside what is there now: what the plan says nothing of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rackwright.desired.items import Manifest
from rackwright.drift import kinds
from rackwright.drift.kinds import Drift
from rackwright.drift.of_items import moved

Values = Mapping[str, Any]
MOST = 8
"""Python packages of a release that are named; more are counted."""


def noted_drifts(host: str, item: Manifest, before: Values, now: Values) -> Iterator[Drift]:
    """``before`` and ``now`` are in the form of ``remote/items/manifest.py``."""
    for name in item.packages:
        pinned: Values = item.planned["packages"][name]
        was, found = before["packages"].get(name), now["packages"].get(name)
        if was and found:
            yield from _package(host, name, pinned, was, found)
    for folder in item.releases:
        was, found = before["releases"].get(folder), now["releases"].get(folder)
        if was is not None and found is not None and was != found:
            yield _release(host, folder, was, found)
    for path in item.weights:
        if (was := before["weights"].get(path)) is not None:
            yield from _weights(host, path, was, now["weights"].get(path) or {})


def _package(host: str, name: str, pinned: Values, was: Values, now: Values) -> Iterator[Drift]:
    """Of a version and a hold that the plan leaves open."""
    if pinned["version"] is None and was["version"] != now["version"]:
        kind = moved(now["version"], was["version"])
        yield Drift(host, kind, name, now["version"], was["version"])
    if now["hold"] and not was["hold"] and not pinned["hold"]:
        yield Drift(host, kinds.HELD, name, "on hold", "not on hold")


def _release(host: str, folder: str, was: Values, now: Values) -> Drift:
    names = [name for name in sorted({*was, *now}) if was.get(name) != now.get(name)]
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""

    def words(versions: Values) -> str:
        known = (f"{name} {versions[name]}" if name in versions else f"no {name}" for name in names)
        return ", ".join(list(known)[:MOST]) + more

    return Drift(host, kinds.RELEASE, folder, words(now), words(was))


def _weights(host: str, path: str, was: Values, now: Values) -> Iterator[Drift]:
    """By size and time, or by digest where all were read (``--deep``)."""
    for name in sorted({*was, *now}):
        before, after = was.get(name), now.get(name)
        if before == after:
            continue
        place = path if path.endswith(f"/{name}") else f"{path}/{name}"
        if before is None or after is None:
            said = (after and "a file", before and "a file")
        elif before["size_bytes"] != after["size_bytes"]:
            said = (f"{after['size_bytes']} bytes", f"{before['size_bytes']} bytes")
        elif after["sha256"] is None:
            said = ("written since", "as it was digested")
        else:
            said = (f"sha256 {after['sha256'][:12]}", f"sha256 {before['sha256'][:12]}")
        yield Drift(host, kinds.WEIGHTS, place, *said)
