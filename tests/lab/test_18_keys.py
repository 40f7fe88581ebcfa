"""Clients' keys on a real gateway: made, used, limited, replaced and taken back as it goes on.

The engines are stand-ins on addresses of the gateway's own loopback, and ask for another key.
"""

from __future__ import annotations

import csv
import http.client
import json
import os
import re
import secrets
import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lab.fleet import host_named
from rackwright.clients.keys_file import read_clients
from tests.samples.commands import rackwright
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh, main_pid, ssh, wait_until

SOURCE = Path(__file__).with_name("inventories") / "keyed.py"
STAND_IN = Path(__file__).with_name("stand_in_keyed.py")
HOST, NAME, MODEL = "spare1", "llm.lab.example", "tiny-llama"
ADDRESSES = ("192.0.2.11", "192.0.2.12")
REPLICAS = ("chat-absent1-0", "chat-absent2-0")
CHAT = "/v1/chat/completions"
VARIABLE = "RACKWRIGHT_LAB_ENGINE_KEY"
KEYS, SECRETS = "/etc/nginx/rackwright/keys.json", "/etc/nginx/rackwright/secrets.json"
made: list[str] = []
"""Every key of this module: none may be in any log."""


class Answer(NamedTuple):
    status: int
    replica: str | None
    code: str | None


class Door:
    """One connection to the gateway, which is not opened again once it is closed."""

    def __init__(self, trust: ssl.SSLContext) -> None:
        self._line = http.client.HTTPSConnection(NAME, 443, timeout=60, context=trust)
        raw = socket.create_connection((host_named(HOST).address, 443), 60)
        self._line.sock = trust.wrap_socket(raw, server_hostname=NAME)
        self._line.auto_open = 0

    def sent(self, key: str, **more: Any) -> http.client.HTTPResponse:
        body = json.dumps({"model": MODEL, "messages": [], **more})
        head = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._line.request("POST", CHAT, body, head)
        return self._line.getresponse()

    def post(self, key: str, **more: Any) -> Answer:
        answer = self.sent(key, **more)
        page = json.loads(answer.read())
        error = page.get("error") or {}
        return Answer(answer.status, answer.headers["X-Rackwright-Replica"], error.get("code"))


class Fleet(NamedTuple):
    inventory: Path
    first: Run

    def run(self, verb: str, *words: str, code: int = 0) -> str:
        """What a verb prints."""
        done = rackwright(verb, str(self.inventory), *words)
        assert done.returncode == code, done.stderr + done.stdout
        assert not any(key in done.stderr for key in made)
        return done.stdout if code == 0 else done.stderr

    def key(self, *words: str) -> str:
        """A new key, by `add` or `rotate`."""
        printed = self.run("keys", *words)
        assert re.fullmatch(r"rw-[A-Za-z0-9_-]{43}\n", printed)
        made.append(printed.strip())
        return made[-1]

    def deploy(self, *words: str) -> Run:
        return deploy(
            *("--limit", HOST, "--data", "stages=base,gateway"), *words,
            inventory=str(self.inventory),
        )  # fmt: skip

    @contextmanager
    def door(self) -> Iterator[Door]:
        certificate = ssh(HOST, "cat /etc/rackwright/tls/gateway.crt")
        yield Door(ssl.create_default_context(cadata=certificate))


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    inventory = tmp_path_factory.mktemp("keyed") / "keyed.py"
    shutil.copy(SOURCE, inventory)
    made.append(os.environ.setdefault(VARIABLE, secrets.token_hex(16)))
    with fresh(HOST):
        ssh(HOST, f"cat > /run/stand_in.py <<'END'\n{STAND_IN.read_text()}END")
        ssh(HOST, f"umask 077; cat > /run/engine.key <<'END'\n{made[0]}\nEND")
        for number, address in enumerate(ADDRESSES):
            ssh(HOST, f"ip address add {address}/32 dev lo")
            ssh(HOST, f"systemd-run -q --unit stand-in-{number} "
                f"python3 /run/stand_in.py {address} 8000 /run/engine.key")  # fmt: skip
        yield Fleet(inventory, Fleet(inventory, None).deploy())  # type: ignore[arg-type]


