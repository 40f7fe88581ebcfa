"""Whatever a host says reaches a terminal, a page, a file or a paste as text that is harmless."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import rackwright
from rackwright import exits
from rackwright.causes.account import account
from rackwright.checks import judge
from rackwright.checks.results import CheckResult, Status
from rackwright.inventory.entry import discovered
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.printable import LINES, all_printable, coloured, printable
from rackwright.report import junit_text, results_text, watch_tables
from rackwright.report.page import page
from rackwright.report.reading import reading
from rackwright.runner.starts import Told
from tests.samples.commands import BIN
from tests.samples.fleet import hosts, server, service
from tests.samples.probes import planned, seen

HOSTILE = {
    "CSI": "A100\x1b[2J\x1b[1;1H",
    "OSC": "\x1b]0;owned\x07\x1b]52;c;cm0gLXJm\x1b\\",
    "C1": "\x9b31mred\x9d0;t\x9c\x85",
    "surrogate": "half \ud800 and \udcff",
    "bidi": "abc\u202egnp.exe\u2066x\u200f",
    "invisible": "a\u200bb\ufeffc\u00add",
    "lines": "one\ntwo\rthree\x0bfour\x0cfive\u2028six\u2029seven\x1c",
    "paste": '"\nimport os; os.system("id")\n#',
    "page": "<script>alert(1)</script>'\"><img src=x onerror=y>",
    "markup": "[bold red]x[/] [/nothing] [link=file:///x]y[/link] :skull: {{ 7*7 }} `a",
    "XML": "]]><x/>\x00\x08\ufffe\uffff&amp;",
    "long": "x" * 100_000,
}
PLAN = plan(load_fleet(hosts({"gpu1": server()}, {"chat": service(objective="throughput")})))
(REPLICA, *_) = PLAN.on("gpu1")
each_hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))


def is_harmless(text: str, keep: str = "\n") -> bool:
    return all(sign.isprintable() or sign in keep for sign in text)


def with_text(value: Any, text: str) -> Any:
    """An observation in which every text says this instead; keys and addresses stay."""
    if isinstance(value, dict):
        return {
            key: each if key in ("pci_bus_id", "remote_pci_bus_id") else with_text(each, text)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [with_text(each, text) for each in value]
    return text if isinstance(value, str) else value


def observed(text: str) -> dict[str, dict[str, Any]]:
    """A server of whose answer every text is this, with a foreign process and an Xid."""
    probe = seen()
    probe["gpus"][0]["processes"] = [{"pid": 7, "command": "x", "cgroups": ["y"]}]
    probe["gpus"][1] = None
    probe["xids"] = [{"pci_bus_id": "0000:17:00", "code": 79, "text": "z"}]
    probe["unavailable"] |= {"gpus[1]": "lost", f"{text}.x": "reason"}
    return {"gpu1": {"probe": with_text(probe, text), "replicas": {}}}


@given(st.text())
def test_what_can_be_printed_stays_and_all_else_is_named(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert (shown == text) == text.isprintable()
    assert is_harmless(printable(text, LINES), LINES)
    assert is_harmless(coloured(text).replace("\x1b[", ""), LINES)


@given(
    st.recursive(
        st.text() | st.integers() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_text_of_an_observation_is_passed_over(value: Any) -> None:
    shown = all_printable(value)
    assert json.dumps(shown, ensure_ascii=False).isprintable()


@each_hostile
def test_tables_and_files_of_results(text: str) -> None:
    results = [CheckResult(text, text, text, status, text, text) for status in Status]
    shown = results_text(results)
    assert is_harmless(shown)
    assert is_harmless(results_text(results, colour=True).replace("\x1b[", ""))
    document = ElementTree.fromstring(junit_text(results))
    assert len(list(document.iter("testcase"))) == 4
    assert len(shown) < 5 * 5 * 2 * 4000 * 2, "whoever reads it is not flooded"


@each_hostile
def test_every_check_of_a_server(text: str) -> None:
    found = judge([planned()], observed(text))
    assert found
    assert is_harmless(results_text(found))


class Parsed(HTMLParser):
    """Elements and attributes that are fetched or run, and all that is text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}


