"""Measures vLLM's own memory accounting, and its speed, for many model shapes on one GPU.

    python measure_engine.py data/measure_cases.json --out results --deadline-s 540

Weights are random (``load_format="dummy"``): neither the memory nor the time that a shape takes
depends on their values, so no model is fetched. Every case runs in a process of its own
(``measure_case.py``), one at a time on the GPU; those of the next cases already import and
prepare what needs no GPU.

The cases file holds ``models`` (name -> complete config.json) and ``cases``, as
``measure_case.py`` describes them, with an ``environment`` where one differs from the usual and a
``limit_s`` for one that takes long. ``beside`` (name -> file name -> content) is what else a
model's folder has: its quantization, and for one that is to see images what its processor is made
of; ``tokens`` there (token -> its number) makes a tokenizer with a made-up word for every other.

    python measure_engine.py data/measure_cases.json --out results1 --gpu 1    # beside another

Needs vLLM and ``nvidia-smi``, nothing else of this repository. What was measured is in
``results`` after every case: ``measured.json``, and ``logs.txt`` with all that the cases printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CASE_S, CASE_LIMIT_S = 60, 150
"""With less time than the first left no case is started; after the second it is killed."""
AHEAD = 3
"""How many cases prepare themselves while one is measured."""
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine in this process: its figures are at hand
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
    "VLLM_ALLREDUCE_USE_FLASHINFER": "0",
    "VLLM_USE_DEEP_GEMM": "0",  # compiles its kernels for minutes
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
}
UNITS = {
    "*_gib": "GiB a GPU",
    "ready_s": "from the GPU's first use to a ready engine; imports are done before",
    "ttft_ms": "median time to first token, ms",
    "tpot_ms": "median time per output token after the first, ms",
    "out_tok_s": "output tokens a second, all requests",
    "bytes": "what the engine keeps but does not log, bytes",
}


@dataclass
class Run:
    """A case and its process."""

    case: Mapping[str, Any]
    folder: Path
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, case: Mapping[str, Any], given: Mapping[str, Any], work: Path) -> Run:
        folder, model = work / case["name"], case["model"]
        folder.mkdir()
        files = {"case.json": case, "config.json": given["models"][model]}
        for name, content in {**files, **given.get("beside", {}).get(model, {})}.items():
            (folder / name).write_text(json.dumps(content))
        script = Path(__file__).with_name("measure_case.py")
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-u", str(script), str(folder)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, **ENVIRONMENT, **case.get("environment", {})},
                start_new_session=True,
            )
        return cls(case, folder, process)

    def finish(self, until: float) -> dict[str, Any]:
        """Let the case use the GPU and return its row, or its name and ``error``."""
        limit_s = min(self.case.get("limit_s", CASE_LIMIT_S), until - time.monotonic())
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.communicate("go\n", timeout=limit_s)
        self.end()
        row = self.folder / "row.json"
        if row.exists():
            return dict(json.loads(row.read_text()))
        last = (self.folder / "log").read_text(errors="replace").splitlines()[-5:]
        return {"name": self.case["name"], "error": [f"exit {self.process.returncode}", *last]}

    def end(self) -> None:
        """End what is left of the process and of those that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def smi(query: str) -> str:
    """Of the first GPU that cases see."""
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    argv = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits", f"--id={gpu}"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def wait_until_free(idle_mib: int) -> None:
    """Until the GPU holds what it held at the start; 20 s at most."""
    until = time.monotonic() + 20
    while int(smi("memory.used")) > idle_mib + 16 and time.monotonic() < until:
        time.sleep(0.2)


def write(out: Path, result: Mapping[str, Any], run: Run) -> None:
    (out / "measured.json").write_text(json.dumps(result, indent=1) + "\n")
    with (out / "logs.txt").open("a") as logs:
        log = (run.folder / "log").read_text(errors="replace")
        logs.write(f"===== {run.case['name']}\n{log}\n")


def measure_all(path: Path, out: Path, deadline_s: float, names: Sequence[str]) -> None:
    """Measure the cases in order until the deadline; those named alone, when any are."""
    until = time.monotonic() + deadline_s
    given = json.loads(path.read_text())
    cases = deque(case for case in given["cases"] if not names or case["name"] in names)
    gpu, driver, idle_mib = smi("name,driver_version,memory.used").split(", ")
    result: dict[str, Any] = {"host": f"1 x {gpu}, driver {driver}", "gpu": gpu}
    result |= {"interconnect": "none", "in_process": True, "engine": None}
    result |= {"units": UNITS, "device_total_gib": None}
    result |= {"runs": [], "failed": [], "not_run": [], "shapes": {}}
    runs: deque[Run] = deque()
    with tempfile.TemporaryDirectory() as work:
        while cases or runs:
            while cases and len(runs) <= AHEAD:
                case = cases.popleft()
                runs.append(Run.start(case, given, Path(work)))
            run = runs.popleft()
            if time.monotonic() + CASE_S > until:
                run.end()
                result["not_run"].append(run.case["name"])
                continue
            wait_until_free(int(idle_mib))
            row = run.finish(until)
            for key in ("engine", "device_total_gib"):
                result[key] = row.pop(key, result[key])
            result["failed" if "error" in row else "runs"].append(row)
            result["shapes"][run.case["model"]] = given["models"][run.case["model"]]
            write(out, result, run)
            print(round(time.monotonic() - until + deadline_s), json.dumps(row), flush=True)
    (out / "measured.json").write_text(json.dumps(result, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--deadline-s", type=float, default=3600)
    parser.add_argument("--only", nargs="*", default=[], help="names of cases")
    parser.add_argument("--gpu", help="which one, where there are several and no case needs more")
    given = parser.parse_args()
    if given.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = given.gpu
    given.out.mkdir(parents=True, exist_ok=True)
    measure_all(given.cases, given.out, given.deadline_s, given.only)


if __name__ == "__main__":
    main()
