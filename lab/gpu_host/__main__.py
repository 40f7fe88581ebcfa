"""`python -m lab.gpu_host pack|boot|run|status|down`: from packing to taking away."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

from lab.gpu_host import booting, record
from rackwright.exits import exits

ROOTS = Path("/var/lib/rackwright-gpu-host")


def _name(given: str) -> str:
    """A host's name: it becomes the name of folders that root removes."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,29}", given):
        raise argparse.ArgumentTypeError("must be lower case letters, digits and -, 30 at most")
    return given


def _pack(given: argparse.Namespace) -> None:
    from lab.gpu_host import packing  # only here: it needs more than a standard library

    if given.project_only:
        packing.refresh(given.out)
    else:
        locks = given.lock or (() if given.bundle else packing.LOCKS)
        packing.pack(given.out, locks, given.suite, given.bundle)


def _boot(given: argparse.Namespace) -> None:
    root = given.root or ROOTS / given.name
    gpus = not (given.without_gpus or given.imitate)
    booting.boot(given.packed, given.name, root, given.project, gpus, given.imitate)


def _run(given: argparse.Namespace) -> int:
    return booting.run(given.name, given.command)


def _status(_: argparse.Namespace) -> None:
    for name in record.names():
        if host := record.load(name):
            print(f"{name:12} {f'up, pid {host.pid}' if host.is_up() else 'ended'}  {host.root}")


def _down(given: argparse.Namespace) -> None:
    known = record.load(given.name)
    booting.down(given.name)
    if given.remove:
        shutil.rmtree(known.root if known else ROOTS / given.name, ignore_errors=True)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.gpu_host", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    pack = verbs.add_parser("pack", help="pack a host into pieces, where there are registries")
    pack.add_argument("out", type=Path)
    pack.add_argument("--lock", action="append", help="a requirements file (vLLM's); repeatable")
    pack.add_argument("--bundle", type=Path, help="a folder of `rackwright bundle`, for no lock")
    pack.add_argument("--suite", default="bookworm", help="bookworm or trixie")
    pack.add_argument("--project-only", action="store_true", help="the project's files alone, anew")
    pack.set_defaults(do=_pack)
    boot = verbs.add_parser("boot", help="boot it where the GPUs are; again: refresh the project")
    boot.add_argument("packed", type=Path, help="the folder with the pieces and their manifest")
    boot.add_argument("--root", type=Path, help=f"the root folder ({ROOTS}/NAME)")
    boot.add_argument("--project", type=Path, help="a checkout to take the project's files from")
    boot.add_argument("--without-gpus", action="store_true", help="for trying it where none is")
    boot.add_argument("--imitate", metavar="PROFILE", help="h200x1, h200x2, ...: for a rehearsal")
    boot.set_defaults(do=_boot)
    run = verbs.add_parser("run", help="run a command in it, in the project's folder (or a shell)")
    run.set_defaults(do=_run)
    status = verbs.add_parser("status", help="which hosts are up")
    status.set_defaults(do=_status)
    down = verbs.add_parser("down", help="end it and all that runs in it")
    down.add_argument("--remove", action="store_true", help="its root folder, too")
    down.set_defaults(do=_down)
    for verb in (boot, run, down):
        verb.add_argument("--name", type=_name, default="gpuhost")
    run.add_argument("command", nargs=argparse.REMAINDER)
    return parser


def main() -> int:
    """Entry point; returns the exit code."""
    given = _arguments().parse_args()
    return int(given.do(given) or 0)


if __name__ == "__main__":
    with exits():
        sys.exit(main())
