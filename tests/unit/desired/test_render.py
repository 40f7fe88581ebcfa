from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from rackwright.desired.render import Compiled, environment_quote, render, systemd_quote
from rackwright.errors import RenderError

WORDS = [
    "plain",
    "",
    "two words",
    "a\ttab",
    "a\nline",
    "carriage\rreturn",
    'say "hi"',
    "it's",
    "back\\slash",
    "\\n is not a newline",
    "ends with \\",
    "50%",
    "%n %%",
    "$HOME ${HOME} $$",
    ";",
    "a;b",
    '{"a": [1, "b"], "c": "$x%y\\\\"}',
    "ünïcödé",
    "`backticks`",
    "#comment",
]
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def read_exec_words(line: str) -> list[str]:
    """Split as systemd does: quotes and C escapes, then specifiers, then variables."""
    words = re.findall(r'"(?:[^"\\]|\\.)*"|[^\s"]+', line)
    return [_literal(word) for word in words]


def _literal(word: str) -> str:
    if word.startswith('"'):
        word = re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), word[1:-1], flags=re.S)
    assert not re.search(r"%[^%]", word.replace("%%", "")), "an open specifier"
    assert "$" not in word.replace("$$", ""), "an open variable"
    return word.replace("%%", "%").replace("$$", "$")


def read_environment_value(text: str) -> str:
    """As systemd reads a double-quoted value: backslash escapes only these four characters."""
    assert text[0] == text[-1] == '"'
    inner = text[1:-1]
    assert not re.search(r'(?<!\\)(\\\\)*"', inner), "the quotes end early"
    return re.sub(r'\\(["\\`$])', r"\1", inner)


@pytest.mark.parametrize("word", WORDS)
def test_systemd_reads_back_the_word(word: str) -> None:
    quoted = systemd_quote(word)
    assert "\n" not in quoted
    assert read_exec_words(f"{quoted} next") == [word, "next"]


def test_systemd_reads_back_many_words() -> None:
    assert read_exec_words(" ".join(map(systemd_quote, WORDS))) == WORDS


@pytest.mark.parametrize("word", ["--port", "8000", "/srv/models/tiny-llama", "auto"])
def test_plain_words_stay_as_they_are(word: str) -> None:
    assert systemd_quote(word) == word


@pytest.mark.parametrize("value", WORDS)
def test_an_environment_file_reads_back_the_value(value: str) -> None:
    assert read_environment_value(environment_quote(value)) == value


def test_numbers_are_quoted_as_text() -> None:
    assert systemd_quote(8000) == "8000"
    assert environment_quote(1) == '"1"'


def test_a_name_the_plan_lacks_is_an_error_that_names_the_template() -> None:
    with pytest.raises(RenderError, match=r"templates/replica\.env\.j2: 'replica' is undefined"):
        render("replica.env.j2", {"variables": {}})


def test_a_missing_attribute_is_an_error_too() -> None:
    with pytest.raises(RenderError, match=r"templates/replica\.env\.j2: .*'name'"):
        render("replica.env.j2", {"variables": {}, "replica": {}})


def test_a_template_that_is_not_there_is_named() -> None:
    with pytest.raises(RenderError, match=r"templates/absent\.j2: "):
        render("absent.j2", {})


def test_text_is_utf8_and_ends_with_a_newline() -> None:
    made = render("replica.env.j2", {"variables": {"A": "ü"}, "replica": {"name": "chat"}})
    assert made.endswith('A="ü"\n'.encode())


# --- what was compiled before ---------------------------------------------------------------------


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[[str], tuple[str, int]]:
    """What a text of a template gives in a new process; and how many files are kept then."""
    kept = tmp_path / "kept"
    kept.mkdir()

    def of(text: str) -> tuple[str, int]:
        cache = Compiled()
        cache.directory = str(kept)
        templates = DictLoader({"one": text})
        said = Environment(loader=templates, bytecode_cache=cache).get_template("one").render()
        return said, len(list(kept.iterdir())) if kept.is_dir() else 0

    return of


def test_a_template_is_compiled_once(
    compiled: Callable[[str], tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compiled("{{ 1 }}") == ("1", 1)
    monkeypatch.setattr(Environment, "compile", None)
    assert compiled("{{ 1 }}") == ("1", 1)


def test_one_that_changed_is_compiled_anew(compiled: Callable[[str], tuple[str, int]]) -> None:
    assert [compiled("{{ 1 }}"), compiled("{{ 2 }}")] == [("1", 1), ("2", 1)]


def test_so_is_one_of_other_options_or_another_jinja(
    compiled: Callable[[str], tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled("{{ 1 }}")
    monkeypatch.setattr(Compiled, "stamps", staticmethod(lambda: [1, 2]))
    monkeypatch.setattr(Environment, "compile", None)
    with pytest.raises(TypeError):
        compiled("{{ 1 }}")


def test_where_nothing_can_be_written_it_is_compiled(
    tmp_path: Path, compiled: Callable[[str], tuple[str, int]]
) -> None:
    (tmp_path / "kept").rmdir()
    assert compiled("{{ 1 }}") == ("1", 0)
