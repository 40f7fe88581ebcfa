"""The lab, booted fresh once for all tests of its own hosts, and deployed to once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from xdist.scheduler import LoadScopeScheduling

from lab.fleet import HOSTS
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh

TOGETHER = {
    "the lab's own hosts": {1, 2, 3, 4, 6, 7, 8, 24, 25},
    "the rack": {13, 22, 23, 26, 29, 31, 32},
    "spares": {14, 15, 18, 19, 20, 21},
    "hosts without a driver": {10, 12},  # and the archive, which starts anew with each of them
}
"""Modules, by their numbers, that share hosts. All others have theirs to themselves.

A host that an inventory names and its module does not have (``fresh``) is to be in no lab: a verb
would ask the host that another module has.
"""


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Where several processes run these tests, one has all that share hosts, in their order.

    Not by marks (``--dist loadgroup``): pytest-xdist 3.8 passes over them under pytest 9.2
    (pytest-xdist issue 1386).
    """
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = one_process
    return scheduler


def one_process(test: str) -> str:
    """What runs in one process with a test: the modules that share its hosts, or its own."""
    module = test.partition("::")[0]
    lab, _, number = module.removesuffix(".py").partition("tests/lab/test_")
    if lab or not number:
        return module
    shared = (name for name, numbers in TOGETHER.items() if int(number.split("_")[0]) in numbers)
    return next(shared, module)


@pytest.fixture(scope="session")
def fresh_lab() -> Iterator[None]:
    """The lab's hosts: nothing of Rackwright is on them."""
    with fresh(*(host.name for host in HOSTS)):
        yield


@pytest.fixture(scope="session")
def first_deploy(fresh_lab: None) -> Run:
    """The whole journey, once."""
    return deploy()


@pytest.fixture
def deployed(first_deploy: Run) -> Run:
    """A lab on which the first deploy ended well; without that, no later test means anything."""
    if first_deploy.code != 0:
        pytest.fail("the first deploy failed, see test_1_journey", pytrace=False)
    return first_deploy
