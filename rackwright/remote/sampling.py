"""In a release's own Python, before it is live: does the engine sample on a GPU of this host?

    python sampling.py MODULE

The module's ``sample(folder)`` builds the smallest model that takes the way of a real one (tokens
in, attention, a token drawn by top-k and top-p), on the GPU with the most free memory, and returns
how many tokens it drew. Ends with 1, and the cause, when that fails. Where no GPU can be used,
serving ones included, it says so and ends with 0: nothing was found wrong.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

ENOUGH_BYTES = 2 * 1024**3
"""A CUDA context and a tiny engine took 1.0 GiB on an H100; kernels that load beside it, less."""
LAST_LINES, LAST_BYTES = 15, 1 << 16


class NoGpu(Exception):
    """Why the engine cannot be tried on a GPU here."""


def freest_gpu() -> tuple[str, str]:
    """UUID and name of the GPU with the most free memory. Raises NoGpu."""
    pynvml = importlib.import_module("pynvml")

    try:
        pynvml.nvmlInit()
        handles = [
            pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())
        ]
        found = [(_free_bytes(pynvml, handle), handle) for handle in handles]
        if not found:
            raise NoGpu("this host shows none")
        free_bytes, best = max(found, key=lambda each: each[0])
        names = pynvml.nvmlDeviceGetUUID(best), pynvml.nvmlDeviceGetName(best)
    except pynvml.NVMLError as error:
        raise NoGpu(f"NVML: {error}") from None
    if free_bytes < ENOUGH_BYTES:
        raise NoGpu(f"the freest has {free_bytes / 1024**3:.1f} GiB free, 2 are needed")
    return names


def _free_bytes(pynvml: Any, handle: Any) -> int:
    return int(pynvml.nvmlDeviceGetMemoryInfo(handle).free)


def cause(error: BaseException) -> str:
    """The first error of a chain, and where it was raised.

    One without a frame of its own is another process's, in words: the one above it is told.
    """
    seen = {error}
    while (inner := error.__cause__ or error.__context__) and inner.__traceback__:
        if inner in seen:
            break
        seen.add(inner)
        error = inner
    message = str(error).strip().partition("\n")[0]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno}, {frames[-1].name})" if frames else ""
    return f"{type(error).__name__}: {message}{place}"


def quietly(log: Path) -> int:
    """Send what is printed from here on to a file; returns where it went before."""
    before = os.dup(1)
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    return before


def _end_of(log: Path) -> str:
    """An engine may have written without end."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_BYTES))
        return file.read().decode(errors="replace")


def main() -> None:
    """Try it; ends the process at once, whatever the engine has started in it."""
    try:
        uuid, name = freest_gpu()
    except NoGpu as reason:
        print(f"not proven: that the engine samples on a GPU ({reason})", flush=True)
        return
    os.environ["CUDA_VISIBLE_DEVICES"] = uuid
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        code, words = _tried(name, Path(folder))
    print(words, flush=True)
    os._exit(code)


def _tried(gpu: str, folder: Path) -> tuple[int, str]:
    log = folder / "log"
    before, started = quietly(log), time.monotonic()
    try:
        tokens = importlib.import_module(sys.argv[1]).sample(folder)
        return (
            0,
            f"the engine sampled {tokens} tokens on {gpu} in {time.monotonic() - started:.0f} s",
        )
    except (Exception, SystemExit) as error:
        last = _end_of(log).splitlines()[-LAST_LINES:]
        return 1, "\n".join([*last, f"the engine cannot sample on {gpu}: {cause(error)}"])
    finally:
        sys.stdout.flush()
        os.dup2(before, 1)


if __name__ == "__main__":
    main()
