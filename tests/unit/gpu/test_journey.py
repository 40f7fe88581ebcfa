"""What the journey on real GPUs decides without one: its journal, its time, its second release."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from rackwright.desired import paths
from rackwright.engines import ENGINES
from rackwright.inventory.reading import load_fleet
from rackwright.inventory.settings import with_defaults
from tests.gpu import fleet as journey_fleet
from tests.gpu.fleet import Journey, second_release
from tests.gpu.fleet import _setting as setting_of
from tests.gpu.journal import Journal, table
from tests.gpu.planned import answering, layout, planned_at, unhealthy
from tests.samples.deploys import Run
from tests.samples.fleet import settings

ROOT = Path(__file__).parents[3]
INVENTORIES = sorted((ROOT / "tests/gpu/inventories").glob("*.py"))
GROUP = with_defaults({})


def journal(tmp_path: Path, total_s: float = 60) -> Journal:
    return Journal(tmp_path / "reports/gpu-journey.json", "inventories/mine.py", total_s)


def test_every_part_is_in_the_file_however_it_ended(tmp_path: Path) -> None:
    book = journal(tmp_path)
    with book.part("deploy") as part:
        part["code"] = 0
    with pytest.raises(AssertionError), book.part("upgrade"):
        raise AssertionError("it did not switch")
    parts = json.loads(book.path.read_text())["parts"]
    assert [(one["part"], one["ended"]) for one in parts] == [
        ("deploy", "well"),
        ("upgrade", "AssertionError: it did not switch"),
    ]
    assert parts[0]["code"] == 0
    assert all(one["seconds"] >= 0 for one in parts)


def test_the_table_has_parts_and_what_was_planned_beside_measured(tmp_path: Path) -> None:
    book = journal(tmp_path)
    with book.part("deploy"):
        pass
    book.replica("chat-local-0", **{"KV cache tokens": (449408, 447728), "accounts": {"x": 1}})
    book.replica("chat", **{"requests at once 64": (None, "4200 tokens/s")})
    words = table(json.loads(book.path.read_text()))
    assert "| deploy | 0.0 | well |" in words
    assert "| chat-local-0: KV cache tokens | 449,408 | 447,728 |" in words
    assert "| chat: requests at once 64 | - | 4200 tokens/s |" in words
    assert "accounts" not in words


def test_a_part_has_no_more_time_than_is_left(tmp_path: Path) -> None:
    own = Journey("x.py", 900, (1,), journal(tmp_path, total_s=60))
    assert 0 < own.limit_s <= 60
    spent = Journey("x.py", 900, (1,), journal(tmp_path, total_s=-1))
    with pytest.raises(pytest.fail.Exception, match="no time is left"):
        _ = spent.limit_s


def test_a_second_release_is_the_same_packages_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = GROUP["vllm_requirements"]
    (tmp_path / lock).parent.mkdir(parents=True)
    (tmp_path / lock).write_bytes((ROOT / lock).read_bytes())
    monkeypatch.setattr(journey_fleet, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    first = settings(**GROUP)
    second = settings(**{**GROUP, "vllm_requirements": second_release(lock)})
    folders = {paths.release_dir(ENGINES["vllm"], each) for each in (first, second)}
    assert len(folders) == 2
    assert (tmp_path / second.vllm_requirements).read_text().startswith((ROOT / lock).read_text())
    assert setting_of(first, lock) == "vllm_requirements"


@pytest.mark.parametrize("path", INVENTORIES, ids=[path.stem for path in INVENTORIES])
def test_sample_inventories_leave_the_machine_as_it_is(path: Path) -> None:
    hosts, shared = runpy.run_path(str(path))["all"]
    spec = load_fleet({name: {**GROUP, **shared, **data} for name, data in hosts})
    for own in spec.settings.values():
        assert (own.driver_source, own.reboot) == ("none", "never")
    for server in spec.servers.values():
        assert server.gpus.power_limit_w is None and server.gpus.ecc is None
        if server.gpus.count > 1:
            own = spec.settings[server.name].engine_environment
            assert own.get("NCCL_NVLS_ENABLE") == "0", "multicast is not ours"


def journey_of(name: str, tmp_path: Path) -> Journey:
    return Journey(f"tests/gpu/inventories/{name}.py", 900, (1, 64, 256), journal(tmp_path))


def test_speed_is_compared_where_the_plan_says_something(tmp_path: Path) -> None:
    own = journey_of("one", tmp_path)
    replicas = answering(own)
    alone, middle, more, busy = replicas[0].speeds
    assert alone and busy and (middle.concurrency, more.concurrency) == (64, 256)
    assert planned_at(own, replicas, 1) == alone
    assert planned_at(own, replicas, 64) == middle
    assert planned_at(own, replicas, 256) == more
    assert planned_at(own, replicas, busy.concurrency) == busy
    assert planned_at(own, [*replicas, *replicas], 128) == middle, "each has half of the load"
    assert planned_at(own, replicas, 7) is None
    rehearsal = journey_of("rehearsal", tmp_path)
    assert planned_at(rehearsal, answering(rehearsal), 1) is None, "nothing is predicted of a CPU"


def test_replicas_are_told_apart_by_their_layout(tmp_path: Path) -> None:
    (replica,) = answering(journey_of("two", tmp_path))
    assert layout(replica) == "llama-3.1-8b-instruct, vllm, TP 2 PP 1, 2 x h100-sxm-80gb"
    (endpoint,) = journey_of("two", tmp_path).endpoints((replica,))
    assert endpoint == ("127.0.0.1", 8000, "llama-3.1-8b-instruct", 128256)


def test_checks_that_did_not_hold_are_named() -> None:
    rows = [
        {"status": "OK", "subject": "a", "check": "version", "evidence": "0.32.0"},
        {"status": "WARN", "subject": "a", "check": "throughput", "evidence": "slow"},
        {"status": "UNKNOWN", "subject": "a", "check": "KV cache", "evidence": "no answer"},
    ]
    assert unhealthy(Run(1, "", "", {"results": rows})) == ["a KV cache: no answer"]
