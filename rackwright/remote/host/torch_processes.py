"""Processes of a release's own Python that run one of our texts, and import its torch.

Such a text (``torch_links``, ``torch_burn_in``) stands alone: nothing of the project is there.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from types import ModuleType
from typing import Any

Values = dict[str, Any]

ALONE = "import json, sys; text = sys.stdin.read(); exec(text); {function}(json.loads(sys.argv[1]))"
END_S = 10
"""For a process to be gone that was killed; one that hangs in the driver never is."""


def started(
    request: Values, module: ModuleType, function: str, told: Values, environment: Values, **io: Any
) -> subprocess.Popen[str]:
    """``function`` of a module of ours, in a process of the release's ``python``, as its ``user``.

    ``io`` are its streams where they are other than pipes. It leads a session of its own. Raises
    OSError or KeyError where there is no such interpreter or user.
    """
    everything = {
        "PATH": os.environ.get("PATH", ""),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as NVML counts
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        **request["environment"],
        **environment,
    }
    argv = [request["python"], "-c", ALONE.format(function=function), json.dumps(told)]
    switch: Any = {"user": request["user"]} if os.geteuid() == 0 else {}
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        argv,
        text=True,
        cwd="/",
        env=everything,
        start_new_session=True,
        **{**streams, **io},
        **switch,
    )
    assert process.stdin
    with contextlib.suppress(BrokenPipeError):  # it ended already, and says why
        process.stdin.write(_text(module))
        process.stdin.close()
    process.stdin = None
    return process


def _text(module: ModuleType) -> str:
    """Of a module, by whatever it was loaded with: here it may be no file."""
    loader: Any = module.__spec__.loader  # type: ignore[union-attr]
    return str(loader.get_source(module.__name__))


def kill(process: subprocess.Popen[str]) -> None:
    """Have a process end with all that it started; right also for one that is gone."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def end(process: subprocess.Popen[str]) -> bool:
    """Kill it, and wait until it is gone; whether it is."""
    kill(process)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    return process.poll() is not None
