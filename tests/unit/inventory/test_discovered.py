"""What `discover` prints is accepted by `plan`, whatever the probe saw, and judged as it is."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackwright.catalog import find_gpu, gpu_types
from rackwright.checks import judge
from rackwright.checks.results import CheckResult, Status
from rackwright.inventory.entry import discovered
from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan
from rackwright.planning.placing import plan
from rackwright.report import plan_text
from rackwright.report.page import page
from rackwright.runner.fleet import FleetRun
from rackwright.runner.planned import planned
from rackwright.spec import ServerSpec
from tests.samples.fleet import TINY, hosts, service
from tests.samples.probes import Probe, link, lost, seen

GUEST: Probe = json.loads((Path(__file__).parents[2] / "data/h100x2/probe.json").read_text())
TYPES = gpu_types()
NAMES = [gpu.name for gpu in TYPES.values()]
STRANGERS = ["NVIDIA T400 4GB", "Foo", "", None, 7]
WHOLE_OR_NOT = st.sampled_from([None, {"current": False}, {"current": True}])


def entry(text: str) -> tuple[str, dict[str, Any]] | None:
    """What would be pasted: the lines that are no comment, which must be Python."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return ast.literal_eval("\n".join(lines).rstrip(",")) if lines else None


def accepted(server: dict[str, Any], **more: Any) -> FleetRun:
    """A fleet of that server, which serves a small model on GPUs that nobody chose."""
    chat = service("tiny", max_model_len=2048, objective="throughput", revision=..., **more)
    # Of the engine's build for CPUs it is not asked which GPUs it knows.
    build = {"driver_source": "none", "vllm_build": "cpu"}
    data = hosts({"gpu1": server}, {"chat": chat}, models={"tiny": TINY}, **build)
    if server["address"] == "127.0.0.1":
        data["gpu1"]["gateway"] = data.pop("gw1")["gateway"]
    spec = load_fleet(data)
    return FleetRun(spec, plan(spec))


def checked(run: FleetRun, probe: Probe) -> dict[str, CheckResult]:
    found = judge(planned(run, ["gpu1"]), {"gpu1": {"replicas": {}, "probe": probe}})
    return {result.check: result for result in found}


def address(index: int) -> str:
    return f"00000000:{index + 1:02X}:00.0"


@st.composite
def probes(draw: st.DrawFn) -> Probe:
    """A server of up to 20 GPUs, of one type or mixed, joined as may be, some of them lost."""
    few = draw(st.lists(st.sampled_from([*NAMES, *STRANGERS]), min_size=1, max_size=3))
    count = draw(st.integers(0, 20))
    peers = draw(st.lists(st.integers(0, 20), min_size=count, max_size=count))
    gpus = []
    for index in range(count):
        links = draw(st.sampled_from(["none", "down", "switch", "gpu"]))
        gpu: Probe = {
            "index": index,
            "name": draw(st.sampled_from(few)),
            "pci_bus_id": draw(st.sampled_from([address(index)] * 3 + [None])),
            "mig_mode": draw(WHOLE_OR_NOT),
            "numa_node": draw(st.sampled_from([None, 0, 1, 3])),
            "nvlinks": [
                {
                    **link(0, address(peers[index]) if links == "gpu" else None),
                    "active": links != "down",
                    "version": draw(st.sampled_from(["3.0", "4.0", "5.0", None])),
                }
            ]
            * (links != "none"),
        }
        gpus.append(draw(st.sampled_from([gpu] * 5 + [None])))
    found: Probe = {"schema": 1, "nvml": {}, "gpus": gpus, "unavailable": {}}
    switches = draw(st.sampled_from([..., None, [], ["0000:07:00.0"]]))
    return found if switches is ... else {**found, "nvswitches": switches}


NAMES_OF_HOSTS = ["gpu1", "@local", "root@192.0.2.11", "gpu_1", "x@gpu_1", "2001:db8::1", "a" * 70]


