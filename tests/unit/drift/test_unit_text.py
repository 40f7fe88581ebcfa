"""What is read back of a unit is what systemd is told by it."""

from __future__ import annotations

import pytest

from rackwright.desired.items import File
from rackwright.desired.render import environment_quote, systemd_quote
from rackwright.drift.of_units import started_units
from rackwright.drift.unit_text import argv_of, environment_path_of, variables_of
from tests.samples.drift import Lies
from tests.samples.systemd import loaded

WORDS = ["plain", "with blank", 'a "quote"', "back\\slash", "50%", "$HOME", "a;b", "it's", ""]


@pytest.mark.parametrize("word", WORDS)
def test_a_word_comes_back_as_it_was(word: str) -> None:
    unit = f"[Service]\nExecStart=/bin/engine \\\n  {systemd_quote(word)} end\nRestart=always\n"
    assert argv_of(unit) == ("/bin/engine", word, "end")


@pytest.mark.parametrize("value", WORDS)
def test_a_value_comes_back_as_it_was(value: str) -> None:
    text = f"# of a replica\nNAME={environment_quote(value)}\nOTHER=1\n"
    assert variables_of(text) == {"NAME": value, "OTHER": "1"}


def test_it_agrees_with_systemd_on_every_planned_unit() -> None:
    for name in ("gpu1", "gpu2"):
        items = [one for one in Lies(name).question.asked if isinstance(one, File)]
        units = {one.key: one.content.decode() for one in items if one.key.endswith(".service")}
        for key, read in loaded(units).items():
            (command,) = read.commands["ExecStart"]
            assert argv_of(units[key]) == tuple(word.replace("$$", "$") for word in command)
            assert (environment_path_of(units[key]) or "") in str(read.properties)


def test_what_a_unit_s_process_is_given_is_of_its_two_files() -> None:
    host = Lies("gpu1")
    started = {
        one.unit: one for one in started_units(host.question.asked, frozenset({"VLLM_API_KEY"}))
    }
    chat = started["rackwright-chat-gpu1-0.service"]
    assert "--tensor-parallel-size" in chat.argv and chat.argv[0].endswith("/bin/python")
    assert chat.variables["VLLM_API_KEY"] and "VLLM_API_KEY" not in chat.shown
