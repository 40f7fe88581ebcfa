"""The page of a fleet: whole in one file, its drawing told from the probe."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from sample_fleet import hosts, server, service
from test_checks_server import link, planned, seen

from rackwright.checks import judge
from rackwright.planner import plan
from rackwright.report import page
from rackwright.report.page import Link, _links
from rackwright.spec import load_fleet

PLAN = plan(load_fleet(hosts({"gpu1": server()}, {"chat": service(objective="throughput")})))


def drawn(probe: dict[str, Any]) -> str:
    observations = {"gpu1": {"probe": probe, "replicas": {}}}
    return page(PLAN, judge([planned()], observations), observations)


class Balanced(HTMLParser):
    """Every element that is opened is closed; nothing is fetched from elsewhere."""

    void = frozenset(("meta", "rect", "line", "path", "link", "img"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not any(name in ("src", "href") for name, _ in attrs)
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
    assert "gpu1" in text and "chat-gpu1-0" in text and "2 x NVIDIA H200, nvlink" in text


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
    links = {each.start: each for each in _links(probe)}
    assert (links[1].up, links[1].count, links[1].state) == (18 - down, 18, state)
    assert links[0].state == "ok"
    assert f"{18 - down}/18" in drawn(probe)


def test_a_bridge_is_one_line() -> None:
    probe = seen()
    first, second = (gpu["pci_bus_id"] for gpu in probe["gpus"])
    probe["gpus"][0]["nvlinks"] = [link(n, second) for n in range(12)]
    probe["gpus"][1]["nvlinks"] = [link(n, first) for n in range(12)]
    assert _links(probe) == [Link(0, 1, 12, 12)]


def test_lanes_that_are_missing_are_critical() -> None:
    probe = seen()
    probe["gpus"][0]["pcie"]["width"] = 4
    assert len(re.findall('class="stroke-critical"', drawn(probe))) == 1


def test_hosts_that_gave_no_answer_and_lost_gpus_are_shown() -> None:
    probe = seen()
    probe["gpus"][0] = None
    assert "lost" in drawn(probe)
    results = judge([planned()], {})
    text = page(PLAN, results, {})
    assert "reached" in text and "<svg" not in text
