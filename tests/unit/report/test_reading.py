"""`rackwright watch`: what hosts answer as rows, and rows as tables."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from rich.console import Console

from rackwright.engines import ENGINES
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.remote import watching as remote
from rackwright.report import watch_tables
from rackwright.report.reading import FIGURES, Reading, reading
from rackwright.spec import AcceptedFinding
from tests.samples.fleet import cluster, hosts, server, service
from tests.samples.probes import seen
from tests.samples.travelling import run

PLAN = plan(load_fleet(hosts({"gpu1": server(), "gpu2": server(12)}, {"chat": service()})))
(REPLICA,) = PLAN.on("gpu1")
ASKED = {name: ENGINES["vllm"].figures[name] for name in FIGURES}


def answer(at_s: float = 100.0, tokens: float = 500.0, **replica: Any) -> dict[str, Any]:
    """A server of two busy GPUs with its replica."""
    gpus = seen(2)["gpus"]
    for gpu in gpus:
        gpu |= {"utilization_percent": {"gpu": 93, "memory": 40}, "temperature_c": 61}
        gpu["memory"] |= {"used_bytes": 120 << 30, "total_bytes": 140 << 30}
        gpu["power"] = {"draw_w": 512.4, "limit_w": 700.0}
    told = dict(zip(FIGURES, (7.0, 1.0, 0.5, tokens), strict=True))
    shown = {"unit": "active", "status": 200, "figures": told, **replica}
    return {"time_unix_s": at_s, "gpus": gpus, "replicas": {REPLICA.name: shown}}


def rows(now: dict[str, Any], before: dict[str, Any] | None = None) -> Reading:
    past = {"gpu1": before} if before else {}
    return reading(PLAN, {"gpu1": now, "gpu2": {"error": "timed out"}}, past)


def text(seen: Reading, width: int = 140) -> str:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as printed:
        console.print(watch_tables(seen, "now"))
    return printed.get()


def test_what_is_accepted_is_listed() -> None:
    entry = {"host": "gpu1", "check": "PCIe", "until": "2026-12-31", "why": "riser is ordered"}
    shown = text(Reading(accepted=[AcceptedFinding(**entry)]))
    assert shown.splitlines()[-1].split() == [
        *("gpu1", "gpu1", "PCIe", "2026-12-31", "riser", "is", "ordered")
    ]
    over = text(Reading(accepted=[AcceptedFinding(**entry)], today=date(2027, 1, 1)))
    assert "2026-12-31, over" in over and "over" not in shown


def test_a_gpu_is_a_row() -> None:
    row = rows(answer()).gpus[1]
    assert (row.host, row.index, row.name) == ("gpu1", 1, "H200")
    assert (row.utilization_percent, row.temperature_c) == (93, 61)
    assert (row.used_gib, row.total_gib, row.draw_w, row.limit_w) == (120, 140, 512.4, 700)
    assert (row.others, len(row.replicas)) == (0, int(1 in REPLICA.gpus))


def test_a_process_that_is_not_planned_is_counted() -> None:
    now = answer()
    unit = f"/system.slice/rackwright-{REPLICA.name}.service"
    ours, other = {"cgroups": [unit]}, {"cgroups": ["/user.slice"]}
    now["gpus"][0]["processes"] = [ours, other]
    assert rows(now).gpus[0].others == 1
    assert "1 other process" in text(rows(now))


def test_a_replica_is_a_row_with_its_rate() -> None:
    (row,) = rows(answer(104.0, 700.0), answer(100.0, 500.0)).replicas
    assert (row.running, row.waiting, row.kv_cache) == (7, 1, 0.5)
    assert row.tokens_per_s == 50
    assert row.state == "active"


@pytest.mark.parametrize(
    "before", [None, answer(100.0, 900.0), answer(104.0), {"error": "timed out"}, {}]
)
def test_no_rate_is_shown_before_two_readings_of_one_engine(before: dict[str, Any] | None) -> None:
    assert rows(answer(104.0, 700.0), before).replicas[0].tokens_per_s is None


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        ({"unit": "activating", "status": None, "error": "refused"}, "activating"),
        ({"unit": "failed", "status": None}, "failed"),
        ({"unit": "active", "status": None, "error": "timed out"}, "no answer"),
        ({"unit": "active", "status": 503}, "no answer"),
        ({"unit": None, "status": None}, "unknown"),
    ],
)
def test_a_replica_that_does_not_answer_says_its_state(shown: dict[str, Any], state: str) -> None:
    (row,) = rows(answer(**shown)).replicas
    assert (row.state, row.running, row.tokens_per_s) == (state, None, None)


def test_a_dead_host_is_one_row_and_comes_back() -> None:
    found = rows(answer())
    assert found.silent == {"gpu2": "timed out"}
    assert {row.host for row in (*found.gpus, *found.replicas)} == {"gpu1"}
    again = reading(PLAN, {"gpu1": answer(), "gpu2": answer()}, {"gpu2": {"error": "timed out"}})
    assert again.silent == {} and len(again.gpus) == 4
    assert reading(PLAN, {}).silent == {"gpu1": "connecting", "gpu2": "connecting"}


def test_what_is_missing_is_no_crash() -> None:
    lost = answer()
    lost["gpus"][0] = None
    lost["gpus"][1] = {"name": None, "memory": None, "power": None, "utilization_percent": None}
    found = rows(lost)
    assert [row.name for row in found.gpus] == ["lost", "?"]
    assert "lost" in text(found) and "- / -" in text(found)
    none = {"gpus": [], "unavailable": {"nvml": "no library"}, "replicas": {}}
    assert rows(none).silent["gpu1"] == "no GPU is seen: no library"
    assert rows({}).silent["gpu1"]


def test_later_servers_of_a_replica_show_their_unit_alone() -> None:
    wide = service("llama-3.3-70b-instruct", servers=["gpu1", "gpu2"], servers_per_replica=2)
    spread = plan(load_fleet(hosts(cluster(2), {"chat": wide})))
    (second,) = spread.on("gpu2")
    assert not second.answers
    now = {"gpus": seen(8)["gpus"], "replicas": {second.name: {"unit": "active"}}}
    (row,) = reading(spread, {"gpu1": {"error": "x"}, "gpu2": now}).replicas
    assert (row.host, row.state, row.running) == ("gpu2", "active", None)


def test_the_tables_show_every_figure() -> None:
    shown = text(rows(answer(104.0, 900.0), answer()))
    for word in ("93 %", "120.0 / 140.0", "61 °C", "512 / 700", REPLICA.name, "50.0 %", "100.0"):
        assert word in shown
    assert "gpu2" in shown and "timed out" in shown
    assert REPLICA.name in text(rows(answer()), width=80)


METRICS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="tiny llama {x}"} 2.0
vllm:num_requests_running{engine="1",model_name="tiny"} 3
vllm:num_requests_running_total 9
vllm:kv_cache_usage_perc 1.5e-1
vllm:generation_tokens_total{engine="0"} NaN-ish
other 1
"""


