"""Where a password comes from; asked for at a terminal: tests/lab."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rackwright.errors import HostError
from rackwright.runner.access import secrets
from rackwright.runner.access.secrets import SUDO_PASSWORD, sudo_password


def test_host_data_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SUDO_PASSWORD, "everywhere")
    assert sudo_password("here") == "here"
    assert sudo_password(None) == "everywhere"


@pytest.mark.parametrize("wrong", ["a\nb", "a\r", "a\0"])
def test_a_password_of_two_lines_is_refused_and_not_shown(wrong: str) -> None:
    with pytest.raises(HostError, match="it must be one line") as refused:
        sudo_password(wrong)
    assert wrong not in str(refused.value)


def test_without_a_terminal_it_says_what_to_do() -> None:
    program = "from rackwright.runner.access.secrets import passphrase; passphrase('/k')"
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, capture_output=True, text=True, start_new_session=True)
    assert "needs the passphrase of /k, and there is no terminal: load the key" in done.stderr


def test_it_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(secrets, "_asked", {})
    monkeypatch.setattr(secrets, "_has_terminal", lambda: True)
    monkeypatch.setattr(secrets, "getpass", lambda prompt: asked.append(prompt) or "typed")
    monkeypatch.delenv(SUDO_PASSWORD, raising=False)
    assert [sudo_password(None), sudo_password("")] == ["typed", "typed"]
    assert asked == ["sudo password: "]
