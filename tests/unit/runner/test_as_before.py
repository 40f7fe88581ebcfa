"""What is kept of an inventory that was right: by all that is said of its hosts, and no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.inventory import Inventory

from rackwright.runner import as_before
from rackwright.runner.as_before import asked_before, note_asked, note_right, was_right


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "rackwright" / "judged"


def inventory(*names: str, group: Any = 1, override: Any = None, **data: Any) -> Inventory:
    hosts = [(f"@rackwright-discover/{name}", data) for name in names or ("gpu1", "gw1")]
    return Inventory((hosts, {}), override_data=override, rack=(hosts, {"a": group}))


def test_only_an_inventory_that_is_the_same_to_the_last_value_was_right() -> None:
    assert not was_right(inventory())
    note_right(inventory())
    assert was_right(inventory())
    others = [
        inventory("gpu1"),
        inventory("gpu1", "gpu2"),
        inventory(ssh_port=22),
        inventory(group=2),
        inventory(group={"deep": [1]}),
        inventory(override={"stages": "base"}),
    ]
    assert not any(map(was_right, others))


def test_nothing_is_kept_of_a_password(cache: Path) -> None:
    for name in as_before.SECRETS:
        note_right(inventory(**{name: "s3cret"}))
    (kept,) = cache.iterdir()
    assert was_right(inventory())
    assert (list(kept.iterdir()), kept.stat().st_mode & 0o777) == ([], 0o700)
    assert cache.stat().st_mode & 0o777 == 0o700


def test_data_that_cannot_be_told_from_others_is_never_known() -> None:
    for odd in ({1, 2}, Path("/x"), object()):
        note_right(inventory(group=odd))
        assert not was_right(inventory(group=odd))


def test_the_oldest_make_way_and_without_a_cache_all_are_judged_first(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(as_before, "MOST_KEPT", 2)
    for port in range(4):
        note_right(inventory(ssh_port=port))
    assert len(list(cache.iterdir())) == 2
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    note_right(inventory())
    assert not was_right(inventory())


# --- what its hosts were asked first ----------------------------------------------------------


def test_a_host_is_asked_what_it_was_asked_by_the_run_before(cache: Path) -> None:
    first = inventory()
    gpu1, gw1 = first.get_host("gpu1"), first.get_host("gw1")
    note_asked(gpu1, "[1]")
    assert asked_before(gpu1) is None, "it is not known to be right"
    note_right(first)
    note_asked(gpu1, "[1]")
    note_asked(gpu1, "[2]")
    again = inventory()
    assert asked_before(again.get_host("gpu1")) is None, "nobody has asked whether it was right"
    assert was_right(again)
    assert [asked_before(again.get_host(name)) for name in ("gpu1", "gw1")] == ["[2]", None]
    assert asked_before(gw1) is None
    (kept,) = next(cache.iterdir()).iterdir()
    assert (kept.stat().st_mode & 0o777, kept.suffix) == (0o600, ".json")


def test_of_other_data_it_was_asked_something_else() -> None:
    first, other = inventory(), inventory(ssh_port=2)
    for each, asked in ((first, "[1]"), (other, "[2]")):
        note_right(each)
        note_asked(each.get_host("gpu1"), asked)
    again = inventory()
    assert was_right(again) and asked_before(again.get_host("gpu1")) == "[1]"


def test_what_cannot_be_read_is_not_known(cache: Path) -> None:
    first = inventory()
    note_right(first)
    host = first.get_host("gpu1")
    note_asked(host, "[1]")
    (kept,) = next(cache.iterdir()).iterdir()
    kept.write_bytes(b"\xff")
    assert asked_before(host) is None
    note_asked(host, "[3]")
    assert asked_before(host) == "[3]"


def test_what_is_kept_of_hosts_makes_way_with_its_inventory(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(as_before, "MOST_KEPT", 1)
    for port in range(3):
        one = inventory(ssh_port=port)
        note_right(one)
        note_asked(one.get_host("gpu1"), f"[{port}]")
    assert len(list(cache.iterdir())) == 1
    assert asked_before(one.get_host("gpu1")) == "[2]"
