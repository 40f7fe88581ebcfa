"""Servers as they are rented: a user with sudo behind bastions, odd shells, ports and mounts.

rented1 (by ssh_config, a bastion behind a bastion): sudo with a password and ``requiretty``, fish
with a banner and a umask of 077, /tmp without exec. rented2 (by host data): sudo without a
password, csh. Both accept the user from the second bastion alone, on a port of their own, with a
key that an agent holds; ``ProxyJump none`` keeps the first bastion from being its own way.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.fleet import LAB, ROOT, TINY_GGUF
from tests.samples.commands import BIN, PATIENCE_S, rackwright
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh, main_pid, ssh
from tests.samples.rented import CONFIG_FILE, KEY, KNOWN_HOSTS, PASSPHRASE, PASSWORD, agent, prepare
from tests.samples.terminal import typed

INVENTORY = "tests/lab/inventories/rented.py"
HOSTS = ("bastion1", "bastion2", "rented1", "rented2")
SUDO_PASSWORD = "RACKWRIGHT_SUDO_PASSWORD"
CLOSED = "tests/lab/inventories/closed.py"
UNIT = "rackwright-chat-rented1-0"
OPENED = {
    "rm /srv/mine/models/* && cp /home/ops/tiny-llama.gguf /srv/mine/models/": "is below /home",
    "chmod o+x /srv/mine": "/srv/mine is drwx------ of root (chmod o+x /srv/mine)",
    "chmod o+x /srv/mine/models": "/srv/mine/models is drwx------ of root",
}
"""What opens the weights bit by bit, and what was said before."""
SHELL_SAYS = {"/bin/sh": "", "/bin/bash": "Welcome!\nBye", "/usr/bin/zsh": "Welcome!"}
SPY = (
    "systemd-run -q --unit spy sh -c 'while :; do "
    "grep -lsaF -f /root/password /proc/[0-9]*/cmdline /proc/[0-9]*/environ >> /root/seen; done'"
)
"""On a host: writes down which command line or environment has the password in it."""


@pytest.fixture(scope="module", autouse=True)
def rented() -> Iterator[None]:
    with fresh(*HOSTS), pytest.MonkeyPatch.context() as environment:
        prepare()
        ssh("rented1", f"cat > /root/password <<'END'\n{PASSWORD}\nEND\n{SPY}")
        environment.setenv(SUDO_PASSWORD, PASSWORD)
        with agent() as leads_to_it:
            for name, value in leads_to_it.items():
                environment.setenv(name, value)
            yield


@pytest.fixture(scope="module")
def first(rented: None) -> Run:
    return deploy(inventory=INVENTORY)


def as_ops(host: str, command: str) -> str:
    """What the user gets who logs in by hand."""
    argv = ["ssh", "-F", str(CONFIG_FILE), "-o", "BatchMode=yes", host, command]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S)
    return done.stdout + done.stderr


def program(name: str, *words: str) -> list[str]:
    return [str(BIN / name), *words]


def test_the_servers_are_as_odd_as_they_should_be() -> None:
    told = as_ops("rented1", "umask; echo $FISH_VERSION; sudo -n true")
    assert "Welcome to your server! 0077" in told
    assert "\n3." in told
    assert "you must have a tty" in told
    assert "noexec" in ssh("rented1", "findmnt -no OPTIONS /tmp")
    direct = ["-o", "ProxyJump=none", "-o", "BatchMode=yes"]
    argv = ["ssh", "-F", str(CONFIG_FILE), *direct, "rented1", "true"]
    assert "Permission denied" in subprocess.run(argv, capture_output=True, text=True).stderr


def test_a_bare_fleet_is_made_and_verified(first: Run) -> None:
    assert first.code == 0, first.words
    assert set(first.statuses().values()) == {"OK"}
    assert {row["host"] for row in first.report["results"]} == {"rented1", "rented2"}


def test_nobody_sees_the_password(first: Run) -> None:
    told = deploy("--data", "stages=base", "--debug", inventory=INVENTORY)
    assert PASSWORD not in first.words + first.stdout + json.dumps(first.report) + told.words
    assert ssh("rented1", "cat /root/seen") == ""
    until_seen = "until grep -q environ /root/seen; do sleep 0.1; done"  # the spy does see one
    ssh("rented1", f'SEEN="$(cat /root/password)" timeout 300 sh -c "{until_seen}"')
    where = "grep -rlF -f /root/password /var/log /var/tmp /tmp /run /etc /home /opt; true"
    assert ssh("rented1", where) == ""
    assert ssh("rented1", "journalctl -q --no-pager | grep -cF -f /root/password; true") == "0"


def test_a_second_run_changes_nothing(first: Run) -> None:
    again = deploy(inventory=INVENTORY)
    assert again.code == 0, again.words
    assert again.changed() == {}


def test_what_was_made_is_readable_under_any_umask(first: Run) -> None:
    """A login's umask of 077 would leave the engine's user without its program."""
    assert ssh("rented1", "find /opt/rackwright -not -perm -o=r -not -type l") == ""


def test_the_fleets_own_tests_pass(first: Run) -> None:
    argv = [sys.executable, "-m", "pytest", "-q", "tests/fleet", "--inventory", INVENTORY]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr


def test_watch_and_why_ask_the_same_way(first: Run) -> None:
    seen = rackwright("watch", INVENTORY, "--count", "1")
    assert ["rented1", "chat-rented1-0", "active"] in [
        line.split()[:3] for line in seen.stdout.splitlines()
    ]
    assert "runs" in rackwright("why", INVENTORY, "chat-rented1-0").stdout


def test_discover_goes_by_ssh_config_and_by_options() -> None:
    words = ("discover", "rented1", "bastion1", "--sudo", "--ssh-config", str(CONFIG_FILE))
    by_config = rackwright(*words).stdout
    assert "'type': 'h200-sxm-141gb', 'count': 1" in by_config
    assert "# bastion1: no NVIDIA GPU is seen" in by_config
    jumps = ("--jump", "bastion1,bastion2", "--user", "ops", "--port", "2222", "--key", str(KEY))
    by_options = rackwright("discover", "198.18.0.73", *jumps, *words[-2:]).stdout
    assert f"'ssh_config_file': '{CONFIG_FILE}'" in by_options and "'ssh_port': 2222" in by_options
    assert "'type': 'h200-sxm-141gb', 'count': 1" in by_options


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash", "/usr/bin/zsh"])
def test_other_shells(shell: str) -> None:
    """Debian's sh is dash; rented1's is fish, rented2's csh."""
    ssh("rented2", f"chsh -s {shell} ops")
    assert SHELL_SAYS[shell] in as_ops("198.18.0.74", "true")
    words = ("--user", "ops", "--port", "2222", "--sudo", "--ssh-config", str(CONFIG_FILE))
    assert (
        "# 198.18.0.74: no NVIDIA GPU is seen"
        in rackwright("discover", "198.18.0.74", *words).stdout
    )


