"""On the host: GPUs burned in, all of a server at once, while nothing else uses them.

Units of replicas are stopped before and started again after, whatever happens in between: it ends
with its connection, and tidies up first. Judges nothing; every part has its limit.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from rackwright.remote import bandwidth, glance, torch_burn_in
from rackwright.remote.host.running import ended, in_english
from rackwright.remote.host.systemd import show
from rackwright.remote.host.torch_processes import end, kill, started
from rackwright.remote.nvidia.gpu import GPU
from rackwright.remote.nvidia.session import handles
from rackwright.remote.nvidia.session import started as nvml_started
from rackwright.remote.reader import Reader

ONLY_LOOKS = True

LOCK = Path("/run/rackwright-burn-in.lock")
START_S = 180
"""For a release's Python to import torch, and for the first product and its reference."""
SAMPLE_S = 2.0
DCGM_S = 1200
"""DCGM's level 2 takes some two minutes; more GPUs take longer."""
MOST_WORDS = 800
HEAT = ("temperature_c", "power", "throttle_reasons")

Values = dict[str, Any]


def main(request: Values) -> Values:
    """What was found, by part: ``copies``, ``gpus``, ``heat`` and ``dcgm``, as they are asked for.

    ``units`` are stopped meanwhile. ``error`` says why nothing was done.
    """
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return {"error": "another burn-in runs on this server"}
        with _stopped(request["units"]):
            if words := _strangers(request["gpus"]):
                return {"error": words}
            try:
                return _found(request)
            except (OSError, KeyError) as error:  # no interpreter, no such user
                return {"error": f"{type(error).__name__}: {error}"}


def _found(request: Values) -> Values:
    found: Values = {}
    if request.get("burn"):
        found |= {"copies": bandwidth.main(request["links"]), **_burned_in(request)}
    return {**found, "dcgm": _dcgm() if request.get("dcgm") else None}


@contextlib.contextmanager
def _stopped(units: Sequence[str]) -> Iterator[None]:
    """Units that ran before run again after; nobody waits for that here."""
    ran = [unit for unit in units if _runs(unit)]
    try:
        if ran:
            ended("systemctl", "stop", *ran)
        yield
    finally:
        if ran:
            ended("systemctl", "--no-block", "start", *ran)


def _runs(unit: str) -> bool:
    (shown,) = show("ActiveState", unit)
    return shown.get("ActiveState") not in ("inactive", "failed")


def _strangers(gpus: Sequence[int]) -> str:
    """Who still uses a GPU: whatever runs there would be in the way, and be disturbed."""
    seen = glance.main()["gpus"]
    found = [
        f"GPU {index}: process {one['pid']} ({one.get('command') or 'of no name'})"
        for index in gpus
        if index < len(seen) and seen[index]
        for one in seen[index].get("processes") or ()
    ]
    return f"somebody uses the GPUs, end that first: {', '.join(found)}" if found else ""


class Running(NamedTuple):
    """The process that burns in a GPU, with what it has written so far."""

    process: Any
    out: IO[str]
    err: IO[str]


def _burned_in(request: Values) -> Values:
    """Every GPU at once, and how hot they got."""
    running: dict[int, Running] = {}
    heat = Heat(request["gpus"])
    with contextlib.ExitStack() as files:
        try:
            for index in request["gpus"]:
                running[index] = _start(request, index, files)
            heat.start()
            _wait(list(running.values()), request["burn"]["burn_s"] + START_S)
            late = [index for index, one in running.items() if one.process.poll() is None]
        finally:  # all at once: where nobody hears it, units have to start again within seconds
            heat.stop()
            for one in running.values():
                kill(one.process)
        hang = [index for index, one in running.items() if not end(one.process)]
        gpus = {str(i): _answer(one, i in late, i in hang) for i, one in running.items()}
        return {"gpus": gpus, "heat": heat.told()}


