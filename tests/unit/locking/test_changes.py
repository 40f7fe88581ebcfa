from __future__ import annotations

from typing import Any

import pytest

from rackwright.locking import Lock
from rackwright.locking.change import MOST_NAMED, Change, moved, size, some
from rackwright.locking.changes import changes
from tests.samples import fleet as sample
from tests.samples.locks import DRIVER, fresh, lock, outside, pins, uses
from tests.samples.outside import Recorded


def between(old: Lock, new: Lock, **more: Any) -> list[Change]:
    return changes(old, new, uses(**more))


def after(asked: Recorded | None = None, **more: Any) -> list[Change]:
    """What changes for the sample fleet once it is as in ``more``."""
    return between(fresh(pins()).lock, fresh(pins(**more), asked).lock, **more)


def the(found: list[Change], begin: str) -> str:
    """All that a change says, in one text."""
    (one,) = (change for change in found if change.what.startswith(begin))
    return "\n".join([one.what, *one.means])


def test_nothing_changes_between_equal_locks() -> None:
    assert after() == []


def test_a_first_lock_names_all_parts() -> None:
    found = between(Lock(), fresh(pins()).lock)
    begins = ["+ driver", "+ release uv", "+ release vllm", "+ model", "+ host gpu1", "+ host gw1"]
    assert [one.what[: len(begin)] for one, begin in zip(found, begins, strict=False)] == begins
    assert "16.0 GB to fetch" in the(found, "+ model")
    assert "Python 3.11.2 (system)" in the(found, "+ system")


def test_another_release_restarts_its_replicas_and_names_the_floor_of_the_driver() -> None:
    words = the(after(vllm_version="0.33.0"), "vllm 0.32.0-cuda -> 0.33.0-cuda")
    assert "replicas of chat on gpu1 restart, one after another" in words
    assert "CUDA 13: driver branch 580 or newer" in words


def test_other_wheels_of_one_version_are_named() -> None:
    words = the(after(vllm_requirements="lab/vllm-0.32.0-cpu.txt"), "vllm 0.32.0-cuda: the same")
    assert "packages: torch 2.13.0 -> 2.13.0+cpu, " in words, words


def test_a_driver_says_branch_cuda_and_how_it_is_replaced() -> None:
    asked = outside(drivers={"gpu1": "595.71.05"})
    words = the(after(asked, driver_version="595.71.05"), f"driver {DRIVER} -> 595.71.05")
    assert "branch 580 -> 595, supported until 2027-03" in words
    assert "refused while replicas use the old one (reboot = never)" in words
    asked = outside(drivers={"gpu1": "580.142"})
    words = the(after(asked, driver_version="580.142", reboot="if-needed"), "driver")
    assert "branch 580, supported until 2028-06: CUDA to major 13" in words
    assert "a reboot each" in words


def test_a_release_beside_a_driver_that_is_too_old_for_it_is_said() -> None:
    new = fresh(pins()).lock
    (key,) = new.drivers
    older = new.drivers[key].model_copy(update={"version": "570.133.20"})
    new = new.model_copy(update={"drivers": {"570.133.20 on debian 12 amd64": older}})
    found = between(Lock(), new)
    assert "570.133.20 on debian 12 amd64 is older: a deploy refuses it" in the(
        found, "+ release vllm"
    )


def test_another_revision_is_one_change_and_says_what_is_fetched() -> None:
    found = after(services={"chat": sample.service(revision="a" * 40)}, vllm_version="0.32.0")
    words = the(found, "model meta-llama/")
    assert f"-> {'a' * 40}" in words and "16.0 GB to fetch" in words
    assert "replicas of chat on gpu1 restart" in words


def test_a_rollout_of_all_at_once_is_said() -> None:
    service = sample.service(revision="a" * 40, rollout="all")
    assert "restart, all at once" in the(after(services={"chat": service}), "model")


def test_packages_say_which_service_hears_of_it() -> None:
    old, new = lock(), lock({"nginx": "1.1-1", "libdep1": "1.0-1"})
    words = the(between(old, new), "debian 12 amd64: 1 package:")
    assert "nginx 1.0-1 -> 1.1-1" in words and "nginx: its package has Nginx go on" in words
    words = the(between(old, lock({"nginx": "1.0-1", "libdep1": "1.1-1"})), "debian 12")
    assert "no service restarts" in words


def test_another_python_is_of_servers_that_are_rebuilt() -> None:
    asked = outside(of_hosts={name: {"python": "3.12.3"} for name in ("gpu1", "gw1")})
    found = after(asked)
    assert "a server that is rebuilt gets the new one" in the(
        found, "debian 12 amd64: Python 3.11.2 -> 3.12.3"
    )
    words = the(found, "vllm/")
    assert "+ 3.12 amd64 glibc 2.36" in words and "- 3.11 amd64 glibc 2.36" in words


def test_what_left_the_fleet_stays_on_servers() -> None:
    found = between(fresh(pins()).lock, lock())
    assert "its files stay on servers" in the(found, "- model")
    assert "its folder stays on servers" in the(found, "- release vllm")
    assert "what is installed stays" in the(found, "- driver")
    assert the(found, "- host gpu1")


def test_a_host_that_was_installed_anew_is_said() -> None:
    asked = outside(of_hosts={"gw1": {"version_id": "13"}})
    assert "it was installed anew" in the(after(asked), "host gw1: debian 12 amd64 -> debian 13")


def test_version_changes_in_words() -> None:
    assert moved({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"}) == [
        "b 1 -> 2",
        "+ d 1",
        "- c 1",
    ]


def test_a_long_list_is_cut_and_counted() -> None:
    words = [str(number) for number in range(MOST_NAMED + 3)]
    assert some(words).endswith(f"{MOST_NAMED - 1} and 3 more")
    assert some(words[:2]) == "0, 1"


@pytest.mark.parametrize(
    ("count", "words"),
    [(3_950_000_000, "4.0 GB"), (17_600_000, "17.6 MB"), (1200, "1 kB")],
)
def test_sizes_as_people_say_them(count: int, words: str) -> None:
    assert size(count) == words
