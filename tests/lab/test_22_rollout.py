"""A rollout over two servers under constant load: nothing is lost, whatever ends it, wherever.

llama.cpp serves: it starts in a second. In the order of the tests: what a later one needs, an
earlier one has proven.
"""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.fleet import LAB, ROOT
from tests.samples.commands import BIN, rackwright
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh, main_pid, release_of, ssh, wait_until
from tests.samples.under_load import under_load

INVENTORY = "tests/lab/inventories/rollout.py"
GATEWAY, SERVERS = "door1", ("rack1", "rack2")
STAGES = (
    "is being drained",
    "its requests",
    "is being changed",
    "starts",
    "is being proven",
)
"""How the line begins that a step says as it comes there: where the tool is killed."""
BROKEN = json.dumps({"no-such-flag": 1})
MUTE = json.dumps({"grammar": 'root ::= ""'})
"""Flags with which llama.cpp does not start; and with which it starts, and says nothing."""
LLAMACPP = "lab/llamacpp-0.6.0-cpu.txt"


@pytest.fixture(scope="module")
def inventory() -> Iterator[pytest.MonkeyPatch]:
    """What is declared for all tests from now on, by the variables that the inventory reads."""
    with pytest.MonkeyPatch.context() as declared:
        declared.setenv("ROLLOUT_KEY", secrets.token_hex(32))
        yield declared


@pytest.fixture(scope="module")
def hosts() -> Iterator[None]:
    with fresh(*SERVERS, GATEWAY):
        yield


@pytest.fixture(scope="module")
def first(hosts: None, inventory: pytest.MonkeyPatch) -> Run:
    return deploy("--data", "stages=base,engines,models,replicas,gateway", inventory=INVENTORY)


@pytest.fixture(autouse=True)
def serving(first: Run) -> None:
    if first.code != 0:
        pytest.fail(first.words[-3000:], pytrace=False)


def slots() -> dict[str, str]:
    """How many requests each replica takes at once, by its own command line."""
    words = "systemctl show -P ExecStart rackwright-chat-{}-0 | grep -o 'parallel [0-9]*'"
    return {name: ssh(name, words.format(name)).split()[1] for name in SERVERS}


def marks() -> list[str]:
    return [ssh(name, "ls /var/lib/rackwright/turns/*.json", check=False) for name in SERVERS]


def rollout(*words: str) -> subprocess.CompletedProcess[str]:
    return rackwright("rollout", INVENTORY, *words)


def test_a_changed_setting_costs_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLOUT_SLOTS", "3")
    with under_load(tmp_path, "tiny", gateway=GATEWAY) as load:
        done = rollout()
    assert done.returncode == 0, done.stderr[-3000:]
    print(load.words("rollout of a setting over two servers"))
    assert load.lost == []
    assert set(slots().values()) == {"3"}
    first, second = (done.stderr.index(f"chat-{name}-0: is being drained") for name in SERVERS)
    given_back = done.stderr.index("chat-rack1-0: is being given back")
    assert first < given_back < second
    assert marks() == ["", ""]


@pytest.fixture
def second_release() -> str:
    """The same packages under another digest: another release, as an upgrade would be."""
    file = LAB / "llamacpp-upgrade.txt"
    file.write_text(f"{(ROOT / LLAMACPP).read_text()}# As another release.\n")
    return str(file.relative_to(ROOT))


def releases() -> dict[str, str]:
    return {name: release_of(name, f"rackwright-chat-{name}-0.service") for name in SERVERS}


def test_another_release_and_another_key_of_the_engines_cost_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second_release: str
) -> None:
    """And back: what follows has the first ones."""
    before = releases()
    for release in (second_release, LLAMACPP):
        monkeypatch.setenv("ROLLOUT_RELEASE", release)
        monkeypatch.setenv("ROLLOUT_KEY", secrets.token_hex(32))
        with under_load(tmp_path, "tiny", gateway=GATEWAY) as load:
            done = rollout()
        assert done.returncode == 0, done.stderr[-3000:]
        print(load.words("rollout of a release and a key over two servers"))
        assert load.lost == []
        assert set(load.summary["replicas"]) == {f"chat-{name}-0" for name in SERVERS}
        assert (releases() == before) == (release == LLAMACPP)
        assert marks() == ["", ""]


