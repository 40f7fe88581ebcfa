"""The journey's options, its one journal for all tests, and the table at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.serving.__main__ import CONCURRENCIES
from tests.gpu.fleet import Journey
from tests.gpu.journal import Journal, table
from tests.samples.deploys import Run

REPORT = Path("reports/gpu-journey.json")
JOURNEY = pytest.StashKey[Journey]()
FIRST = pytest.StashKey[Run]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gpu")
    group.addoption("--inventory", help="pyinfra inventory of hosts with GPUs")
    group.addoption("--part-s", type=float, default=900, help="seconds that a part may take")
    group.addoption("--total-s", type=float, default=3600, help="seconds for the whole journey")
    loads = ",".join(map(str, CONCURRENCIES))
    group.addoption("--loads", default=loads, help="requests at once, as a comma list")


def pytest_configure(config: pytest.Config) -> None:
    inventory = config.getoption("--inventory")
    if not inventory:
        raise pytest.UsageError("--inventory INVENTORY is required")
    total_s, part_s = config.getoption("--total-s"), config.getoption("--part-s")
    if not Path(inventory).is_file():
        raise pytest.UsageError(f"--inventory: {inventory} is not a file")
    try:
        loads = tuple(int(one) for one in config.getoption("--loads").split(","))
    except ValueError:
        raise pytest.UsageError("--loads: must be numbers, as 1,64,256") from None
    journal = Journal(REPORT, inventory, total_s)
    config.stash[JOURNEY] = Journey(inventory, part_s, loads, journal)


@pytest.fixture(scope="session")
def journey(pytestconfig: pytest.Config) -> Journey:
    return pytestconfig.stash[JOURNEY]


@pytest.fixture(scope="session")
def first_deploy(journey: Journey) -> Run:
    """The deploy that everything else builds on."""
    journey.have_models()
    with journey.journal.part("deploy") as part:
        run = journey.deploy()
        part["code"], part["changed"] = run.code, sorted(run.changed()) if run.stdout else []
        if run.code != 0:
            part["ended"] = f"exit code {run.code}: {run.words.strip().splitlines()[-1:]}"
    return run


@pytest.fixture
def deployed(first_deploy: Run) -> Run:
    """A fleet on which the first deploy ended well; without that, no later test means anything."""
    if first_deploy.code != 0:
        pytest.fail("the first deploy failed", pytrace=False)
    return first_deploy


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    journal = config.stash[JOURNEY].journal
    terminalreporter.section("journey")
    terminalreporter.write_line(table(journal.document))
    terminalreporter.write_line(f"\nReport: {journal.path}")
