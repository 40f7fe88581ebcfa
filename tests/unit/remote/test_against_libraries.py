"""Parsers that travel to hosts, held against the libraries that the controller would use.

A difference is a fault of ours: hosts have the standard library alone, and that is no excuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from rackwright.remote.host import nginx
from rackwright.remote.served import metrics
from tests.samples.nginx import Directive, directives

DATA = Path(__file__).parents[2] / "data"

# --- Prometheus --------------------------------------------------------------------------------

NAMES = st.from_regex(r"[a-z_:][a-zA-Z0-9_:]{0,6}", fullmatch=True)
LABELS = st.dictionaries(
    st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,6}", fullmatch=True),
    st.text(st.characters(codec="utf-8"), max_size=8)
    | st.text('\\n"{},= #\r\x0b\u2028', max_size=8),
    max_size=3,
)
SAMPLES = st.lists(st.tuples(LABELS, st.floats()), max_size=3)
FAMILIES = st.dictionaries(NAMES, SAMPLES, max_size=3)
Row = tuple[str, tuple[tuple[str, str], ...], str]
"""Name, labels and value of a sample; the value as text, for ``nan`` is not itself."""


class Told(Collector):
    """Metrics with given samples, as an engine would hand them to the library."""

    def __init__(self, families: dict[str, list[tuple[dict[str, str], float]]]) -> None:
        self.families = families

    def collect(self) -> Iterator[Metric]:
        for name, samples in self.families.items():
            family = Metric(name, "What it\nis.", "gauge")
            for labels, value in samples:
                family.add_sample(name, labels, value)
            yield family


def rows_of_library(text: str) -> list[Row]:
    families = text_string_to_metric_families(text)
    samples = (sample for family in families for sample in family.samples)
    return [(s.name, tuple(s.labels.items()), str(float(s.value))) for s in samples]


def rows(text: str) -> list[Row]:
    return [
        (name, tuple(labels.items()), str(float(value)))
        for name, labels, value in metrics.samples(text)
    ]


def test_a_capture_is_read_alike() -> None:
    text = (DATA / "vllm/metrics.txt").read_text()
    assert rows(text) == rows_of_library(text) and rows(text)


@given(FAMILIES)
def test_what_the_library_writes_is_read_alike(
    families: dict[str, list[tuple[dict[str, str], float]]],
) -> None:
    registry = CollectorRegistry()
    registry.register(Told(families))
    text = generate_latest(registry).decode()
    assert rows(text) == rows_of_library(text)
    assert len(rows(text)) == sum(map(len, families.values()))


@pytest.mark.parametrize(
    "line",
    [
        'a{x="1"}2',
        ' a {x="1"} 2',
        '\ta\t{ x = "1" , y="2" , }\t2\t',
        "a{} 2",
        "a 2 1700000000000",
        'a{x="1"} 2 -5',
        "a 2\r",
        'a{x="}"} 2',
        'a{x="\\\\"} 2',
        'a{x="\\\\n"} 2',
        'a{x="{a=\\"b\\"} 3"} 2',
        'a{x="\\q"} 2',
        "a +Inf",
        "a 2e3",
    ],
)
def test_blanks_escapes_and_times_are_read_alike(line: str) -> None:
    text = f"b 1\n{line}\nc 3\n"
    assert rows(text) == rows_of_library(text)
    assert len(rows(text)) == 3


@pytest.mark.parametrize(
    "line",
    [
        "a",
        "a{",
        "a{} ",
        "1a 2",
        'a{x="1} 2',
        "a{x=1} 2",
        'a{x="1"y="2"} 2',
        "a 1_000",
        "a 2 soon",
    ],
)
def test_what_the_library_refuses_is_no_sample(line: str) -> None:
    with pytest.raises(ValueError):
        rows_of_library(f"{line}\n")
    assert rows(f"b 1\n{line}\nc 3\n") == [("b", (), "1.0"), ("c", (), "3.0")]


def test_a_line_without_end_is_gone_through_once() -> None:
    for line in (
        "a" + " " * 10**6,
        "a 1" + " " * 10**6 + "x",
        'a{x="' + "\\\\" * 10**6,
        "a{" + 'x="1",' * 10**5,
    ):
        assert rows(line) == []


# --- Nginx -------------------------------------------------------------------------------------

BLANKS = st.sampled_from([" ", "\n", "\t\n ", " # server q; } {\n", "\n#'\n"])
LIMITS = ("worker_connections", "worker_rlimit_nofile")
PLAIN = ("a", "7", "512", *LIMITS, "b:80", "w=2", "$x", "${y}z", "a#b", "c'd", "\\;e")
QUOTED = ('"; server q;"', "'upstream q {'", '"# no"', "'}'", '"it\'s"', '""')
WORDS = st.sampled_from((*PLAIN, *QUOTED))


@st.composite
def heads(draw: st.DrawFn, names: tuple[str, ...], least: int = 0, most: int = 3) -> str:
    """A directive's name and arguments, with blanks and comments between them."""
    arguments = draw(st.lists(WORDS, min_size=least, max_size=most))
    words = [draw(st.sampled_from(names)), *arguments]
    return "".join(word + draw(BLANKS) for word in words)


def blocks(head: st.SearchStrategy[str], inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    within = st.lists(inner, max_size=4).map("".join)
    return st.builds("{}{{{}{}}}".format, head, BLANKS, within)


SIMPLE = heads((*LIMITS, "keepalive"), least=1).map("{};".format)
LIMIT = heads(LIMITS, 1, 1).map("{};".format)
NESTED = blocks(heads(("server", "location")), SIMPLE | LIMIT)
EVENTS = blocks(heads(("events",), most=0), LIMIT | SIMPLE | NESTED)
CONFIGURATIONS = st.lists(
    SIMPLE | LIMIT | EVENTS | NESTED | blocks(heads(("http",), most=0), EVENTS | NESTED), max_size=5
).map("".join)


def limits_of_library(text: str) -> dict[str, int]:
    said = {
        one["directive"]: one["args"][0]
        for one in every(directives(text, strictly=False))
        if one["directive"] in LIMITS and len(one["args"]) == 1
    }
    return {name: int(value) for name, value in said.items() if value.isdigit()}


def every(block: list[Directive]) -> Iterator[Directive]:
    """Each directive, in the order of the text."""
    for directive in block:
        yield directive
        yield from every(directive.get("block", []))


@given(CONFIGURATIONS)
def test_limits_are_read_alike(text: str) -> None:
    assert nginx.limits(text) == limits_of_library(text)


BALANCED = """
worker_rlimit_nofile 9;
upstream chat {
    server 0.0.0.1;  # a place is wanted
    balancer_by_lua_block {
        local picked = { "}", server = 1 }; -- the replica's name
        if picked then server = require("pick")({ n = 1 }) end
    }
    server 0.0.0.2 backup;
    keepalive 64;
}
events { worker_connections 512; }
"""


@pytest.mark.parametrize(
    "text",
    [
        "events { worker_connections 5;# worker_connections 6;\n}",
        "events {worker_connections 5;multi_accept on;}worker_rlimit_nofile 7;",
        'events { worker_connections "5"; }',
        "log_format x 'a # b'; events { worker_connections 5; }",
        'return 200 "events { worker_connections 6; }"; events { worker_connections 5; }',
        "events { worker_connections 5 6; worker_connections five; }",
        BALANCED,
        *(path.read_text() for path in sorted((DATA / "golden").glob("gateway-*.conf"))),
    ],
)
def test_comments_quotes_and_lua_are_read_alike(text: str) -> None:
    assert nginx.limits(text) == limits_of_library(text)
