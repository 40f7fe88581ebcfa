"""The page of a fleet: whole in one file, its drawing told from the probe."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from rackwright.checks import checks_about, judge
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import Acceptance, CheckResult, Status
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.report.arcs import LinkArc, links
from rackwright.report.drawing import drawing
from rackwright.report.page import page
from tests.samples.fleet import hosts, server, service
from tests.samples.probes import link, planned, seen

PLAN = plan(load_fleet(hosts({"gpu1": server()}, {"chat": service(objective="throughput")})))


def drawn(probe: dict[str, Any]) -> str:
    free = {"there": False}
    observations = {"gpu1": {"probe": probe, "replicas": {}, "quarantine": free}}
    return page(PLAN, judge([planned()], observations), observations)


class Balanced(HTMLParser):
    """Every element that is opened is closed; nothing is fetched from elsewhere."""

    void = frozenset(("meta", "rect", "line", "path", "link", "img"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        links = [value or "" for name, value in attrs if name in ("src", "href")]
        assert all(link.startswith("#") for link in links)
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.void:
            assert self.open.pop() == tag


def test_a_page_is_whole_and_alone() -> None:
    text = drawn(seen())
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert "http" not in text
    assert "gpu1" in text and "chat-0" in text and "2 x NVIDIA H200, nvlink" in text


def test_what_is_accepted_is_shown_and_does_not_colour_its_host() -> None:
    one = Acceptance("2026-12-31", "riser is <ordered>")
    row = CheckResult("PCIe", "gpu1", "gpu1", Status.CRITICAL, "x4", "reseat it", one)
    text = page(PLAN, [row], {})
    assert '<section class="edge-ok" id="gpu1">' in text
    assert "<b>CRITICAL accepted until 2026-12-31: riser is &lt;ordered&gt;</b><br>x4" in text
    assert "1 accepted</span>" in text and "1 CRITICAL" not in text


def test_what_a_host_says_is_no_markup() -> None:
    probe = seen()
    probe["gpus"][0]["name"] = "<script>alert(1)</script>"
    text = drawn(probe)
    assert "<script>" not in text and "&lt;script&gt;" in text


@pytest.mark.parametrize(("down", "state"), [(0, "ok"), (1, "warn"), (18, "critical")])
def test_links_are_coloured_by_their_state(down: int, state: str) -> None:
    probe = seen()
    for each in probe["gpus"][1]["nvlinks"][:down]:
        each["active"] = False
    found = {each.start: each for each in links(probe)}
    assert (found[1].up, found[1].count, found[1].state) == (18 - down, 18, state)
    assert found[0].state == "ok"
    assert f"{18 - down}/18" in drawn(probe)


def bridged(*pairs: tuple[int, int]) -> dict[str, Any]:
    """GPUs that a bridge of 12 links joins, in pairs."""
    probe = seen(2 * len(pairs))
    address = [gpu["pci_bus_id"] for gpu in probe["gpus"]]
    for one, other in pairs:
        probe["gpus"][one]["nvlinks"] = [link(n, address[other]) for n in range(12)]
        probe["gpus"][other]["nvlinks"] = [link(n, address[one]) for n in range(12)]
    return probe


def test_a_bridge_is_one_line_wherever_its_ends_are() -> None:
    assert links(bridged((0, 1), (2, 3))) == [LinkArc(0, 1, 12, 12), LinkArc(2, 3, 12, 12)]
    assert links(bridged((0, 3), (2, 1))) == [LinkArc(0, 3, 12, 12), LinkArc(1, 2, 12, 12)]


@pytest.mark.parametrize("end", [0, 1])
def test_a_link_that_is_down_does_not_tell_its_other_end(end: int) -> None:
    probe = bridged((0, 1))
    probe["gpus"][end]["nvlinks"][5] |= {
        "active": False,
        "remote_type": None,
        "remote_pci_bus_id": None,
    }
    assert links(probe) == [LinkArc(0, 1, 11, 12)]


def test_links_that_nobody_declared_and_that_are_down_are_not_drawn() -> None:
    probe = seen(1)
    probe["gpus"][0]["nvlinks"] = [{"link": n, "active": False} for n in range(12)]
    assert links(probe, joined=False) == []
    assert links(probe) == [LinkArc(0, None, 0, 12)]


def test_arcs_over_more_gpus_are_higher_and_labels_stay_apart() -> None:
    near, far = LinkArc(0, 1, 1, 1), LinkArc(0, 7, 1, 1)
    assert 0 < near.height < LinkArc(0, 2, 1, 1).height < far.height
    assert near.x < near.far_x and far.x < far.far_x and far.x < near.x
    assert drawing(bridged((0, 3), (1, 2)), 4).top == LinkArc(0, 3, 1, 1).height + 20


def test_numa_nodes_and_missing_gpus_are_drawn() -> None:
    probe = seen(4)
    for index, node in enumerate((0, 0, 1, 0)):
        probe["gpus"][index]["numa_node"] = node
    shown = drawing(probe, declared=6)
    assert [node.name[-1] for node in shown.nodes] == ["0", "1", "0"]
    assert [gpu.about for gpu in shown.gpus[4:]] == ["missing", "missing"]
    assert drawing({}, declared=6).gpus == []


def test_memory_is_shown_beside_what_the_plan_takes() -> None:
    probe = seen(1)
    probe["gpus"][0]["memory"] |= {"used_bytes": 70 << 30, "total_bytes": 140 << 30}
    (gpu,) = drawing(probe, 1, tenants=[(0, "a", 35 << 30), (0, "b", 35 << 30)]).gpus
    assert (gpu.share(gpu.used_gib), gpu.planned_gib, gpu.replicas) == (0.5, 70.0, ("a", "b"))
    assert gpu.share(200.0) == 1.0


def test_faults_come_first_and_what_is_fine_is_folded() -> None:
    probe = seen()
    probe["gpus"][0]["pcie"]["width"] = 4
    before, _, folded = drawn(probe).partition("<details>")
    assert (
        "GPU 0 has x4 of x16" in before
        and f"{len(checks_about(PlannedServer)) - 1} checks OK" in folded
    )
    assert "rows wait" not in before
    assert "<code>rackwright discover</code>" in drawn(seen(1))


def test_lanes_that_are_missing_are_critical_and_a_slow_slot_a_warning() -> None:
    probe = seen()
    probe["gpus"][0]["pcie"]["width"] = 4
    assert len(re.findall('class="link stroke-critical"', drawn(probe))) == 1
    probe = seen()
    probe["gpus"][1]["pcie"]["max_generation"] = 3
    assert 'class="link stroke-warn"' in drawn(probe)


def test_hosts_that_gave_no_answer_and_lost_gpus_are_shown() -> None:
    probe = seen()
    probe["gpus"][0] = None
    assert "lost" in drawn(probe)
    results = judge([planned()], {})
    text = page(PLAN, results, {})
    assert "reached" in text and "<svg" not in text


def test_hosts_with_faults_come_first() -> None:
    plan_ = plan(load_fleet(hosts({"gpu1": server(), "gpu2": server(12)}, {"chat": service()})))
    observations = {"gpu1": {"probe": seen()}, "gpu2": {"error": "timed out"}}
    rows = judge([planned(), replace(planned(), host="gpu2")], observations)
    text = page(plan_, rows, observations)
    assert text.index('id="gpu2"') < text.index('id="gpu1"')
