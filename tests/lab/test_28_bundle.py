"""Inside the fence: hosts that reach nothing outside are deployed from a bundle alone.

All that the bundle has is locked, and weights come from it once: the other server takes them from
the first.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab import hub, ollama
from lab.fence import fenced
from lab.fleet import CACHE, GATEWAY_ADDRESS, ROOT
from lab.tiny_model import ANSWER
from tests.samples.commands import BIN, rackwright, start_rackwright
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh, ssh, wait_until

REVISION = "0123456789abcdef0123456789abcdef01234567"
SERVER, GATEWAY = HOSTS = "fence1", "fence2"
VERSION = "0.32.7"
REPOS = {"lab/tiny-gguf": Path(CACHE / "tiny-gguf")}
HUB = f"http://{GATEWAY_ADDRESS}:8908/api/models/lab/tiny-gguf"
BUNDLE = CACHE / "lab-bundle"
"""Kept for the next run: what is there whole is not fetched again."""


def reached(host: str) -> list[str]:
    """Where a host has an answer from: the hub on this machine, and where its own apt would go."""
    urls = f"{HUB} $(grep -rhoE 'https?://[^ ]+' /etc/apt/sources.list* | sort -u)"
    ask = "curl -s -m 5 -o /dev/null $url && echo $url"
    return ssh(host, f"for url in {urls}; do ({ask}) & done; wait").split()


@pytest.fixture(scope="module")
def hosts() -> Iterator[None]:
    with fresh(SERVER, GATEWAY):
        yield


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("fleet") / "fenced.py"
    shutil.copy(ROOT / "tests/lab/inventories/bundle.py", path)
    return str(path)


@pytest.fixture(scope="module")
def bundle(hosts: None, inventory: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Locked and made while there is a way out, cut off once; then there is none any more."""
    archives = tmp_path_factory.mktemp("archives")
    os.environ["LAB_OLLAMA_SHA256"] = ollama.pack(VERSION, archives)[1]
    for again in ("models", "archives"):  # of this run; packages and wheels may be of the last
        shutil.rmtree(BUNDLE / again, ignore_errors=True)
    with ExitStack() as stack:
        stack.enter_context(ollama.serve(archives, GATEWAY_ADDRESS, 8909))
        with hub.serve(REPOS, REVISION, GATEWAY_ADDRESS, 8908, bytes_per_s=500_000):
            locked = rackwright("lock", inventory)
            assert locked.returncode == 0, locked.stderr
            running = start_rackwright("bundle", inventory, "--out", str(BUNDLE))
            wait_until(lambda: any(BUNDLE.glob("models/*/*/*.partial")))
            os.kill(running.pid, signal.SIGKILL)
            running.communicate()
        stack.enter_context(hub.serve(REPOS, REVISION, GATEWAY_ADDRESS, 8908))
        done = rackwright("bundle", inventory, "--out", str(BUNDLE))
        assert done.returncode == 0, done.stderr
        assert "to come" in done.stdout and "is whole" in done.stdout
        wait_until(lambda: all(HUB in reached(host) for host in HOSTS))
    with fenced(SERVER, GATEWAY):
        yield BUNDLE
    del os.environ["LAB_OLLAMA_SHA256"]


@pytest.fixture(scope="module")
def first(bundle: Path, inventory: str) -> Run:
    return deploy("--data", f"bundle={bundle}", inventory=inventory)


def test_the_hosts_reach_nothing_outside(bundle: Path) -> None:
    """Or what follows would prove nothing; before, they did (see ``bundle``)."""
    with hub.serve(REPOS, REVISION, GATEWAY_ADDRESS, 8908):
        assert [reached(host) for host in HOSTS] == [[], []]


def test_they_are_deployed_from_the_bundle_alone(first: Run) -> None:
    assert first.code == 0, first.words + first.stdout[-3000:]
    assert first.of("OK") >= {
        ("llama-fence1-0", "completion"),
        ("llama-fence2-0", "completion"),
        ("ollama-fence1-0", "completion"),
        ("llama", "gateway completion"),
        ("ollama", "gateway completion"),
    }
    assert not first.of("CRITICAL") | first.of("UNKNOWN")
    words = ssh(
        GATEWAY,
        "curl -sk --resolve llm.lab.example:443:127.0.0.1 "
        "https://llm.lab.example/llama/v1/chat/completions -H 'Content-Type: application/json' "
        """-d '{"model": "tiny", "temperature": 0, "messages": [{"role": "user", """
        """"content": "hello"}]}'""",
    )
    assert ANSWER in words


