"""The table of checks: each one fires, says so once, and the documentation tells the same."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from rackwright.checks import (
    CHECKS,
    Check,
    CheckResult,
    Example,
    Planned,
    Sample,
    Status,
    burn_in,
    gateway,
    healthy,
    host,
    rank,
    replica,
    server,
    service,
)
from rackwright.checks.planned import PlannedHost
from rackwright.checks.published import republished
from rackwright.checks.server.healthy import SERVER
from rackwright.remote import serving
from tests.samples.probes import seen

DOCUMENTATION = Path(__file__).parents[3] / "docs/checks.md"
EXAMPLES = [(check, example) for check in CHECKS for example in check.examples]
IDS = [f"{check.name}: {example.fault}" for check, example in EXAMPLES]
ROOMS = (burn_in, gateway, host, rank, replica, server, service)


def results(sample: Sample[Planned]) -> dict[str, CheckResult]:
    """Of every check that is asked of it; what is not its own is as in any healthy sample."""
    planned = sample.planned
    seen = {**healthy(type(planned)).seen, **sample.seen}
    asked = (check for check in CHECKS if check.is_asked(planned, seen))
    return {check.name: check.ask(planned, seen) for check in asked}


def faults(sample: Sample[Planned]) -> dict[str, Status]:
    return {
        name: row.status for name, row in results(sample).items() if row.status is not Status.OK
    }


def wrong_with(check: Check[Any]) -> str:
    """What has to be done about a check that could lie; empty for one that cannot."""
    firing = [each for each in check.examples if each.status in (Status.WARN, Status.CRITICAL)]
    if not firing:
        return "give it an Example whose fault makes it WARN or CRITICAL"
    if check.name not in results(check.healthy):
        return "give it a healthy Sample that it applies to"
    if found := faults(check.healthy):
        return f"its healthy Sample is not OK: {found}: correct the sample or the judge"
    for example in check.examples:
        found = faults(check.healthy.changed(example))
        expected = dict.fromkeys(example.also, Status.UNKNOWN) | {check.name: example.status}
        if found != expected:
            return f"{example.fault!r} gives {found}, not {expected}: correct example or judge"
    return ""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_fires_at_its_examples_and_at_nothing_else(check: Check[Any]) -> None:
    wrong = wrong_with(check)
    assert not wrong, f"check {check.name!r}: {wrong}"


@pytest.mark.parametrize(("check", "example"), EXAMPLES, ids=IDS)
def test_what_fires_gives_its_evidence_and_says_what_to_do(
    check: Check[Any], example: Example
) -> None:
    row = results(check.healthy.changed(example))[check.name]
    assert row.evidence and row.remedy
    assert "garbled" not in row.evidence


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_what_is_fine_asks_for_nothing(check: Check[Any]) -> None:
    row = results(check.healthy)[check.name]
    assert row.evidence and not row.remedy


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_what_was_not_observed_is_never_ok(check: Check[Any]) -> None:
    planned, whole = check.healthy.planned, check.healthy.seen
    for nothing in ({}, dict.fromkeys(whole), {key: {} for key in whole}):
        assert check.ask(planned, nothing).status > Status.WARN


@pytest.mark.parametrize("garbage", ["", "OK", 200, True, [], ["OK"], {"status": 200}], ids=repr)
@pytest.mark.parametrize(
    "kind", dict.fromkeys(check.about for check in CHECKS), ids=lambda kind: kind.KIND
)
def test_a_part_that_is_missing_or_garbled_is_said_by_whoever_reads_it(
    kind: type[Planned], garbage: Any
) -> None:
    whole = healthy(kind)
    for part, fine in whole.seen.items():
        readers = faults(whole.having(**{part: None})).keys()
        # An answer of 200 is all there is to know of /health, and no Xid what is best.
        if garbage != fine and (part, garbage) != ("health", {"status": 200}):
            assert not readers or readers & faults(whole.having(**{part: garbage})).keys()


def test_a_name_is_of_one_check_and_a_fault_of_one_example() -> None:
    for what, names in (
        ("check", [check.name for check in CHECKS]),
        ("fault", [example.fault for example in chain(*(c.examples for c in CHECKS))]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        assert not twice, f"give another name to one {what} of those called {', '.join(twice)}"


def test_every_module_with_a_check_is_in_the_table_under_its_name() -> None:
    modules = [
        import_module(f"{room.__name__}.{one.name}")
        for room in ROOMS
        for one in pkgutil.iter_modules(room.__path__)
    ]
    made = {m.__name__.rpartition(".")[2]: m.CHECK for m in modules if hasattr(m, "CHECK")}
    left_out = [name for name, check in made.items() if check not in CHECKS]
    assert not left_out, f"add a line to rackwright/checks/table.py for {', '.join(left_out)}"
    named = {check.name.lower().replace(" ", "_"): check for check in CHECKS}
    assert made == named, "call the module of a check as the check is called"


def test_the_documentation_has_the_tables_that_the_checks_make() -> None:
    text = DOCUMENTATION.read_text()
    assert republished(text) == text, "run `python -m rackwright.checks`"
    assert all(f"\n| {check.name} |" in text for check in CHECKS)
    assert all(f"\n| {example.fault} |" in text for _, example in EXAMPLES)


def is_of_the_shape(made: Any, real: Any) -> bool:
    """Whether all of it, of a list its first, is found in the other by the same keys.

    What is not there on a host at all (a firewall's table) has no shape.
    """
    if real is None:
        return True
    if isinstance(made, dict):
        return all(key in real and is_of_the_shape(made[key], real[key]) for key in made)
    if isinstance(made, list):
        return not made or not real or is_of_the_shape(made[0], real[0])
    return type(made) is type(real)


def test_the_healthy_server_has_the_shape_of_a_real_one() -> None:
    assert is_of_the_shape(dict(SERVER.seen), seen())
    assert not is_of_the_shape({"gpus": [{"pcie": {"lanes": 16}}]}, seen())


def test_the_healthy_host_has_the_shape_of_a_real_one() -> None:
    """As this machine answers; without it a check could wait for what no host is asked."""
    sample = healthy(PlannedHost)
    folders = [folder.path for folder in sample.planned.folders]
    firewall = {"file": "/etc/rackwright/firewall.nft", "names": []}
    request = {"replicas": [], "gateway": None, "folders": folders, "firewall": firewall}
    answer = serving.main(request)
    real = {**answer, "asked": {"sent_unix_s": 1.0, "received_unix_s": 2.0}}
    unasked = sorted(set(sample.seen) - set(real))
    assert not unasked, (
        f"no host is asked for {unasked}: have remote/serving.py tell it, or correct the sample "
        "and the check that reads it"
    )
    assert is_of_the_shape(dict(sample.seen), real)


def broken(check: Check[Any], **changed: Any) -> Check[Any]:
    """The same check with a mistake in it."""
    fields = ("name", "fine", "judge", "healthy", "examples", "applies")
    return Check(**{**{name: getattr(check, name) for name in fields}, **changed})


@pytest.fixture
def check() -> Check[Any]:
    return next(check for check in CHECKS if check.name == "unit")


@pytest.mark.parametrize(
    ("examples", "words"),
    [
        ((), "give it an Example"),
        ((Example("x", Status.UNKNOWN, {"unit": {}}),), "give it an Example"),
        ((Example("x", Status.WARN),), "'x' gives {}"),
        ((Example("x", Status.CRITICAL, {"unit.NRestarts": "3"}),), "correct example or judge"),
        ((Example("x", Status.WARN, {"unit.NRestarts": "1", "listeners": []}),), "identity"),
    ],
)
def test_an_example_that_does_not_fire_is_told(
    check: Check[Any], examples: tuple[Example, ...], words: str
) -> None:
    assert words in wrong_with(broken(check, examples=examples))


def test_a_sample_that_is_not_healthy_is_told(check: Check[Any]) -> None:
    ill = check.healthy.changed(check.examples[0])
    assert "is not OK" in wrong_with(broken(check, healthy=ill))


def test_a_path_that_leads_nowhere_is_no_example(check: Check[Any]) -> None:
    with pytest.raises(LookupError):
        check.healthy.changed(Example("x", Status.WARN, {"unti.NRestarts": "3"}))


def test_an_example_leaves_the_sample_as_it_is(check: Check[Any]) -> None:
    for example in check.examples:
        check.healthy.changed(example)
    assert faults(check.healthy) == {}
