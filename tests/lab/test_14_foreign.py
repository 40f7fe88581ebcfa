"""What is not Rackwright's stays as it is on a host, and files say there what was meant."""

from __future__ import annotations

import base64
import io
import re
import shlex
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import suppress

import pytest

from lab.fleet import LAB
from rackwright.desired.gateway_places import CONFIG, FLEET, FOLDER, LUA, SOCKET_FOLDER
from rackwright.desired.render import render
from rackwright.errors import SpecError
from tests.samples.commands import PATIENCE_S
from tests.samples.deploys import Run, deploy
from tests.samples.hostile import PLACES, TEXTS, rendered
from tests.samples.lab_hosts import fresh, ssh

HOST = "spare2"
INVENTORY = "tests/lab/inventories/foreign.py"
OURS = "/opt/rackwright /etc/rackwright /var/lib/rackwright /var/cache/rackwright"
FOREIGN = "Rackwright did not make it: it is left alone"


@pytest.fixture(scope="module", autouse=True)
def host() -> Iterator[None]:
    with fresh(HOST):
        yield


def base(**data: str) -> Run:
    """The first stage alone, with other settings."""
    more = [word for key, value in data.items() for word in ("--data", f"{key}={value}")]
    return deploy("--data", "stages=base", *more, inventory=INVENTORY)


def everything() -> str:
    """Owner, mode and time of all that the tests put on the host, and its accounts."""
    shown = "find /etc/passwd /etc/group /srv /home /etc -xdev -printf '%p %U %G %m %T@ %l\\n'"
    return ssh(HOST, f"{shown} | sort -u; ls -d {OURS} 2>/dev/null; true")


def refused(run: Run, words: str, before: str) -> None:
    assert run.code == 1
    assert words in run.words, run.words
    assert everything() == before, "nothing was made, altered or removed"


def test_without_its_key_no_host_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything()
    monkeypatch.delenv("FOREIGN_KEY", raising=False)
    run = deploy("--data", "engine_api_key_env=FOREIGN_KEY", inventory=INVENTORY)
    refused(run, "names FOREIGN_KEY, which is not set here: export it", before)
    monkeypatch.setenv("FOREIGN_KEY", "sk-abc\n")
    run = deploy("--data", "engine_api_key_env=FOREIGN_KEY", inventory=INVENTORY)
    refused(run, "names FOREIGN_KEY, whose value must be one line", before)
    assert "sk-abc" not in run.words + run.stdout


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("useradd --create-home --shell /bin/bash alice", "has the uid 1000"),
        ("useradd --system --shell /bin/bash alice", "has the shell /bin/bash"),
        (
            "useradd --system --user-group --shell /usr/sbin/nologin --home-dir /srv/alice alice",
            "has the home /srv/alice, not /var/lib/rackwright",
        ),
        ("groupadd --gid 1500 alice", "is a group of the system or of people (gid 1500)"),
    ],
)
def test_an_account_of_somebody_else_is_left_alone(made: str, words: str) -> None:
    ssh(HOST, made)
    before = everything()
    refused(base(engine_user="alice"), words, before)
    ssh(HOST, "userdel --force alice 2>/dev/null; groupdel alice 2>/dev/null; rm -rf /home/alice")


@pytest.mark.parametrize("key", ["root_dir", "config_dir", "state_dir"])
def test_a_folder_that_holds_what_is_not_ours_is_left_alone(key: str) -> None:
    ssh(HOST, "mkdir -m 700 /srv/data && touch /srv/data/precious && chown -R 1000 /srv/data")
    before = everything()
    refused(base(**{key: "/srv/data"}), f"/srv/data holds precious, {FOREIGN}", before)
    ssh(HOST, "rm -r /srv/data")


def test_nothing_is_made_beyond_a_link_that_a_user_made() -> None:
    ssh(HOST, "mkdir -p /srv/theirs && ln -s /etc /srv/theirs/etc && chown -hR 1000 /srv/theirs")
    before = everything()
    run = base(root_dir="/srv/theirs/etc/llm")
    refused(run, "/srv/theirs/etc is a link that 1000 made: nothing is done beyond it", before)
    ssh(HOST, "ln -s / /srv/root")
    before = everything()
    refused(base(root_dir="/srv/root/etc"), "is one of the system's folders", before)
    ssh(HOST, "rm -r /srv/theirs /srv/root")


