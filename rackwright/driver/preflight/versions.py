"""What does not go together: driver, CUDA toolkits, engine; and branches that have ended."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.catalog.drivers import drivers, numbers
from rackwright.checks.results import Status
from rackwright.driver.engines import cuda_majors
from rackwright.driver.preflight.situation import Situation, Trouble


def cuda(situation: Situation) -> Iterator[Trouble]:
    """The pinned CUDA toolkits compile for the GPU, and the driver is new enough for them."""
    for each in situation.settings.cuda_toolkit:
        needs = drivers().cuda[numbers(each)[0]]
        if situation.gpu.compute_capability < needs.minimum_capability:
            yield Trouble(
                f"CUDA {each} does not compile for {situation.gpu.name} any more",
                "set cuda_toolkit to a version of CUDA 12",
            )
        if situation.version and numbers(situation.version)[0] < needs.minimum_branch:
            yield Trouble(
                f"CUDA {each} needs a driver of branch {needs.minimum_branch} or newer, not "
                f"{situation.version}",
                f"pin a driver_version of branch {needs.minimum_branch} or newer",
            )


def engine(situation: Situation) -> Iterator[Trouble]:
    """The pinned engines are built with a CUDA that the driver must support."""
    if situation.version is None:
        return
    for name, major in cuda_majors(situation.settings, situation.engines).items():
        needs = drivers().cuda[major]
        if numbers(situation.version)[0] < needs.minimum_branch:
            yield Trouble(
                f"{name} is built with CUDA {major}, which needs a driver of branch "
                f"{needs.minimum_branch} or newer, not {situation.version}",
                "ask the provider for a newer one"
                if situation.provided
                else "pin a newer driver_version",
            )
        if situation.gpu.compute_capability < needs.minimum_capability:
            yield Trouble(
                f"{name} is built with CUDA {major}, which does not know {situation.gpu.name}",
                f"pin an older engine that is built with CUDA {major - 1}",
            )


def support(situation: Situation) -> Iterator[Trouble]:
    """A branch that has ended gets no fixes."""
    until = situation.plan.branch.supported_until if situation.plan else None
    if situation.plan and until and until < situation.month:
        yield Trouble(
            f"NVIDIA's support of branch {situation.plan.branch.number} ended in {until}",
            "pin a newer driver_version when you can",
            Status.WARN,
        )
