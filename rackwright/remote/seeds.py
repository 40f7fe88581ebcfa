"""On a server: what its engines compiled, kept as seeds for replicas that are alike.

A request has ``folder`` (of the seeds), ``most_bytes`` (of all of them together, and so of one) and
what to ``do``:

    look    of each of ``replicas``: the ``digest`` of its seed here, whether the cache has it
            (``has``), whether the server does (``there``)
    make    pack the caches of ``replicas`` whose seed is not there; ``words`` of each by name
    take    unpack into the caches of ``replicas`` what the server has; ``words`` of each by name
    list    all seeds, and what replicas have
    about, read, add, finish    one seed, piece by piece, from or to the controller

A replica is its ``name``, ``cache`` (the folder), ``parts`` (what is compiled in it), ``user``, and
``facts``: all that is planned of it and decides what it compiles.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rackwright.remote.compiled.archive import Unfit, pack, unpack
from rackwright.remote.compiled.machine import digest_of, machine
from rackwright.remote.compiled.store import Store, sha256_of
from rackwright.remote.host.as_user import as_user, hand_over

MIB = 1 << 20

Values = dict[str, Any]


def look(store: Store, request: Values) -> Values:
    """Of each replica by name."""
    return {replica["name"]: _look(store, replica) for replica in request["replicas"]}


def _look(store: Store, replica: Values) -> Values:
    digest = digest_of(replica["facts"])
    filled = any((Path(replica["cache"]) / part).is_dir() for part in replica["parts"])
    has = filled and store.of_replica(replica["name"]).get("digest") == digest
    return {"digest": digest, "has": has, "there": store.about(digest) is not None}


def make(store: Store, request: Values) -> Values:
    """What was packed of each, in words; nothing of those that are alike to one before them."""
    return {one["name"]: _tried(_make, store, one, request) for one in request["replicas"]}


def take(store: Store, request: Values) -> Values:
    """What was unpacked for each, in words."""
    return {one["name"]: _tried(_take, store, one, request) for one in request["replicas"]}


def _tried(act: Callable[..., str], store: Store, replica: Values, request: Values) -> str:
    """An engine starts and serves without a seed, only later: nothing fails for want of one."""
    try:
        with store.alone():
            return act(store, replica, request["most_bytes"])
    except (OSError, KeyError) as error:
        return f"no seed: {error}"


def _make(store: Store, replica: Values, most_bytes: int) -> str:
    digest, cache = digest_of(replica["facts"]), Path(replica["cache"])
    if store.about(digest):
        if store.of_replica(replica["name"]).get("digest") != digest:
            store.note_replica(replica["name"], digest=digest, how="alike")
        return ""
    with store.fresh(digest) as fresh, fresh.open("r+b") as out:
        counts = _as(replica, lambda: pack(cache, replica["parts"], out, most_bytes))
        size = out.seek(0, os.SEEK_END)
        if size > most_bytes:
            raise Unfit(f"it would take {size // MIB} MiB, and seeds_gib allows less")
        about = {**counts, "size": size, "sha256": sha256_of(out), "made_unix_s": time.time()}
        about |= {"facts": replica["facts"], "machine": machine(), "of": replica["name"]}
        store.keep(fresh, digest, about)
    store.bound(most_bytes, digest)
    store.note_replica(replica["name"], digest=digest, how="made")
    return f"seed {digest[:8]} made: {_amount(counts)}, packed {size / MIB:.1f} MiB"


def _take(store: Store, replica: Values, most_bytes: int) -> str:
    digest, cache = digest_of(replica["facts"]), Path(replica["cache"])
    about = store.about(digest)
    if about is None:
        return ""
    with store.tar(digest).open("rb") as seed:
        if sha256_of(seed) != about.get("sha256"):
            raise Unfit(f"seed {digest[:8]} is not what was packed: its SHA-256 differs")
        hand_over(cache, cache.parents[1], replica["user"])
        counts = _as(replica, lambda: unpack(seed, cache, replica["parts"], most_bytes))
    store.note_replica(replica["name"], digest=digest, how="taken", of=about.get("of"))
    return f"seed {digest[:8]} of {about.get('of')} taken: {_amount(counts)}"


def _amount(counts: Values) -> str:
    return f"{counts['files']} files, {counts['bytes'] / MIB:.1f} MiB"


def _as(replica: Values, act: Callable[[], Values]) -> Values:
    """What a child of the engine's user counts. Raises Unfit in its words."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as said:
        try:
            failed = as_user(replica["user"], lambda: _written(act(), writing), {})
        finally:
            os.close(writing)
        if failed:
            raise Unfit(failed.removeprefix("Unfit: "))
        counts: Values = json.loads(said.read())
    return counts


def _written(counts: Values, handle: int) -> None:
    os.write(handle, json.dumps(counts).encode())


def listed(store: Store) -> Values:
    """All seeds, and which of them each replica's cache has."""
    replicas = sorted((store.folder / "replicas").glob("*.json"))
    return {"seeds": store.all(), "replicas": {p.stem: store.of_replica(p.stem) for p in replicas}}


def finish(store: Store, request: Values) -> Values:
    """Have what was brought as a seed, where it is what was packed."""
    digest, about = request["digest"], request["about"]
    partial = store.partial(digest, request["carrier"])
    with store.alone():
        with partial.open("rb") as seed:
            whole = os.fstat(seed.fileno()).st_size == about["size"]
            whole = whole and sha256_of(seed) == about["sha256"]
        if not whole:
            partial.unlink()
            raise Unfit(f"seed {digest[:8]} is not what was sent: its SHA-256 differs")
        store.keep(partial, digest, about)
        store.bound(request["most_bytes"], digest)
    return {}


def _add(store: Store, request: Values) -> Values:
    with store.alone():
        store.add(request["digest"], request["carrier"], request["offset"], request["data"])
    return {}


def main(request: Values) -> Any:
    """Dispatch on ``request["do"]``; ``{"error": why}`` where it cannot be done."""
    store = Store(request["folder"])
    do: dict[str, Callable[[], Any]] = {
        "look": lambda: look(store, request),
        "make": lambda: make(store, request),
        "take": lambda: take(store, request),
        "list": lambda: listed(store),
        "about": lambda: {"about": store.about(request["digest"])},
        "read": lambda: {
            "data": store.piece(request["digest"], request["offset"], request["bytes"])
        },
        "add": lambda: _add(store, request),
        "finish": lambda: finish(store, request),
    }
    try:
        return do[request["do"]]()
    except OSError as error:
        return {"error": str(error)}