@settings(max_examples=150)
@given(probe=probes(), host=st.sampled_from(NAMES_OF_HOSTS))
def test_what_discover_prints_is_accepted_by_plan(probe: Probe, host: str) -> None:
    found = entry(discovered(host, probe).text())
    declarable = {
        index
        for index, gpu in enumerate(probe["gpus"])
        if gpu and find_gpu(str(gpu["name"])) and not (gpu["mig_mode"] or {}).get("current")
    }
    if found is None:
        assert not declarable or host in NAMES_OF_HOSTS[3:]
        return
    run = accepted(found[1]["server"])
    for kind in run.spec.servers["gpu1"].kinds:
        assert set(kind.gpus.nvml_indexes) <= declarable
        names = {probe["gpus"][index]["name"] for index in kind.gpus.nvml_indexes}
        assert {find_gpu(name) for name in names} == {TYPES[kind.gpus.type]}
    first = run.spec.servers["gpu1"].kinds[0].gpus.nvml_indexes
    assert run.plan.replicas
    assert {index for replica in run.plan.replicas for index in replica.gpus} <= set(first)
    assert checked(run, {**probe, "nvml": {"driver_version": "1"}})["GPUs"].status is Status.OK


def mixed() -> Probe:
    """A display card at index 0, two L40S, two H200 at a bridge, one of them lost, and MIG."""
    probe = seen(6)
    names = ["NVIDIA T400 4GB", *["NVIDIA L40S"] * 2, *["NVIDIA H200"] * 3]
    for gpu, name in zip(probe["gpus"], names, strict=True):
        gpu |= {"name": name, "nvlinks": []}
        gpu["memory"]["total_bytes"] = 46068 * 2**20 if "L40S" in name else 150754820096
    probe["gpus"][0]["pcie"]["width"] = 4
    probe["gpus"][0]["mig_mode"] = {"current": True, "pending": True}
    probe["xids"] = [{"pci_bus_id": "0000:00:00", "code": 79, "text": "fallen off"}]
    probe["gpus"][4] = None
    probe["unavailable"]["gpus[4]"] = "NVMLError_GpuIsLost: GPU is lost"
    return probe


def test_mixed_lost_and_ignored_cards_are_declared_by_their_real_indexes() -> None:
    text = discovered("gpu1", mixed()).text()
    found = entry(text)
    assert found and found[1]["server"] == {
        "address": "gpu1",
        "gpus": {"type": "h200-sxm-141gb", "count": 2, "indexes": [3, 5]},
        "interconnect": "pcie",
        "other_gpus": [
            {"type": "l40s-48gb", "count": 2, "indexes": [1, 2], "interconnect": "pcie"}
        ],
    }
    for note in (
        "1 x NVIDIA T400 4GB is not in the catalog",
        "GPU 0: MIG is on, and engines need whole GPUs: left out below",
        "1 GPU(s) lost: left out below",
        "a service that names no `gpus` of this server gets the NVIDIA H200",
    ):
        assert f"# gpu1: {note}" in text


def gpus_of(found: FleetPlan) -> list[tuple[int, ...]]:
    return [replica.gpus for replica in found.replicas]


def test_a_service_has_the_first_type_or_the_gpus_that_it_names() -> None:
    found = entry(discovered("gpu1", mixed()).text())
    assert found
    server = found[1]["server"]
    assert gpus_of(accepted(server).plan) == [(3,), (5,)]
    run = accepted(server, gpus={"gpu1": [1, 2]})
    assert gpus_of(run.plan) == [(1,), (2,)]
    assert {replica.server.gpus.type for replica in run.plan.replicas} == {"l40s-48gb"}


def test_the_plan_and_the_page_show_each_type() -> None:
    found = entry(discovered("gpu1", mixed()).text())
    assert found
    run = accepted(found[1]["server"], gpus={"gpu1": [1, 2]})
    text = plan_text(run.plan)
    assert "gpu1  2 x NVIDIA H200, pcie + 2 x NVIDIA L40S, pcie  gpu1" in text
    assert "GPUs 3, 5 idle" in text
    shown = page(run.plan, [], {"gpu1": {"probe": mixed()}})
    assert "2 x NVIDIA H200, pcie + 2 x NVIDIA L40S, pcie" in shown and "T400" in shown


