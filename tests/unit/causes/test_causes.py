"""Why an engine does not start: the first error of its log, and what is known of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackwright.causes import CAUSES, Written, failures
from rackwright.causes.account import account
from rackwright.causes.lines import clean
from rackwright.causes.tracebacks import HEADER, JOINED
from tests.samples.causes import SAMPLES, Sample

DOCUMENTATION = Path(__file__).parents[3] / "docs/causes.md"
SECRETS = ("0123456789abcdef0123", "hf_abcdefghijklmnop", "s3cret")


def text_of(log: str, **start: Any) -> str:
    """All that is told of a start with this log."""
    return account(Sample("", "", "", "", "exit 1", "", log).seen(**start)).text()


def first(log: str) -> str:
    """The first error: class, message, and the place."""
    found = failures([Written(0, line) for line in log.splitlines()])[0]
    return f"{found.root} @ {found.root.frame}"


# --- the table -------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_an_example_is_explained_by_its_cause(sample: Sample) -> None:
    told = account(sample.seen())
    assert told.cause and told.cause.name == sample.cause
    assert (str(told.failure.root) if told.failure else "").startswith(sample.error)
    assert str((told.failure and told.failure.root.frame) or "") == sample.frame
    assert bool(told.failure) == bool(sample.error)
    assert sample.cause in told.summary and told.remedy == told.cause.remedy


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_it_is_told_in_one_glance_and_without_secrets(sample: Sample) -> None:
    text = account(sample.seen()).text()
    assert len(text.splitlines()) <= 24 and max(map(len, text.splitlines())) < 450
    assert not any(secret in text for secret in SECRETS)
    assert f"Cause:       {sample.cause}" in text and "Remedy: " in text


def test_every_cause_has_an_example_with_its_provenance() -> None:
    assert {cause.name for cause in CAUSES} == {sample.cause for sample in SAMPLES.values()}
    assert all(len(sample.provenance) > 20 for sample in SAMPLES.values())


def test_every_cause_is_documented() -> None:
    text = DOCUMENTATION.read_text()
    row = "| {0.name} | {0.meaning} | {0.remedy} |"
    assert [cause.name for cause in CAUSES if row.format(cause) not in text] == []


def test_no_cause_explains_what_is_well() -> None:
    for line in (
        "(EngineCore pid=902) WARNING 11-26 01:00:04 [a.py:1] CUDA out of memory is an error",
        "INFO:     Application startup complete.",
        "/srv/a.py:12: UserWarning: CUDA error: not expected, CUDA out of memory",
        "llama_model_loader: - kv 12: general.file_type u32 = 7",
    ):
        assert failures([Written(1, line)]) == ()


# --- the first error -------------------------------------------------------------------------

ONE = f"""{HEADER}
  File "/a/site-packages/b/c.py", line 7, in reads
    open(path)
    ~~~~^^^^^^
FileNotFoundError: [Errno 2] nothing there"""
TWO = f"""{HEADER}
  File "/a/d.py", line 9, in loads
