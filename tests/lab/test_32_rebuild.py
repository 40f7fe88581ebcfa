"""A server is wiped to its base image and deployed again, while the other serves under load.

It is the same server afterwards: its manifest equals that of before, byte by byte, and there is no
drift. Not one request is lost.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.fleet import LAB
from lab.record import locked
from tests.samples.commands import rackwright
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh, lab, ssh, wait_until
from tests.samples.load_records import Record
from tests.samples.under_load import under_load

INVENTORY = "tests/lab/inventories/drifted.py"
KEY = "sk-lab-the-engines-own-key"
WIPED, OTHER, GATEWAY = "rack1", "rack2", "door1"
MANIFEST = "cat /var/lib/rackwright/manifest.json"
LOG = "/var/log/nginx/rackwright.log"
BRISK = ("--max-tokens", "8", "--pause-s", "0.05")


def put_weights(host: str) -> None:
    """What the operator puts on a server of this inventory."""
    weights = "/srv/models/tiny-gguf/tiny-llama.gguf"
    ssh(host, f"mkdir -p /srv/own && cp {weights} /srv/own/tiny-llama.gguf")


@pytest.fixture(scope="module")
def first() -> Iterator[Run]:
    with fresh(WIPED, OTHER, GATEWAY), pytest.MonkeyPatch.context() as environment:
        environment.setenv("RACKWRIGHT_LAB_ENGINE_KEY", KEY)
        for host in (WIPED, OTHER):
            put_weights(host)
        yield deploy(inventory=INVENTORY)


def done(*words: str, code: int = 0) -> str:
    """What a verb says."""
    ended = rackwright(*words)
    assert ended.returncode == code, ended.stderr + ended.stdout
    return ended.stdout + ended.stderr


def wipe(host: str) -> None:
    """To the base image, by a provider: the host key is another."""
    assert lab("down", host).returncode == 0
    with locked():  # others write the lab's known_hosts from what is there
        for suffix in ("", ".pub"):
            (LAB / f"host_{host}{suffix}").unlink()
    up = lab("up", host)
    assert up.returncode == 0, up.stderr


def new_host_key_is_refused_until_it_was_compared(known_hosts: Path) -> None:
    """An operator's file of host keys has the old one; what it takes to go on is said."""
    before = known_hosts.read_text()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RACKWRIGHT_LAB_KNOWN_HOSTS", str(known_hosts))
        said = done("drift", INVENTORY, WIPED, code=3)
    assert "shows another host key" in said and "installed anew" in said
    removal = re.search(r"only then run: (ssh-keygen -f \S+ -R \S+)", said)
    assert removal, said
    subprocess.run(removal[1].split(), check=True, capture_output=True)
    assert known_hosts.read_text() != before


def served_by(records: list[Record], host: str, since: float) -> list[Record]:
    return [one for one in records if one.replica == f"chat-{host}-0" and one.start > since]


def test_a_wiped_server_is_deployed_again_and_is_the_same_and_nothing_is_lost(
    first: Run, tmp_path: Path
) -> None:
    assert first.code == 0, first.words[-3000:]
    before = ssh(WIPED, MANIFEST)
    with under_load(tmp_path, "tiny", *BRISK, gateway=GATEWAY) as load:
        done("drain", INVENTORY, WIPED, "--why", "it is installed anew", "--wait")
        wiped = time.time()
        old_keys = Path(shutil.copy(LAB / "known_hosts", tmp_path))
        wipe(WIPED)
        new_host_key_is_refused_until_it_was_compared(old_keys)
        assert "no such file" in ssh(WIPED, f"{MANIFEST} 2>&1 || true").lower()
        put_weights(WIPED)
        up = time.time()
        again = deploy(inventory=INVENTORY)
        deployed = time.time()
        assert again.code == 0, again.words[-3000:]
        logged = int(ssh(GATEWAY, f"wc -l < {LOG}"))
        done("undrain", INVENTORY, WIPED)
        wait_until(lambda: f"chat-{WIPED}-0" in ssh(GATEWAY, f"tail -n +{logged} {LOG}"))
    print(load.words("a server wiped and deployed again"))
    first_token = served_by(load.records, WIPED, wiped)[0]
    print(f"from wiped to first token {first_token.end - wiped:.1f} s: "
          f"{up - wiped:.1f} s its base image, {deployed - up:.1f} s the deploy")  # fmt: skip
    assert load.summary["failed"] == 0, load.summary
    assert len(served_by(load.records, OTHER, wiped)) > 20
    assert ssh(WIPED, MANIFEST) == before
    assert "no drift on 3 of 3 hosts" in done("drift", INVENTORY)
    assert "are equal" in done("diff", INVENTORY, WIPED, OTHER)
