"""`rackwright bandwidth` by the engine's own torch: the CPU build, processes instead of GPUs."""

from __future__ import annotations

import re

from tests.samples.commands import rackwright
from tests.samples.deploys import Run
from tests.samples.lab_hosts import ssh


def test_ranks_of_the_release_measure_and_say_that_no_gpu_did(deployed: Run) -> None:
    done = rackwright("bandwidth", "inventories/lab.py")
    assert done.returncode == 3, done.stderr  # UNKNOWN: nothing is known of links
    assert "Traceback" not in done.stderr
    (row,) = (line for line in done.stdout.splitlines() if " bandwidth " in line)
    assert "chat-gpu1-0" in row and "without GPUs" in row
    rates = [float(rate) for rate in re.findall(r"([\d.]+) GB/s", done.stdout)]
    assert len(rates) == 2 and all(rate > 0.01 for rate in rates)
    assert ssh("gpu1", "pgrep -f '[r]ank.json' || echo none") == "none"
