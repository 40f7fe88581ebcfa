"""Every known cause of a failed start, on hosts: a stand-in prints the log of each and ends as it
would; the deploy and `rackwright why` name the cause and what to do.

Hosts are booted once and each takes one cause at a time, so that a deploy tries several.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from lab.fleet import LAB, RACK
from rackwright.causes import CAUSES
from tests.samples.causes import SAMPLES, Sample
from tests.samples.commands import rackwright
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh, release_of, ssh, wait_until

INVENTORY = "tests/lab/inventories/why.py"
HOSTS = [host.name for host in RACK[:7]]
STAND_IN = Path(__file__).with_name("stand_in_failing.py")
KEY = "a-key-that-nobody-may-see"
REMEDIES = {cause.name: cause.remedy for cause in CAUSES}
SPECIAL = {"program", "slow", "oom"}
"""Those that a log alone does not make."""
OF_A_CAUSE = {SAMPLES[name].cause: name for name in sorted(SAMPLES.keys() - SPECIAL, reverse=True)}
SIGNALS = {name for name in SAMPLES if SAMPLES[name].ends.startswith("signal")}
TRIED = sorted({*OF_A_CAUSE.values(), *SIGNALS} - SPECIAL)
"""One of each cause, and all that end by a signal; the other logs are for the unit tests."""
WAVES = [TRIED[at : at + len(HOSTS)] for at in range(0, len(TRIED), len(HOSTS))]


@dataclass(frozen=True)
class Said:
    """What a deploy said of one host, and what `rackwright why` did, with its exit code."""

    deploy: str
    why: str
    code: int


def unit(host: str) -> str:
    return f"rackwright-chat-{host}-0.service"


def run(*words: str) -> Run:
    stages = ("--data", "stages=replicas", "--data", "engine_api_key_env=WHY_KEY")
    return deploy(*stages, *words, inventory=INVENTORY)


def why(host: str) -> subprocess.CompletedProcess[str]:
    return rackwright("why", INVENTORY, f"chat-{host}-0")


def put(host: str, log: str, ends: str) -> None:
    """Have the stand-in of a host fail in this way from its next start on."""
    argv = ["ssh", "-F", str(LAB / "ssh_config"), host,
            f"systemctl stop {unit(host)} 2>/dev/null; mkdir -p /run/why; "
            f"echo {ends} > /run/why/ends; cat > /run/why/log"]  # fmt: skip
    subprocess.run(argv, input=log, text=True, check=True, timeout=60)


def told(hosts: Sequence[str], *words: str) -> dict[str, Said]:
    """Deploy, then ask why, on each of these hosts."""
    ran = run(*(word for host in hosts for word in ("--limit", host)), *words)
    assert ran.code != 0, ran.words
    with ThreadPoolExecutor(3) as pool:
        asked = dict(zip(hosts, pool.map(why, hosts), strict=True))
    return {host: Said(of(host, ran.words), a.stdout, a.returncode) for host, a in asked.items()}


def of(host: str, words: str) -> str:
    """The lines of a run that are about one host, with those that continue them."""
    found, about = [], False
    for line in re.sub(r"\x1b\[[0-9;]*m", "", words).splitlines():
        said_of = re.match(r"-->|    \[(rack\d|door1)\]", line)
        about = said_of[1] == host if said_of else about
        if about:
            found.append(line)
    return "\n".join(found)


@pytest.fixture(scope="module")
def hosts() -> Iterator[list[str]]:
    """Bare hosts with the engine's user; whoever deploys to them knows a key."""
    with (
        fresh(*HOSTS, "door1"),
        pytest.MonkeyPatch.context() as patch,
        ThreadPoolExecutor(3) as pool,
    ):
        patch.setenv("WHY_KEY", KEY)
        list(pool.map(partial(ssh, command="useradd --system --user-group rackwright"), HOSTS))
        yield HOSTS


@pytest.fixture(scope="module")
def bare(hosts: list[str]) -> Run:
    """A deploy that finds no release; the gateway is judged, and so the report is written."""
    return run("--data", "stages=replicas,verify")


@pytest.fixture(scope="module")
def installed(bare: Run) -> list[str]:
    """The stand-in is there as the release that the units run."""
    source = STAND_IN.read_text()
    program = f"{release_of(HOSTS[0], unit(HOSTS[0]))}/bin/python"
    command = f"p={program}; mkdir -p ${{p%/*}}; cat > $p <<'END'\n{source}END\n"
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(partial(ssh, command=f"{command}chmod +x $p"), HOSTS))
    return HOSTS


@pytest.fixture(scope="module")
def explained(installed: list[str]) -> dict[str, Said]:
    """Each sample by its name: what a deploy said of a host that failed so, and what `why` did."""
    found: dict[str, Said] = {}
    for names in WAVES:
        hosts = HOSTS[: len(names)]
        logs, ends = zip(*((SAMPLES[name].log, SAMPLES[name].ends) for name in names), strict=True)
        with ThreadPoolExecutor(len(hosts)) as pool:
            list(pool.map(put, hosts, logs, ends))
        said = told(hosts)
        found |= {name: said[host] for host, name in zip(hosts, names, strict=True)}
    return found