@pytest.fixture
def port() -> Iterator[int]:
    """A stand-in for an engine's metrics."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/metrics" else 404)
            self.end_headers()
            self.wfile.write(METRICS.encode())

        def log_message(self, *_: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield served.server_port
        served.shutdown()
        thread.join()


def test_metrics_are_read_on_the_host(port: int) -> None:
    asked = {"address": "127.0.0.1", "port": port, "path": "/metrics", "figures": ASKED}
    figures = dict(zip(FIGURES, (5.0, None, 0.15, None), strict=True))
    assert remote.answer(asked) == {"status": 200, "figures": figures}
    assert remote.answer({**asked, "path": "/x"})["status"] == 404


def test_nobody_on_the_port_is_an_error() -> None:
    asked = {"address": "127.0.0.1", "port": 1, "path": "/metrics", "figures": {}}
    assert "ConnectionRefusedError" in remote.answer(asked)["error"]


def test_a_host_answers_in_json(port: int) -> None:
    asked = {"name": "chat", "unit": "none.service", "address": "127.0.0.1"}
    asked |= {"port": port, "path": "/metrics", "figures": ASKED}
    later = {**asked, "name": "later", "path": None}
    found = json.loads(json.dumps(remote.main([asked, later])))
    assert found["gpus"] == [] and "nvml" in found["unavailable"]
    assert found["replicas"]["chat"]["status"] == 200
    assert "status" not in found["replicas"]["later"]
    assert remote.main([])["replicas"] == {}


def test_it_runs_on_a_host(port: int) -> None:
    asked = {"name": "chat", "unit": "none.service", "address": "127.0.0.1"}
    asked |= {"port": port, "path": "/metrics", "figures": ASKED}
    seen = json.loads(run("watching", [asked]).stdout)
    assert seen["replicas"]["chat"]["figures"]["requests_running"] == 5
