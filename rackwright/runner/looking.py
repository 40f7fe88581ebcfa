"""What the stages of a run look at first, asked of a host in one command before its first stage.

A stage asks by ``look``, and need not know of this: where the answer to its very question is there,
and nothing was done on that host since, it is given that; else the host is asked now. So a run
that changes nothing asks each host once, whatever the number of stages, and one that changes
something asks again after it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from gevent import Greenlet, spawn
from gevent.lock import RLock
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.errors import HostError
from rackwright.runner.as_before import asked_before, note_asked
from rackwright.runner.asking import GARBLED, SILENT
from rackwright.runner.remote_call import acts_on, begin, call, of_kind

STATE, AT_ONCE = "state", "questions"
SCRIPTS = (
    "acme",
    "driver",
    "firewall",
    "gateway_host",
    "gpu_names",
    "interfaces",
    "names",
    "release",
    "routes",
    STATE,
    "weights",
)
"""What may be asked so: each only looks, as it is asked here."""
LOADED = (STATE, "firewall", "names", "release", "weights")
"""What about every host is asked."""
AGE_S = 60
"""Older than that is no look at a host: somebody else may have been there."""
LIMIT_S = 180
"""For all answers of a host. One that takes longer is asked one by one, each with its own limit."""

Question = Sequence[Any]
"""The name of a script, and what its ``main`` is called with."""
Questions = Callable[[Host], Iterable[Question]]


class _Moment(NamedTuple):
    """A time of a run: its phase, and how much was done in it. After another, all is to be seen.

    What was asked before any phase (``executing`` None) is of the first that wants it.
    """

    executing: bool | None
    acts: int
    changes: int


@dataclass
class _Looked:
    """What a host answered, and when (monotonic seconds)."""

    at_s: float
    moment: _Moment
    answers: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Run:
    questions: Questions
    looked: dict[str, _Looked] = field(default_factory=dict)
    turns: dict[str, RLock] = field(default_factory=dict)


_runs: WeakKeyDictionary[Inventory, _Run] = WeakKeyDictionary()


UNNEEDED = frozenset({"amendment", "downloads", "environment", "sample", "smoke_test"})
"""What a request has for those who act on it, secrets among that."""


def to_observe(request: Mapping[str, Any]) -> dict[str, Any]:
    """A request as a script has it that only looks: with nothing that is not to be kept."""
    return {**_needed(request), "do": "observe"}


def _needed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _needed(one) for key, one in value.items() if key not in UNNEEDED}
    return [_needed(one) for one in value] if isinstance(value, list | tuple) else value


def look_ahead(inventory: Inventory, questions: Questions) -> None:
    """Have the hosts of this run asked all of these at once, each when its first look comes."""
    if inventory not in _runs:
        _runs[inventory] = _Run(questions)


def look_now(host: Host) -> None:
    """Have a host that was just connected asked while others are: its first look waits for that."""
    run = _runs.get(host.inventory)
    if run is not None and host.name not in run.looked and host.state.is_host_in_limit(host):
        spawn(_look_early, host, run)


def begin_looking(host: Host, connected: Greenlet[..., Exception | None]) -> None:
    """Have a host asked as it was before, once it is ``connected`` without an error.

    Where that is not known it loads what it will be asked with.
    """
    own = (host, AT_ONCE, SCRIPTS, LOADED)
    begin(*own, lambda: connected.get() is None, asked_before(host), LIMIT_S)


def _look_early(host: Host, run: _Run) -> None:
    with run.turns.setdefault(host.name, RLock()):
        if host.name in run.looked:
            return
        try:
            looked = _asked(host, run.questions)
        except (*SILENT, *GARBLED):
            return  # a stage asks again, and says so
        run.looked[host.name] = replace(looked, moment=looked.moment._replace(executing=None))


def look(
    host: Host,
    script: str,
    *arguments: Any,
    timeout_s: int | None = None,
    kind: type = object,
) -> Any:
    """What ``call`` returns, for a question that changes nothing. Raises HostError as that does."""
    known, answer = _known(host, script, arguments)
    if known:
        return of_kind(host, script, answer, kind)
    return call(host, script, *arguments, timeout_s=timeout_s, kind=kind, looks=True)


def _known(host: Host, script: str, arguments: Sequence[Any]) -> tuple[bool, Any]:
    inventory = getattr(host, "inventory", None)
    run = None if inventory is None else _runs.get(inventory)
    if run is None or inventory is None:
        return False, None
    host = inventory.get_host(host.name)  # itself, where it was given as the context's
    if host not in host.state.active_hosts:
        return False, None
    with run.turns.setdefault(host.name, RLock()):  # others may ask a gateway meanwhile
        looked = run.looked.get(host.name)
        if looked is None or not _is_good(looked, host):
            looked = run.looked[host.name] = _asked(host, run.questions)
        looked.moment = _moment(host)
    return _found(looked.answers, script, arguments)


def _is_good(looked: _Looked, host: Host) -> bool:
    now = _moment(host)
    same = looked.moment in (now, now._replace(executing=None))
    return same and time.monotonic() - looked.at_s < AGE_S


def _moment(host: Host) -> _Moment:
    """Operations that are not ours may stand between ours: they are counted by what they ran."""
    done = host.state.ops.get(host, {}).values()
    changes = sum(one.operation_meta.executed for one in done)
    return _Moment(host.state.is_executing, acts_on(host), changes)


def _asked(host: Host, questions: Questions) -> _Looked:
    """Everything at once; nothing where the host gives no answer: then each by itself says why."""
    looked = _Looked(time.monotonic(), _moment(host))
    wanted = _merged(questions(host))
    try:
        note_asked(host, json.dumps([wanted]))
        said = ask_at_once(host, wanted, SCRIPTS, LIMIT_S) if wanted else []
    except HostError:
        return looked
    for (script, *arguments), one in zip(wanted, said, strict=True):
        if "answer" not in one:
            continue
        if script == STATE:
            items = arguments[0]["items"]
            pairs = zip(items, one["answer"], strict=True)
            looked.answers |= {_item_key(item): seen for item, seen in pairs}
        else:
            looked.answers[_key(script, arguments)] = one["answer"]
    return looked


def ask_at_once(
    host: Host, questions: Sequence[Question], scripts: tuple[str, ...], timeout_s: int
) -> list[dict[str, Any]]:
    """``answer`` or ``error`` of each question, in one command. Raises HostError for none at all.

    ``scripts`` travel: more than are asked for, so that hosts are all sent the same.
    """
    own = (host, AT_ONCE, list(questions))
    said: list[dict[str, Any]] = call(
        *own, timeout_s=timeout_s, kind=list, beside=scripts, looks=True
    )
    if len(said) != len(questions):
        raise HostError(f"{host.name}: {len(said)} answers to {len(questions)} questions")
    return said


def _merged(questions: Iterable[Question]) -> list[Question]:
    """Each once; all items in one question."""
    found: dict[str, Question] = {}
    items: dict[str, Mapping[str, Any]] = {}
    for script, *arguments in questions:
        if script == STATE:
            items |= {_item_key(item): item for item in arguments[0]["items"]}
        else:
            found[_key(script, arguments)] = [script, *arguments]
    plain = [_untold(item) for item in items.values()]
    return [*([[STATE, {"do": "observe", "items": plain}]] if plain else []), *found.values()]


def _found(answers: Mapping[str, Any], script: str, arguments: Sequence[Any]) -> tuple[bool, Any]:
    if script != STATE:
        key = _key(script, arguments)
        return key in answers, answers.get(key)
    items = arguments[0]["items"]
    seen = [answers.get(_item_key(item)) for item in items]
    good = all(one is not None and _tells(one, item) for one, item in zip(seen, items, strict=True))
    return good, seen


def _tells(seen: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    """Whether a file need not be read again: only one that differs is shown."""
    wanted = item.get("text") and seen.get("type") == "file"
    return not wanted or seen.get("sha256") == item["sha256"]


def _untold(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item as it is asked ahead: what it is to hold is not known yet."""
    return {key: value for key, value in item.items() if key not in ("text", "sha256")}


def _item_key(item: Mapping[str, Any]) -> str:
    return _key(STATE, [_untold(item)])


def _key(script: str, arguments: Sequence[Any]) -> str:
    return json.dumps([script, *arguments], sort_keys=True, default=list)
