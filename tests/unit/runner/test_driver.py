"""The order in which a host's driver is changed, with the host's answers scripted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rackwright.catalog import gpu_types
from rackwright.checks.results import Acceptance, CheckResult, Status
from rackwright.desired.items import Change, Package
from rackwright.driver.facts import Facts
from rackwright.driver.offers import Offers
from rackwright.driver.preflight import Situation
from rackwright.runner import driver, rebooting
from rackwright.runner.driver import Outlook, _apply, _forbidding
from tests.samples.driver import loaded, offered, planned, seen, server, settings

REPLICA = {"pid": 405, "command": "vllm", "cgroups": ["/system.slice/rackwright-chat.service"]}
OLD, NEW = loaded("580.126.20"), loaded("580.159.04")
UNIT = "rackwright-chat.service"


class FakeHost:
    """What the runner uses of a host: a name, and somewhere to say things."""

    connector = None
    inventory = frozenset[str]()

    def __init__(self, name: str) -> None:
        self.name = name
        self.said: list[str] = []

    def log(self, words: str) -> None:
        self.said.append(words)

    def log_styled(self, words: str, **_: Any) -> None:
        self.said.append(words)


@pytest.mark.parametrize(("decided", "forbidding"), [(True, ["cuda"]), (False, ["space", "cuda"])])
def test_what_is_accepted_forbids_nothing_where_there_is_a_plan(
    decided: bool, forbidding: list[str]
) -> None:
    known = Acceptance("2026-12-31", "it is enough")
    rows = [
        CheckResult("space", "gpu1", "gpu1", Status.CRITICAL, "2 GB", "more", known),
        CheckResult("cuda", "gpu1", "gpu1", Status.UNKNOWN, "?", "see"),
        CheckResult("support", "gpu1", "gpu1", Status.WARN, "old", "newer"),
    ]
    assert [row.check for row in _forbidding(rows, decided)] == forbidding


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    rebooting.REBOOTS.failed.clear()
    monkeypatch.setattr(rebooting.time, "sleep", lambda _s: None)
    yield Script(monkeypatch)
    rebooting.REBOOTS.failed.clear()


class Script:
    """A host that answers from a list of observations, and keeps what it was asked to do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.observations: list[dict[str, Any]] = []
        self.library: str | None = "580.159.04"
        self.load: dict[str, Any] = {"ok": True, "words": "", "log": []}
        self.answers: dict[str, Callable[[], Any]] = {
            "reboot": lambda: {"boot_id": "1"},
            "load": lambda: self.load,
            "why": lambda: {"log": ["NVRM: the log"]},
        }
        monkeypatch.setattr(driver, "ask", self._ask)
        monkeypatch.setattr(driver, "call", self._call)
        monkeypatch.setattr(driver, "probe", lambda _: {"nvml": {"driver_version": self.library}})
        monkeypatch.setattr(driver, "await_units", lambda _host, _units: True)
        monkeypatch.setattr(driver, "out_of_traffic", self._out_of_traffic)

    def _out_of_traffic(self, fleet: Any, host: Any, why: str, interrupt: Any) -> None:
        with rebooting.REBOOTS.take(host):
            self.asked.append("drained")
            interrupt()
            self.asked.append("given back")

    def _ask(self, host: Any, request: Any, timeout_s: Any = None) -> Any:
        if request["do"] == "observe":
            last = len(self.observations) == 1
            return self.observations[0] if last else self.observations.pop(0)
        self.asked.append(request["do"])
        return self.answers.get(request["do"], dict)()

    def _call(self, host: Any, script: str, request: Any, **_: Any) -> Any:
        if request["do"] == "observe":
            return [{"active": "active", "enabled": "enabled", "stamp": {}}] * len(request["items"])
        self.asked.append("+".join(item["key"] for item in request["items"]))
        return {}

    def run(self, reboot: str = "never", users: Any = (), name: str = "gpu1") -> tuple[bool, str]:
        """Upgrade a host: whether that worked, and all it said."""
        plan = planned("debian12")
        host, pin = FakeHost(name), Package("nvidia-driver-cuda", version="580.159.04")
        at = Situation(
            settings=settings(reboot=reboot),
            server=server(),
            gpu=gpu_types()["l40s-48gb"],
            facts=Facts({**seen("debian12"), "users": list(users)}),
            plan=plan,
            offers=Offers(offered(plan)),
            interrupts=True,
            our_units=frozenset([UNIT]),
        )
        found = Outlook(at, (("driver", (Change(pin, "not installed", {}),)), ("boot", ())))
        done = _apply(None, host, found, None)  # type: ignore[arg-type]
        return done, "\n".join(host.said)


