"""A server in quarantine proven, step by step, with the server's answers scripted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.checks.burn_in.healthy import BURNED_IN, product
from rackwright.checks.burn_in.planned_burn_in import PlannedBurnIn
from rackwright.checks.replica.bandwidth import CHECK as BANDWIDTH
from rackwright.checks.results import CheckResult, Status
from rackwright.errors import HostError, RefusedError
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner import returning
from rackwright.runner.fleet import FleetRun
from rackwright.runner.operations import NotStarted
from rackwright.runner.quarantine import Quarantine
from rackwright.runner.returning import Proof, Returning, Terms
from tests.samples.fleet import hosts, lab_hosts, server, service

OK, WARN, CRITICAL = Status.OK, Status.WARN, Status.CRITICAL
LOOKED, DRAINED, BURNED, STARTED, ASKED = "looked", "drained", "burned in", "started", "asked"
KEPT, ENDED = "kept", "ended"


def row(check: str, status: Status = OK, subject: str = "gpu1") -> CheckResult:
    return CheckResult(check, "gpu1", subject, status, "as it is", "" if status is OK else "do")


class Server:
    """gpu1 of the lab: what it answers, and what was done, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, data: dict[str, Any] | None = None) -> None:
        spec = load_fleet(data or lab_hosts())
        self.fleet = FleetRun(spec, plan(spec))
        self.quarantine: Quarantine | None = Quarantine("since 12:00, watchdog: Xid 79")
        self.server_rows = [[row("GPUs"), row("processes", CRITICAL)]] * 2
        copies = {**BURNED_IN.seen["copies"], "GPUs 0, 1": BANDWIDTH.healthy.seen}
        self.burn_in: dict[str, Any] = {**BURNED_IN.seen, "copies": copies}
        self.all_rows = [row("GPUs"), row("unit", subject="chat-gpu1-0")]
        self.in_flight, self.starts = [2, 1, 0], True
        self.did: list[str] = []
        self.words = ""
        self.turns: list[str] = []
        for name, act in {
            "connections": lambda inventory: nullcontext(),
            "reach": lambda inventory, name: SimpleNamespace(name=name),
            "quarantine_of": lambda host, settings: self.quarantine,
            "keep_quarantine": self._keep,
            "end_quarantine": self._end,
            "turn_at_gateways": self._turn,
            "probe": lambda host: {},
            "observe": lambda fleet: {},
            "call": self._call,
            "wait_for_units": self._wait,
            "judged": self._judged,
        }.items():
            monkeypatch.setattr(returning, name, act)
        monkeypatch.setattr(returning.checks, "judge", self._judge)
        monkeypatch.setattr(returning.gevent, "sleep", lambda seconds: None)

    def _keep(self, host: Any, settings: Any, words: str) -> None:
        self.did.append(KEPT)
        self.words = words

    def _end(self, host: Any, settings: Any, words: str) -> None:
        self.did.append(ENDED)
        self.words = words

    @contextmanager
    def _turn(self, fleet: Any, inventory: Any, wanted: Any, *_: Any) -> Iterator[Any]:
        self.turns.append(f"{wanted.replica} {wanted.alone}")
        try:
            yield SimpleNamespace(in_flight=lambda: self.in_flight.pop(0))
        finally:
            self.turns.append("given back")

    def _judge(self, wanted: Any, seen: Any) -> list[CheckResult]:
        self.did.append(LOOKED)
        return self.server_rows.pop(0)

    def _call(self, host: Any, script: str, request: Any, **_: Any) -> Any:
        self.did.append({"burn_in": BURNED, "driver": STARTED}[script])
        self.request = request
        return self.burn_in

    def _wait(self, host: Any, units: Any) -> None:
        if not self.starts:
            raise NotStarted("many lines", "rackwright-chat-gpu1-0 did not start: no GPU")

    def _judged(self, fleet: Any, names: Any, seen: Any) -> list[CheckResult]:
        self.did.append(ASKED)
        return self.all_rows

    def run(self, name: str = "gpu1", why: str | None = None) -> Proof:
        self.said: list[str] = []
        inventory: Any = None
        terms = Terms(5, why)
        return Returning(self.fleet, inventory, name, terms, self.said.append).run()


