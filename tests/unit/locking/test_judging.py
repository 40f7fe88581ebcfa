from __future__ import annotations

from typing import Any

import pytest

from rackwright.locking.judging import lock_faults
from tests.samples import fleet as sample
from tests.samples.locks import fresh, pins

GGUF = {"path": "/srv/a.gguf", "sha256": "ab" * 32, "size_bytes": 4711}


def judged(**more: Any) -> list[str]:
    """What the lock of the sample fleet lacks of another."""
    return [str(fault) for fault in lock_faults("prod.lock.json", fresh(pins()).lock, pins(**more))]


def test_a_fleet_lacks_nothing_of_its_own_lock() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("more", "path", "value"),
    [
        ({"vllm_requirements": "lab/vllm-0.32.0-cpu.txt"}, "hosts[gpu1].releases", "vllm/0.32.0-"),
        ({"driver_version": "580.142"}, "hosts[gpu1].driver", "580.142 on debian 12 amd64"),
        ({"engine_python": "3.12"}, "engine_python", "3.12"),
        (
            {"services": {"chat": sample.service(revision="a" * 40)}},
            "hosts[gpu1].models",
            f"Instruct@{'a' * 40}",
        ),
        (
            {"gateway": {"server_name": "llm.example.com", "acme": {"email": "a@example.com",
             "agree_to_terms": True}}},
            "hosts[gw1].packages",
            "certbot",
        ),
    ],
)  # fmt: skip
def test_what_is_not_locked_is_said_by_path_rule_and_value(
    more: dict[str, Any], path: str, value: str
) -> None:
    (fault,) = judged(**more)
    assert fault.startswith(f"prod.lock.json: {path}: is not ")
    assert "`rackwright lock` locks it" in fault
    assert value in fault


def test_a_host_that_was_never_asked_is_said() -> None:
    more = judged(servers={"gpu1": sample.server(), "gpu2": sample.server(12)})
    assert [fault.partition(" (got")[0] for fault in more] == [
        "prod.lock.json: hosts[gpu2]: has no system in the lock; `rackwright lock` locks it"
    ]


def test_a_file_of_another_digest_under_the_same_name_is_not_locked() -> None:
    def of(sha256: str) -> dict[str, Any]:
        gguf = {**GGUF, "sha256": sha256}
        return {"chat": sample.service(engine="ollama", gguf=gguf, revision=...)}

    lock = fresh(pins(services=of("ab" * 32))).lock
    assert lock_faults("l", lock, pins(services=of("ab" * 32))) == []
    (fault,) = lock_faults("l", lock, pins(services=of("cd" * 32)))
    assert "is of another digest in the lock" in str(fault)