def judge(sample: Sample, said: Said) -> None:
    """Both name the cause, what to do, and the first error with its place; neither a secret."""
    for words in (said.deploy, said.why):
        assert f"Cause:       {sample.cause}. " in words
        assert f"Remedy:      {REMEDIES[sample.cause]}" in words
        assert f"First error: {sample.error}" in words or not sample.error
        assert sample.frame in words
        assert KEY not in words and "sk-0123456789" not in words
    assert said.code == 2


def test_a_host_that_failed_is_reported_with_what_failed(bare: Run) -> None:
    rows = {(row["host"], row["check"]): row for row in bare.report["results"]}
    for host in HOSTS:
        row = rows[host, "deployed"]
        assert row["status"] == "CRITICAL"
        assert row["evidence"].startswith(f"Replicas | Units and environment files: {unit(host)}")
        assert "the release is not there" in row["evidence"]
        assert REMEDIES["the release is not there"] in row["remedy"] and "ssh" not in row["remedy"]
    assert not [key for key in rows if key[1] == "reached"]


def test_a_release_that_is_not_there_is_named(bare: Run) -> None:
    said = Said(of(HOSTS[0], bare.words), why(HOSTS[0]).stdout, 2)
    judge(SAMPLES["program"], said)


def test_an_engine_that_answers_nobody_is_named(installed: list[str]) -> None:
    put(HOSTS[0], "loading the weights\n", "waits")
    said = told(HOSTS[:1], "--data", "start_timeout_s=5")[HOSTS[0]]
    for words in (said.deploy, said.why):
        assert "Cause:       not ready in time. " in words and "loading the weights" in words


def test_the_out_of_memory_killer_is_named(installed: list[str]) -> None:
    if "memory" not in ssh(HOSTS[0], "cat /sys/fs/cgroup/cgroup.controllers; true"):
        pytest.skip("systemd cannot bound memory on this machine's lab hosts: no cgroup v2 for it")
    put(HOSTS[0], "loading the weights\n", "eats")
    ssh(HOSTS[0], f"systemctl set-property --runtime {unit(HOSTS[0])} MemoryMax=64M")
    said = told(HOSTS[:1])[HOSTS[0]]
    ssh(HOSTS[0], f"systemctl set-property --runtime {unit(HOSTS[0])} MemoryMax=infinity")
    for words in (said.deploy, said.why):
        assert "Cause:       the out-of-memory killer. " in words


def test_a_replica_that_runs_is_said_to_and_one_that_had_failed_is_explained(
    installed: list[str],
) -> None:
    host = HOSTS[0]
    put(host, SAMPLES["nvcc"].log, "serves")  # an error that did not keep it from starting
    ran = run("--limit", host)
    assert ran.code == 0, ran.words
    well = why(host)
    assert (well.returncode, well.stdout.count("\n")) == (0, 1), well.stdout
    assert "runs, running since" in well.stdout and ", 0 restarts" in well.stdout
    ssh(host, f"systemctl kill --signal ILL {unit(host)}")
    wait_until(lambda: ssh(host, f"systemctl show -P NRestarts {unit(host)}") == "1")
    wait_until(lambda: "active" in ssh(host, f"systemctl is-active {unit(host)}; true").split())
    again = why(host)
    assert again.returncode == 1, again.stdout
    assert "runs, after failures" in again.stdout
    assert "It ended:    killed by signal ILL" in again.stdout
    assert "Cause:       an instruction this CPU does not have" in again.stdout


def test_one_that_never_becomes_ready_stops_trying_and_says_so_everywhere(
    installed: list[str],
) -> None:
    host = HOSTS[0]
    put(host, SAMPLES["nvcc"].log, "exit 1")
    quick = ("--limit", host, "--data", "restart_delay_s=1", "--data")
    ran = run(*quick, "start_attempts=3")
    assert ran.code != 0 and "gave up" not in ran.words, ran.words
    gave_up = "gave up after 3 starts that never became ready"

    def has_given_up() -> None:
        wait_until(lambda: ssh(host, f"systemctl is-failed {unit(host)}; true") == "failed")
        assert ssh(host, f"systemctl show -P NRestarts {unit(host)}") == "2"
        ssh(host, "journalctl --sync")
        assert gave_up in ssh(host, f"systemctl status --no-pager {unit(host)}; true")

    has_given_up()
    start = f"systemctl show -P InvocationID {unit(host)}"
    before = ssh(host, start)
    ssh(host, f"systemctl --no-block restart {unit(host)}")
    wait_until(lambda: ssh(host, start) != before)
    has_given_up()
    asked = why(host)
    assert gave_up in asked.stdout and asked.returncode == 2, asked.stdout
    assert "Cause:       nvcc is missing" in asked.stdout
    assert "gave up" in rackwright("watch", INVENTORY, "--count", "1").stdout
    rows = [row for row in rackwright("verify", INVENTORY).stdout.splitlines() if gave_up in row]
    assert len(rows) == 2 and all(f"chat-{host}-0" in row for row in rows), rows
    ran = run(*quick, "start_attempts=1")
    assert "gave up after 1 start that never became ready" in of(host, ran.words)


def test_every_cause_is_tried() -> None:
    special = {SAMPLES[name].cause for name in SPECIAL}
    assert {SAMPLES[name].cause for name in TRIED} | special == REMEDIES.keys()


@pytest.mark.parametrize("name", TRIED)
def test_a_cause_is_named_by_the_deploy_and_at_any_other_time(
    explained: dict[str, Said], name: str
) -> None:
    judge(SAMPLES[name], explained[name])
