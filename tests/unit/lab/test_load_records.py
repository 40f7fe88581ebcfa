"""What a constant load says of itself: nothing that was lost may be missing in it."""

from __future__ import annotations

import pytest

from tests.samples.load_records import Record, fault_of, longest_gap_s, summary


@pytest.mark.parametrize(
    ("kind", "tokens", "reason", "done", "fault"),
    [
        ("stream", 3, "stop", True, ""),
        ("plain", 3, "length", False, ""),
        ("stream", 3, "stop", False, "the stream ended without [DONE]"),
        ("stream", 3, "", True, "ended with finish_reason none after 3 tokens"),
        ("stream", 3, "abort", True, "ended with finish_reason abort after 3 tokens"),
        ("plain", 0, "stop", False, "no token"),
    ],
)
def test_an_answer_is_whole_or_says_what_it_lacks(
    kind: str, tokens: int, reason: str, done: bool, fault: str
) -> None:
    assert fault_of(kind, tokens, reason, done) == fault


def test_the_longest_gap_reaches_from_the_start_to_the_end() -> None:
    well = [Record("plain", 0, end, tokens=1) for end in (12.0, 11.0, 13.0)]
    assert longest_gap_s(well, 10, 14) == 1
    assert longest_gap_s(well, 10, 20) == 7
    assert longest_gap_s(well, 0, 14) == 11
    assert longest_gap_s([], 0, 14) == 14


def test_a_failure_is_counted_by_its_words_and_fills_no_gap() -> None:
    records = [
        Record("stream", 0, 1, replica="a", tokens=5, finish_reason="stop"),
        Record("plain", 1, 5, fault="APIConnectionError: Connection error.", replica="a"),
        Record("plain", 5, 9, replica="b", tokens=2, finish_reason="length"),
    ]
    said = summary(records, 0, 9)
    assert said["requests"] == {"stream": 1, "plain": 2}
    assert (said["completed"], said["failed"], said["tokens"]) == (2, 1, 7)
    assert said["failures"] == {"APIConnectionError: Connection error.": 1}
    assert said["first_failures"][0]["start"] == 1
    assert said["longest_gap_s"] == 8 and said["replicas"] == {"a": 1, "b": 1}
    assert said["latency_s"]["most"] == 4
