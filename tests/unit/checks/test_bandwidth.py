"""Measured bandwidth: what is expected of a link, what is refused, and the runner's processes."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rackwright.catalog import gpu_types
from rackwright.checks.replica.bandwidth import NEEDED_BYTES, judge, refused
from rackwright.checks.replica.planned_links import PlannedLinks
from rackwright.checks.results import Status
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.planning.topology import islands
from rackwright.remote import bandwidth as remote
from rackwright.spec import ServerSpec
from tests.samples.fleet import hosts, server, service

DATA = Path(__file__).parents[2] / "data"
MIB = 1 << 20


def group(
    gpu: str = "h200-sxm-141gb", link: str = "nvswitch", count: int = 2, **more: Any
) -> PlannedLinks:
    box = server(gpu=gpu, count=count, link=link)
    asked = service("llama-3.1-8b-instruct", tensor_parallel_size=count, **more)
    (replica,) = plan(load_fleet(hosts({"gpu1": box}, {"chat": asked}))).on("gpu1")
    spec = ServerSpec(name="gpu1", **box)
    return PlannedLinks(
        name=replica.name,
        host="gpu1",
        unit="chat.service",
        engine=replica.service.engine,
        gpus=replica.gpus,
        gpu=gpu_types()[gpu],
        interconnect=replica.server.interconnect,
        islands=islands(spec, gpu_types()[gpu]),
    )


def measured(copies: list[float], reduce: float, device: str = "cuda") -> dict[str, Any]:
    return {
        "device": device,
        "copies": [{"pair": [n, n + 1], "gb_per_s": gb} for n, gb in enumerate(copies)],
        "all_reduces": [
            {"size_bytes": MIB, "gb_per_s": 1.0},
            {"size_bytes": 256 * MIB, "gb_per_s": reduce},
        ],
    }


def test_two_real_h200_are_fine() -> None:
    text = (DATA / "h200x2/p2p.txt").read_text()
    copy = float(re.search(r"copy 0->1 (\S+)", text)[1])  # type: ignore[index]
    reduce = float(re.search(r"256 MiB: .* busbw (\S+)", text)[1])  # type: ignore[index]
    found = judge(group(), measured([copy], reduce))
    assert (found.status, found.remedy) == (Status.OK, "")
    assert "nvswitch copy 0 to 1 393 GB/s (288 expected)" in found.evidence
    assert "nvswitch all-reduce of 256 MiB 298 GB/s (288 expected)" in found.evidence


@pytest.mark.parametrize(
    ("copy", "reduce", "status"),
    [
        (300, 180, Status.WARN),
        (300, 40, Status.CRITICAL),
        (45, 280, Status.CRITICAL),  # as over PCIe
        (210, 210, Status.OK),
    ],
)
def test_what_is_slower_than_its_link_is_said(copy: float, reduce: float, status: Status) -> None:
    found = judge(group(), measured([copy], reduce))
    assert found.status is status
    assert bool(found.remedy) is (status is not Status.OK)


def test_pcie_is_compared_with_pcie() -> None:
    found = judge(group("l40s-48gb", "pcie"), measured([18.0], 18.0))
    assert found.status is Status.OK
    assert "pcie copy 0 to 1 18 GB/s (19 expected)" in found.evidence


def test_between_bridges_pcie_is_expected() -> None:
    four = group("a100-pcie-80gb", "nvlink", 4)
    assert four.pairs == [(0, 1), (1, 2), (2, 3)]
    found = judge(four, measured([190.0, 18.0, 190.0], 15.0))
    assert found.status is Status.OK
    assert "nvlink copy 0 to 1 190" in found.evidence and "pcie copy 1 to 2 18" in found.evidence
    assert "pcie all-reduce" in found.evidence


def test_a_pair_of_a_four_gpu_board_has_a_third_of_the_links() -> None:
    pair = group("h200-sxm-141gb", "nvlink")
    assert pair.share([0, 1]) == pytest.approx(1 / 3)
    assert judge(pair, measured([90.0], 90.0)).status is Status.OK


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"error": "no torch"}, "not measured: no torch"),
        ({"device": "cuda"}, "nothing was measured"),
        (measured([3.0], 1.0, "cpu"), "without GPUs: nvswitch copy 0 to 1 3.0 GB/s"),
    ],
)
def test_what_was_not_measured_is_unknown(answer: dict[str, Any], words: str) -> None:
    found = judge(group(), answer)
    assert found.status is Status.UNKNOWN and words in found.evidence


def test_it_is_refused_where_a_replica_left_no_memory() -> None:
    def glance(*free: int | None) -> dict[str, Any]:
        return {"gpus": [{"memory": {"free_bytes": each}} for each in free]}

    one = group()
    assert refused(one, glance(NEEDED_BYTES, NEEDED_BYTES)) is None
    found = refused(one, glance(NEEDED_BYTES, 1 << 30))
    assert found and found.status is Status.UNKNOWN
    assert "GPU 1 has 1.0 GiB free, 2.8 are needed" in found.evidence
    assert "systemctl stop chat.service" in found.remedy
    for untold in (glance(NEEDED_BYTES, None), glance(NEEDED_BYTES), {"gpus": [None, None]}):
        found = refused(one, untold)
        assert found and "does not tell its memory" in found.evidence


# A stand-in for torch: what the ranks call, with times of its own, and so with a clock of its own.
TORCH = """
import sys, time, types
now = 0.0
def spend(seconds):
    global now
    now += seconds