def test_weights_that_the_engines_user_cannot_read_are_refused_before_a_restart(
    first: Run,
) -> None:
    before = main_pid("rented1", UNIT)
    ssh("rented1", "install -d -m 700 /srv/mine /srv/mine/models")
    ssh("rented1", f"cp {TINY_GGUF}/tiny-llama.gguf /home/ops/ && chmod 644 /home/ops/*.gguf")
    ssh("rented1", "ln -s /home/ops/tiny-llama.gguf /srv/mine/models/")
    for opened, words in OPENED.items():
        run = deploy(inventory=CLOSED)
        assert run.code != 0
        assert words in run.words, words
        assert main_pid("rented1", UNIT) == before
        ssh("rented1", opened)
    assert deploy("--data", "stages=models", inventory=CLOSED).code == 0


def test_files_travel_whole_as_root() -> None:
    """By pyinfra's own operations and facts, in a process of their own."""
    argv = [sys.executable, str(Path(__file__).with_name("files_over_ssh.py")), INVENTORY]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.stdout.split() == ["rented1", "same", "rented2", "same"], done.stderr
    assert ssh("rented1", "stat -c '%U %a' /root/made") == "root 644"


def test_a_wrong_password_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SUDO_PASSWORD, "wrong")
    said = rackwright("verify", INVENTORY)
    assert said.returncode == 2
    words = "ops@rented1: sudo refuses the password: sudo: 1 incorrect password attempt"
    assert said.stderr.count(words) == 1
    assert "Traceback" not in said.stderr + said.stdout
    assert "2 of 2" in said.stderr  # rented2 wants none


