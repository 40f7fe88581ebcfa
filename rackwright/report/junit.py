"""Check results as JUnit XML: a suite a host, a case a check. CI systems show it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree

from rackwright.checks.results import CheckResult, Status

_KINDS = {Status.CRITICAL: "failure", Status.UNKNOWN: "error"}
_ACCEPTED = "skipped"


def junit_text(results: Sequence[CheckResult]) -> str:
    """The document. CRITICAL is a failure, UNKNOWN an error; WARN passes and says so.

    What is accepted is skipped, with until when and why: CI shows that, and does not fail.

    Results hold nothing that XML cannot (``CheckResult``).
    """
    root = ElementTree.Element("testsuites", name="rackwright verify")
    for host, group in groupby(sorted(results, key=_host), key=_host):
        found = list(group)
        suite = ElementTree.SubElement(root, "testsuite", name=host, tests=str(len(found)))
        for kind, plural in (("failure", "failures"), ("error", "errors"), (_ACCEPTED, _ACCEPTED)):
            count = sum(_kind(result) == kind for result in found)
            suite.set(plural, str(count))
        for result in found:
            _case(suite, result)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _host(result: CheckResult) -> str:
    return result.host


def _kind(result: CheckResult) -> str | None:
    return _ACCEPTED if result.accepted else _KINDS.get(result.status)


def _case(suite: ElementTree.Element, result: CheckResult) -> None:
    name = f"{result.subject} {result.check}"
    case = ElementTree.SubElement(suite, "testcase", classname=result.host, name=name)
    kind = _kind(result)
    if kind:
        words = f"{result.status_words}: " if result.accepted else ""
        said = ElementTree.SubElement(case, kind, message=f"{words}{result.evidence}")
        said.text = result.remedy
    else:
        text = f"{result.status}: {result.evidence}"
        ElementTree.SubElement(case, "system-out").text = text
