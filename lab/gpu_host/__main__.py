"""`python -m lab.gpu_host pack|boot|run|status|down`: from packing to taking away."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rackwright.errors import LabError


def _pack(given: argparse.Namespace) -> None:
    from lab.gpu_host import packing  # only here: it needs more than a standard library

    if given.project_only:
        packing.refresh(given.out)
    else:
        packing.pack(given.out, given.lock or packing.LOCKS, given.suite)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.gpu_host", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    pack = verbs.add_parser("pack", help="pack a host into pieces, where there are registries")
    pack.add_argument("out", type=Path)
    pack.add_argument("--lock", action="append", help="a requirements file (vLLM's); repeatable")
    pack.add_argument("--suite", default="bookworm", help="bookworm or trixie")
    pack.add_argument("--project-only", action="store_true", help="the project's files alone, anew")
    pack.set_defaults(do=_pack)
    return parser


def main() -> int:
    """Entry point; returns the exit code."""
    given = _arguments().parse_args()
    try:
        return int(given.do(given) or 0)
    except LabError as error:
        print(f"gpu-host: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
