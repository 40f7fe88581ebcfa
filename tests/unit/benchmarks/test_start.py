"""Which starts are measured, what a log says of one, and the table that comes of it."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from benchmarks.start.__main__ import Starting
from benchmarks.start.starts import FORMATS, parts_of, ratios, starts, table
from benchmarks.sweep.layouts import HOST_DATA
from benchmarks.sweep.rows import Results
from rackwright.desired.seeds import facts
from rackwright.engines import ENGINES
from rackwright.inventory.reading import load_fleet
from rackwright.inventory.settings import with_defaults
from rackwright.plan import Replica
from rackwright.planning.placing import plan
from rackwright.spec import FleetSpec, ServiceSpec

LOG = """
INFO 11-26 [decorators.py:320] [backbone] Directly load AOT compilation from path /var/cache/x/model
INFO 11-26 [default_loader.py:502] Loading weights took 3.21 seconds
INFO 11-26 [gpu_model_runner.py:5150] Model loading took 14.99 GiB memory and 4.105000 seconds
INFO 11-26 [monitor.py:53] [backbone] torch.compile took 12.50 s in total
INFO 11-26 [gpu_model_runner.py:6582] Graph capturing finished in 7 secs, took 0.62 GiB
INFO 11-26 [core.py] init engine (profile, create kv cache) took 31.40 s (compilation: 12.50 s)
"""
ROWS: list[dict[str, Any]] = [
    {"name": "first", "ready_s": 100.0, "cpu_s": 47.0, "compile_s": 40.0, "compiled_code": "made"},
    {"name": "with the seed", "ready_s": 45.0, "load_s": 3.2, "compiled_code": "loaded"},
]


def test_a_log_says_what_its_start_took() -> None:
    assert parts_of(LOG) == {
        "compiled_code": "loaded",
        "load_s": 3.21,
        "model_s": 4.105,
        "engine_s": 31.4,
        "compile_s": 12.5,
        "capture_s": 7.0,
    }
    assert parts_of("") == {"compiled_code": "made"}


def test_the_first_has_neither_cache_nor_seed_and_the_second_is_another_replica() -> None:
    first, second = starts(FORMATS, quick=True)
    assert (first.fresh, first.seed) == (True, False)
    assert (second.fresh, second.seed) == (True, True)
    assert first.service != second.service


def test_each_way_to_read_weights_is_measured_from_the_disk_and_from_memory() -> None:
    rest = list(starts(FORMATS, quick=False))[3:]
    assert [(one.load_format, one.cold) for one in rest] == [
        (name, cold) for name in FORMATS for cold in (True, False)
    ]
    assert not any(one.fresh for one in rest)


def test_formats_are_those_that_a_service_may_ask_for() -> None:
    schema = ServiceSpec.model_json_schema()["properties"]["load_format"]
    (allowed,) = (one["enum"] for one in schema["anyOf"] if "enum" in one)
    assert set(FORMATS[1:]) == set(allowed)


def test_each_start_is_compared_with_the_first() -> None:
    assert ratios(ROWS) == {"first": 1.0, "with the seed": 0.45}
    assert ratios(ROWS[1:]) == {}
    failed = [{"name": "instanttensor, from the disk", "error": "no such module"}]
    document = {"runs": ROWS, "failed": failed, "not_run": ["usual, from memory"]}
    assert table(document).splitlines()[2:] == [
        "| first | 100.0 | 1.0 | 47.0 | - | - | 40.0 | made |",
        "| with the seed | 45.0 | 0.45 | - | 3.2 | - | - | loaded |",
        "| instanttensor, from the disk | failed: no such module |",
        "| usual, from memory | not run |",
    ]


MODEL = "llama-3.1-8b-instruct"
SERVER = {
    "address": "127.0.0.1",
    "gpus": {"type": "h100-sxm-80gb", "count": 1},
    "interconnect": "none",
}


def planned(tmp_path: Path, *, made_up: bool) -> dict[str, tuple[FleetSpec, Replica]]:
    """What each start deploys, by its name."""
    service = {"tensor_parallel_size": 1}
    run = Starting(tmp_path, 0.0, SERVER, dict(HOST_DATA), MODEL, Path("/srv/models/x"), service,
                   Results(tmp_path, "a host"), made_up)  # fmt: skip
    found = {}
    for start in starts(FORMATS, quick=False):
        hosts, shared = runpy.run_path(str(run._written(start)))["all"]
        spec = load_fleet({name: with_defaults({**shared, **data}) for name, data in hosts})
        (found_replica,) = plan(spec).replicas
        found[start.name] = (spec, found_replica)
    return found


@pytest.mark.parametrize("made_up", [True, False])
def test_every_start_is_of_a_replica_that_is_alike(tmp_path: Path, made_up: bool) -> None:
    told, formats = set(), []
    for spec, replica in planned(tmp_path, made_up=made_up).values():
        settings = spec.settings["@local"]
        told.add(json.dumps(facts(replica, settings), sort_keys=True))
        argv = ENGINES["vllm"].argv(replica, "/srv/models/x", settings)
        formats.append([word for word in argv if word.startswith("--load-format")])
    assert len(told) == 1, "or it would not have the seed"
    if made_up:
        assert all("--load-format=dummy" in words for words in formats)
    else:
        ways = [[f"--load-format={name}"] for name in FORMATS[1:] for _ in range(2)]
        assert formats == [[]] * 5 + ways
