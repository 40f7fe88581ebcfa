"""Two hosts beside each other: names, addresses and GPUs are no difference, all else is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rackwright.drift.between import Unlike, unlike
from rackwright.drift.neutral import neutral
from rackwright.drift.question import question
from tests.samples.drift import KEY, NONCE, Answer, as_planned, gpus, planned
from tests.samples.fleet import hosts, server, service

STARTS = "/opt/rackwright/bin/starts"


def fleet(**second: Any) -> dict[str, dict[str, Any]]:
    """Two servers that are alike; ``second`` are settings of gpu2 alone."""
    servers = {"gpu1": server(11), "gpu2": server(12)}
    found = hosts(servers, {"chat": service(servers=["gpu1", "gpu2"])})
    found["gpu2"] |= second
    return found


def differences(
    change: Callable[[Answer], object] = lambda answer: None, **second: Any
) -> list[Unlike]:
    both = [question(planned(name, fleet(**second)), NONCE) for name in ("gpu1", "gpu2")]
    answers = [as_planned(one) for one in both]
    change(answers[1])
    return unlike((both[0], both[1]), (answers[0], answers[1]))


def test_alike_is_alike() -> None:
    assert differences() == []


def at(*path: str, **changed: Any) -> Callable[[Answer], object]:
    def change(answer: Answer) -> None:
        for key in path:
            answer = answer[key]
        answer.update(changed)

    return change


@pytest.mark.parametrize(
    ("change", "about", "one", "other"),
    [
        (at("host", kernel="6.1.1"), "kernel", "6.1.0", "6.1.1"),
        (at("host", driver="570.1"), "driver", "580.178.04", "570.1"),
        (at("noted", "system", version_id="13"), "version_id", "12", "13"),
        (
            lambda answer: answer["known"]["gpus"][1].update(name="H100"),
            "GPU 1",
            "H200",
            "H100",
        ),
        (
            lambda answer: answer["known"]["gpus"].append(gpus("gpu2", 3)[2]),
            "GPU 2",
            None,
            "H200",
        ),
    ],
)
def test_what_is_there_is_told(
    change: Callable[[Answer], object], about: str, one: str | None, other: str | None
) -> None:
    assert Unlike(about, one, other) in differences(change)


def test_a_version_and_a_hold_are_told_of_both() -> None:
    versions = {"version": "9-1", "hold": True}

    def change(answer: Answer) -> None:
        answer["noted"]["packages"]["python3-venv"] = versions

    found = {row.about: row for row in differences(change)}
    assert found["package python3-venv"][1:] == ("1.2-1", "9-1, on hold")


def test_what_is_planned_otherwise_is_told_by_its_lines() -> None:
    (found,) = (
        row
        for row in differences(restart_delay_s=9)
        if row.about == f"content of {STARTS}" or row.about.startswith("drift")
    )
    assert found.about == f"content of {STARTS}"
    assert "delay=5" in str(found.one) and "delay=9" in str(found.other)


def test_a_drift_of_one_is_a_difference() -> None:
    def change(answer: Answer) -> None:
        answer["sockets"].append({"port": 8001, "address": "0.0.0.0", "unit": "a.service",
                                  "pid": 1, "command": "a"})  # fmt: skip

    assert [row.about for row in differences(change)] == ["drift: open socket 0.0.0.0:8001"]


def test_another_key_is_told_and_not_shown() -> None:
    both = [question(planned(name, fleet()), NONCE) for name in ("gpu1", "gpu2")]
    answers = [as_planned(one) for one in both]
    other = question(planned("gpu2", fleet()), NONCE)
    object.__setattr__(other.host, "api_key", "sk-another-key")
    found = unlike((both[0], other), (answers[0], answers[1]))
    contents = [row for row in found if row.about.startswith("content of")]
    assert [row.about for row in contents] == [
        "content of /etc/rackwright/replicas/chat-<host>-0.env"
    ]
    assert contents[0].one == "VLLM_API_KEY=<another secret>"
    assert KEY not in repr(found) and "sk-another-key" not in repr(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chat-gpu1-0 at 192.0.2.11:8000", "chat-<host>-0 at <address>:8000"),
        ("peer gpu2 192.0.2.12", "peer <other's host> <other's address>"),
        ("GPU-gpu1-0,GPU-gpu1-1", "<GPU 0 uuid>,<GPU 1 uuid>"),
        ("gpu10 and 192.0.2.110", "gpu10 and 192.0.2.110"),
        ("mygpu1", "mygpu1"),
    ],
)
def test_only_whole_words_are_a_host_s_own(text: str, said: str) -> None:
    one, other = (planned(name, fleet()) for name in ("gpu1", "gpu2"))
    assert neutral(one, other, gpus("gpu1"))(text) == said
