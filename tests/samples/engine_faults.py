"""What is wrong with an engine's table of options or with what it says it can split, in words.

Each fault says what to do. Tests hold every engine to them, and show that each of them is found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from difflib import SequenceMatcher

from rackwright.engines import Engine
from rackwright.engines.keys import COMMON_KEYS, understood_keys
from rackwright.engines.options import Kind, Launch, Option
from rackwright.engines.splits import Splits
from rackwright.errors import SpecError, nearest
from rackwright.sizing import Split
from rackwright.spec import ServiceSpec
from tests.samples.fleet import server
from tests.samples.launches import SPANNING, example_service, launches, launches_of, said, split_as

KEYS = frozenset(ServiceSpec.model_fields)
SPLIT_KEYS = Splits(
    tensor=True, pipeline=True, expert=True, data=True, context=True, servers=True
).keys
_NEARLY = 0.85
"""Names more alike than this, and not the same, are one name misspelt."""


def key_faults(engines: Collection[Engine]) -> Iterator[str]:
    """Keys of a service that no engine understands, and common ones that are no keys."""
    for key in sorted(KEYS.difference(*(understood_keys(engine) for engine in engines))):
        yield (
            f"spec/services.py: no engine understands {key!r}: give one an Option with "
            f"key={key!r}, or list it in COMMON_KEYS (engines/keys.py) if it means something "
            "with every engine"
        )
    for key in sorted(COMMON_KEYS - KEYS):
        yield f"engines/keys.py: COMMON_KEYS has {key!r}, which {nearest(key, KEYS, 'key')}"


def option_faults(engine: Engine) -> Iterator[str]:
    """What is wrong with a table, by itself and in the command lines of all samples."""
    for option in engine.options:
        for fault in _entry_faults(option):
            yield f"engines/{engine.name}.py: Option({option.flag!r}) {fault}"
    names = Counter(name for option in engine.options for name in option.names)
    for name in sorted(name for name, count in names.items() if count > 1):
        yield f"engines/{engine.name}.py: two options have the name {name!r}, leave one out"
    yield from _unseen(engine)


def _entry_faults(option: Option) -> Iterator[str]:
    for name in option.names:
        if name.strip("-") != name or "_" in name or not name:
            yield f"is named {name!r}: write it without leading dashes, and with - for _"
    if option.can_be_given and option.kind in (Kind.SECRET, Kind.UNJUDGED):
        yield "is given, so its kind must be PLAN or SHARED, or it must have no key and no of"
    if option.key is None:
        return
    if option.key in SPLIT_KEYS:
        yield f"has key={option.key!r}: leave it out, the engine's Splits says whether it can"
    yield from _misspelt(option, option.key)


def _misspelt(option: Option, key: str) -> Iterator[str]:
    wanted = key.replace("_", "-")
    for name in option.names:
        likeness = SequenceMatcher(None, name, wanted).ratio()
        if _NEARLY < likeness < 1 and wanted not in name:
            yield f"is nearly its key, {wanted!r}: is {name!r} misspelt?"


def _unseen(engine: Engine) -> Iterator[str]:
    """Options that reach no command line, and keys that change nothing in one."""
    seen = list(launches(engine))
    for option in filter(lambda option: option.can_be_given, engine.options):
        where = f"engines/{engine.name}.py: Option({option.flag!r})"
        if not any(option.words(launch) for launch in seen):
            yield (
                f"{where} is in no sample's command line: give it a value (key or of), or, if "
                "only a rare replica has it, add such a service to SERVICES in "
                "tests/samples/launches.py"
            )
        elif option.key and _same(option, engine, option.key):
            yield f"{where} says the same whatever the service's {option.key} is: mend its of"


def _same(option: Option, engine: Engine, key: str) -> bool:
    """Whether it says the same of a service with the key and of that service without."""
    asked = example_service(key)
    (launch, *_), (without, *_) = (
        launches_of(engine, **service)
        for service in (asked, {one: asked[one] for one in asked if one != key})
    )
    return option.words(launch) == option.words(without)


# --- splits -----------------------------------------------------------------------------------

MIXTURE = "qwen3-30b-a3b"


def _sizes(engine: Engine, of: Callable[[int], Split], sizes: Collection[int]) -> list[Launch]:
    (launch, *_) = launches_of(engine, max_num_seqs=4)
    return [split_as(launch, of(size)) for size in sizes]


def _experts(engine: Engine) -> list[Launch]:
    (launch, *_) = launches_of(engine, model=MIXTURE, tensor_parallel_size=2, expert_parallel=True)
    assert launch.split == Split(2, 1, True)
    return [launch, split_as(launch, Split(2, 1, False))]


def _servers(engine: Engine) -> list[Launch]:
    asked = {} if engine.splits.pipeline else {"tensor_parallel_size": 2}
    first, second, *_ = launches_of(engine, **SPANNING, **asked)
    on_one_host = second.replica.model_copy(update={"server": first.replica.server})
    alone = on_one_host.model_copy(update={"span": None})
    return [first, second._replace(replica=on_one_host), second._replace(replica=alone)]


def _unequal(engine: Engine) -> list[Launch]:
    one = {"type": "l40s-48gb", "count": 1, "indexes": [0]}
    other = {"type": "rtx-3090-24gb", "count": 1, "indexes": [1]}
    mixed = {"address": "192.0.2.11", "gpus": one, "other_gpus": [other]}
    asked = {"pipeline_parallel_size": 2, "gpus": {"gpu1": [0, 1]}}
    boxes = (server(gpu="l40s-48gb", count=2, link="pcie"), mixed)
    return [launch for box in boxes for launch in launches_of(engine, box=box, **asked)]


def _groups(data: int) -> Split:
    return Split(1, 1, True, data)


def _parts(context: int) -> Split:
    return Split(4, context=context)


DIFFERENT: dict[str, tuple[str, Callable[[Engine], list[Launch]]]] = {
    "tensor": ("1, 2 and 4 ranks", lambda e: _sizes(e, Split, (1, 2, 4))),
    "pipeline": ("1, 2 and 4 stages", lambda e: _sizes(e, lambda n: Split(1, n), (1, 2, 4))),
    "by_layers": ("one GPU and two", lambda e: _sizes(e, lambda n: Split(1, n), (1, 2))),
    "unequal": ("two equal GPUs and two unequal ones", _unequal),
    "expert": ("whole experts a rank and shared ones", _experts),
    "data": ("groups of ranks and one", lambda e: _sizes(e, _groups, (1, 2, 4))),
    "context": ("1, 2 and 4 parts of a cache", lambda e: _sizes(e, _parts, (1, 2, 4))),
    "servers": ("the first server, the second and one alone", _servers),
}
"""Replicas that must be told different things where an engine can split so, and what they are."""


def split_faults(engine: Engine) -> Iterator[str]:
    """Splits that an engine says it can do and does not hand on, or cannot and does not refuse."""
    for split, (cases, replicas) in DIFFERENT.items():
        if not getattr(engine.splits, split):
            continue
        told = [said(engine, launch) for launch in replicas(engine)]
        if len(set(told)) < len(told):
            yield (
                f"engines/{engine.name}.py: Splits says {split}, but {cases} are told the same: "
                f"give an Option (or a variable) that carries it, or leave {split} out of Splits"
            )
    for key in sorted(SPLIT_KEYS - engine.splits.keys):
        if not _refuses(engine, key):
            yield (
                f"engines/{engine.name}.py: Splits leaves out what {key} asks for, and the key is "
                "not refused: see service_faults in engines/keys.py"
            )


def _refuses(engine: Engine, key: str) -> bool:
    rule = f"services[chat].{key}: must be left out, engine {engine.name} has no such thing"
    try:
        launches_of(engine, model=MIXTURE, **{key: True if key == "expert_parallel" else 2})
    except SpecError as error:
        return any(str(fault).startswith(rule) for fault in error.faults)
    return False
