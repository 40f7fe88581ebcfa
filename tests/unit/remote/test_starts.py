"""What is read of a unit's starts on its host, from a journal that is stood in for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rackwright.causes import State, error_of_the_newest
from rackwright.causes.account import account
from rackwright.remote import starts
from rackwright.remote.host import attempts
from tests.samples.commands import Command

OLD, NEW = "a" * 32, "b" * 32
UNIT = "rackwright-chat-gpu1-0.service"


def entry(at: int, message: Any, **more: Any) -> str:
    return json.dumps({"__REALTIME_TIMESTAMP": str(at * 1_000_000), "MESSAGE": message, **more})


def of_systemd(at: int, invocation: str, message: str, identity: str, **more: str) -> str:
    return entry(at, message, INVOCATION_ID=invocation, MESSAGE_ID=identity, **more)


MAIN = f"{UNIT}: Main process exited, code=killed, status=4/ILL"
CONTROL = f"{UNIT}: Control process exited, code=exited, status=1/FAILURE"
FAILED = [
    of_systemd(20, NEW, "Starting it...", "7d4958e842da4a758f6c1cdc7b36dcc5"),
    of_systemd(12, OLD, "Failed with result 'signal'.", starts.FAILED, UNIT_RESULT="signal"),
    of_systemd(11, OLD, MAIN, starts.EXITED, EXIT_CODE="killed", EXIT_STATUS="4"),
    of_systemd(11, OLD, CONTROL, starts.EXITED, EXIT_CODE="exited", EXIT_STATUS="1"),
    of_systemd(10, OLD, "Starting it...", "7d4958e842da4a758f6c1cdc7b36dcc5"),
]
"""The newest first, as the journal is asked for them."""


@pytest.fixture
def journal(command: Command, tmp_path: Path) -> dict[str, Path]:
    """A journal in files: what systemd said, what each start wrote, what the kernel said."""
    files = {name: tmp_path / name for name in ("systemd", OLD, NEW, "kernel", "asked")}
    for file in files.values():
        file.write_text("")
    files["systemd"].write_text("\n".join(FAILED) + "\n")
    cases = [
        f'echo "$*" >> {files["asked"]}; case "$*" in',
        f"*_PID=1*) cat {files['systemd']};;",
        f"*{OLD}*) cat {files[OLD]};;",
        f"*{NEW}*) cat {files[NEW]};;",
        f"*--dmesg*) cat {files['kernel']};; esac",
    ]
    command("journalctl", "\n".join(cases))
    shown = f"LoadState=loaded\\nActiveState=activating\\nNRestarts=1\\nInvocationID={NEW}\\n"
    command("systemctl", f"printf '{shown}'")
    return files


def seen(environment_path: Path | None = None, **more: bool) -> dict[str, Any]:
    path = str(environment_path) if environment_path else None
    asked = {"unit": UNIT, "environment_path": path, **more}
    answer = starts.main({"units": [asked]})
    found: dict[str, Any] = json.loads(json.dumps(answer))[UNIT]
    return found


def test_the_log_of_one_that_serves_is_read_where_it_is_asked_for(
    journal: dict[str, Path],
) -> None:
    """For a proof that failed: what runs may have said why it answers nothing."""
    ready = of_systemd(
        21, NEW, "Started it.", starts.ENTERED_READY, JOB_RESULT="done", JOB_TYPE="start"
    )
    journal["systemd"].write_text("\n".join([ready, *FAILED]) + "\n")
    wrote = (
        "Traceback (most recent call last):",
        '  File "/opt/x/engine.py", line 7, in complete',
        "    raise ValueError(layer)",
        "ValueError: no such layer",
    )
    journal[NEW].write_text("".join(entry(22, text, _PID="80") + "\n" for text in wrote))
    assert error_of_the_newest(seen()) == ""
    assert error_of_the_newest(seen(serving=True)) == "ValueError: no such layer"


def test_the_start_that_failed_is_told_from_the_one_that_goes_on(journal: dict[str, Path]) -> None:
    journal[OLD].write_text(entry(11, "AMX is not ready to be used!", _PID="77") + "\n")
    new, old = seen()["starts"]
    assert (new["invocation"], new["ended"], new["lines"]) == (NEW, False, [])
    assert (old["invocation"], old["ended"], old["code"], old["status"]) == (
        OLD,
        True,
        "killed",
        "4",
    )
    assert (old["result"], old["began_unix_s"], old["ended_unix_s"]) == ("signal", 10, 12)
    assert old["lines"] == [[77, "AMX is not ready to be used!"]]
    told = account(seen())
    assert told.state is State.FAILS and told.invocation == OLD
    assert told.cause and told.cause.name == "an instruction this CPU does not have"


def test_a_unit_that_gave_up_is_told_from_one_that_tries_again(
    journal: dict[str, Path], command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(attempts, "FOLDER", tmp_path)
    (tmp_path / UNIT).write_text("4 4 5 0 1\n")
    journal[OLD].write_text(entry(11, "RuntimeError: no nvcc", _PID="77") + "\n")
    assert account(seen()).state is State.FAILS
    command(
        "systemctl",
        "printf 'LoadState=loaded\nActiveState=failed\nSubState=failed\nNRestarts=4\n'",
    )
    told = account(seen())
    assert told.state is State.GAVE_UP
    assert told.seen.startswith("gave up after 5 starts that never became ready, failed since ")
    assert told.summary.startswith("gave up after 5 starts that never became ready: RuntimeError")


def test_a_rank_that_waits_for_others_is_starting_whatever_ended_before(
    journal: dict[str, Path], command: Command
) -> None:
    waits = "waits for rank 1 on gpu2: its unit is inactive (dead)"
    journal[OLD].write_text(entry(11, "RuntimeError: no nvcc", _PID="77") + "\n")
    journal[NEW].write_text(entry(21, waits, _PID="78") + "\n")
    shown = f"LoadState=loaded\\nActiveState=activating\\nNRestarts=1\\nInvocationID={NEW}\\n"
    command("systemctl", f"printf '{shown}SubState=start-pre\\n'")
    told = account(seen())
    assert told.state is State.STARTS and told.seen.endswith(f"1 restarts: {waits}")
    command("systemctl", f"printf '{shown}SubState=start-post\\n'")
    assert account(seen()).state is State.FAILS


NOT_THERE = [
    of_systemd(12, OLD, "Failed with result 'exit-code'.", starts.FAILED, UNIT_RESULT="exit-code"),
    of_systemd(11, OLD, MAIN, starts.EXITED, EXIT_CODE="exited", EXIT_STATUS="203"),
    of_systemd(10, OLD, "Starting it...", "7d4958e842da4a758f6c1cdc7b36dcc5"),
]
NOT_THERE_EITHER = [line.replace(OLD, "c" * 32) for line in NOT_THERE]
"""Of the start before that: no more than two are told of."""
JOBS = """case $1 in list-jobs) echo '16 other.service restart waiting
17 it.service {job} running';; *) echo '{words}';; esac"""
NOT_KNOWN = "a cause that is not known"