def test_a_user_that_an_earlier_version_made_is_ours_and_the_second_run_changes_nothing() -> None:
    ssh(
        HOST,
        "useradd --system --user-group --shell /usr/sbin/nologin --home-dir /var/lib/rackwright "
        "--no-create-home rackwright && install -d -o rackwright -g rackwright "
        "/var/cache/rackwright /var/cache/rackwright/chat-spare2-0",
    )
    entry = ssh(HOST, "getent passwd rackwright")
    first = base()
    assert first.code == 0, first.words
    assert ssh(HOST, "getent passwd rackwright") == entry
    assert ssh(HOST, f"stat -c %U {OURS}").split() == ["root", "root", "root", "rackwright"]
    assert base().changed() == {}


def test_a_user_that_we_made_follows_its_state() -> None:
    made = base(engine_user="llm", state_dir="/srv/state")
    assert made.code == 0, made.words
    moved = base(engine_user="llm", state_dir="/srv/other")
    assert moved.code == 0, moved.words
    assert ssh(HOST, "getent passwd llm").endswith(
        ":Rackwright engines:/srv/other:/usr/sbin/nologin"
    )
    assert base(engine_user="llm", state_dir="/srv/other").changed() == {}


# --- what the files say, by systemd and Nginx themselves ---------------------------------------


def test_systemd_gives_a_process_what_an_environment_file_was_made_of() -> None:
    values = [text for text in TEXTS if text.isprintable()]
    variables = {f"V{number}": value for number, value in enumerate(values)}
    (replica, *_) = rendered().plan.replicas
    file = render("replica.env.j2", {"replica": replica, "variables": variables})
    put(HOST, {"run/hostile.env": file})
    run = "systemd-run --quiet --wait --pipe --property=EnvironmentFile=/run/hostile.env env -0"
    shown = base64.b64decode(ssh(HOST, f"{run} | base64 -w0")).decode().split("\0")
    seen = dict(line.split("=", 1) for line in shown if line.startswith("V"))
    assert seen == variables


def test_nginx_takes_every_configuration_that_no_rule_refuses() -> None:
    """With the Lua and the data of that very fleet, which Nginx reads at its start."""
    made: dict[tuple[str, str], str] = {}
    for place in sorted(set(PLACES) - {"server address"}):  # names of hosts are resolved
        for text in TEXTS:
            with suppress(SpecError):
                files = rendered(place, text).files
                parts = files["gw1", CONFIG], files["gw1", FLEET]
                made.setdefault(parts, f"{place} {text!r}")
    assert any(made_of.startswith("gateway server_name") for made_of in made.values())
    ssh(HOST, "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x "
              "-keyout /run/x.key -out /run/x.crt 2>&1")  # fmt: skip
    ssh(HOST, f"mkdir -p {SOCKET_FOLDER} {FOLDER}")
    every = {LUA.lstrip("/"): rendered().files["gw1", LUA].encode()}
    for number, (config, data) in enumerate(made):
        every[f"run/gateways/{number}.conf"] = config.encode()
        every[f"run/gateways/{number}.json"] = data.encode()
    put(HOST, every)
    for number, ((config, _), made_of) in enumerate(made.items()):
        assert nginx_says(number, config) == "", made_of


def nginx_says(number: int, text: str) -> str:
    """What `nginx -t` has against a configuration, with a certificate where it names one.

    That a certificate which nobody issued is not stapled is no fault of it.
    """
    places = re.findall(r"^ +ssl_certificate(_key)? (.*);$", text, flags=re.M)
    have = [
        f"install -D /run/x.{'key' if key else 'crt'} {shlex.quote(path)}" for key, path in places
    ]
    have += [f"cp /run/gateways/{number}.conf {CONFIG}", f"cp /run/gateways/{number}.json {FLEET}"]
    test = "nginx -t -q 2>&1 | grep -v 'ssl_stapling. ignored, issuer certificate not found'"
    return ssh(HOST, "; ".join([*have, test, f"rm {CONFIG}"]), check=False)


def put(host: str, files: dict[str, bytes]) -> None:
    """Files on a host, by their paths without the leading slash."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    argv = ["ssh", "-F", str(LAB / "ssh_config"), host, "tar -x -C /"]
    done = subprocess.run(argv, input=packed.getvalue(), timeout=PATIENCE_S, capture_output=True)
    assert done.returncode == 0, done.stderr
