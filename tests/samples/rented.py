"""Hosts of the lab as providers rent them: a user with sudo, behind bastions, each odd."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from lab.fleet import BASTIONS, LAB, RENTED

FOLDER = LAB / "rented"
CONFIG_FILE = FOLDER / "ssh_config"
KNOWN_HOSTS = FOLDER / "known_hosts"
KEY = FOLDER / "id_ops"
PASSPHRASE = "an owl at dusk"
PASSWORD = "s3cret'\\\"!$ pass"
"""With what shells would take for their own."""
SSH_PORT = 2222

CONFIG = f"""Host bastion1
  HostName {BASTIONS[0].address}
  ProxyJump none
Host bastion2
  HostName {BASTIONS[1].address}
  ProxyJump bastion1
Host rented1
  HostName {RENTED[0].address}
  HostKeyAlias the-first
Match host "*"
  User ops
  Port {SSH_PORT}
  IdentityFile {KEY}
  IdentitiesOnly yes
  UserKnownHostsFile {KNOWN_HOSTS}
  StrictHostKeyChecking accept-new
Host * !bastion1
  ProxyJump bastion2
"""

USER = f"""set -e
useradd -m -s /bin/bash ops
install -d -m 700 -o ops -g ops /home/ops/.ssh
cat > /home/ops/.ssh/authorized_keys
chown ops: /home/ops/.ssh/authorized_keys
printf 'Port 22\\nPort {SSH_PORT}\\nMaxAuthTries 3\\n' > /etc/ssh/sshd_config.d/rented.conf
"""
ONLY_FROM = """printf 'AllowUsers root ops@%s\\n' {address} >> /etc/ssh/sshd_config.d/rented.conf
"""
SUDO_WITH_PASSWORD = """printf 'ops:%s\\n' {password} | chpasswd
printf 'Defaults requiretty\\nops ALL=(ALL) ALL\\n' > /etc/sudoers.d/ops
"""
SUDO_WITHOUT = """echo 'ops ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ops
"""
NOEXEC = "mount -t tmpfs -o noexec,nosuid,nodev,mode=1777 tmpfs /tmp\n"
FISH = """apt-get update -qq && apt-get install -qq --no-install-recommends fish >/dev/null 2>&1
chsh -s /usr/bin/fish ops
install -d -o ops -g ops /home/ops/.config/fish
cat > /home/ops/.config/fish/config.fish <<'END'
umask 077
echo -n "Welcome to your server! "
function goodbye --on-event fish_exit; echo Goodbye; end
END
chmod 755 /home/ops/.config /home/ops/.config/fish
"""
CSH = """apt-get update -qq
apt-get install -qq --no-install-recommends tcsh zsh >/dev/null 2>&1
chsh -s /usr/bin/tcsh ops
printf 'umask 077\\necho "Welcome!"\\n' | tee /home/ops/.tcshrc > /home/ops/.zshenv
(echo 'echo Welcome!; trap "echo Bye" EXIT'; cat /home/ops/.bashrc) > /home/ops/rc
mv /home/ops/rc /home/ops/.bashrc
"""
RELOAD = "systemctl restart ssh\n"


def prepare() -> None:
    """Have the hosts that are up be such servers, and the operator's files for them."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(mode=0o700)
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", PASSPHRASE, "-C", "ops", "-f", str(KEY)]
    subprocess.run(argv, check=True)
    CONFIG_FILE.write_text(CONFIG)
    with_password = SUDO_WITH_PASSWORD.format(password=_quoted(PASSWORD))
    behind = ONLY_FROM.format(address=BASTIONS[1].address)
    made = {
        "bastion1": USER + with_password,
        "bastion2": USER + ONLY_FROM.format(address=BASTIONS[0].address) + SUDO_WITHOUT,
        "rented1": USER + behind + with_password + NOEXEC + FISH,
        "rented2": USER + behind + SUDO_WITHOUT + NOEXEC + CSH,
    }
    running = {name: _start(name, script + RELOAD) for name, script in made.items()}
    for name, process in running.items():
        said = process.communicate(KEY.with_suffix(".pub").read_text())[0]
        assert process.returncode == 0, f"{name}: {said}"


def _start(name: str, script: str) -> subprocess.Popen[str]:
    argv = ["ssh", "-F", str(LAB / "ssh_config"), name, script]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(argv, text=True, **streams)  # type: ignore[call-overload,no-any-return]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"


@contextmanager
def agent() -> Iterator[dict[str, str]]:
    """An agent that holds the operator's key; the environment that leads to it."""
    socket = FOLDER / "agent"
    running = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    ask = FOLDER / "askpass"
    ask.write_text(f"#!/bin/sh\necho {_quoted(PASSPHRASE)}\n")
    ask.chmod(0o700)
    asking = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
    environment = {"SSH_AUTH_SOCK": str(socket)}
    try:
        while not socket.exists():
            assert running.poll() is None, "ssh-agent ended"
        argv = ["ssh-add", "-q", str(KEY)]
        subprocess.run(argv, env={**os.environ, **environment, **asking}, check=True)
        yield environment
    finally:
        running.terminate()
        running.wait()