@pytest.mark.parametrize(
    ("shown", "job", "state"),
    [
        ("ActiveState=deactivating\nSubState=stop-post\nJob=", "", State.FAILS),
        ("ActiveState=deactivating\nSubState=stop-post", "", State.FAILS),
        ("ActiveState=deactivating\nSubState=stop-post\nJob=17", "start", State.FAILS),
        ("ActiveState=deactivating\nSubState=stop-sigterm\nJob=17", "stop", State.STOPPED),
        ("ActiveState=deactivating\nSubState=stop-sigterm\nJob=17", "restart", State.STOPPED),
        ("ActiveState=inactive\nSubState=dead\nJob=17", "restart", State.FAILS),
        ("ActiveState=inactive\nSubState=dead\nJob=", "", State.STOPPED),
        ("ActiveState=activating\nSubState=auto-restart\nJob=", "", State.FAILS),
    ],
)
def test_one_that_fails_is_not_taken_for_stopped_between_its_starts(
    journal: dict[str, Path], command: Command, shown: str, job: str, state: State
) -> None:
    """It ends by itself, and is down for a moment before its restart begins."""
    journal["systemd"].write_text("\n".join(NOT_THERE) + "\n")
    words = f"LoadState=loaded\n{shown}\nNRestarts=1\nInvocationID={OLD}"
    command("systemctl", JOBS.format(job=job, words=words))
    told = account(seen())
    assert told.state is state
    fails = "exit code 203: the release is not there"
    assert told.summary == (fails if state is State.FAILS else NOT_KNOWN)


