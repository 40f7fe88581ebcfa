"""How sudo is called, found by what it says. The real one: tests/lab."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rackwright.errors import HostError
from rackwright.runner.access.sudo import Way, find_way, line

NO_TTY = "sudo: sorry, you must have a tty to run sudo"
PASSWORD = "sudo: a password is required"
RUST = "sudo-rs: interactive authentication is required"


def sudo(terminal: bool, password: str | None, asks: str = PASSWORD) -> Callable[[Way], str]:
    """A sudo that wants that."""

    def refusal(way: Way) -> str:
        if terminal and not way.terminal:
            return NO_TTY
        if password and way.password is None:
            return f"We trust you have received the usual lecture.\n{asks}"
        wrong = "Sorry, try again.\nsudo: 1 incorrect password attempt"
        return wrong if password and way.password != password else ""

    return refusal


def nobody() -> str:
    raise AssertionError("asked for a password that is not wanted")


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("asks", [PASSWORD, RUST])
def test_the_way_is_what_sudo_wants(terminal: bool, asks: str) -> None:
    assert find_way(sudo(terminal, None), nobody) == Way(None, terminal)
    assert find_way(sudo(terminal, "right", asks), lambda: "right") == Way("right", terminal)


def test_a_wrong_password_is_tried_once_and_said_in_one_line() -> None:
    tried = []
    with pytest.raises(HostError) as refused:
        find_way(sudo(False, "right"), lambda: tried.append(1) or "wrong")  # type: ignore[func-returns-value]
    assert str(refused.value) == "sudo refuses the password: sudo: 1 incorrect password attempt"
    assert tried == [1]


@pytest.mark.parametrize("said", ["sh: 1: sudo: not found", "ops is not in the sudoers file."])
def test_any_other_refusal_is_in_its_own_words(said: str) -> None:
    with pytest.raises(HostError, match=f"sudo refuses: {said}"):
        find_way(lambda way: said, nobody)


def test_a_password_is_on_standard_input_alone() -> None:
    way = Way("s3cret", terminal=True)
    assert way.standard_input == b"s3cret\n"
    assert "s3cret" not in line("sh -c true", way, {"_sudo_password": "s3cret"}) + repr(way)
    assert Way().standard_input == b""


def test_what_pyinfra_says_of_sudo_is_kept() -> None:
    how = {"_sudo_user": "a b", "_use_sudo_login": True, "_preserve_sudo_env": True}
    assert line("sh -c x", Way(), how) == "sudo -H -k -n -i -E -u 'a b' sh -c x"
    assert line("sh -c x", Way("p"), {}) == "sudo -H -k -S -p '' sh -c x"
