"""The probe, asked of a host: what its GPUs, links and driver are."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pyinfra.api.host import Host

from rackwright.runner.remote_call import call

TIMEOUT_S = 120


def probe(host: Host) -> dict[str, Any]:
    """What ``remote/probe.py`` sees on the host. Raises HostError where it gives no answer."""
    answer: dict[str, Any] = call(
        host, "remote/probe", entry="observe", libraries=pynvml(), timeout_s=TIMEOUT_S
    )
    return answer


def glance(host: Host) -> dict[str, Any]:
    """The GPUs' memory, load and processes alone. Raises HostError where it gives no answer."""
    answer: dict[str, Any] = call(
        host, "remote/probe", entry="glance", libraries=pynvml(), timeout_s=TIMEOUT_S
    )
    return answer


@cache
def pynvml() -> dict[str, str]:
    """nvidia-ml-py's one module, carried along so that the host needs none installed."""
    found = find_spec("pynvml")
    assert found is not None and found.origin is not None
    return {"pynvml": Path(found.origin).read_text()}