@pytest.fixture
def gpu1(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


def test_a_server_that_is_well_is_out_of_quarantine_at_the_very_end(gpu1: Server) -> None:
    proof = gpu1.run()
    assert gpu1.did == [LOOKED, BURNED, LOOKED, STARTED, ASKED, ENDED]
    assert gpu1.turns == ["chat-gpu1-0 False", "given back"] and gpu1.in_flight == []
    assert proof.ended and "checks after a burn-in of 5 minutes" in gpu1.words
    names = [row.check for row in proof.results]
    assert len(names) == len(set(names)) and "quarantine" not in names
    assert {"GPUs", "matrix products", "memory patterns", "unit"} <= set(names)


def test_what_is_wrong_with_the_server_itself_ends_it_before_a_burn_in(gpu1: Server) -> None:
    gpu1.server_rows = [[row("GPUs", CRITICAL), row("links")]]
    proof = gpu1.run()
    assert gpu1.did == [LOOKED, KEPT] and not proof.ended
    assert gpu1.words == "GPUs is CRITICAL: as it is"


def test_replicas_that_are_dead_keep_nobody_from_a_burn_in(gpu1: Server) -> None:
    """Checks of the server that are about its replicas count only once these have started."""
    assert gpu1.run().ended
    gpu1.server_rows = [[row("processes", CRITICAL)]] * 2
    gpu1.in_flight, gpu1.all_rows = [0], [row("processes", CRITICAL)]
    assert not gpu1.run().ended


def test_a_burn_in_that_finds_something_leaves_the_quarantine(gpu1: Server) -> None:
    gpu = {**BURNED_IN.seen["gpus"]["1"], "products": [product("bfloat16", 620.0, differ=1)]}
    gpu1.burn_in["gpus"] = {**gpu1.burn_in["gpus"], "1": gpu}
    proof = gpu1.run()
    assert gpu1.did == [LOOKED, BURNED, KEPT] and not proof.ended
    assert "matrix products is CRITICAL" in gpu1.words


def test_what_a_burn_in_brought_to_light_leaves_the_quarantine(gpu1: Server) -> None:
    gpu1.server_rows = [[row("Xid errors")], [row("Xid errors", CRITICAL)]]
    proof = gpu1.run()
    assert gpu1.did == [LOOKED, BURNED, LOOKED, KEPT] and not proof.ended


@pytest.mark.parametrize("status", [CRITICAL, Status.UNKNOWN])
def test_a_replica_that_is_not_well_leaves_the_quarantine(gpu1: Server, status: Status) -> None:
    gpu1.all_rows = [row("completion", status, "chat-gpu1-0")]
    assert not gpu1.run().ended and gpu1.did[-1] == KEPT


def test_a_warning_keeps_nobody_in_quarantine(gpu1: Server) -> None:
    gpu1.all_rows = [row("throughput", WARN, "chat-gpu1-0"), row("quarantine", CRITICAL)]
    assert gpu1.run().ended


def test_what_is_accepted_keeps_nobody_in_quarantine(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"host": "gpu1", "check": "PCIe", "until": "2100-01-01", "why": "riser is ordered"}
    data = {name: {**own, "accepted": [entry]} for name, own in lab_hosts().items()}
    monkeypatch.setattr("rackwright.inventory.rules.accepted_faults", lambda *_: iter(()))
    gpu1 = Server(monkeypatch, data)
    gpu1.server_rows = [[row("PCIe", CRITICAL)]] * 2
    proof = gpu1.run()
    assert proof.ended
    assert [row.label for row in proof.results if row.check == "PCIe"] == ["CRITICAL accepted"]


def test_a_replica_that_does_not_start_leaves_the_quarantine_with_its_cause(gpu1: Server) -> None:
    gpu1.starts = False
    with pytest.raises(HostError, match="did not start: no GPU"):
        gpu1.run()
    assert gpu1.did[-1] == KEPT and "did not start: no GPU" in gpu1.words


def test_one_that_is_interrupted_says_what_becomes_of_the_server(
    gpu1: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(returning, "call", interrupt)
    with pytest.raises(KeyboardInterrupt):
        gpu1.run()
    assert gpu1.did == [LOOKED] and gpu1.turns[-1] == "given back"
    assert "stays in quarantine, and what was stopped there starts again" in gpu1.said[-1]


def test_a_server_that_cannot_be_burned_in_says_why(gpu1: Server) -> None:
    gpu1.burn_in = {"error": "somebody uses the GPUs, end that first: GPU 0: process 7 (train.py)"}
    with pytest.raises(HostError, match="process 7"):
        gpu1.run()
    assert gpu1.did == [LOOKED, BURNED, KEPT]


def test_requests_that_never_end_are_not_waited_for_without_end(
    gpu1: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10**6, 300))
    monkeypatch.setattr(returning.time, "monotonic", lambda: float(next(clock)))
    gpu1.in_flight = [3] * 10
    assert gpu1.run().ended
    assert any("3 requests have not ended" in line for line in gpu1.said)


def test_without_a_burn_in_the_reason_is_kept(gpu1: Server) -> None:
    proof = gpu1.run(why="it was a cable")
    assert gpu1.did == [LOOKED, STARTED, ASKED, ENDED] and proof.ended
    assert "without a burn-in (it was a cable)" in gpu1.words


def test_a_server_that_is_in_no_quarantine_is_left_alone(gpu1: Server) -> None:
    gpu1.quarantine = None
    with pytest.raises(RefusedError, match="gpu1 is in no quarantine"):
        gpu1.run()
    assert gpu1.did == [] and gpu1.turns == []


@pytest.mark.parametrize("name", ["gpu9", "gw1"])
def test_what_is_no_gpu_server_is_refused_with_the_nearest_name(gpu1: Server, name: str) -> None:
    with pytest.raises(RefusedError, match="is not known"):
        gpu1.run(name)


def test_a_server_without_a_watchdog_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {name: {**own, "watchdog": "off"} for name, own in lab_hosts().items()}
    with pytest.raises(RefusedError, match="rackwright drain INVENTORY gpu1"):
        Server(monkeypatch, data).run()


def ollama() -> dict[str, Any]:
    gguf = {
        "path": "/srv/m.gguf",
        "sha256": "a" * 64,
        "size_bytes": 5 << 30,
        "quantization": "Q4_K_M",
    }
    asked = service("qwen3-8b", engine="ollama", gguf=gguf, revision=...)
    return hosts({"gpu1": server(count=1, link="none")}, {"notes": asked})


def test_an_engine_without_torch_wants_the_burn_in_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu1 = Server(monkeypatch, ollama())
    with pytest.raises(RefusedError, match="--skip-burn-in --why WHY"):
        gpu1.run()
    assert gpu1.did == []
    assert gpu1.run(why="no torch here").ended


def test_a_burn_in_is_asked_for_by_the_release_s_own_python(gpu1: Server) -> None:
    gpu1.run()
    engine = returning.torch_engine(gpu1.fleet, "gpu1")
    assert engine
    burn_in = returning.burn_in_of(gpu1.fleet, "gpu1", engine, 5)
    request = burn_in.request
    assert request["python"].startswith("/opt/rackwright/vllm/0.32.0-cuda-")
    assert request["units"] == ["rackwright-chat-gpu1-0.service"]
    assert (request["gpus"], request["burn"]["burn_s"]) == ([0, 1], 300)
    assert request["burn"] | {"device": "cuda", "size": 8192, "share": 1.0} == request["burn"]
    to_host, among = request["links"]["groups"]
    assert (to_host["name"], to_host["ranks"], to_host["to_host"]) == ("gpu1", 1, True)
    assert among["gpus"] == (0, 1) and among["pairs"] == [(0, 1)]
    assert burn_in.planned == PlannedBurnIn("gpu1", burn_in.planned.gpus, True)
    assert burn_in.limit_s > 300
