from __future__ import annotations

import re
from typing import Any

import pytest

from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan
from rackwright.planning.placing import plan
from rackwright.report import plan_text
from rackwright.report.plan import memory_bar, memory_line
from rackwright.sizing import GIB, GpuMemory
from tests.samples.fleet import cluster, hosts, server, service
from tests.samples.inventories import fleet_of

# Figures are masked: they belong to sizing and speed, and are tested there.
H200X2 = """\
gpu#  # x NVIDIA H#, nvlink  #
  chat-gpu#-#  llama-#-#b-instruct  GPUs #-#  TP #  PP #  port #
      █▓▒░ # GiB
      a GPU: █ weights # + ▓ KV cache # + ▒ activations # and graphs # + ░ free # GiB
      context # tokens; KV cache for #: # sequences of full length
      predicted: # ms a token alone, first after # ms; # requests at once # ms, # tokens/s
  not chosen for chat:
    fits, but serves latency worse: TP # PP # (# ms alone, # tokens/s of # requests)
    TP #: # GiB a GPU are usable, weights need #, activations and overhead #: # GiB too few

chat  as llama-#-#b-instruct  by chat-gpu#-#"""
MEMORY = GpuMemory(
    total_bytes=100 * GIB,
    usable_bytes=90 * GIB,
    weights_bytes=40 * GIB,
    peak_activation_bytes=6 * GIB,
    overhead_bytes=2 * GIB,
    cuda_graph_bytes=5 * GIB,
    graphs_inside_bytes=2 * GIB,
    context_bytes=2 * GIB,
    kv_cache_bytes=40 * GIB,
    kv_cache_tokens=1000,
    sequences=1,
)


def planned(boxes: dict[str, Any] | None = None, **more: Any) -> FleetPlan:
    return plan(load_fleet(hosts(boxes, {"chat": service(**more)})))


def masked(text: str) -> str:
    return re.sub(r"\d+(?:[.,]\d+)*", "#", re.sub(r"([█▓▒░])\1*", r"\1", text))


def test_the_plan_reads_as_a_page() -> None:
    text = plan_text(planned(model="llama-3.3-70b-instruct"), width=200)
    assert masked(text) == H200X2
    assert text.startswith("gpu1  2 x NVIDIA H200, nvlink  192.0.2.11\n")
    assert "chat-gpu1-0  llama-3.3-70b-instruct  GPUs 0-1  TP 2  PP 1  port 8000\n" in text
    assert "weights 65.7 " in text and "weights need 131.4," in text


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("name", ["prod.py", "local.py", "lab.py"])
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    text = plan_text(plan(fleet_of(name)), width)
    assert max(map(len, text.splitlines())) <= width
    assert re.sub("[█▓▒░]", "", text).isascii()


def test_idle_gpus_and_shared_reasons_are_said() -> None:
    spec = server(count=8, link="nvswitch")
    found = planned({"gpu1": spec}, model="llama-3.3-70b-instruct", gpus={"gpu1": [0, 2, 3, 4, 5]})
    text = plan_text(found)
    assert "chat-gpu1-0  llama-3.3-70b-instruct  GPUs 0, 2, 3, 4  TP 4" in text
    assert "GPUs 1, 5, 6, 7 idle" in text
    assert "TP 3, TP 5: 64 attention and 8 KV heads do not divide that way" in text


def test_what_replicas_share_is_said_once() -> None:
    text = plan_text(planned(tensor_parallel_size=1, pipeline_parallel_size=1), width=200)
    assert "chat-gpu1-1  llama-3.1-8b-instruct  GPU 1  TP 1  PP 1  port 8001" in text
    assert text.count("a GPU: █ weights 15.0") == 1
    assert re.search(r"KV cache for [\d,]+ each: \d+ sequences", text)
    assert len(re.findall(r"tokens/s each$", text, flags=re.M)) == 1


def test_only_the_best_of_those_that_would_serve_are_named() -> None:
    found = planned({"gpu1": server(count=8, link="nvswitch")}, model="qwen3-30b-a3b")
    serving = [each for each in found.rejected if each.feasible]
    assert len(serving) > 4
    text = plan_text(found, width=1000)
    (line,) = (line for line in text.splitlines() if line.startswith("    fits, but serves"))
    assert line.count("tokens/s of ") == line.count(" requests)") == 4
    assert line.endswith(f"and {len(serving) - 4} more")
    times = [float(each) for each in re.findall(r"\(([\d.]+) ms", line)]
    assert times == sorted(times)


def test_a_replica_over_two_servers_is_numbered_and_has_one_port() -> None:
    found = planned(cluster(2), model="llama-3.1-405b-instruct", servers=["gpu1", "gpu2"])
    lines = [line for line in plan_text(found, width=200).splitlines() if "  chat-gpu1-0" in line]
    first, second = (line for line in lines if "GPUs" in line)
    assert first.endswith("server 1 of 2  port 8000")
    assert second.endswith("server 2 of 2")


def test_ranks_that_nobody_keeps_together_are_said() -> None:
    chat = service("llama-3.1-405b-instruct", servers=["gpu1", "gpu2"])
    for watchdog, said in (("on", 0), ("off", 1)):
        found = plan(load_fleet(hosts(cluster(2), {"chat": chat}, watchdog=watchdog)))
        assert plan_text(found, width=200).count("nobody starts the others anew") == said


def test_expert_parallel_is_said() -> None:
    more = {"model": "qwen3-30b-a3b", "tensor_parallel_size": 2, "expert_parallel": True}
    assert "TP 2  PP 1  EP  port 8000" in plan_text(planned(**more))


def test_a_bar_is_drawn_to_scale() -> None:
    assert memory_bar(MEMORY, 100) == "█" * 40 + "▓" * 40 + "▒" * 15 + "░" * 5 + " 100.0 GiB"
    assert memory_bar(MEMORY, 20) == "█" * 8 + "▓" * 8 + "▒" * 3 + "░" + " 100.0 GiB"


@pytest.mark.parametrize("cells", [1, 7, 60])
@pytest.mark.parametrize("missing_gib", [0, 500])
def test_a_bar_is_as_long_as_it_may_be(cells: int, missing_gib: int) -> None:
    short = MEMORY.model_copy(update={"kv_cache_bytes": -missing_gib * GIB})
    assert len(memory_bar(short, cells).split()[0]) == cells


def test_the_parts_of_a_gpu_add_up() -> None:
    figures = [float(each) for each in re.findall(r"\d+\.\d", memory_line(MEMORY))]
    assert sum(figures) == 100.0