OSError: cannot be loaded"""


@pytest.mark.parametrize("joined", JOINED)
def test_the_root_of_a_chain_comes_first_and_what_it_led_to_is_told(joined: str) -> None:
    log = f"{ONE}\n\n{joined}\n\n{TWO}"
    assert first(log) == "FileNotFoundError: [Errno 2] nothing there @ b/c.py:7 in reads"
    text = text_of(log)
    assert "It led to:   OSError: cannot be loaded" in text and "/a/d.py:9 in loads" in text


def test_two_tracebacks_that_are_not_joined_are_two_errors() -> None:
    found = failures([Written(0, line) for line in f"{TWO}\n{ONE}".splitlines()])
    assert [one.root.kind for one in found] == ["OSError", "FileNotFoundError"]


def test_the_process_that_failed_first_counts_though_their_lines_are_mixed() -> None:
    late = [f"(Worker_TP1 pid=2) ERROR 11-26 01:00:00 [w.py:1] {line}" for line in TWO.splitlines()]
    soon = [f"(Worker_TP0 pid=1) ERROR 11-26 01:00:00 [w.py:1] {line}" for line in ONE.splitlines()]
    mixed = [line for pair in zip(soon, [*late, "", ""], strict=False) for line in pair]
    found = failures([Written(0, line) for line in mixed])
    assert [one.process for one in found] == ["Worker_TP0, pid 1", "Worker_TP1, pid 2"]
    assert [len(one.chain) for one in found] == [1, 1]


def test_processes_without_names_are_told_apart_by_the_journal() -> None:
    mixed = [
        Written(pid, line)
        for lines in zip(ONE.splitlines(), [*TWO.splitlines(), "", ""], strict=True)
        for pid, line in zip((7, 8), lines, strict=True)
    ]
    assert [one.process for one in failures(mixed)] == ["pid 7", "pid 8"]


def test_what_only_tells_of_anothers_failure_is_no_first_error() -> None:
    follower = ONE.replace("FileNotFoundError: [Errno 2]", "RuntimeError: See root cause above.")
    assert first(f"{follower}\n{TWO}").startswith("OSError")
    assert first(follower).startswith("RuntimeError"), "better than nothing"


@pytest.mark.parametrize("before", ["Exception ignored in: <function f>", "--- Logging error ---"])
def test_what_python_itself_ignores_is_no_error(before: str) -> None:
    assert failures([Written(0, line) for line in f"{before}\n{ONE}".splitlines()]) == ()


def test_a_traceback_that_is_logged_as_a_warning_was_handled() -> None:
    lines = [f"(A pid=1) WARNING 11-26 01:00:00 [a.py:1] {line}" for line in ONE.splitlines()]
    assert failures([Written(0, line) for line in lines]) == ()


def test_an_exception_group_gives_what_is_in_it() -> None:
    log = f"""  + Exception Group {HEADER}
  |   File "/a/d.py", line 9, in runs
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | {HEADER}
    |   File "/a/e.py", line 3, in starts
    | ValueError: too large
    +------------------------------------"""
    assert first(log) == "ValueError: too large @ /a/e.py:3 in starts"


def test_a_later_error_that_is_known_explains_one_that_is_not() -> None:
    text = text_of(f"{TWO}\n\n{ONE.replace('[Errno 2] nothing there', '[Errno 28] full')}")
    assert "First error: OSError: cannot be loaded" in text
    assert "It led to:   FileNotFoundError: [Errno 28] full" in text
    assert "Cause:       the disk is full" in text


def test_colours_progress_and_bytes_do_not_hide_an_error() -> None:
    log = ONE.replace("FileNot", "\x1b[31mFileNot").replace("there", "there\x1b[0m\ufffd\x00")
    assert first(log).startswith("FileNotFoundError: [Errno 2] nothing there\ufffd @")
    assert clean("\r 10%|█\r 99%|█████") == " 99%|█████"
    assert clean("\x1b]0;title\x07a\x1b[2Jb\u202ec\x9bd") == "abcd"


def test_a_log_without_an_error_is_shown_by_its_end() -> None:
    text = text_of("\n".join(f"line {n}" for n in range(100)), status="3")
    assert "exit code 3" in text and "not one that is known" in text
    assert "line 99" in text and "line 80" not in text


@pytest.mark.parametrize(
    "line",
    [
        "vllm serve m --api-key s3cret --port 8000",
        "args: {'api_key': ['s3cret', 's3cret'], 'port': 8000}",
        "['--api-key', 's3cret', '--port', '8000']",
        "ServerArgs(api_key='s3cret', port=8000)",
        "HF_TOKEN=hf_abcdefghijklmnop and more",
        "Authorization: Bearer s3cret",
        "https://user:s3cret@example.com/repo",
        "a bare hf_abcdefghijklmnop in words",
        "'api_key': ['s3cret', 's3cret",  # cut off
        "api_key: ('s3cret', 's3cret')",
        "AWS_SECRET_ACCESS_KEY=s3cret",
    ],
)
def test_keys_and_tokens_are_hidden(line: str) -> None:
    shown = clean(line)
    assert "<hidden>" in shown and not any(secret in shown for secret in SECRETS)


def test_words_that_only_sound_like_secrets_stay() -> None:
    for line in ("max_num_batched_tokens=8192", "next token id: 5", "the password is wrong"):
        assert clean(line) == line


# --- how it ended ----------------------------------------------------------------------------


def test_systemd_knows_of_the_out_of_memory_killer_before_the_log_does() -> None:
    told = account(SAMPLES["kv_none"].seen(result="oom-kill"))
    assert told.cause and told.cause.name == "the out-of-memory killer"


def test_what_the_kernel_did_to_another_start_is_not_this_ones_end() -> None:
    seen = SAMPLES["port"].seen(lines=[[77, "OSError: [Errno 98] address already in use"]])
    seen["starts"].append({**seen["starts"][0], "lines": [[41, "loading"]], "invocation": "e" * 32})
    seen["kernel"] = ["Out of memory: Killed process 41 (python) total-vm:1kB"]
    assert "out-of-memory" not in account(seen).text()
    seen["kernel"] = ["Out of memory: Killed process 77 (python) total-vm:1kB"]
    told = account(seen)
    assert told.cause and told.cause.name == "the out-of-memory killer"


@pytest.mark.parametrize(
    ("state", "starts", "said"),
    [
        ({"ActiveState": "active", "NRestarts": "0"}, False, "runs, "),
        ({"ActiveState": "active", "NRestarts": "4"}, True, "runs, after failures"),
        ({"ActiveState": "activating", "NRestarts": "2"}, True, "fails, "),
        ({"ActiveState": "failed", "NRestarts": "0"}, True, "fails, "),
        ({"ActiveState": "inactive", "NRestarts": "0"}, False, "is stopped"),
        ({"LoadState": "not-found"}, False, "is not on this host"),
        ({"LoadState": ""}, False, "is not on this host"),
    ],
)
def test_a_unit_is_explained_by_its_last_failure_or_said_to_run(
    state: dict[str, str], starts: bool, said: str
) -> None:
    seen = SAMPLES["nvcc"].seen()
    seen["state"] = {"LoadState": "loaded", "SubState": "", **state}
    told = account(seen)
    assert told.seen.startswith(said)
    assert ("nvcc is missing" in told.text()) == starts


def test_the_attempt_that_failed_is_explained_while_the_next_goes_on() -> None:
    seen = SAMPLES["nvcc"].seen()
    seen["state"]["NRestarts"] = "1"
    fresh = {**seen["starts"][0], "ended": False, "lines": [], "invocation": "f" * 32}
    seen["starts"].insert(0, fresh)
    assert "nvcc is missing" in account(seen).text()


def test_a_first_start_that_goes_on_is_no_failure() -> None:
    seen = SAMPLES["nvcc"].seen(ended=False, code="", status="", lines=[[0, "error: a mere word"]])
    told = account(seen)
    assert told.seen.startswith("is starting") and told.failure is None and told.cause is None


# --- whatever a log says ---------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        HEADER,
        *JOINED,
        "",
        '  File "/a/b.py", line 1, in f',
        "ValueError: x",
        "  + Exception Group " + HEADER,
        "    +-+---- 1 ----",
        "  | ValueError",
        "(A pid=1) ERROR 11-26 01:00:00 [a.py:1] " + HEADER,
        "(A pid=1) ERROR 11-26 01:00:00 [a.py:1] ValueError: y",
        "[rank1]:[E1126 01:11:20.1 P.cpp:6] bad",
        "terminate called after throwing an instance of 'E'",
        "  what():  z",
        "Failed core proc(s): {'EngineCore': -4}",
        "exit code: -99",
        'time=1 level=ERROR msg="a" error="b"',
    ]
)
LINES = st.lists(st.tuples(st.integers(0, 3), st.one_of(PIECES, st.text(max_size=300))))


@given(LINES)
@settings(max_examples=150)
def test_nothing_that_a_log_says_breaks_the_finder(lines: list[tuple[int, str]]) -> None:
    seen = Sample("", "", "", "", "exit 1", "", "").seen(lines=lines)
    text = account(seen).text()
    assert "\x1b" not in text and len(text.splitlines()) <= 30


HARD = {
    "headers": HEADER,
    "joined": JOINED[0],
    "colons": "a:" * 900,
    "dots": "a." * 900 + "Error",
    "spaces": " " * 1900 + "x",
    "quotes": "api_key=" + "['" * 900,
    "escapes": "\x1b[" + "0;" * 900,
    "dashes": "--" + "a-" * 900 + "key",
    "slashes": "/" * 1900,
    "words": "error " * 300,
    "urls": "://" * 600,
}


@pytest.mark.parametrize("line", HARD.values(), ids=HARD)
def test_the_finder_takes_time_in_proportion_to_the_log(line: str) -> None:
    def takes_s(count: int) -> float:
        written = [Written(1, line)] * count
        started = time.process_time()
        failures(written)
        return time.process_time() - started

    takes_s(20)
    few, many = takes_s(50), takes_s(400)
    assert many < 8 * 4 * few + 0.2, f"{few:.3f} s for 50 lines, {many:.3f} s for 400"
