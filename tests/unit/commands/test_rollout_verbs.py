"""rollout and rollback: what they bring where, and what the operator is told."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner.steps.rank import Rank
from tests.samples.fleet import hosts, server, service, settings


@pytest.fixture(autouse=True)
def no_inventory_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads them patches all that waits, for the whole process."""
    monkeypatch.setitem(sys.modules, "rackwright.runner.inventory", Mock())


def fleet_of(**services: Any) -> Any:
    spec = load_fleet(hosts({"gpu1": server(11), "gpu2": server(12)}, services))
    return SimpleNamespace(spec=spec, plan=plan(spec), settings=lambda name: settings())


PAIR = service(servers=["gpu1", "gpu2"], tensor_parallel_size=1, replicas=1)


def rolled_out(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[Any]:
    """Stages and hosts of the deploys that the verb makes."""
    from rackwright.commands import rollout

    made: list[Any] = []
    code = service(gpus={"gpu1": [1]}, served_model_name="code", tensor_parallel_size=1)
    chat = {**PAIR, "gpus": {"gpu1": [0], "gpu2": [0]}}
    monkeypatch.setattr(rollout, "load_inventory", lambda path: path)
    monkeypatch.setattr(rollout, "fleet_to_deploy", lambda hosts: fleet_of(chat=chat, code=code))
    monkeypatch.setattr(rollout, "deployed", lambda *asked: made.append(asked[1:]) or True)
    done = CliRunner().invoke(rollout.rollout, [__file__, *words])
    assert done.exit_code == 0, done.output
    return made


def test_a_rollout_ends_with_the_gateways_data(monkeypatch: pytest.MonkeyPatch) -> None:
    ((stages, hosts),) = rolled_out(monkeypatch)
    assert stages[-2:] == ("replicas", "gateway") and hosts is None


def test_of_one_service_gateways_learn_nothing_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is planned of those does not run."""
    ((stages, hosts),) = rolled_out(monkeypatch, "--service", "code")
    assert stages[-1] == "replicas" and hosts == ["gpu1"]


def test_the_only_replica_is_told_of_and_waited_for_in_a_rollback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rackwright.commands import rollback

    monkeypatch.setattr(Rank, "last_start_s", lambda rank: 40.0)
    host: Any = SimpleNamespace(name="gpu1")
    for services, hold_s in (({"chat": PAIR}, 0), ({"chat": service()}, 90)):
        fleet = fleet_of(**services)
        rank = Rank(host, fleet.plan.replicas[0], settings(), ())
        assert rollback._terms(fleet, rank, "me").hold_s == hold_s
        assert ("away for about 40 s" in capsys.readouterr().err) == bool(hold_s)
