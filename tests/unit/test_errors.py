from __future__ import annotations

import pytest

from rackwright.errors import Fault, PlanError, RackwrightError, SpecError, nearest


def test_a_fault_reads_as_path_rule_and_value() -> None:
    fault = Fault("servers[gpu1].gpus.count", "must be 1 to 16", 0)
    assert str(fault) == "servers[gpu1].gpus.count: must be 1 to 16 (got 0)"
    assert str(Fault("services", "is required")) == "services: is required"


def test_a_value_that_cannot_be_hashed_is_still_a_fault() -> None:
    fault = Fault("services[chat].servers", "must be a list", {"gpu1": [1]})
    assert len({fault, Fault(fault.path, fault.rule, {"gpu1": [1]})}) == 1
    assert "{'gpu1': [1]}" in str(SpecError([fault]))


def test_a_long_value_is_cut_to_one_line() -> None:
    text = str(Fault("a", "b", "x" * 500))
    assert len(text) < 120
    assert text.endswith("...)")


def test_all_faults_are_sorted_counted_and_said_once() -> None:
    error = SpecError([Fault("b", "is wrong"), Fault("a", "is wrong"), Fault("b", "is wrong")])
    assert [fault.path for fault in error.faults] == ["a", "b"]
    assert str(error).startswith("2 faults in the inventory; no host was touched\n")
    assert isinstance(PlanError([]), RackwrightError)


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("h100-smx-80gb", "", "is not known, did you mean 'h100-sxm-80gb'?"),
        ("H100-SXM-80GB", "GPU type", "is not a known GPU type, did you mean 'h100-sxm-80gb'?"),
        ("voodoo", "", "is not known, expected one of h100-sxm-80gb, l4-24gb"),
    ],
)
def test_the_nearest_name_is_said(name: str, kind: str, text: str) -> None:
    assert nearest(name, ["l4-24gb", "h100-sxm-80gb"], kind) == text


def test_no_names_at_all_is_no_list() -> None:
    assert nearest("gpu1", [], "server") == "is not a known server"


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("no")


@pytest.mark.parametrize("value", [10**5000, Unprintable()], ids=["int", "Unprintable"])
def test_a_value_that_cannot_be_printed_is_named_by_its_type(value: object) -> None:
    said = str(SpecError([Fault("a", "is wrong", value)]))
    assert f"a: is wrong (got <{type(value).__name__} that cannot be printed>)" in said


def test_a_value_of_billions_is_never_written_out() -> None:
    """As nine lines of YAML can make one, by aliases."""
    value: list[object] = ["x"]
    for _ in range(40):
        value = [value] * 9
    assert (
        str(Fault("a", "is wrong", value)) == "a: is wrong (got <list of more than 10,000 values>)"
    )


def test_names_that_are_not_listed_are_still_proposed() -> None:
    assert nearest("ssh_usr", ["stages"], "key", ["ssh_user"]).endswith("did you mean 'ssh_user'?")
    assert nearest("voodoo", ["stages"], "key", ["ssh_user"]).endswith("expected one of stages")


def test_a_fault_is_one_line_whatever_its_names_are() -> None:
    fault = Fault("servers[g\n1\x1b[31m].name", "is not known, did you mean 'g\t1'?")
    assert str(fault) == r"servers[g\n1\x1b[31m].name: is not known, did you mean 'g\t1'?"
