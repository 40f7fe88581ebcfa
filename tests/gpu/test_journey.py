"""From bare hosts with GPUs to a served, verified, measured model; again, upgraded, and killed.

Tests run in this order and each builds on those before. Nothing is done to clocks, power limits,
MIG or persistence mode, and no host is rebooted.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from pathlib import Path

import pytest

from benchmarks.serving import accounts
from benchmarks.serving.__main__ import measure
from lab.fleet import ROOT
from rackwright.checks.replica.delivery import SLOWER
from rackwright.checks.replica.kv_cache import TOLERANCE
from rackwright.desired import paths
from rackwright.plan import Replica
from rackwright.runner.planned import predicted
from tests.gpu.fleet import Journey, second_release
from tests.gpu.planned import answering, layout, planned_at, unhealthy
from tests.gpu.under_load import loaded
from tests.samples.deploys import Run


def test_the_fleet_is_deployed_and_every_check_holds(first_deploy: Run) -> None:
    assert first_deploy.code == 0, first_deploy.words[-6000:]
    assert first_deploy.report["results"], "nothing was verified"
    assert unhealthy(first_deploy) == []


def test_a_second_run_changes_nothing(deployed: Run, journey: Journey) -> None:
    before = {one.name: journey.pid(one) for one in answering(journey)}
    with journey.journal.part("second run"):
        second = journey.deploy()
        assert second.code == 0, second.words[-3000:]
        assert second.changed() == {}
    assert before == {one.name: journey.pid(one) for one in answering(journey)}


def test_memory_is_as_planned(deployed: Run, journey: Journey) -> None:
    wrong = []
    for replica in answering(journey):
        seen = accounts.of_log(journey.log(replica))
        seen |= accounts.of_metrics(journey.metrics(replica), replica.service.engine)
        foreseen = predicted(replica, journey.fleet.settings(replica.server.name))
        tokens, planned = seen.get("kv_cache_tokens"), foreseen and foreseen.kv_cache_tokens
        weights_gib = round(replica.memory.weights_bytes / 1024**3, 2)
        journey.journal.replica(
            replica.name,
            **{
                "layout": (layout(replica), ", ".join(accounts.backends(journey.log(replica)))),
                "KV cache tokens": (planned, tokens),
                "weights GiB": (weights_gib if foreseen else None, seen.get("weights_gib")),
                "accounts": seen,
            },
        )
        assert tokens, f"{replica.name} does not tell the size of its KV cache"
        if planned and abs(tokens / planned - 1) > TOLERANCE:
            wrong.append(f"{replica.name}: {tokens:,} tokens of KV cache, {planned:,} planned")
    assert not wrong


def test_speed_is_as_planned(deployed: Run, journey: Journey) -> None:
    services: dict[str, list[Replica]] = defaultdict(list)
    for replica in answering(journey):
        services[replica.service.name].append(replica)
    slow = []
    for name, replicas in services.items():
        with journey.journal.part(f"load of {name}"):
            endpoints = journey.endpoints(tuple(replicas))
            rows = measure(endpoints, journey.concurrencies, journey.limit_s)
        assert [row["concurrency"] for row in rows] == list(journey.concurrencies)
        for row in rows:
            at_once = row["concurrency"]
            assert "error" not in row, f"{name}, {at_once} at once: {row['error']}"
            foreseen = planned_at(journey, replicas, at_once)
            planned = foreseen and round(foreseen.out_tok_s * min(at_once, len(replicas)), 1)
            said = f"{row['out_tok_s']} tokens/s, {row['tpot_ms']} ms a token"
            journey.journal.replica(
                name,
                **{
                    f"requests at once {at_once}": (
                        foreseen and f"{planned} tokens/s, {foreseen.tpot_ms} ms a token",
                        f"{said}, first after {row['ttft_ms']} ms",
                    )
                },
                load=rows,
            )
            if planned and row["out_tok_s"] * SLOWER < planned:
                slow.append(f"{name}, {at_once} at once: {said}, {planned} tokens/s planned")
    assert not slow


def is_back(journey: Journey, replica: Replica, killed: int) -> bool:
    """Whether the unit runs again, as another process."""
    active = f"systemctl is-active {paths.unit_name(replica)}"
    if journey.pid(replica) in (0, killed):
        return False
    return bool(journey.machine(replica.server.name).run(active).rc == 0)


def test_a_killed_engine_comes_back(deployed: Run, journey: Journey) -> None:
    with journey.journal.part("killed, until it serves again"):
        for replica in answering(journey):
            pid, unit = journey.pid(replica), paths.unit_name(replica)
            assert pid, f"{unit} does not run"  # `kill 0` would end all of us
            journey.told(replica, f"kill -KILL {pid}")
            journey.until(partial(is_back, journey, replica, pid), f"{unit} after {pid} was killed")
    with journey.journal.part("verified after that"):
        seen = journey.deploy("--data", "stages=verify")
        assert (seen.code, unhealthy(seen)) == (0, [])


@pytest.fixture(scope="module")
def first_folders(journey: Journey, first_deploy: Run) -> dict[str, str]:
    """The live release of each engine on each host, before any upgrade."""
    return live(journey)


def live(journey: Journey) -> dict[str, str]:
    """The release that each engine runs from, by its unit's own command line."""
    folders = {}
    for replica, engine, settings, _ in journey.releases():
        shown = journey.told(replica, f"systemctl show -P ExecStart {paths.unit_name(replica)}")
        program = shown.partition("path=")[2].split(" ", 1)[0]
        folders[f"{replica.server.name}: {engine.name}"] = program.removesuffix(
            f"/{engine.program(settings)}"
        )
    return folders


def test_an_upgrade_installs_a_release_beside_and_switches(
    deployed: Run, journey: Journey, first_folders: dict[str, str], tmp_path: Path
) -> None:
    """Replica after replica, as everything that restarts engines: no request is lost."""
    if not first_folders:
        pytest.skip("no engine of this fleet is installed from a requirements file")
    before = {one.name: journey.pid(one) for one in answering(journey)}
    words = {
        f"{setting}={second_release(getattr(settings, setting))}"
        for _, _, settings, setting in journey.releases()
    }
    with journey.journal.part("upgrade") as part, loaded(journey, tmp_path, part):
        run = journey.deploy(*(word for each in sorted(words) for word in ("--data", each)))
        assert run.code == 0, run.words[-6000:]
        assert unhealthy(run) == []
        assert {"Engines", "Replicas"} <= run.changed().keys()
    after = live(journey)
    assert not set(after.values()) & set(first_folders.values())
    assert all(journey.pid(one) != before[one.name] for one in answering(journey))


def test_a_rollback_only_switches(
    deployed: Run, journey: Journey, first_folders: dict[str, str], tmp_path: Path
) -> None:
    second = live(journey)
    if second == first_folders:
        pytest.fail("there is nothing to roll back: the upgrade failed", pytrace=False)
    with journey.journal.part("rollback") as part, loaded(journey, tmp_path, part):
        run = journey.deploy()
        assert run.code == 0, run.words[-6000:]
        assert unhealthy(run) == []
        assert "Replicas" in run.changed()
    assert live(journey) == first_folders
    for replica, engine, _, _ in journey.releases():
        folder = second[key := f"{replica.server.name}: {engine.name}"]
        if folder != first_folders[key]:
            journey.told(replica, f"rm -rf {folder} {folder}.txt")
    for path in (ROOT / ".cache/gpu-journey").glob("*.txt"):
        path.unlink()
