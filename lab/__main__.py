"""`python -m lab up|down|take-away|status|check`: the lab from the command line."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence

from lab import cgroups, host, image, needs, network, nvml, sysctls, tiny_gguf, tiny_model
from lab.apt import repository, server
from lab.fleet import BARE, CACHE, HOSTS, LAB, ROOT, RUN, LabHost, host_named
from lab.keys import write_keys, write_ssh_config
from lab.nvml.compose import write_profile
from lab.record import FILE, load, locked
from lab.shell import say, step
from rackwright.exits import exits


def up(names: Sequence[str]) -> None:
    """Boot the named hosts (all of the lab's when none is named) and wait until they answer."""
    needs.check()
    wanted = [host_named(name) for name in names] or list(HOSTS)
    with locked() as record:
        bases = {suite: image.base(suite) for suite in sorted({item.suite for item in wanted})}
        _prepare(wanted)
        sysctls.enlarge(record)
        network.up()
        if any(item in BARE for item in wanted):
            server.start(repository.repository())
        with step(f"booting {', '.join(item.name for item in wanted)}"):
            for item in wanted:
                host.boot(item, bases[item.suite], record)
            for item in wanted:
                host.wait_ready(item, record)
    say(f"lab: up. ssh -F {LAB / 'ssh_config'} {wanted[0].name}")


def _prepare(wanted: Sequence[LabHost]) -> None:
    for folder in (LAB, CACHE / "uv", CACHE / "pycache"):
        folder.mkdir(parents=True, exist_ok=True)
    (CACHE / "pycache").chmod(0o1777)
    if not (CACHE / "tiny-llama").exists():
        with step("making the tiny model"):
            tiny_model.make(CACHE / "tiny-llama")
    if not (gguf := CACHE / "tiny-gguf/tiny-llama.gguf").exists():
        gguf.parent.mkdir(exist_ok=True)
        tiny_gguf.make(CACHE / "tiny-llama", gguf)
    nvml.build(CACHE / "libnvidia-ml.so.1")
    for item in wanted:
        if item.gpu_profile:
            write_profile(item.gpu_profile, item.name, LAB / f"{item.name}.profile")
    write_keys(wanted)
    write_ssh_config()


def down(names: Sequence[str], *, anyones: bool = False) -> None:
    """End the named hosts; with none named, the whole lab, and leave nothing behind."""
    with locked(anyones=anyones) as record:
        for name in names or list(record.containers):
            if name in record.containers:
                with step(f"ending {name}"):
                    host.stop(record.containers[name], record)
        if not record.containers:
            server.stop()
            network.down()
            sysctls.put_back(record)
            cgroups.remove()
            FILE.unlink(missing_ok=True)
            shutil.rmtree(RUN / "hosts", ignore_errors=True)
    say("lab: down" if not names else f"lab: {', '.join(names)} down")


def take_away(_: Sequence[str]) -> None:
    """End the lab, whichever folder has it up: a job of CI that was cut off leaves one."""
    down((), anyones=True)


def status(_: Sequence[str]) -> None:
    """Print which hosts are up."""
    record = load()
    for container in record.containers.values() if record else ():
        state = "up" if host.is_up(container) else "dead (make lab-down takes it away)"
        print(f"{container.name:8} {host_named(container.name).address:14} {state}")
    if record is None:
        print("the lab is down")
    elif record.owner != str(ROOT):
        print(f"it is up from {record.owner}")


def check(_: Sequence[str]) -> None:
    """Say whether the lab can run on this machine."""
    needs.check()
    print("the lab can run here")


def main() -> None:
    """Entry point."""
    verbs = {"up": up, "down": down, "take-away": take_away, "status": status, "check": check}
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    parser.add_argument("verb", choices=verbs)
    parser.add_argument("hosts", nargs="*")
    arguments = parser.parse_args()
    verbs[arguments.verb](arguments.hosts)


if __name__ == "__main__":
    with exits():
        main()
