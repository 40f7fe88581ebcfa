"""What is asked of `ssh -G`, and what is made of its answer: the system's own ssh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rackwright.errors import HostError
from rackwright.runner.access.connection import Connection
from rackwright.runner.access.ssh_config import SshSettings, ssh_settings

CONFIG = """Host gate
  ProxyJump none
Host far
  HostName 192.0.2.9
  Port 2200
Match host 192.0.2.9 user ops
  StrictHostKeyChecking yes
Host odd
  ProxyCommand nc -x %n:%% %h %p %r %z
Host *
  ProxyJump gate,ops@second:2022
  UserKnownHostsFile {known} {more}
  IdentityFile {key}
  IdentityFile {key}-absent
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    names = {name: tmp_path / name for name in ("known", "more", "key")}
    for name in ("more", "key"):
        names[name].touch()
    path = tmp_path / "config"
    path.write_text(CONFIG.format(**names))
    return path


def settings(host: str, config: Path, **data: Any) -> SshSettings:
    every = {key: meta.default for key, meta in Connection.data_meta.items()}
    return ssh_settings(host, {**every, "ssh_config_file": str(config), **data})


def test_a_host_is_as_its_entries_say(config: Path) -> None:
    found = settings("far", config, ssh_user="ops")
    assert (found.hostname, found.port, found.user) == ("192.0.2.9", 2200, "ops")
    assert found.known_as == "[192.0.2.9]:2200"
    assert found.jump == "gate,ops@second:2022"
    assert found.identities == (str(config.with_name("key")),)
    assert found.known_hosts == (str(config.with_name("known")), str(config.with_name("more")))
    assert found.strict
    assert not settings("far", config, ssh_user="root").strict


def test_no_jump_is_no_host_named_none(config: Path) -> None:
    assert settings("gate", config).jump is None
    assert settings("far", config, ssh_proxyjump="none").jump is None
    assert settings("far", config, ssh_proxyjump="a,b").jump == "a,b"


def test_host_data_goes_before_the_configuration(config: Path, tmp_path: Path) -> None:
    key = tmp_path / "other"
    key.touch()
    found = settings(
        "gpu1", config, ssh_hostname="far", ssh_port=22, ssh_key=str(key), ssh_known_hosts_file="k"
    )
    assert (found.hostname, found.port, found.known_as) == ("192.0.2.9", 22, "192.0.2.9")
    assert found.identities[0] == str(key)
    assert found.known_hosts == ("k",)


def test_a_proxy_command_has_its_tokens(config: Path) -> None:
    found = settings("odd", config, ssh_user="me")
    assert found.jump is None
    assert found.command == "nc -x odd:% odd 22 me %z"


def test_files_have_theirs_too(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYS", str(config.parent))
    config.write_text("IdentityFile ${KEYS}/%h-%r\nUserKnownHostsFile %d/known-%p\n")
    (config.parent / "far-me").touch()
    found = settings("far", config, ssh_user="me", ssh_port=7)
    assert found.identities == (str(config.parent / "far-me"),)
    assert found.known_hosts[0] == f"{Path.home()}/known-7"


@pytest.mark.parametrize("none", ["none", "NONE", "/dev/null"])
def test_no_file_of_host_keys_is_no_file_named_none(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, none: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none").touch()
    config.write_text(f"UserKnownHostsFile {none}\nGlobalKnownHostsFile none\n")
    assert settings("far", config).known_hosts == ("/dev/null",)


@pytest.mark.parametrize("name", ["known hosts", "a b c"])
def test_a_file_of_host_keys_with_a_blank_is_not_taken_for_two(config: Path, name: str) -> None:
    """The first of the two would not exist, and every key would be new to it."""
    config.with_name(name).touch()
    config.write_text(f'UserKnownHostsFile "{config.with_name(name)}"\n')
    with pytest.raises(HostError, match="without blanks"):
        settings("far", config)


@pytest.mark.parametrize(
    ("said", "agent"),
    [
        ("none", ""),
        ("SSH_AUTH_SOCK", None),
        ("$SSH_AUTH_SOCK", None),
        ("$OTHER", "/run/other"),
        ("${OTHER}", "/run/other"),
        ("$ABSENT", ""),
        ("/run/of user/agent", "/run/of user/agent"),
        ("/run/usual", None),
    ],
)
def test_an_agent_is_the_one_that_ssh_asks(
    config: Path, monkeypatch: pytest.MonkeyPatch, said: str, agent: str | None
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/usual")
    monkeypatch.setenv("OTHER", "/run/other")
    config.write_text(f'IdentityAgent "{said}"\n')
    assert settings("far", config).agent == agent


def test_an_alias_is_what_known_hosts_say(config: Path) -> None:
    config.write_text("Host far\n  HostKeyAlias behind\n  Port 7\n")
    assert settings("far", config).known_as == "behind"


@pytest.mark.parametrize(
    ("host", "data", "words"),
    [
        ("far", {"ssh_proxyjump": "a,,b c"}, "-J"),
        ("-oProxyCommand=touch /tmp/x", {}, "invalid characters"),
        ("far", {"ssh_config_file": "/absent"}, "/absent"),
        ("far", {"ssh_key": "/absent"}, "ssh_key /absent: no such file"),
    ],
)
def test_what_ssh_refuses_is_in_its_words(
    config: Path, host: str, data: dict[str, Any], words: str
) -> None:
    with pytest.raises(HostError, match=words):
        settings(host, config, **data)


def test_without_ssh_it_is_said(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(HostError, match="OpenSSH's client is needed"):
        settings("far", config)
