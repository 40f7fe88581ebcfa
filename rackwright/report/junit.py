"""Check results as JUnit XML: a suite a host, a case a check. CI systems show it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree

from rackwright.checks.results import CheckResult, Status

_KINDS = {Status.CRITICAL: "failure", Status.UNKNOWN: "error"}


def junit_text(results: Sequence[CheckResult]) -> str:
    """The document. CRITICAL is a failure, UNKNOWN an error; WARN passes and says so.

    Results hold nothing that XML cannot (``CheckResult``).
    """
    root = ElementTree.Element("testsuites", name="rackwright verify")
    for host, group in groupby(sorted(results, key=_host), key=_host):
        found = list(group)
        suite = ElementTree.SubElement(root, "testsuite", name=host, tests=str(len(found)))
        for kind in _KINDS.values():
            count = sum(_KINDS.get(result.status) == kind for result in found)
            suite.set(f"{kind}s", str(count))
        for result in found:
            _case(suite, result)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _host(result: CheckResult) -> str:
    return result.host


def _case(suite: ElementTree.Element, result: CheckResult) -> None:
    name = f"{result.subject} {result.check}"
    case = ElementTree.SubElement(suite, "testcase", classname=result.host, name=name)
    kind = _KINDS.get(result.status)
    if kind:
        said = ElementTree.SubElement(case, kind, message=result.evidence)
        said.text = result.remedy
    else:
        text = f"{result.status}: {result.evidence}"
        ElementTree.SubElement(case, "system-out").text = text