@pytest.mark.parametrize(
    ("flags", "cause"),
    [(BROKEN, "no-such-flag"), (MUTE, "it is not proven")],
    ids=["does not start", "completes nothing"],
)
def test_a_setting_that_fails_is_undone(
    flags: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLOUT_SLOTS", "4")
    monkeypatch.setenv("ROLLOUT_EXTRA", flags)
    before, untouched = slots(), main_pid("rack2", "rackwright-chat-rack2-0")
    with under_load(tmp_path, "tiny", gateway=GATEWAY) as load:
        done = rollout()
    assert done.returncode == 69, done.stderr[-3000:]
    assert "chat-rack1-0 runs what it ran before" in done.stderr and cause in done.stderr
    assert "chat-rack2-0 was not touched: chat-rack1-0 failed before it" in done.stderr
    print(load.words("a rollout that was undone"))
    assert load.lost == []
    assert slots() == before and marks() == ["", ""]
    assert main_pid("rack2", "rackwright-chat-rack2-0") == untouched
    assert set(states().values()) == {"in"}


def states() -> dict[str, str]:
    """What the gateway says of each replica, once those that were out have proven themselves."""
    socket = "/run/rackwright-gateway/state.sock"

    def told() -> dict[str, str]:
        said = json.loads(ssh(GATEWAY, f"curl -s --unix-socket {socket} http://localhost/state"))
        return {name: one["state"] for name, one in said["services"]["chat"]["replicas"].items()}

    wait_until(lambda: "ejected" not in told().values())
    return told()


def test_a_run_that_is_killed_anywhere_is_ended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each stage of each server in turn: each run goes on where the one before was killed.

    Those are deploys of the replicas' stage, whose steps are the same; the last is a rollout.
    """
    monkeypatch.setenv("ROLLOUT_SLOTS", "5")
    marks_left = 0
    with under_load(tmp_path, "tiny", gateway=GATEWAY) as load:
        for host in SERVERS:
            for stage in STAGES:
                kill_at(f"chat-{host}-0: {stage}")
                marks_left += any(marks())
        last = rollout()
    assert last.returncode == 0, last.stderr[-3000:]
    assert marks_left == len(SERVERS) * len(STAGES)
    print(load.words("ten runs killed, and the one that ended it"))
    assert load.lost == []
    assert set(slots().values()) == {"5"} and marks() == ["", ""]
    assert set(states().values()) == {"in"}


def test_a_rollback_costs_no_request_and_twice_is_forward_again(tmp_path: Path) -> None:
    last = slots()
    with under_load(tmp_path, "tiny", gateway=GATEWAY) as load:
        done = rackwright("rollback", INVENTORY, "--service", "chat")
    assert done.returncode == 0, done.stderr
    print(load.words("rollback of two replicas"))
    assert load.lost == []
    back = slots()
    assert len({*back.values()}) == 1 and not {*back.values()} & {*last.values()}
    assert marks() == ["", ""]
    again = rackwright("rollback", INVENTORY, "rack1")
    assert again.returncode == 0, again.stderr
    assert slots() == {"rack1": last["rack1"], "rack2": back["rack2"]}


def listening() -> dict[str, str]:
    """Where the replicas of rack1 listen, and which of its GPUs each is shown."""
    port = "grep -o 'await-ready [^ ]* [0-9]*' /etc/systemd/system/rackwright-{}-rack1-0.service"
    gpus = "grep CUDA_VISIBLE_DEVICES /etc/rackwright/replicas/{}-rack1-0.env"
    return {
        name: ssh("rack1", port.format(name)).split()[-1] + ssh("rack1", gpus.format(name))
        for name in ("chat", "code")
    }


def test_two_that_exchange_their_gpus_and_ports_are_out_together_and_cost_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that is started on the other's port while that listens does not come up."""
    monkeypatch.setenv("ROLLOUT_BESIDE", "1")
    came = rollout()
    assert came.returncode == 0, came.stderr[-3000:]
    before = listening()
    monkeypatch.setenv("ROLLOUT_BESIDE", "0")
    with under_load(tmp_path, "tiny", gateway=GATEWAY) as load:
        done = rollout()
    assert done.returncode == 0, done.stderr[-3000:]
    print(load.words("two replicas that exchanged GPUs and ports"))
    assert load.lost == []
    assert listening() == {"chat": before["code"], "code": before["chat"]}
    assert "take one another's ports or GPUs: they are out together" in done.stderr
    assert marks() == ["", ""]
    monkeypatch.delenv("ROLLOUT_BESIDE")
    gone = rollout()
    assert gone.returncode == 0, gone.stderr[-3000:]
    assert set(states().values()) == {"in"}


def test_a_replica_leaves_and_the_other_is_changed_with_one_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that stays has a second GPU on its server for that while."""
    monkeypatch.setenv("ROLLOUT_SERVERS", "rack1")
    monkeypatch.setenv("ROLLOUT_SLOTS", "6")
    with under_load(tmp_path, "tiny", gateway=GATEWAY) as load:
        done = rollout()
    assert done.returncode == 0, done.stderr[-3000:]
    print(load.words("one replica left, the other changed with one beside it"))
    assert load.lost == []
    assert "chat-rack1-0-beside" in load.summary["replicas"]
    units = "ls /etc/systemd/system | grep rackwright-chat; true"
    assert ssh("rack1", units) == "rackwright-chat-rack1-0.service"
    assert ssh("rack2", units) == ""
    assert states() == {"chat-rack1-0": "in"}
    assert deploy(inventory=INVENTORY).changed() == {}


def kill_at(words: str) -> None:
    """Start a run, and end it with SIGKILL as soon as it says that it has come there."""
    argv = [str(BIN / "pyinfra"), INVENTORY, "deploy.py", "-y", "--data", "stages=replicas"]
    with subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        said = []
        for line in running.stderr:
            said.append(line)
            if words in line:
                running.send_signal(signal.SIGKILL)
                return
    pytest.fail(f"it never said {words!r}:\n{''.join(said[-60:])}")
