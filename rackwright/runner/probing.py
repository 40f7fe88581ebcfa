"""The probe, asked of a host: what its GPUs, links and driver are."""

from __future__ import annotations

from typing import Any

from pyinfra.api.host import Host

from rackwright.runner.looking import look
from rackwright.runner.remote_call import call

TIMEOUT_S = 120


def probe(host: Host, watchdog: str | None = None) -> dict[str, Any]:
    """What ``remote/probe.py`` sees on the host. Raises HostError where it gives no answer.

    ``watchdog`` is the folder of the host's, whose quarantine is told too.
    """
    return _asked(host, "probe", *([watchdog] if watchdog else []))


def gpu_names(host: Host, watchdog: str) -> dict[str, Any]:
    """Which GPUs are where, and the host's quarantine (``remote/gpu_names.py``).

    Raises HostError where it gives no answer.
    """
    answer: dict[str, Any] = look(host, "gpu_names", watchdog, timeout_s=TIMEOUT_S, kind=dict)
    return answer


def glance(host: Host) -> dict[str, Any]:
    """The GPUs' memory, load and processes alone. Raises HostError where it gives no answer."""
    return _asked(host, "glance")


def _asked(host: Host, script: str, *arguments: Any) -> dict[str, Any]:
    answer: dict[str, Any] = call(host, script, *arguments, timeout_s=TIMEOUT_S, kind=dict)
    return answer
