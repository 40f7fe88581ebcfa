"""What replicas take on a server and what they have there: asked of it, and by what is planned."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.desired.replicas import own_items
from rackwright.errors import HostError
from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan
from rackwright.planning.placing import plan
from rackwright.runner.steps import places
from rackwright.runner.steps.order import Pending, Way
from rackwright.runner.steps.places import require_room, wanted_of, with_places
from tests.samples.fleet import cluster, hosts, server, service, settings

UUIDS = [f"GPU-{n}" for n in range(8)]


def fleet(*names: str) -> FleetPlan:
    """chat on GPU 0 and code on GPU 1 of two, or these of them."""
    own = {"tensor_parallel_size": 1, "replicas": 1}
    services = {
        "chat": service(gpus={"gpu1": [0]}, **own),  # type: ignore[arg-type]
        "code": service(gpus={"gpu1": [1]}, served_model_name="code", **own),  # type: ignore[arg-type]
    }
    wanted = {name: services[name] for name in names or services}
    return plan(load_fleet(hosts({"gpu1": server(11)}, wanted)))


def work(names: list[str], planned: FleetPlan) -> Any:
    def make(replica: Any) -> Any:
        return own_items(replica, settings(), UUIDS, "")

    items = {one.name: make(one) for one in planned.replicas if one.name in names}
    host = SimpleNamespace(name="gpu1")
    return SimpleNamespace(host=host, settings=settings(), items=items, make=make)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What the server says that replicas have."""
    said: dict[str, list[str]] = {}
    monkeypatch.setattr(places, "call", lambda *asked, **how: said)
    return said


def test_a_step_knows_what_it_takes_and_what_it_leaves(there: dict[str, list[str]]) -> None:
    there |= {"chat-gpu1-0": ["port 8001", "GPU GPU-1"], "code-gpu1-0": ["port 8000", "GPU GPU-0"]}
    steps = [Pending(f"{one}-gpu1-0", one, Way.CHANGE, ("gpu1",)) for one in ("chat", "code")]
    own = work(["chat-gpu1-0", "code-gpu1-0"], fleet())
    chat, code = with_places(steps, fleet(), lambda name: own)
    assert chat.takes == {"gpu1: port 8000", "gpu1: GPU GPU-0"} == code.has
    assert code.takes == {"gpu1: port 8001", "gpu1: GPU GPU-1"} == chat.has


def test_what_stands_in_takes_what_is_spare(there: dict[str, list[str]]) -> None:
    steps = [
        Pending("chat-gpu1-0-beside", "chat", way, ("gpu1",)) for way in (Way.START, Way.REMOVE)
    ]
    alone = fleet("chat")
    start, remove = with_places(steps, alone, lambda name: work([], alone))
    assert start.takes == remove.takes == {"gpu1: port 8001", "gpu1: GPU GPU-1"}


def test_a_service_is_not_rolled_out_alone_onto_what_another_has(
    there: dict[str, list[str]],
) -> None:
    own = work(["chat-gpu1-0"], fleet())
    there |= {"chat-gpu1-0": ["port 8000", "GPU GPU-1"], "code-gpu1-0": ["port 8001"]}
    require_room(own, "chat")
    there["code-gpu1-0"] = ["port 8001", "GPU GPU-0"]
    with pytest.raises(HostError, match="GPU GPU-0, which code-gpu1-0 has yet: roll out without"):
        require_room(own, "chat")


def test_only_the_process_that_answers_takes_the_port() -> None:
    sizes = {"tensor_parallel_size": 8, "pipeline_parallel_size": 2}
    long = service("llama-3.1-405b-instruct", servers=["gpu1", "gpu2"], **sizes)
    planned = plan(load_fleet(hosts(cluster(2), {"chat": long})))
    items = [own_items(one, settings(), UUIDS, "") for one in planned.replicas]
    taken = [wanted_of(work([], planned), its) for its in items]
    assert [any("port" in one for one in its) for its in taken] == [True, False]