def facts(*each: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**seen("debian12", **dict(one)), **one.get("more", {})} for one in each]


def test_a_bare_host_loads_the_module_without_a_reboot(script: Script) -> None:
    script.observations = facts({}, NEW)
    done, said = script.run()
    assert done, said
    assert script.asked == [
        "nvidia-driver-cuda", "load", "rackwright-gpu-settings.service",
    ]  # fmt: skip
    assert said.endswith("driver 580.159.04: loaded module, library and pin agree")


def test_a_reboot_that_is_not_allowed_stops_with_what_to_do(script: Script) -> None:
    script.observations = facts({"nouveau": True})
    done, said = script.run()
    assert not done and script.asked == ["nvidia-driver-cuda"]
    assert said.endswith(
        "a reboot is needed (nouveau drives the GPUs), and group data says reboot = never: run "
        "`rackwright reboot INVENTORY gpu1`, then this again; or set reboot to if-needed"
    )
    again, words = script.run(name="gpu2")
    assert not again and "failed before it" not in words


def test_an_upgrade_stops_replicas_reboots_and_waits(script: Script) -> None:
    back = {**NEW, "boot_id": "2"}
    script.observations = facts(OLD, OLD, back)
    done, said = script.run(reboot="if-needed", users=[REPLICA])
    assert done, said
    assert script.asked == [
        "drained", "stop", "nvidia-driver-cuda", "reboot", "rackwright-gpu-settings.service",
        "start", "given back",
    ]  # fmt: skip
    assert "rebooting: module 580.126.20 is loaded, 580.159.04 is installed" in said


def test_replicas_are_started_again_where_the_upgrade_fails(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.observations = facts(OLD)
    ask = script._call

    def broken(host: Any, name: str, request: Any, **_: Any) -> Any:
        ask(host, name, request)
        return {"error": "E: Failed to fetch nvidia-driver"}

    monkeypatch.setattr(driver, "call", broken)
    done, said = script.run(reboot="if-needed", users=[REPLICA])
    assert not done and said.endswith("E: Failed to fetch nvidia-driver")
    assert script.asked == ["drained", "stop", "nvidia-driver-cuda", "start"]


def test_a_reboot_that_nobody_uses_the_driver_at_is_out_of_traffic_too(script: Script) -> None:
    """An engine without a GPU may serve there, and others that share the host."""
    script.observations = facts({"nouveau": True}, {**NEW, "boot_id": "2"})
    done, said = script.run(reboot="if-needed")
    assert done, said
    assert script.asked == [
        "nvidia-driver-cuda", "drained", "reboot", "rackwright-gpu-settings.service", "given back",
    ]  # fmt: skip


def test_a_host_that_comes_back_with_another_module_stops_all_that_follow(script: Script) -> None:
    script.observations = facts(OLD, OLD, {**OLD, "boot_id": "2"})
    done, said = script.run(reboot="if-needed", users=[REPLICA])
    assert not done
    assert said.endswith("module 580.126.20 is loaded, 580.159.04 is installed\nNVRM: the log")
    script.asked.clear()
    done, said = script.run(reboot="if-needed", users=[REPLICA], name="gpu2")
    assert not done and script.asked == []
    assert said == "gpu2 was not interrupted: gpu1 failed before it"


def test_a_library_of_another_version_is_never_passed(script: Script) -> None:
    script.observations = facts({}, NEW)
    script.library = "580.126.20"
    done, said = script.run()
    assert not done
    assert "pinned 580.159.04, but library (NVML) 580.126.20\nNVRM: the log" in said


def test_a_module_that_does_not_load_stops_with_its_log(script: Script) -> None:
    script.observations = facts({})
    script.load = {"ok": False, "words": "modprobe: Key was rejected", "log": ["NVRM: no"]}
    done, said = script.run()
    assert not done
    assert said.endswith(
        "the kernel module of driver 580.159.04 could not be loaded: modprobe: Key was rejected\n"
        "NVRM: no"
    )


def test_a_host_that_does_not_come_back_is_given_up(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10**6, 600))
    monkeypatch.setattr(rebooting.time, "monotonic", lambda: next(clock))
    script.observations = facts(OLD)
    done, said = script.run(reboot="if-needed")
    assert not done and said.endswith("gpu1 did not come back within 1800 s: see its console")


def test_settled_is_a_host_as_planned_that_runs_it() -> None:
    at = Situation(
        settings=settings(),
        server=server(),
        gpu=gpu_types()["l40s-48gb"],
        facts=Facts(seen("debian12", **NEW)),
        plan=planned("debian12"),
    )
    assert Outlook(at).settled
    change = Change(Package("nvidia-driver-cuda"), "is not held", {})
    assert not Outlook(at, (("driver", (change,)),)).settled