def test_checks_judge_declared_gpus_and_say_what_the_others_are() -> None:
    found = entry(discovered("gpu1", mixed()).text())
    assert found
    run, probe = accepted(found[1]["server"], gpus={"gpu1": [1, 2]}), mixed()
    results = checked(run, probe)
    assert results["GPUs"].status is Status.OK
    assert results["GPUs"].evidence == (
        "2 x NVIDIA H200, 2 x NVIDIA L40S; GPU 0 is NVIDIA T400 4GB with MIG on: left out; "
        "GPU 4 is lost (NVMLError_GpuIsLost: GPU is lost): left out"
    )
    for check in ("PCIe", "MIG", "Xid errors", "links", "memory errors"):
        assert results[check].status is Status.OK, results[check]
    probe["gpus"][2]["pcie"]["width"] = 4
    assert "GPU 2" in checked(run, probe)["PCIe"].evidence
    probe["gpus"][2]["name"] = "NVIDIA H200"
    assert "GPU 2 is NVIDIA H200, NVIDIA L40S is declared" in checked(run, probe)["GPUs"].evidence
    probe["gpus"] = probe["gpus"][:5]
    moved = checked(run, probe)["GPUs"]
    assert moved.status is Status.CRITICAL and "GPU 5 is not there" in moved.evidence


def test_a_lost_card_leaves_the_rest_as_it_is() -> None:
    probe = seen(8)
    lost(probe)
    for index, gpu in enumerate(probe["gpus"]):
        if gpu:
            gpu["numa_node"] = index // 4
    found = entry(discovered("gpu1", {**probe, "nvswitches": ["0000:07:00.0"]}).text())
    assert found
    server = found[1]["server"]
    assert server["gpus"] == {"type": "h200-sxm-141gb", "count": 7, "indexes": list(range(1, 8))}
    assert server["interconnect"] == "nvswitch" and "fabric_manager" not in server
    assert server["numa_nodes"] == [[1, 2, 3], [4, 5, 6, 7]]
    assert gpus_of(accepted(server).plan)[0] == (1,)


def test_a_guest_beside_an_nvswitch_is_declared_as_one_and_told_why() -> None:
    """A real capture: 2 of 8 H100; their links lead to a switch that is not on the guest's bus."""
    text = discovered("gpu1", GUEST).text()
    found = entry(text)
    assert found and found[1]["server"] == {
        "address": "gpu1",
        "gpus": {"type": "h100-sxm-80gb", "count": 2},
        "interconnect": "nvswitch",
        "fabric_manager": "host",
    }
    assert (
        "links lead to an NVSwitch that is not this machine's own (boards with one have 8 GPUs or "
        "more, 2 are here): the host of this guest, or the rack, runs its fabric manager"
    ) in text
    run = accepted(found[1]["server"])
    assert not run.spec.servers["gpu1"].runs_fabric_manager
    results = checked(run, {**GUEST, "xids": []})
    assert {results[check].status for check in ("GPUs", "links", "fabric")} == {Status.OK}


@pytest.mark.parametrize(
    ("count", "switches", "guest"),
    [
        (8, ..., False),
        (8, ["0000:07:00.0"], False),
        (8, [], True),
        (4, ["0000:07:00.0"], False),
        (4, [], True),
        (2, ..., True),
        (2, None, True),
        (1, [], False),
    ],
)
def test_whose_switch_it_is(count: int, switches: Any, guest: bool) -> None:
    probe = seen(count) | ({} if switches is ... else {"nvswitches": switches})
    found = entry(discovered("gpu1", probe).text())
    assert found and ("fabric_manager" in found[1]["server"]) is guest


def test_a_switch_of_nvlink_5_is_on_no_bus() -> None:
    probe = {**seen(8), "nvswitches": []}
    for gpu in probe["gpus"]:
        gpu["name"] = "NVIDIA B200"
        for each in gpu["nvlinks"]:
            each["version"] = "5.0"
    found = entry(discovered("gpu1", probe).text())
    assert found and "fabric_manager" not in found[1]["server"]
    probe["gpus"] = probe["gpus"][:2]
    found = entry(discovered("gpu1", probe).text())
    assert found and found[1]["server"]["fabric_manager"] == "host"


@pytest.mark.parametrize("name", ["NVIDIA H100 80GB HBM3", "NVIDIA GB200"])
def test_gpus_that_are_joined_directly_have_no_switch(name: str) -> None:
    """Four GPUs, six links from each to each other: not an NVSwitch, however large the island."""
    probe = seen(4)
    for index, gpu in enumerate(probe["gpus"]):
        gpu["name"] = name
        others = [peer for peer in range(4) if peer != index for _ in range(6)]
        gpu["nvlinks"] = [link(n, f"00000000:0{peer}:00.0") for n, peer in enumerate(others)]
    found = entry(discovered("gpu1", probe).text())
    assert found
    assert found[1]["server"]["interconnect"] == "nvlink"
    assert found[1]["server"]["nvlink_islands"] == [[0, 1, 2, 3]]
    assert accepted(found[1]["server"]).plan.replicas


