"""The watchdog of a server as it is planned: what it knows, its unit, and that it goes away."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rackwright.desired.items import Absent, File, Item, NoOtherUnits, Unit
from rackwright.desired.watchdog import UNIT, watchdog_config, watchdog_items
from rackwright.errors import PlanError
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.planning.watchdogs import LEAST_STALL_S, MARGIN, UNCOUNTED_S, stall_s
from rackwright.remote import gather
from rackwright.remote.gather import Place
from rackwright.remote.guard.ranks import Ranks
from rackwright.remote.guard.service_manager import STARTS
from tests.samples.fleet import cluster, hosts, server, service

Golden = Callable[[str, bytes], None]
Data = dict[str, dict[str, Any]]
GPUS = [{"uuid": f"GPU-{number}", "pci_bus_id": f"00000000:1{number}:00.0"} for number in range(8)]


def items(data: Data, name: str = "gpu1", gpus: Any = GPUS) -> list[Item]:
    spec = load_fleet(data)
    return watchdog_items(name, spec, plan(spec), gpus, b"program")


def known(data: Data, name: str = "gpu1", gpus: Any = GPUS) -> dict[str, Any]:
    spec = load_fleet(data)
    found: dict[str, Any] = json.loads(watchdog_config(name, spec, plan(spec), gpus))
    return found


def two_services(**more: Any) -> Data:
    services = {
        "chat": service(servers=["gpu1", "gpu2"], gpus={"gpu1": [0], "gpu2": [0]}),
        "code": service(servers=["gpu1"], gpus={"gpu1": [1]}, served_model_name="code"),
    }
    return hosts({"gpu1": server(), "gpu2": server(12)}, services, **more)


def span() -> Data:
    sizes = {"tensor_parallel_size": 8, "pipeline_parallel_size": 2}
    chat = service("llama-3.1-405b-instruct", servers=["gpu1", "gpu2"], **sizes)
    return hosts(cluster(2), {"chat": chat})


def test_its_unit_and_what_it_knows_are_as_kept(golden: Golden) -> None:
    files = {item.key: item for item in items(two_services()) if isinstance(item, File)}
    golden("watchdog.service", files[f"/etc/systemd/system/{UNIT}"].content)
    golden("watchdog.json", files["/etc/rackwright/watchdog.json"].content)
    assert files["/etc/rackwright/watchdog.json"].mode == 0o600


@pytest.mark.parametrize(
    ("model", "path"), [("bge-m3", "/v1/embeddings"), ("bge-reranker-v2-m3", "/classify")]
)
def test_what_writes_nothing_is_watched_by_what_it_reads(model: str, path: str) -> None:
    one, *_ = known(hosts(services={"embed": service(model)}))["replicas"]
    assert one["life"] == "prompt_tokens" in one["figures"]
    assert "tokens_generated" not in one["figures"]
    assert one["canary"] == {"path": path, "body": {"model": model, "input": "Hi"}}
    assert one["stall_s"] < UNCOUNTED_S, "what it reads is progress"


def test_what_hears_is_watched_by_what_it_writes_and_asked_a_form() -> None:
    more = {"vllm_requirements": "rackwright/engines/requirements/vllm-0.32.0-cu130-audio.txt"}
    data = hosts(services={"hear": service("whisper-small", max_model_len=448)}, **more)
    one, *_ = known(data)["replicas"]
    assert one["life"] == "tokens_generated" in one["figures"]
    assert one["canary"]["path"] == "/v1/audio/transcriptions"
    assert one["canary"]["body"].startswith("--rackwright-silence\r\n")


def test_its_unit_may_write_where_it_writes() -> None:
    """All else is read-only to it, /run too."""
    files = {item.key: item for item in items(two_services()) if isinstance(item, File)}
    unit = files[f"/etc/systemd/system/{UNIT}"].content.decode().splitlines()
    folder = json.loads(files["/etc/rackwright/watchdog.json"].content)["state_dir"]
    assert f"ReadWritePaths={folder}/watchdog" in unit
    assert STARTS.parent == Path("/run") and f"RuntimeDirectory={STARTS.name}" in unit
    assert "RuntimeDirectoryPreserve=yes" in unit, "replicas count there while it is stopped"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has capabilities to give up")
def test_it_may_see_who_holds_the_port_of_another_user_s_engine() -> None:
    """Else no engine that has a key is ever sent it: all its completions would fail."""
    path = f"/etc/systemd/system/{UNIT}"
    unit = next(i.content.decode() for i in items(two_services()) if i.key == path)  # type: ignore[attr-defined]
    kept = unit.partition("CapabilityBoundingSet=")[2].partition("\n")[0].lower().split()
    bounds = ",".join(["-all", *(f"+{one.removeprefix('cap_')}" for one in kept)])
    other = subprocess.Popen(["sleep", "60"], user="nobody")
    try:
        argv = ["setpriv", f"--bounding-set={bounds}", "--inh-caps=-all", "ls", "-l"]
        seen = subprocess.run([*argv, f"/proc/{other.pid}/fd"], capture_output=True, text=True)
    finally:
        other.kill()
        other.wait()
    assert (seen.returncode, seen.stderr) == (0, "") and "->" in seen.stdout


def test_a_change_restarts_it_and_nothing_else() -> None:
    for found in (items(two_services()), items(two_services(watchdog_restarts_an_hour=9))):
        (unit,) = [item for item in found if isinstance(item, Unit)]
        assert unit.key == UNIT and len(unit.restart_on) == 3
    one, other = (
        next(item.stamp for item in items(two_services(**more)) if isinstance(item, Unit))
        for more in ({}, {"watchdog_restarts_an_hour": 9})
    )
    assert one != other


@pytest.mark.parametrize("data", [two_services(watchdog="off"), two_services()])
def test_where_there_is_to_be_none_ours_goes_and_what_it_kept_stays(data: Data) -> None:
    name = "gpu1" if data["gpu1"]["watchdog"] == "off" else "gw1"
    found = items(data, name)
    assert [type(item) for item in found] == [NoOtherUnits, Absent, Absent]
    made = {i.key: i.content for i in items(two_services()) if isinstance(i, File)}
    for item in found:
        assert isinstance(item, (NoOtherUnits, Absent))
        path = f"/etc/systemd/system/{UNIT}" if isinstance(item, NoOtherUnits) else item.key
        marked = made[path] if path.endswith((".service", ".json")) else b"# Rackwright watchdog: x"
        assert any(line.startswith(item.mark) for line in marked.decode().splitlines())


def test_each_rank_knows_where_the_others_watchdogs_are() -> None:
    (first,), (second,) = (known(span(), name)["ranks"] for name in ("gpu1", "gpu2"))
    name, unit = "chat-gpu1-0", "rackwright-chat-gpu1-0.service"
    assert (first["name"], first["unit"], first["rank"]) == (name, unit, 0)
    assert (second["name"], second["unit"], second["rank"]) == (name, unit, 1)
    other = {"rank": 1, "server": "gpu2", "address": "192.0.2.12", "port": 7979}
    assert first["others"] == [other]
    assert second["others"] == [{**other, "rank": 0, "server": "gpu1", "address": "192.0.2.11"}]
    assert known(two_services())["ranks"] == []
    assert gather.others_of(known(span()), name) == (0, [Place(**other)])
    assert [rank.unit for rank in Ranks(known(span(), "gpu2")).ranks] == [unit]


def test_peers_are_those_of_the_same_service_on_other_servers() -> None:
    assert known(two_services())["peers"] == {
        "chat": [
            {"host": "gpu2", "address": "192.0.2.12", "port": 7979, "replicas": ["chat-gpu2-0"]}
        ],
        "code": [],
    }
    off = two_services()
    off["gpu2"]["watchdog"] = "off"
    assert known(off)["peers"] == {"chat": [], "code": []}


def test_of_a_replica_on_two_servers_the_first_leads_and_asks_the_other() -> None:
    first, second = known(span()), known(span(), "gpu2")
    assert [one["host"] for one in first["replicas"][0]["ranks"]] == ["gpu2"]
    assert second["replicas"] == [] and len(second["gpus"]) == 8


def test_only_gpus_that_are_used_and_known_are_watched() -> None:
    gpus = [None, GPUS[1]]
    assert [gpu["number"] for gpu in known(two_services(), gpus=gpus)["gpus"]] == [1]
    assert known(two_services(), gpus=[])["gpus"] == []


def test_it_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_KEY", "a-secret-key")
    gateway = {"server_name": "llm.example.com", "ask_keys": False}
    data = two_services(engine_api_key_env="ENGINE_KEY", gateway=gateway)
    text = json.dumps(known(data))
    assert "a-secret-key" not in text and "VLLM_API_KEY" in text


# --- patience ------------------------------------------------------------------------------------


def replica_of(**more: Any) -> Any:
    spec = load_fleet(hosts(services={"chat": service(gpus={"gpu1": [0]}, **more)}))
    return plan(spec).replicas[0]


def test_patience_is_that_of_the_longest_prompt_with_a_margin() -> None:
    short, long = replica_of(max_model_len=8192), replica_of(max_model_len=131072)
    assert short.longest_prompt_s < long.longest_prompt_s
    assert stall_s(short, True, True) == LEAST_STALL_S
    assert stall_s(long, True, True) == pytest.approx(MARGIN * long.longest_prompt_s, abs=0.1)
    # An 8B model on an H200: some ten thousand tokens a second, fewer the longer the prompt is.
    assert 5 < long.longest_prompt_s < 60


def test_without_a_prediction_it_is_generous() -> None:
    long = replica_of(max_model_len=131072)
    assert stall_s(long, True, False) > 2000
    assert stall_s(long, False, True) == UNCOUNTED_S


# --- its port ------------------------------------------------------------------------------------


def faults(data: Data) -> list[str]:
    with pytest.raises(PlanError) as caught:
        plan(load_fleet(data))
    return [str(fault) for fault in caught.value.faults]


def test_no_engine_gets_its_port() -> None:
    counted = plan(load_fleet(two_services(base_port=7979)))
    assert sorted(one.port for one in counted.on("gpu1")) == [7981, 7982]
    named = hosts(services={"chat": service(gpus={"gpu1": [0]}, port=7979)})
    (other,) = faults(hosts(services={"chat": service(gpus={"gpu1": [0]}, port=7980)}))
    assert "port 7980 of gpu1 is taken by what servers give one another" in other
    assert faults(named) == [
        "services[chat].port: port 7979 of gpu1 is taken by the watchdog (got 7979)"
    ]
    assert plan(load_fleet({name: {**one, "watchdog": "off"} for name, one in named.items()}))


def test_a_gateway_on_the_same_host_may_not_have_it() -> None:
    data = hosts(services={"chat": service(gpus={"gpu1": [0]})})
    data["gpu1"]["gateway"] = {**data.pop("gw1")["gateway"], "port": 7979}
    assert faults(data) == [
        "settings[gpu1].watchdog_port: is the gateway's port on gpu1 (got 7979)"
    ]
