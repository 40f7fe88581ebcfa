"""`python -m benchmarks.burn_in --gpu h100-sxm-80gb --python RELEASE/bin/python`: a burn-in, here.

What `rackwright return` has a server do, on the GPUs of this machine: nothing is stopped, and
nobody may use them. Prints what is found as JSON, and what the checks say of it. Its lock needs
root.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from rackwright.catalog import gpu_types
from rackwright.checks.burn_in.planned_burn_in import PlannedBurnIn
from rackwright.checks.replica.planned_links import PlannedLinks
from rackwright.checks.results import worst
from rackwright.remote.burn_in import main as burned_in
from rackwright.report import terminal_text
from rackwright.runner.burn_in import Torch, burn_in


def main() -> None:
    """Exits as the verb does: by the worst check."""
    asked = _arguments()
    gpu = gpu_types()[asked.gpu]
    indexes = tuple(range(asked.count))
    planned = PlannedBurnIn("here", dict.fromkeys(indexes, gpu), uses_gpus=not asked.cpu)
    among = PlannedLinks(
        name=f"GPUs {', '.join(map(str, indexes))}",
        host="here",
        unit="",
        engine="vllm",
        gpus=indexes,
        gpu=gpu,
        interconnect=asked.interconnect,
        islands=(indexes,) if asked.interconnect != "pcie" else tuple((one,) for one in indexes),
    )
    links = (among,) if asked.count > 1 and not asked.cpu else ()
    wanted = burn_in(planned, links, Torch(asked.python, asked.user, {}), asked.minutes)
    began_s = time.monotonic()
    found = burned_in(wanted.request)
    print(json.dumps(found, indent=1))
    print(f"{time.monotonic() - began_s:.0f} s", file=sys.stderr)
    if "error" in found:
        sys.exit(str(found["error"]))
    results = wanted.results(found)
    print(terminal_text(results), file=sys.stderr)
    sys.exit(worst(results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="an interpreter that has torch")
    parser.add_argument("--gpu", default="h100-sxm-80gb", choices=sorted(gpu_types()))
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--interconnect", default="nvswitch", help="nvlink, nvswitch or pcie")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--user", default="root", help="who runs torch")
    parser.add_argument("--cpu", action="store_true", help="without GPUs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
