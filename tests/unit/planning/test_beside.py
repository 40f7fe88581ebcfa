"""A service's only replica is stood in for on GPUs that nothing is planned for."""

from __future__ import annotations

from typing import Any

from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan
from rackwright.planning.beside import stand_in, stand_ins
from rackwright.planning.firewall import firewall_of
from rackwright.planning.placing import plan
from tests.samples.fleet import cluster, hosts, server, service


def planned(servers: dict[str, Any], **services: Any) -> FleetPlan:
    return plan(load_fleet(hosts(servers, services)))


def chat(**more: Any) -> dict[str, Any]:
    return service(tensor_parallel_size=1, replicas=1, **more)


def test_it_has_other_gpus_another_port_and_all_else_alike() -> None:
    fleet = planned({"gpu1": server()}, chat=chat())
    (replica,) = fleet.replicas
    copy = stand_in(fleet, replica)
    assert copy is not None
    assert (copy.name, copy.gpus, copy.port) == ("chat-gpu1-0-beside", (1,), 8001)
    same = {"name": replica.name, "gpus": replica.gpus, "port": replica.port}
    assert copy.model_copy(update=same) == replica


def test_there_is_none_without_spare_gpus() -> None:
    fleet = planned({"gpu1": server(count=1, link="none")}, chat=chat())
    assert stand_in(fleet, fleet.replicas[0]) is None
    code = chat(gpus={"gpu1": [1]}, served_model_name="code")
    taken = planned({"gpu1": server()}, chat=chat(gpus={"gpu1": [0]}), code=code)
    assert [stand_in(taken, one) for one in taken.replicas] == [None, None]


def test_a_service_with_others_needs_none() -> None:
    two = service(servers=["gpu1", "gpu2"], tensor_parallel_size=1, replicas=1)
    fleet = planned({"gpu1": server(11), "gpu2": server(12)}, chat=two)
    assert [stand_in(fleet, one) for one in fleet.replicas] == [None, None]


def test_one_that_spans_servers_has_none() -> None:
    sizes = {"tensor_parallel_size": 8, "pipeline_parallel_size": 2}
    long = service("llama-3.1-405b-instruct", servers=["gpu1", "gpu2"], **sizes)
    fleet = planned(cluster(2), chat=long)
    assert [stand_in(fleet, one) for one in fleet.replicas] == [None, None]


def test_two_services_of_a_server_have_ports_of_their_own() -> None:
    four = server(count=4, link="nvswitch")
    fleet = planned(
        {"gpu1": four},
        chat=chat(gpus={"gpu1": [0]}),
        code=chat(gpus={"gpu1": [1]}, served_model_name="code"),
    )
    copies = list(stand_ins(fleet, "gpu1"))
    assert len({one.port for one in (*copies, *fleet.replicas)}) == 4


def test_the_firewall_lets_gateways_to_it_before_it_is_there() -> None:
    spec = load_fleet(hosts({"gpu1": server()}, {"chat": chat()}))
    firewall = firewall_of("gpu1", spec, plan(spec))
    assert firewall is not None and firewall.engine_ports == (7979, 8000, 8001)