time.perf_counter = lambda: now
__version__, uint8, float32 = "0", 1, 4
class Tensor:
    def copy_(self, other, non_blocking): spend(0.001)
def ones(*a, **k): return Tensor()
def empty_like(*a, **k): return Tensor()
distributed = types.ModuleType("torch.distributed")
distributed.init_process_group = lambda *a, **k: time.sleep(WAIT)
distributed.all_reduce = lambda values: spend(0.001)
distributed.destroy_process_group = lambda: None
sys.modules["torch.distributed"] = distributed
"""


def request(folder: Path, wait_s: float = 0, limit_s: float = 20) -> dict[str, Any]:
    (folder / "torch.py").write_text(TORCH.replace("WAIT", str(wait_s)))
    return {
        "python": sys.executable,
        "user": None,
        "environment": {"PYTHONPATH": str(folder)},
        "device": "cpu",
        "backend": "gloo",
        "sizes": [MIB, 4 * MIB],
        "limit_s": limit_s,
        "groups": [{"name": "chat", "gpus": [0, 1], "pairs": [[0, 1]]}],
    }


@pytest.fixture(autouse=True)
def as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is not switched: ``user`` is one of the host's."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


def test_ranks_measure_and_rank_0_tells(tmp_path: Path) -> None:
    found = remote.main(request(tmp_path))["chat"]
    assert [copy["pair"] for copy in found["copies"]] == [[0, 1]]
    assert 1 < found["copies"][0]["gb_per_s"] < 4.2  # 4 MiB in at least a millisecond
    assert [row["size_bytes"] for row in found["all_reduces"]] == [MIB, 4 * MIB]
    assert found["all_reduces"][1]["gb_per_s"] > found["all_reduces"][0]["gb_per_s"]


# What is done for the first time takes a second: to connect, by one way for small and another for
# large sizes, on rank 1 alone, and to wait for a GPU. Ranks wait for one another, as they do.
COLD = """
import os, pathlib
class Cuda:
    known = set()
    def set_device(self, index): pass
    def synchronize(self, index): once(f"wait for {index}")
def once(what):
    if what not in Cuda.known:
        spend(1 if os.environ["RANK"] == "1" else 0)
    Cuda.known.add(what)
done = 0
def all_reduce(values):
    global done, now
    once(values.size > 1 << 20)
    spend(0.001)
    done += 1
    folder = pathlib.Path(__file__).parent
    part = folder / f"part{os.environ['RANK']}"
    part.write_text(str(now))
    part.rename(folder / f"{os.environ['RANK']}.{done}")
    for rank in "01":
        mark = folder / f"{rank}.{done}"
        while not mark.exists():
            time.sleep(0.0005)
        now = max(now, float(mark.read_text()))
def ones(size, **k):
    made = Tensor()
    made.size = size
    return made
cuda, distributed.all_reduce = Cuda(), all_reduce
"""


def test_every_size_is_measured_in_a_warm_group(tmp_path: Path) -> None:
    asked = {**request(tmp_path), "device": "cuda", "sizes": [MIB, 4 * MIB, 16 * MIB]}
    with (tmp_path / "torch.py").open("a") as file:
        file.write(COLD)
    rows = remote.main(asked)["chat"]["all_reduces"]
    assert [row["size_bytes"] for row in rows] == asked["sizes"]
    # A second that is shared by the ten rounds of one size would be a tenth of one each.
    assert [row["seconds"] for row in rows if row["seconds"] > 0.09] == []


def test_a_rank_that_hangs_is_ended_in_time(tmp_path: Path) -> None:
    started = time.monotonic()
    found = remote.main(request(tmp_path, wait_s=600, limit_s=2))["chat"]
    assert "not done within 2 s" in found["error"]
    assert time.monotonic() - started < 120


def test_a_release_without_torch_says_so(tmp_path: Path) -> None:
    asked = request(tmp_path)
    (tmp_path / "torch.py").write_text("raise ImportError('libcuda is missing')")
    assert "libcuda is missing" in remote.main(asked)["chat"]["error"]


def test_a_release_that_is_not_there_says_so(tmp_path: Path) -> None:
    asked = {**request(tmp_path), "python": str(tmp_path / "python")}
    assert "FileNotFoundError" in remote.main(asked)["chat"]["error"]
