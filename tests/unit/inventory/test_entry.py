"""What a probe saw, as the inventory entry that declares it; and hosts asked all at once."""

from __future__ import annotations

import ast
import json
import time
from pathlib import Path
from typing import Any

import gevent
import pytest
from pyinfra.api.config import Config
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.context import ctx_state

from lab.fleet import ROOT
from rackwright.catalog import gpu_types
from rackwright.checks.results import CheckResult, Status, worst
from rackwright.errors import HostError
from rackwright.inventory.entry import discovered
from rackwright.planning.topology import islands
from rackwright.runner.asking import ask, ask_all
from rackwright.spec import ServerSpec
from tests.samples.probes import lost, pairs, planned, results, seen

CAPTURE = ROOT / "tests/data/h200x1/probe.json"


def entry(host: str, probe: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The entry as it would be pasted: it must be Python."""
    text = discovered(host, probe).text()
    name, data = ast.literal_eval(text[text.index("\n(") :].strip().rstrip(","))
    return name, data


def test_one_gpu_of_a_real_capture() -> None:
    name, data = entry("gpu9", json.loads(CAPTURE.read_text()))
    assert name == "@rackwright/gpu9"
    assert data == {
        "ssh_hostname": "gpu9",
        "server": {
            "address": "gpu9",
            "gpus": {"type": "h200-sxm-141gb", "count": 1},
            "interconnect": "none",
        },
    }


def test_this_machine_is_reached_without_ssh() -> None:
    name, data = entry("@local", seen(2))
    assert name == "@local"
    assert data["server"]["address"] == "127.0.0.1" and "ssh_hostname" not in data


def test_a_user_is_not_part_of_the_address() -> None:
    found = discovered("root@192.0.2.11", seen(2))
    assert found.server and found.server["address"] == "192.0.2.11"


def unjoined(count: int = 4) -> dict[str, Any]:
    probe = seen(count)
    for gpu in probe["gpus"]:
        gpu |= {"name": "NVIDIA L40S", "nvlinks": []}
    return probe


@pytest.mark.parametrize(
    ("probe", "server"),
    [
        (seen(8), {"interconnect": "nvswitch"}),
        (unjoined(), {"interconnect": "pcie"}),
        (
            pairs(),
            {
                "interconnect": "nvlink",
                "nvlink_islands": [[0, 1], [2, 3]],
                "numa_nodes": [[0, 1], [2, 3]],
            },
        ),
    ],
)
def test_how_gpus_are_joined(probe: dict[str, Any], server: dict[str, Any]) -> None:
    _, data = entry("gpu1", probe)
    found = {k: v for k, v in data["server"].items() if k not in ("address", "gpus")}
    assert found == server


@pytest.mark.parametrize("probe", [seen(2), seen(8), pairs()])
def test_what_was_discovered_passes_the_checks(probe: dict[str, Any]) -> None:
    _, data = entry("gpu1", probe)
    declared = ServerSpec(name="gpu1", **data["server"])
    gpu = gpu_types()[declared.gpus.type]
    server = planned(
        declared.gpus.count, declared.interconnect, gpu=gpu, islands=islands(declared, gpu)
    )
    assert results(probe, server)["links"].status is Status.OK


def test_lost_and_mixed_gpus_are_said() -> None:
    probe = seen(4)
    lost(probe)
    probe["gpus"][3]["name"] = "NVIDIA L40S"
    text = discovered("gpu1", probe).text()
    assert "# gpu1: mixed GPUs (2 x NVIDIA H200, 1 x NVIDIA L40S)" in text
    assert "# gpu1: 1 GPU(s) lost" in text
    assert "'count': 2" in text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"error": "Could not connect"}, "# gpu1: Could not connect"),
        (
            {"gpus": [], "unavailable": {"nvml": "no library"}},
            "# gpu1: no NVIDIA GPU is seen: no library",
        ),
        ({"gpus": [{"name": "Foo"}]}, "# gpu1: 1 x Foo is not in the catalog"),
    ],
)
def test_what_cannot_be_declared_says_why(answer: dict[str, Any], words: str) -> None:
    found = discovered("gpu1", answer)
    assert found.server is None
    assert found.text().startswith(words)


def test_a_host_that_gives_no_answer_holds_up_nobody(tmp_path: Path) -> None:
    heard: list[str] = []

    def question(host: Any) -> dict[str, Any]:
        done, output = host.run_shell_command("echo here")
        if not done:
            raise HostError("said no")
        return {"said": output.stdout}

    dead = ("192.0.2.1", {"ssh_port": 1, "ssh_known_hosts_file": str(tmp_path / "known")})
    inventory = Inventory((["@local", dead], {}))
    answers = ask_all(inventory, question, lambda name, answer: heard.append(name))
    assert answers["@local"] == {"said": "here"}
    assert list(answers["192.0.2.1"]) == ["error"]
    assert sorted(heard) == ["192.0.2.1", "@local"]


def test_a_host_that_falls_silent_is_given_up_in_time() -> None:
    """As one whose cable was pulled: the connection is there, and nothing comes."""
    inventory = Inventory((["@local"], {}))
    state = State(inventory, Config())
    started = time.monotonic()
    with ctx_state.use(state):
        (host,) = inventory
        found = ask(host, lambda _: gevent.sleep(600), limit_s=0.5)
    assert found == {"error": "no answer within 0.5 s"}
    assert time.monotonic() - started < 60
    assert not host.connected


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["OK", "OK"], 0),
        (["OK", "WARN"], 1),
        (["UNKNOWN", "CRITICAL", "WARN"], 2),
        (["UNKNOWN", "WARN"], 3),
        ([], 3),
    ],
)
def test_exit_codes_are_those_of_nagios(statuses: list[str], code: int) -> None:
    assert worst([CheckResult("c", "h", "s", Status(each), "") for each in statuses]) == code
