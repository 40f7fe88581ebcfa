"""What would go wrong, said before anything is changed: one function a prediction.

A new prediction is a function of a ``Situation`` and a line in ``PREDICTIONS``. It yields a
sentence and a remedy for each trouble it sees; a fact that is missing makes it UNKNOWN. Operators
may accept one by name (``driver_accept``), which turns it into a warning.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.checks.results import CheckResult, Status
from rackwright.driver.facts import Unknown
from rackwright.driver.preflight import archives, hardware, system, versions
from rackwright.driver.preflight.situation import Prediction, Situation, Trouble

PREDICTIONS: dict[str, Prediction] = {
    "distribution": system.distribution,
    "secure-boot": system.secure_boot,
    "kernel-headers": system.kernel_headers,
    "kernel-version": system.kernel_version,
    "next-boot": system.next_boot,
    "other-driver": archives.other_driver,
    "other-sources": archives.other_sources,
    "gpu-generation": hardware.gpu_generation,
    "cuda": versions.cuda,
    "engine": versions.engine,
    "module-in-use": system.module_in_use,
    "peer-to-peer": hardware.peer_to_peer,
    "space": system.space,
    "nvswitch": hardware.nvswitch,
    "gpu-present": hardware.gpu_present,
    "support": versions.support,
    "repository": archives.repository,
}
"""By the name that reports show and ``driver_accept`` takes."""


def predict(situation: Situation) -> list[CheckResult]:
    """Every prediction about one server, at once; one row for each that has nothing to say."""
    return [row for name, ask in PREDICTIONS.items() for row in _rows(name, ask, situation)]


def _rows(name: str, ask: Prediction, situation: Situation) -> Iterator[CheckResult]:
    host = situation.server.name
    accepted = name in situation.settings.driver_accept
    try:
        troubles = list(ask(situation))
    except Unknown as unknown:
        remedy = "see that the host answers as root, and run this again"
        troubles = [Trouble(str(unknown), remedy, Status.UNKNOWN)]
    for trouble in troubles:
        status = Status.WARN if accepted else trouble.status
        words = f"{trouble.sentence} (accepted)" if accepted else trouble.sentence
        yield CheckResult(name, host, host, status, words, trouble.remedy)
    if not troubles:
        yield CheckResult(name, host, host, Status.OK, "")


__all__ = ["PREDICTIONS", "Situation", "Trouble", "predict"]