def test_without_a_password_or_a_terminal_it_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(SUDO_PASSWORD)
    argv = program("rackwright", "verify", INVENTORY)
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, start_new_session=True)
    assert f"needs the sudo password, and there is no terminal: set {SUDO_PASSWORD}" in done.stderr


def test_at_a_terminal_the_password_is_asked_once_for_all_hosts() -> None:
    words = ("discover", "rented1", "bastion1", "--sudo", "--ssh-config", str(CONFIG_FILE))
    talk = typed(program("rackwright", *words), {"sudo password: ": PASSWORD}, [SUDO_PASSWORD])
    assert talk.asked == ["sudo password: "]
    assert "'type': 'h200-sxm-141gb'" in talk.shown
    assert "# bastion1: no NVIDIA GPU is seen" in talk.shown
    assert PASSWORD not in talk.shown
    deployed = typed(
        program("pyinfra", INVENTORY, "deploy.py", "-y", "--data", "stages=base"),
        {"sudo password: ": PASSWORD},
        [SUDO_PASSWORD],
    )
    assert (deployed.code, deployed.asked) == (0, ["sudo password: "])


def test_without_an_agent_a_passphrase_is_asked_for() -> None:
    words = program("rackwright", "discover", "bastion1", "--ssh-config", str(CONFIG_FILE))
    question = f"passphrase of {KEY}: "
    right = typed(words, {question: PASSPHRASE}, ["SSH_AUTH_SOCK"])
    assert right.asked == [question]
    assert "# bastion1: no NVIDIA GPU is seen" in right.shown
    wrong = typed(words, {question: "a wren at dawn"}, ["SSH_AUTH_SOCK"])
    assert f"the passphrase does not open {KEY}" in wrong.shown


@pytest.mark.parametrize(
    ("name", "hosts"),
    [("the-first", 1), ("[198.18.0.74]:2222", 1), ("[198.18.0.71]:2222", 2)],
    ids=["by an alias", "by host data", "bastion"],
)
def test_a_host_key_that_changed_is_refused(name: str, hosts: int) -> None:
    known = KNOWN_HOSTS.read_text()
    other = (LAB / "id_ed25519.pub").read_text().split()[1]
    lines = [line.split() for line in known.splitlines()]
    number = next(at for at, line in enumerate(lines, 1) if line[0] == name)
    lines[number - 1][2] = other
    changed = "".join(f"{' '.join(line)}\n" for line in lines)
    KNOWN_HOSTS.write_text(changed)
    try:
        said = rackwright("verify", INVENTORY)
        assert said.returncode == 2
        assert said.stderr.count(f"{KNOWN_HOSTS} line {number} has") == hosts
        assert said.stderr.count(f"ssh-keygen -f {KNOWN_HOSTS} -R {shlex.quote(name)}") == hosts
        assert "Traceback" not in said.stderr
        run = deploy("--data", "stages=base", inventory=INVENTORY)
        assert run.code != 0
        assert "shows another host key" in run.words
        assert "Traceback" not in run.words
        assert KNOWN_HOSTS.read_text() == changed
    finally:
        KNOWN_HOSTS.write_text(known)
