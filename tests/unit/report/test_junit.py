"""JUnit XML of check results."""

from __future__ import annotations

from xml.etree import ElementTree

from rackwright.checks.results import CheckResult, Status
from rackwright.report import junit_text

RESULTS = [
    CheckResult("links", "gpu1", "gpu1", Status.CRITICAL, "1 of 18 <links> down", "reseat it"),
    CheckResult("health", "gw1", "chat", Status.UNKNOWN, "an \x1b[31m odd \ud800 answer", "look"),
    CheckResult("PCIe", "gpu1", "gpu1", Status.WARN, "a slow slot", "move it"),
    CheckResult("MIG", "gpu1", "gpu1", Status.OK, "off"),
]


def test_every_check_is_a_case_of_its_host() -> None:
    root = ElementTree.fromstring(junit_text(RESULTS))
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["gpu1", "gw1"]
    counts = {n: (s.get("tests"), s.get("failures"), s.get("errors")) for n, s in suites.items()}
    assert counts == {"gpu1": ("3", "1", "0"), "gw1": ("1", "0", "1")}
    names = [case.get("name") for case in suites["gpu1"]]
    assert names == ["gpu1 links", "gpu1 PCIe", "gpu1 MIG"]
    failure = suites["gpu1"].find("testcase/failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == ("1 of 18 <links> down", "reseat it")
    assert [said.text for said in root.iter("system-out")] == ["WARN: a slow slot", "OK: off"]


def test_nothing_at_all_is_a_document() -> None:
    assert len(ElementTree.fromstring(junit_text([]))) == 0
