"""Other engines on one server: llama.cpp really serves; Ollama's stand-in is installed, upgraded,
rolled back, given its model, and caught when it falls back to the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab import hub, ollama
from lab.fleet import CACHE, ENGINES, GATEWAY_ADDRESS
from lab.tiny_model import ANSWER
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh, main_pid, release_of, ssh

INVENTORY = "tests/lab/inventories/engines.py"
REVISION = "0123456789abcdef0123456789abcdef01234567"
HOST = ENGINES.name
OLLAMA_UNIT = "rackwright-ollama-gpu3-0.service"
LLAMA_UNIT = "rackwright-llama-gpu3-0.service"
OLD, NEW = "0.32.7", "0.33.0"
EMULATOR = "usr/bin/qemu-x86_64-static"
EMULATED = "http://198.18.0.13:8099"

Digests = dict[str, str]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Digests]:
    """gpu3 is up; archives and weights are served where it reaches them. Version to digest."""
    folder = tmp_path_factory.mktemp("archives")
    digests = {version: ollama.pack(version, folder)[1] for version in (OLD, NEW)}
    repos = {"lab/tiny-gguf": Path(CACHE / "tiny-gguf")}
    with ExitStack() as stack:
        stack.enter_context(fresh(HOST))
        stack.enter_context(ollama.serve(folder, GATEWAY_ADDRESS, 8901))
        stack.enter_context(hub.serve(repos, REVISION, GATEWAY_ADDRESS, 8900))
        yield digests


def run(digests: Digests, version: str = OLD, *words: str) -> Run:
    own = ("--data", f"ollama_version={version}", "--data", f"ollama_sha256={digests[version]}")
    return deploy(*own, *words, inventory=INVENTORY)


@pytest.fixture(scope="module")
def first(sources: Digests) -> Run:
    return run(sources)


def test_a_bare_server_gets_both_engines_and_only_those(first: Run) -> None:
    assert first.code == 0, first.words + first.stdout[-3000:]
    assert first.of("OK") >= {
        ("llama-gpu3-0", "completion"),
        ("llama-gpu3-0", "loaded"),
        ("ollama-gpu3-0", "completion"),
        ("ollama-gpu3-0", "loaded"),
        ("ollama", "gateway completion"),
    }
    assert not first.of("CRITICAL") | first.of("UNKNOWN")
    assert ssh(HOST, "ls /opt/rackwright").split() == ["bin", "llamacpp", "ollama", "uv"]


def test_llama_cpp_answers_through_the_gateway(first: Run) -> None:
    words = ssh(
        HOST,
        "curl -sk --resolve llm.lab.example:443:127.0.0.1 "
        "https://llm.lab.example/llama/v1/chat/completions -H 'Content-Type: application/json' "
        """-d '{"model": "tiny", "temperature": 0, "messages": [{"role": "user", """
        """"content": "hello"}]}'""",
    )
    assert ANSWER in words


@pytest.fixture(scope="module")
def emulator(first: Run) -> str:
    """The start of a command on gpu3 that runs llama.cpp as planned, on a CPU that is named."""
    ssh(
        HOST,
        "cd /var/tmp && apt-get -qq download qemu-user-static 2>/dev/null && "
        f"dpkg-deb --fsys-tarfile qemu-user-static_*.deb | tar -x ./{EMULATOR}",
    )
    planned = ssh(HOST, f"tr '\\0' ' ' < /proc/{main_pid(HOST, LLAMA_UNIT)}/cmdline")
    return f"/var/tmp/{EMULATOR} -cpu {{cpu}} {planned.replace('--port 8000', '--port 8099')}"


def test_llama_cpp_serves_on_a_cpu_without_avx512_and_amx(emulator: str) -> None:
    """A machine differs from the next: this one has what the CPU of 2013 had, and no more."""
    ssh(HOST, f"systemd-run --collect --unit haswell {emulator.format(cpu='Haswell')}")
    try:
        ask = f"curl -sf --retry 300 --retry-delay 1 --retry-all-errors {EMULATED}/completion"
        words = ssh(HOST, f"""{ask} -d '{{"prompt": "hello", "temperature": 0}}'""")
        assert ANSWER in words
    finally:
        ssh(HOST, "systemctl stop haswell")


def test_the_emulated_cpu_is_what_llama_cpp_finds(emulator: str) -> None:
    """Without AVX2 it has no code to run, and says so: the test above proves what it says."""
    words = ssh(HOST, f"{emulator.format(cpu='Nehalem')} 2>&1", check=False)
    assert "no backends are loaded" in words


def test_a_second_run_changes_nothing(first: Run, sources: Digests) -> None:
    second = run(sources)
    assert (second.code, second.changed()) == (0, {}), second.words


def test_the_units_are_hardened_and_unprivileged(first: Run) -> None:
    for unit in (LLAMA_UNIT, OLLAMA_UNIT):
        assert ssh(HOST, f"stat -c %U /proc/{main_pid(HOST, unit)}") == "rackwright"
        verdict = ssh(HOST, f"systemd-analyze security --no-pager {unit} | tail -1")
        assert float(verdict.split("level for ")[1].split()[1]) <= 3.0, verdict


def test_a_fallback_to_the_cpu_is_critical(first: Run, sources: Digests) -> None:
    library = f"{release_of(HOST, OLLAMA_UNIT)}/{ollama.CUDA}"
    ssh(HOST, f"mv {library} {library}.away && systemctl restart {OLLAMA_UNIT}")
    seen = run(sources, OLD, "--data", "stages=verify")
    assert seen.code == 1
    assert seen.statuses()["ollama-gpu3-0", "completion"] == "OK", "it answers all the same"
    assert seen.of("CRITICAL") == {("ollama-gpu3-0", "loaded")}
    assert "fell back to the CPU" in seen.words
    ssh(HOST, f"mv {library}.away {library} && systemctl restart {OLLAMA_UNIT}")
    assert run(sources, OLD, "--data", "stages=verify").code == 0


def test_an_upgrade_and_its_rollback_are_one_switch_each(first: Run, sources: Digests) -> None:
    before, llama = release_of(HOST, OLLAMA_UNIT), main_pid(HOST, LLAMA_UNIT)
    upgrade = run(sources, NEW)
    assert upgrade.code == 0, upgrade.words
    assert release_of(HOST, OLLAMA_UNIT) != before
    assert ssh(HOST, "curl -s http://198.18.0.13:8001/api/version") == f'{{"version": "{NEW}"}}'
    assert main_pid(HOST, LLAMA_UNIT) == llama, "the other engine goes on"
    back = run(sources, OLD)
    assert back.code == 0, back.words
    assert set(back.changed()) == {"Replicas"}, "the old release was still there"
    assert release_of(HOST, OLLAMA_UNIT) == before


def test_a_wrong_digest_installs_nothing(first: Run, sources: Digests) -> None:
    wrong = run({**sources, NEW: "f" * 64}, NEW, "--data", "stages=engines")
    assert wrong.code == 1
    assert "it was removed" in wrong.words
    assert ssh(HOST, "ls -d /opt/rackwright/ollama/*ffffffffffff* 2>/dev/null; true") == ""
