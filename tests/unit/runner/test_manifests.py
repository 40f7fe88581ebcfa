"""When a run writes the manifest of a host, and of what: all that it has compared the host with."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from pyinfra.context import ctx_host

from rackwright.desired.items import Change, File, Item, Manifest, Package
from rackwright.drift.expected import expected
from rackwright.drift.question import known_of
from rackwright.errors import HostError
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner import fleet as fleets
from rackwright.runner import manifests
from rackwright.runner.fleet import FleetRun, note_items, without_manifest
from rackwright.runner.manifests import with_manifest
from rackwright.runner.steps.expected import Expected
from rackwright.runner.steps.options import Options, asked_for
from tests.samples.drift import Lies
from tests.samples.fleet import lab_hosts

LAST: list[Item] = [File("/etc/last", b"last")]


class Inventory:
    """That of a run; pyinfra's can be told apart by itself alone, as this."""


def host(name: str = "gpu1", **settings: Any) -> tuple[FleetRun, Any]:
    spec = load_fleet(lab_hosts() | {n: {**d, **settings} for n, d in lab_hosts().items()})
    fleet, one = FleetRun(spec, plan(spec)), Mock()
    one.name, one.inventory = name, Inventory()
    fleets._fleets[one.inventory] = fleet  # type: ignore[index]
    return fleet, one


def written(fleet: FleetRun, one: Any) -> Manifest | None:
    *rest, last = with_manifest(fleet, one, LAST)
    assert isinstance(last, Manifest) or [*rest, last] == LAST
    return last if isinstance(last, Manifest) else None


def test_it_has_all_that_the_run_compared() -> None:
    fleet, one = host()
    note_items(one, [Package("nginx", version="1.22", hold=True), File("/etc/a", b"first")])
    note_items(one, [File("/etc/a", b"second", mode=0o600, secret=True)])
    manifest = written(fleet, one)
    assert manifest is not None
    assert manifest.planned["packages"] == {"nginx": {"version": "1.22", "hold": True}}
    files = manifest.planned["files"]
    assert files["/etc/a"] == ["0600", "root:root", "secret"]
    assert set(files) == {"/etc/a", "/etc/last"}


@pytest.mark.parametrize(
    ("stages", "is_written"),
    [
        ("all", True),
        ("base,firewall,driver,engines,models,replicas,gateway", True),
        ("base,firewall,engines,models,replicas,gateway", False),
        ("gateway,verify", False),
    ],
)
def test_only_of_a_whole_run(stages: str, is_written: bool) -> None:
    assert bool(written(*host(stages=stages))) == is_written


def test_the_stage_of_a_driver_that_is_not_ours_may_be_left_out() -> None:
    stages = "base,firewall,engines,models,replicas,gateway"
    assert written(*host(stages=stages, driver_source="none"))
    assert written(*host("gw1", stages=stages))


def test_not_of_one_service_s_run_nor_of_a_server_that_was_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with asked_for(Options(service="chat")):
        assert written(*host()) is None
    known = Expected(left={"gpu1"})
    monkeypatch.setattr(manifests, "expected", lambda inventory: known)
    assert written(*host()) is None and written(*host("gpu2"))
    known.failed["chat-gpu1-0"] = HostError("it failed")
    assert written(*host("gpu2")) is None


@pytest.mark.parametrize("name", ["gpu1", "gw1"])
def test_what_drift_expects_is_what_a_deploy_writes(name: str) -> None:
    """Whatever order items were compared in, and however often."""
    lies = Lies(name)
    *items, wanted = expected(lies.question.host, known_of(lies.answer))
    fleet, one = host(name)
    note_items(one, [*reversed(items), *items])
    *_, manifest = with_manifest(fleet, one, ())
    assert manifest == wanted


def test_it_is_kept_for_the_end_and_forgotten_where_it_is_as_it_must_be() -> None:
    fleet, one = host()
    *rest, item = with_manifest(fleet, one, LAST)
    first, last = Change(rest[0], "missing", {}), Change(item, "not there yet: write", {})
    assert without_manifest(one, [*rest, item], [first, last]) == [first]
    assert fleet.manifests == {"gpu1": last}
    assert without_manifest(one, rest, [first]) == [first]
    assert fleet.manifests == {"gpu1": last}, "another list of items says nothing of it"
    assert without_manifest(one, [*rest, item], []) == []
    assert fleet.manifests == {}


def test_what_is_changed_without_a_deploy_has_no_digest_in_it() -> None:
    """Clients' keys: else each new client would make the manifest another."""
    lies = Lies("gw1")
    files = lies.question.manifest.planned["files"]
    assert files["/etc/nginx/rackwright/keys.json"][-1] == "live"
    assert files["/etc/nginx/rackwright/secrets.json"][-1] == "secret"
    assert len(files["/etc/nginx/rackwright/fleet.json"][-1]) == 64


def test_it_is_written_where_it_differs_and_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet, one = host()
    shown: list[Any] = []
    monkeypatch.setattr(manifests, "this_fleet", lambda: fleet)
    monkeypatch.setattr(manifests, "show", lambda host, changes: shown.extend(changes))
    with ctx_host.use(one):
        assert list(manifests.write_manifest._inner()) == []
        *_, item = with_manifest(fleet, one, LAST)
        change = fleet.manifests["gpu1"] = Change(item, "is of another plan: write", {})
        (command,) = manifests.write_manifest._inner()
    assert shown == [change] and command.args == ([change],)