def _start(request: Values, index: int, files: contextlib.ExitStack) -> Running:
    out, err = _file(files), _file(files)
    environment = {
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # so that products are equal bit by bit
        **request["environment"],
        "CUDA_VISIBLE_DEVICES": str(index),
    }
    asked = request["burn"]
    process = started(request, torch_burn_in, "burn", asked, environment, stdout=out, stderr=err)
    return Running(process, out, err)


def _file(files: contextlib.ExitStack) -> IO[str]:
    """What a process writes there waits for no reader."""
    return files.enter_context(tempfile.TemporaryFile("w+"))


def _wait(running: Sequence[Running], limit_s: float) -> None:
    """Until all have ended, or it is late."""
    deadline = time.monotonic() + limit_s
    while any(one.process.poll() is None for one in running) and time.monotonic() < deadline:
        time.sleep(0.2)


def _answer(one: Running, late: bool, hangs: bool) -> Values:
    if hangs:
        return {"error": "it hangs in the driver, and cannot be ended: reboot the server"}
    words = _written(one.err).strip()[-MOST_WORDS:]
    if late:
        return {"error": f"it was not done in time; {words}"}
    if one.process.returncode != 0:
        return {"error": words or f"it ended with status {one.process.returncode}"}
    try:
        answer: Values = json.loads(_written(one.out).splitlines()[-1])
    except (ValueError, IndexError):
        return {"error": "it told nothing"}
    return answer


def _written(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


class Heat(threading.Thread):
    """How hot and how slow GPUs get meanwhile. NVML may hang with a GPU: nobody waits for this."""

    def __init__(self, gpus: Sequence[int]) -> None:
        """``gpus`` are NVML's indexes."""
        super().__init__(daemon=True)
        self._gpus, self._ended = gpus, threading.Event()
        self._told: dict[int, Values] = {}

    def run(self) -> None:
        """Look every other second."""
        reader = Reader()
        with contextlib.suppress(Exception), nvml_started() as nvml:
            known = dict(enumerate(handles(reader, nvml)))
            while not self._ended.wait(SAMPLE_S):
                for index in self._gpus:
                    if known.get(index) is not None:
                        self._add(index, self._seen(reader, nvml, known[index]))

    def _seen(self, reader: Reader, nvml: Any, handle: Any) -> Values:
        seen: Values = reader.fill("gpu", {key: GPU[key] for key in HEAT}, nvml, handle)
        return seen

    def _add(self, index: int, seen: Values) -> None:
        nothing: Values = {"samples": 0, "most_c": None, "most_w": None, "reasons": {}}
        told = self._told.setdefault(index, nothing)
        told["samples"] += 1
        draw = (seen.get("power") or {}).get("draw_w")
        for key, value in (("most_c", seen.get("temperature_c")), ("most_w", draw)):
            told[key] = max((one for one in (told[key], value) if one is not None), default=None)
        for reason in seen.get("throttle_reasons") or ():
            told["reasons"][reason] = told["reasons"].get(reason, 0) + 1

    def stop(self) -> None:
        """No more samples."""
        self._ended.set()

    def told(self) -> Values:
        """By GPU: samples, the highest temperature and draw, in how many samples a reason held."""
        return {str(index): dict(told) for index, told in self._told.items()}


def _dcgm() -> Values:
    """DCGM's own diagnosis, where it is installed; nothing is installed for it."""
    if not shutil.which("dcgmi"):
        return {"installed": False}
    try:
        done = ended("dcgmi", "diag", "-r", "2", "-j", env=in_english(), timeout=DCGM_S)
    except subprocess.TimeoutExpired:
        return {"installed": True, "error": f"not done within {DCGM_S} s"}
    text = done.stdout[done.stdout.find("{") :] if "{" in done.stdout else ""
    try:
        return {"installed": True, "status": done.returncode, "said": json.loads(text)}
    except (ValueError, RecursionError):
        words = f"{done.stdout}\n{done.stderr}".strip()[-MOST_WORDS:]
        return {"installed": True, "error": words or f"ended with status {done.returncode}"}