def test_a_job_that_is_over_before_its_type_is_asked_for_is_not_believed(
    journal: dict[str, Path], command: Command, tmp_path: Path
) -> None:
    journal["systemd"].write_text("\n".join(NOT_THERE) + "\n")
    over = tmp_path / "over"
    words = f"echo 'LoadState=loaded\nNRestarts=1\nInvocationID={OLD}'"
    ends = "echo 'ActiveState=deactivating\nJob=17'"
    down = "echo 'ActiveState=inactive\nSubState=dead'"
    shows = f"{words}; if [ -e {over} ]; then {down}; else {ends}; fi"
    command("systemctl", f"case $1 in list-jobs) touch {over};; *) {shows};; esac")
    assert account(seen()).state is State.STOPPED


def test_one_that_gives_up_while_it_ends_is_said_to(
    journal: dict[str, Path], command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It stops itself then, which is a job as that of whoever stops it."""
    monkeypatch.setattr(attempts, "FOLDER", tmp_path)
    (tmp_path / UNIT).write_text("4 4 5 0 1\n")
    journal["systemd"].write_text("\n".join(NOT_THERE) + "\n")
    words = f"LoadState=loaded\nActiveState=deactivating\nJob=17\nInvocationID={OLD}"
    command("systemctl", JOBS.format(job="stop", words=words))
    assert account(seen()).state is State.GAVE_UP


def test_what_systemd_said_before_the_state_it_is_in_is_waited_for(
    journal: dict[str, Path], command: Command, tmp_path: Path
) -> None:
    """The start before the one under way ended just now: its end is on its way to the journal."""
    late, systemd = tmp_path / "late", journal["systemd"]
    (tmp_path / "said").write_text("\n".join(NOT_THERE) + "\n")
    systemd.write_text("\n".join([NOT_THERE[-1], *NOT_THERE_EITHER]) + "\n")
    shown = f"LoadState=loaded\nActiveState=activating\nNRestarts=2\nInvocationID={NEW}"
    command("systemctl", f"cp {tmp_path}/said {late}; echo '{shown}'")
    arrives = f'case "$*" in --sync) mv {late} {systemd};; *_PID=1*) cat {systemd};; esac'
    command("journalctl", arrives)
    assert account(seen()).summary == "exit code 203: the release is not there"


def test_a_start_that_began_meanwhile_is_the_newest(
    journal: dict[str, Path], command: Command
) -> None:
    """What is shown is then of the one before it."""
    shown = f"LoadState=loaded\nActiveState=activating\nNRestarts=1\nInvocationID={OLD}"
    command("systemctl", f"echo '{shown}'")
    assert [one["invocation"] for one in seen()["starts"]] == [NEW, OLD]


def test_words_that_are_no_text_are_read_as_far_as_they_are(journal: dict[str, Path]) -> None:
    lines = [
        entry(11, [0x61, 0xFF, 0x62]),
        entry(11, None),
        "{garbled",
        entry(11, ["two", "of it"]),
    ]
    journal[OLD].write_text("\n".join(lines) + "\n")
    assert [text for _, text in seen()["starts"][1]["lines"]] == ["a\ufffdb", "", "two"]


def test_what_is_read_is_bounded_and_keeps_beginning_and_end(
    journal: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts, "FIRST_LINES", 10)
    monkeypatch.setattr(starts, "LAST_LINES", 5)
    lines = [entry(11, f"{n} {'x' * 9000}") for n in range(100)]
    journal[OLD].write_text("\n".join(lines) + "\n")
    texts = [text for _, text in seen()["starts"][1]["lines"]]
    assert [int(text.split()[0]) for text in texts] == [*range(10), *range(95, 100)]
    assert {len(text) for text in texts} == {starts.LONGEST}
    monkeypatch.setattr(starts, "FIRST_BYTES", 3 * starts.LONGEST)
    assert len(seen()["starts"][1]["lines"]) == 2 + 5


def test_of_a_start_that_served_its_end_is_read(journal: dict[str, Path]) -> None:
    late, most_s = 5000, starts.BEFORE_END_S
    for ready_s, since_s in ((late - 9, late - 9), (late - most_s - 9, late - most_s)):
        said = [
            of_systemd(late, OLD, "Failed.", starts.FAILED, UNIT_RESULT="signal"),
            of_systemd(ready_s, OLD, "Started it.", starts.ENTERED_READY),
        ]
        journal["systemd"].write_text("\n".join(said) + "\n")
        assert seen()["starts"][1]["ready"]
        *_, asked = [line for line in journal["asked"].read_text().splitlines() if OLD in line]
        assert f"--since=@{since_s}.000000" in asked


def test_what_serves_is_not_read(journal: dict[str, Path]) -> None:
    journal["systemd"].write_text(of_systemd(20, NEW, "Started it.", starts.ENTERED_READY) + "\n")
    assert [start["lines"] for start in seen()["starts"]] == [[]]
    assert NEW not in journal["asked"].read_text()


def test_secrets_of_the_environment_file_stay_on_the_host(
    journal: dict[str, Path], tmp_path: Path
) -> None:
    journal[OLD].write_text(entry(11, 'key k"e\\y is 4711, or 4 GPUs of GPU-12345') + "\n")
    environment = tmp_path / "a.env"
    environment.write_text(
        '# VLLM_API_KEY=not one\nVLLM_API_KEY="k\\"e\\\\y"\nHF_TOKEN="4711"\n'
        'MY_KEY="4"\nCUDA_VISIBLE_DEVICES="GPU-12345"\n'
        'TOKENIZERS_PARALLELISM="4 GPUs"\n'
    )
    ((_, text),) = seen(environment)["starts"][1]["lines"]
    assert text == "key <hidden> is <hidden>, or 4 GPUs of GPU-12345"


def test_the_kernel_is_heard_where_it_speaks_of_the_unit(journal: dict[str, Path]) -> None:
    journal[OLD].write_text(entry(11, "loading", _PID="4711") + "\n")
    said = [
        "Out of memory: Killed process 4711 (VLLM::EngineCor) total-vm:1kB",
        "Out of memory: Killed process 4712 (somebody) total-vm:1kB",
        f"oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/system.slice/{UNIT},task=x,pid=9",
        "usb 1-1: new device 4711",
    ]
    journal["kernel"].write_text("\n".join(entry(11, line) for line in said) + "\n")
    found = seen()
    assert found["kernel"] == [said[0], said[2]]
    told = account(found)
    assert told.cause and told.cause.name == "the out-of-memory killer"


def test_a_unit_without_a_journal_is_said_to_be_so(command: Command) -> None:
    command("journalctl", "exit 1")
    command("systemctl", "echo LoadState=not-found")
    found = seen()
    assert (found["starts"], found["kernel"]) == ([], [])
    assert account(found).state is State.ABSENT
