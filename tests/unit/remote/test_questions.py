"""Many questions in one command: each is answered as its own script would, whatever others do."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from rackwright.runner.looking import SCRIPTS
from rackwright.runner.travelling import loader, message
from tests.samples.travelling import OWN, run


def asked(*questions: list[Any]) -> Any:
    line = message("questions", questions, beside=SCRIPTS)
    argv = [*OWN, "-c", loader()]
    done = subprocess.run(argv, input=line, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_each_answer_is_that_of_its_own_script() -> None:
    items = {"do": "observe", "items": [{"kind": "file", "key": "/etc/passwd"}]}
    questions = [["state", items], ["names", []], ["routes", ["127.0.0.1"]]]
    alone = [json.loads(run(*question).stdout) for question in questions]
    assert [one["answer"] for one in asked(*questions)] == alone


def test_one_that_fails_or_ends_the_program_is_told_and_the_next_is_asked() -> None:
    broken = {"do": "observe", "items": [{"kind": "nothing", "key": "a"}]}
    said = asked(["state", broken], ["weights", {"do": "fetch", "models": 1}], ["names", []])
    assert said[0] == {"error": "KeyError: 'nothing'"}
    assert "error" in said[1]
    assert said[2] == {"answer": {}}


def test_what_is_no_script_is_none() -> None:
    (said,) = asked(["serving", {}])
    assert said["error"].startswith("ModuleNotFoundError")