@pytest.fixture
def fleet(deployed: Fleet) -> Fleet:
    if deployed.first.code != 0:
        pytest.fail(deployed.first.words[-2000:], pytrace=False)
    return deployed


@pytest.fixture
def door(fleet: Fleet) -> Iterator[Door]:
    with fleet.door() as one:
        yield one


def workers() -> str:
    """A reload of Nginx would replace them."""
    return ssh(HOST, f"pgrep -P {main_pid(HOST, 'nginx')} | sort | xargs")


def test_without_a_key_nobody_comes_in(fleet: Fleet, door: Door) -> None:
    assert door.post("rw-none") == Answer(401, "-", "invalid_api_key")
    assert door.post(made[0]) == Answer(401, "-", "invalid_api_key")


def test_a_key_lets_in_at_once_and_the_engine_has_its_own(fleet: Fleet, door: Door) -> None:
    before = workers()
    alice = fleet.key("add", "alice", "--models", "chat")
    answer = door.post(alice)
    assert answer.status == 200 and answer.replica in REPLICAS
    assert door.post(alice, model="gpt-4o").status == 200
    assert workers() == before
    assert re.search(r"^alice .* chat .* spare1$", fleet.run("keys", "list", "--live"), re.M)


def test_files_are_of_those_who_need_them_and_have_no_key(fleet: Fleet) -> None:
    seen = ssh(HOST, f"stat -c '%a %U:%G' {KEYS} {SECRETS} /run/rackwright-gateway")
    assert seen.splitlines() == ["640 root:www-data", "600 root:root", "700 root:root"]
    assert not any(key in ssh(HOST, f"cat {KEYS}") for key in made)
    beside = fleet.inventory.with_suffix(".keys.yaml")
    assert beside.stat().st_mode & 0o777 == 0o600
    assert not any(key in beside.read_text() for key in made)


def test_limits_are_kept_for_all_keys_of_a_client(fleet: Fleet, door: Door) -> None:
    bob = fleet.key("add", "bob", "--in-flight", "1", "--requests-a-minute", "3")
    with fleet.door() as other:
        stream = other.sent(bob, stream=True, until="/run/bob")
        assert door.post(bob).code == "in_flight_limit_exceeded"
        second = fleet.key("rotate", "bob")
        assert door.post(second).code == "in_flight_limit_exceeded"
        ssh(HOST, "touch /run/bob")
        assert stream.read().endswith(b"data: [DONE]\n\n")
    # One more is let in where a minute has gone by meanwhile: the one before counts less and less.
    assert "rate_limit_exceeded" in {door.post(second).code, door.post(second).code}


def test_after_a_rotation_both_are_good_until_the_old_expires(fleet: Fleet, door: Door) -> None:
    old = fleet.key("add", "carol")
    new = fleet.key("rotate", "carol", "--keep", "24h")
    assert [door.post(key).status for key in (old, new)] == [200, 200]
    newest = fleet.key("rotate", "carol", "--keep", "0m")
    assert [door.post(key).code for key in (old, new, newest)] == ["key_expired"] * 2 + [None]


def test_a_date_of_the_file_is_kept_once_it_is_applied(fleet: Fleet, door: Door) -> None:
    key = fleet.key("add", "dora", "--expires", "90d")
    assert door.post(key).status == 200
    beside = fleet.inventory.with_suffix(".keys.yaml")
    (dora,) = read_clients(beside)["dora"].keys
    assert dora.expires
    soon = dora.expires.strftime("%Y-%m-%dT%H:%M:%SZ")
    gone = dora.made.strftime("%Y-%m-%dT%H:%M:%SZ")
    beside.write_text(beside.read_text().replace(f"expires: '{soon}'", f"expires: '{gone}'"))
    fleet.run("keys", "apply")
    assert door.post(key) == Answer(401, "-", "key_expired")