def test_a_gpu_whose_links_are_down_is_still_one_of_the_switch() -> None:
    probe = {**seen(8), "nvswitches": ["0000:07:00.0"]}
    for each in probe["gpus"][3]["nvlinks"]:
        each["active"] = False
    text = discovered("gpu1", probe).text()
    found = entry(text)
    assert found and found[1]["server"]["interconnect"] == "nvswitch"
    assert "# gpu1: GPU 3: no NVLink to a switch is up" in text


def test_a_bare_server_has_its_switch_before_any_link_is_up() -> None:
    """Links come up with the fabric manager, which is installed where nvswitch is declared."""
    probe = {**seen(8), "nvswitches": ["0000:07:00.0"]}
    for gpu in probe["gpus"]:
        for each in gpu["nvlinks"]:
            each["active"] = False
    found = entry(discovered("gpu1", probe).text())
    assert found and found[1]["server"]["interconnect"] == "nvswitch"
    assert "fabric_manager" not in found[1]["server"]


@pytest.mark.parametrize(
    ("name", "modes", "memory_mib", "ecc"),
    [
        ("NVIDIA L40S", (True, True), 46068, None),
        ("NVIDIA L40S", (False, False), 49140, False),
        ("NVIDIA RTX A5000", (True, True), 23028, True),
        ("NVIDIA RTX A5000", (False, False), 24564, None),
    ],
)
def test_ecc_that_changes_the_memory_is_declared_as_it_is(
    name: str, modes: tuple[bool, bool], memory_mib: int, ecc: bool | None
) -> None:
    probe = seen(2)
    for gpu, on in zip(probe["gpus"], modes, strict=True):
        gpu |= {"name": name, "nvlinks": [], "ecc_mode": {"current": on, "pending": on}}
        gpu["memory"]["total_bytes"] = memory_mib << 20
    found = entry(discovered("gpu1", probe).text())
    assert found and found[1]["server"]["gpus"].get("ecc") is ecc
    assert checked(accepted(found[1]["server"]), probe)["GPUs"].status is Status.OK
    for odd in (None, {}, {"current": []}, {"current": {}}, [True]):
        probe["gpus"][1]["ecc_mode"] = odd
        found = entry(discovered("gpu1", probe).text())
        assert found and "ecc" not in found[1]["server"]["gpus"]


def test_an_entry_has_the_user_and_a_name_that_an_inventory_takes() -> None:
    found = entry(discovered("ubuntu@192.0.2.11", seen(2)).text())
    assert found and found[0] == "@rackwright/192.0.2.11"
    assert found[1]["ssh_hostname"] == "192.0.2.11" and found[1]["ssh_user"] == "ubuntu"
    refused = discovered("gpu_1", seen(2))
    assert refused.server is None
    assert "cannot be declared: servers[gpu-1].address: must be an IPv4 address" in refused.text()


def test_kinds_keep_their_indexes_nodes_and_islands() -> None:
    spec = ServerSpec(
        name="gpu1",
        address="192.0.2.11",
        gpus={"type": "l40s-48gb", "count": 2, "indexes": [4, 1]},
        interconnect="pcie",
        other_gpus=[
            {"type": "rtx-3090-24gb", "count": 2, "indexes": [2, 3], "interconnect": "nvlink"}
        ],
        nvlink_islands=[[2, 3]],
        numa_nodes=[[1, 2], [3, 4]],
    )
    first, second = spec.kinds
    assert (first.gpus.nvml_indexes, first.nvlink_islands) == ((1, 4), None)
    assert (second.gpus.nvml_indexes, second.nvlink_islands) == ((2, 3), ((2, 3),))
    assert (first.numa_nodes, second.numa_nodes) == (((1,), (4,)), ((2,), (3,)))
    assert spec.kind_of([3]) == second and spec.kind_of(None) == first
    assert spec.kind_of([1, 2]) is None
