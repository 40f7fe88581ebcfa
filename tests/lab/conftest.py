"""The lab, booted fresh once for all tests of its own hosts, and deployed to once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh


@pytest.fixture(scope="session")
def fresh_lab() -> Iterator[None]:
    """The lab's hosts: nothing of Rackwright is on them."""
    with fresh():
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