def test_revoked_at_once_while_streams_and_connections_go_on(fleet: Fleet, door: Door) -> None:
    eve, frank = fleet.key("add", "eve"), fleet.key("add", "frank")
    assert door.post(frank).status == 200
    with fleet.door() as streaming, fleet.door() as again:
        stream = streaming.sent(eve, stream=True, until="/run/eve")
        begun, before = stream.readline(), workers()
        fleet.run("keys", "revoke", "eve")
        assert again.post(eve) == Answer(401, "-", "invalid_api_key")
        assert door.post(frank).status == 200, "on the connection it had before"
        ssh(HOST, "touch /run/eve")
        rest = stream.read()
    assert (begun + rest).count(b"data: ") > 6 and rest.endswith(b"data: [DONE]\n\n")
    assert workers() == before


def used_by(client: str, fleet: Fleet) -> dict[str, str]:
    rows = csv.DictReader(fleet.run("usage", "--csv").splitlines())
    return next((row for row in rows if row["client"] == client), {})


def test_usage_is_told_by_client_and_model_of_plain_and_streamed(fleet: Fleet, door: Door) -> None:
    key = fleet.key("add", "grace")
    assert door.post(key).status == 200
    assert door.sent(key, stream=True).read().endswith(b"data: [DONE]\n\n")
    wait_until(lambda: used_by("grace", fleet).get("requests") == "2")  # shared every second
    grace = used_by("grace", fleet)
    counts = [grace[name] for name in ("requests", "prompt_tokens", "cached_tokens")]
    assert (grace["model"], counts) == (MODEL, ["2", "17", "3"])
    assert grace["completion_tokens"] == "7"
    assert re.search(rf"^grace +{MODEL} +2 +17 +3 +7 +0$", fleet.run("usage"), re.M)


def test_a_drained_replica_has_no_new_request(fleet: Fleet, door: Door) -> None:
    key, (first, second) = fleet.key("add", "heidi"), REPLICAS
    fleet.run("gateway", "drain", first, "--why", "a new disk")
    assert {door.post(key).replica for _ in range(10)} == {second}
    ssh(HOST, "systemctl restart nginx")
    with fleet.door() as after:
        assert {after.post(key).replica for _ in range(10)} == {second}, "kept over a restart"
        assert re.search(rf"{first} +drained .* a new disk$", fleet.run("gateway", "status"), re.M)
        fleet.run("gateway", "undrain", first)
        wait_until(lambda: after.post(key).replica == first)


def test_a_gateway_that_is_stopped_has_what_changed_when_it_starts(fleet: Fleet) -> None:
    key = fleet.key("add", "ivan")
    ssh(HOST, "systemctl stop nginx")
    said = fleet.run("keys", "revoke", "ivan", code=69)
    assert "spare1: the gateway does not run here" in said and "the next deploy" in said
    ssh(HOST, "systemctl start nginx")
    with fleet.door() as door:
        assert door.post(key).code == "invalid_api_key"


def test_a_deploy_changes_nothing_of_it(fleet: Fleet) -> None:
    again = fleet.deploy()
    assert (again.code, again.changed()) == (0, {}), again.words


def test_a_deploy_puts_what_was_not_applied_without_a_reload(fleet: Fleet, door: Door) -> None:
    key, before = fleet.key("add", "judy", "--no-apply"), workers()
    assert door.post(key).code == "invalid_api_key"
    run = fleet.deploy("--diff")
    assert (run.code, run.changed()) == (0, {"Gateway": [HOST]}), run.words
    assert door.post(key).status == 200 and workers() == before


def test_another_key_of_the_engines_is_loaded_and_never_shown(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.append(secrets.token_hex(16))
    monkeypatch.setenv(VARIABLE, made[-1])
    before, run = workers(), fleet.deploy("--diff")
    assert run.code == 0 and f"file {SECRETS}: content differs" in run.words
    assert not any(key in run.words + run.stdout for key in made)
    wait_until(lambda: workers() != before)
    with fleet.door() as door:  # the stand-ins have the old one
        refused = door.post(fleet.key("add", "mallory"))
        assert (refused.status, refused.code) == (503, "replica_refused")


def test_no_key_is_in_any_log(fleet: Fleet) -> None:
    logs = ssh(HOST, "journalctl --no-pager; cat /var/log/nginx/*.log | iconv -c -t ascii")
    assert "/v1/chat/completions" in logs
    assert not any(key in logs for key in made)
