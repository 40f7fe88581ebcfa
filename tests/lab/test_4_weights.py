"""Weights from a Hugging Face repository at a pinned revision, from a stand-in for the hub."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from lab.fleet import CACHE, GATEWAY_ADDRESS
from lab.hub import serve
from tests.samples.deploys import Run, deploy, start
from tests.samples.lab_hosts import ssh, wait_until

INVENTORY = "tests/lab/inventories/hub.py"
PORT = 8902
REVISION = "0123456789abcdef0123456789abcdef01234567"
FOLDER = f"/var/lib/rackwright/models/lab--tiny-llama/{REVISION}"
STAGE = ("--data", "stages=models")
TOKEN = "hf_lab4711"


def hub(**options: int) -> AbstractContextManager[str]:
    """The stand-in with one gated repository, where lab hosts reach it."""
    folder = {"lab/tiny-llama": Path(CACHE / "tiny-llama")}
    return serve(folder, REVISION, GATEWAY_ADDRESS, PORT, TOKEN, **options)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def no_weights(deployed: Run) -> Iterator[None]:
    ssh("gpu2", "rm -rf /var/lib/rackwright/models")
    yield
    ssh("gpu2", "rm -rf /var/lib/rackwright/models")


def test_gated_weights_arrive_with_the_token_which_stays_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with hub():
        refused = deploy(*STAGE, inventory=INVENTORY)
        assert refused.code == 1
        assert "HTTP 401" in refused.words and "is HF_TOKEN set" in refused.words
        assert ssh("gpu2", f"ls {FOLDER} 2>/dev/null | wc -l") == "0"
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        run = deploy(*STAGE, inventory=INVENTORY)
    assert run.code == 0, run.words
    assert run.changed() == {"Models": ["gpu2"]}
    assert ssh("gpu2", f"diff -r {FOLDER} /srv/models/tiny-llama && echo same") == "same"
    assert ssh("gpu2", f"stat -c %U {FOLDER}/model.safetensors") == "rackwright"
    assert TOKEN not in run.words + run.stdout + refused.words
    assert ssh("gpu2", f"grep -rl {TOKEN} /var/lib/rackwright /tmp /etc /run || true") == ""
    # The hub is gone: what is there whole is not asked for again.
    assert deploy(*STAGE, inventory=INVENTORY).changed() == {}


def test_a_download_cut_off_is_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with hub(bytes_per_s=200_000):
        running = start("-y", *STAGE, inventory=INVENTORY)
        wait_until(lambda: ssh("gpu2", f"ls -A {FOLDER}.partial 2>/dev/null; true") != "")
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
    assert ssh("gpu2", f"test -e {FOLDER} || echo absent") == "absent"
    with hub():
        run = deploy(*STAGE, inventory=INVENTORY)
    assert run.code == 0, run.words
    assert ssh("gpu2", f"diff -r {FOLDER} /srv/models/tiny-llama && echo same") == "same"
    assert ssh("gpu2", f"ls -d {FOLDER}* ") == FOLDER
