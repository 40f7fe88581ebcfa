"""What hosts answer, with values of other kinds in every place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rich.console import Console

from lab.fleet import ROOT
from rackwright.inventory.entry import discovered
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.report import watch_tables
from rackwright.report.page import page
from rackwright.report.reading import reading
from rackwright.schema.probe_answer import probe_answer
from tests.samples.fleet import lab_hosts
from tests.samples.mutated import JUNK, mutations
from tests.samples.probes import seen

CAPTURE: dict[str, Any] = json.loads((ROOT / "tests/data/h200x1/probe.json").read_text())
PLAN = plan(load_fleet(lab_hosts()))
(REPLICA, *_) = PLAN.on("gpu1")
FIGURES = {"requests_running": 1, "kv_cache_share": 0.5, "tokens_generated": 9}


READ = {"name", "pci_bus_id", "memory", "pcie", "power", "temperature_c", "numa_node", "nvlinks"}


def answer() -> dict[str, Any]:
    """Of a server that runs the lab's replica: what is read of it, a link and a process of each."""
    first, second = ({key: gpu[key] for key in READ} for gpu in seen(2)["gpus"])
    first["nvlinks"] = first["nvlinks"][:1]
    first["processes"] = [{"cgroups": ["/system.slice/a.service"]}]
    second = {key: second[key] for key in ("name", "pci_bus_id")}
    told = {"unit": "active", "status": 200, "figures": FIGURES}
    return {
        **{key: CAPTURE[key] for key in ("nvml", "unavailable")},
        "gpus": [first, second],
        "topology": {"common_ancestor": [[None, "NODE"], ["NODE", None]]},
        "replicas": {REPLICA.name: told},
        "time_unix_s": 9.0,
    }


def test_an_answer_of_the_right_kinds_stays_as_it_is() -> None:
    for captured in (CAPTURE, answer()):
        assert probe_answer(captured) == captured


@pytest.mark.parametrize("junk", [None, True, 1, "x", [], ["gpus"]])
def test_what_is_no_answer_is_an_empty_one(junk: object) -> None:
    assert probe_answer(junk) == {}


def test_a_gpu_that_is_none_keeps_its_index_and_a_link_that_is_none_is_left_out() -> None:
    answered = probe_answer({"gpus": ["x", {"name": 1, "nvlinks": ["x", {"active": 1}]}]})
    assert answered == {"gpus": [None, {"name": None, "nvlinks": [{"active": None}]}]}


def test_an_entry_a_page_and_a_watch_come_of_any_answer() -> None:
    console = Console(quiet=True)
    for odd in mutations(answer(), JUNK[::2]):
        assert discovered("gpu1", odd).text()
        assert page(PLAN, [], {"gpu1": {"probe": odd}})
        for now, before in ((odd, answer()), (answer(), odd)):
            seen_now = reading(PLAN, {"gpu1": now}, {"gpu1": before})
            console.print(watch_tables(seen_now))
