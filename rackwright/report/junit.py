"""Check results as JUnit XML: a suite a host, a case a check. CI systems show it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree

from rackwright.checks.results import CheckResult, Status

_KINDS = {Status.CRITICAL: "failure", Status.UNKNOWN: "error"}


def junit_text(results: Sequence[CheckResult]) -> str:
    """The document. CRITICAL is a failure, UNKNOWN an error; WARN passes and says so."""
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
        said = ElementTree.SubElement(case, kind, message=_clean(result.evidence))
        said.text = _clean(result.remedy)
    else:
        text = f"{result.status}: {result.evidence}"
        ElementTree.SubElement(case, "system-out").text = _clean(text)


def _clean(text: str) -> str:
    """Without characters that XML cannot hold: evidence may quote anything."""
    return "".join(each if each.isprintable() or each in "\t\n" else "\ufffd" for each in text)
