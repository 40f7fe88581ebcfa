"""What does not go together: driver, CUDA toolkits, engine; and branches that have ended."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.catalog.drivers import drivers, numbers
from rackwright.checks.results import Status
from rackwright.driver.engines import cuda_majors
from rackwright.driver.preflight.situation import Situation, Trouble


def cuda(at: Situation) -> Iterator[Trouble]:
    """The pinned CUDA toolkits compile for the GPU, and the driver is new enough for them."""
    for each in at.settings.cuda_toolkit:
        needs = drivers().cuda[numbers(each)[0]]
        if at.gpu.compute_capability < needs.minimum_capability:
            yield Trouble(
                f"CUDA {each} does not compile for {at.gpu.name} any more",
                "set cuda_toolkit to a version of CUDA 12",
            )
        if at.version and numbers(at.version)[0] < needs.minimum_branch:
            yield Trouble(
                f"CUDA {each} needs a driver of branch {needs.minimum_branch} or newer, not "
                f"{at.version}",
                f"pin a driver_version of branch {needs.minimum_branch} or newer",
            )


def engine(at: Situation) -> Iterator[Trouble]:
    """The pinned engines are built with a CUDA that the driver must support."""
    if at.version is None:
        return
    for name, major in cuda_majors(at.settings, at.engines).items():
        needs = drivers().cuda[major]
        if numbers(at.version)[0] < needs.minimum_branch:
            yield Trouble(
                f"{name} is built with CUDA {major}, which needs a driver of branch "
                f"{needs.minimum_branch} or newer, not {at.version}",
                "ask the provider for a newer one" if at.provided else "pin a newer driver_version",
            )
        if at.gpu.compute_capability < needs.minimum_capability:
            yield Trouble(
                f"{name} is built with CUDA {major}, which does not know {at.gpu.name}",
                f"pin an older engine that is built with CUDA {major - 1}",
            )


def support(at: Situation) -> Iterator[Trouble]:
    """A branch that has ended gets no fixes."""
    until = at.plan.branch.supported_until if at.plan else None
    if at.plan and until and until < at.month:
        yield Trouble(
            f"NVIDIA's support of branch {at.plan.branch.number} ended in {until}",
            "pin a newer driver_version when you can",
            Status.WARN,
        )