@each_hostile
def test_the_page(text: str) -> None:
    observations = observed(text)
    results = [CheckResult(text, "gpu1", text, Status.CRITICAL, text, text)]
    shown = page(PLAN, [*judge([planned()], observations), *results], observations)
    parsed = Parsed()
    parsed.feed(shown)
    assert not parsed.elements & {"script", "img", "iframe", "a"}
    assert not any(name.startswith("on") or name == "src" for name in parsed.attributes)
    assert is_harmless(shown)
    shown.encode()


@each_hostile
def test_the_live_view(text: str) -> None:
    answer = {
        "gpus": observed(text)["gpu1"]["probe"]["gpus"],
        "unavailable": {"nvml": text},
        "replicas": {REPLICA.name: {"unit": text, "error": text}},
    }
    for now in ({"gpu1": answer}, {"gpu1": {"error": text}}, {"gpu1": {**answer, "gpus": []}}):
        console = Console(file=io.StringIO(), width=140, markup=True)
        with console.capture() as printed:
            console.print(watch_tables(reading(PLAN, now)))
        assert is_harmless(printed.get())


@each_hostile
def test_what_discover_prints_is_pasted(text: str) -> None:
    """As it is, into a list of Python: notes are comments, whatever they say."""
    probe = with_text(seen(), text)
    for gpu in probe["gpus"]:
        gpu["name"] = "NVIDIA H200"
    for answer in (
        probe,
        with_text(seen(), text),
        {"error": text},
        {"unavailable": {"nvml": text}},
    ):
        shown = discovered("gpu9", answer).text()
        assert is_harmless(shown)
        pasted = ast.literal_eval(f"[\n{shown}\n]")
        assert [name for name, _ in pasted] in (["@rackwright/gpu9"], [])


@each_hostile
def test_why_a_replica_fails(text: str) -> None:
    start = {"began_unix_s": 0.0, "ready": False, "ended": True}
    start |= dict.fromkeys(("invocation", "code", "status", "result"), text)
    start["lines"] = [[7, text], [7, f"ERROR: {text}"]]
    state = {"LoadState": "loaded", "ActiveState": "failed", "SubState": text,
             "StateChangeTimestamp": text, "NRestarts": "3"}  # fmt: skip
    told = account({"state": state, "starts": [start], "kernel": [text]})
    for one in (Told("gpu1", "x.service", told), Told("gpu1", "x.service", None, text)):
        assert is_harmless(one.text(), LINES)


@each_hostile
def test_an_error_and_a_line_of_progress(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    exits.say(text, 1)
    exits.tell(text)
    said = capsys.readouterr()
    assert is_harmless(said.err) and is_harmless(said.out)


LOCALES = (
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C.UTF-8"},
)


@pytest.mark.parametrize("locale", LOCALES, ids=str)
def test_a_report_is_shown_in_every_locale(locale: dict[str, str], tmp_path: Path) -> None:
    rows = [
        {"check": "é█°", "host": text, "subject": "x", "status": "CRITICAL", "evidence": text,
         "remedy": f"…{text}"}
        for text in HOSTILE.values()
    ]  # fmt: skip
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"results": rows}))
    usual = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG"))}
    done = subprocess.run(
        [BIN / "rackwright", "report", report], env={**usual, **locale}, capture_output=True
    )
    assert done.returncode == 2, done.stderr
    assert is_harmless(done.stdout.decode())
    assert done.stderr == b""


def test_no_verb_prints_in_another_way() -> None:
    """So that what a later verb says of a host passes the same place."""
    written = {
        f"{path.parent.name}/{path.name}: {ast.unparse(node.func)}"
        for path in Path(rackwright.__file__).parent.glob("[cr][ou][mn]*/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in PRINTS
    }
    assert written == {
        "runner/inventory.py: print",
        "runner/progress.py: click.echo",
        "runner/travelling.py: print",
    }


PRINTS = ("print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write")