def test_weights_come_from_the_bundle_once_and_are_the_locked_ones(first: Run) -> None:
    assert re.search(rf"\[{GATEWAY}\] tiny-llama.gguf: .* from {SERVER}\b", first.words), (
        first.words
    )
    files = "cd /var/lib/rackwright/models && find . -type f -name '*.gguf' | xargs sha256sum"
    assert ssh(SERVER, files) == ssh(GATEWAY, files) != ""


def test_the_hosts_own_sources_are_untouched_and_nothing_is_left_behind(first: Run) -> None:
    for host in HOSTS:
        assert ssh(host, "grep -rl 127.0.0.1 /etc/apt /etc/pip.conf /etc/uv || true") == ""
        assert ssh(host, "ls -d /var/tmp/rackwright-* /tmp/rackwright-* 2>/dev/null || true") == ""
        assert ssh(host, "apt-cache policy nginx | grep -c 127.0.0.1 || true") == "0"


def test_a_second_run_changes_nothing_and_there_is_no_drift(
    first: Run, bundle: Path, inventory: str
) -> None:
    second = deploy("--data", f"bundle={bundle}", inventory=inventory)
    assert (second.code, second.changed()) == (0, {}), second.words
    drift = rackwright("drift", inventory)
    assert (drift.returncode, "no drift on 2 of 2 hosts" in drift.stdout) == (0, True), drift.stdout


def test_what_a_bundle_lacks_is_said_before_any_host_is_touched(
    bundle: Path, inventory: str, tmp_path: Path
) -> None:
    """Of a bundle without a wheel, a package, a model and a release, all at once."""
    lesser = tmp_path / "lesser"
    lesser.mkdir()
    manifest = json.loads((bundle / "manifest.json").read_text())
    (wheel,) = (path for path in manifest["files"] if "mineru" in path)
    for path in ("models", "archives", "debs"):
        (lesser / path).symlink_to(bundle / path)
    release = next(key for key in manifest["releases"] if key.startswith("ollama/"))
    del manifest["releases"][release]
    manifest["models"] = {}
    manifest["debs"]["debian 13 amd64"].remove("nginx")
    (lesser / "manifest.json").write_text(json.dumps(manifest))
    refused = deploy("--data", f"bundle={lesser}", inventory=inventory)
    assert refused.code == 1
    for lacking in (wheel, f"release {release}", "model lab/tiny-gguf@", "packages of debian 13"):
        assert lacking in refused.words
    assert "settings[fence1].bundle" in refused.words and "no host was touched" in refused.words
    assert "Connecting" not in refused.words


def test_a_file_that_changed_is_found(bundle: Path, inventory: str, tmp_path: Path) -> None:
    sound = rackwright("bundle", inventory, "--out", str(bundle), "--verify")
    assert sound.returncode == 0, sound.stdout
    other = tmp_path / "other"
    shutil.copytree(bundle / "controller", other / "controller")
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"] = {p: f for p, f in manifest["files"].items() if p.startswith("controller/")}
    (other / "manifest.json").write_text(json.dumps(manifest))
    text = (other / "controller/INSTALL.txt").read_text()
    (other / "controller/INSTALL.txt").write_text(text.replace("Rackwright", "rackWright"))
    found = rackwright("bundle", inventory, "--out", str(other), "--verify")
    assert found.returncode == 2
    assert "controller/INSTALL.txt has the SHA-256" in found.stdout


def test_the_controllers_own_wheels_are_all_there(bundle: Path, tmp_path: Path) -> None:
    """As INSTALL.txt has it, but without unpacking them: pip finds each by its hash, offline."""
    argv = [str(BIN / "python"), "-m", "pip", "install", "--dry-run", "--ignore-installed",
            "--no-deps", "--no-index", "--find-links", str(bundle / "wheels"),
            "--require-hashes", "-r", str(bundle / "controller/requirements.txt")]  # fmt: skip
    environment = {**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
