"""`rackwright tensors`, and what `size` and `plan` make of headers, figures and unknown models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rackwright.cli import main
from rackwright.models.tensors.cache import keep
from rackwright.models.tensors.files import folder_headers, read_headers
from tests.samples import commands
from tests.samples.safetensors import decoder_tensors, write_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"
KNOWN: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "vocab_size": 1024,
    "max_position_embeddings": 2048,
}
UNKNOWN = {**KNOWN, "architectures": ["NobodyForCausalLM"]}
TWICE = {
    **decoder_tensors(KNOWN),
    **{f"{n}_more": t for n, t in decoder_tensors(KNOWN).items() if "mlp" in n},
}
FIGURES = {
    "weights_gib": 57.0,
    "kv_bytes_per_token": 98304,
    "activation_gib": 2.5,
    "num_hidden_layers": 48,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "hidden_size": 4096,
    "vocab_size": 151936,
    "max_position_embeddings": 131072,
}


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def size(*words: str | Path) -> Any:
    result = run("size", *words, "--gpu", "h100-sxm", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)["weights"]


def test_an_unknown_model_with_its_files_is_sized_as_an_estimate(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", UNKNOWN)
    found = size(folder)
    assert (found["estimate"], found["margin"], found["listed_by_engine"]) == (True, 0.1, False)
    text = run("size", folder, "--gpu", "h100-sxm").output
    assert "estimate: NobodyForCausalLM is not known." in text and "within 10%" in text
    assert "vLLM 0.32.0 does not list it, and may not serve it" in text


def test_one_without_its_files_says_what_can_be_done(tmp_path: Path) -> None:
    write_model(tmp_path, UNKNOWN)
    result = run("size", tmp_path / "config.json")
    assert result.exit_code == 65
    assert "its files' headers make an estimate" in result.output
    assert size(tmp_path / "config.json", "--tensors")["estimate"] is True


def test_a_known_model_is_checked_by_its_files(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", KNOWN)
    found = size(folder)
    assert found["files_gib"] == found["config_gib"] and not found["differ"]
    assert "warning" not in run("size", folder).output
    assert size(folder / "config.json")["files_gib"] is None


def test_files_that_differ_are_said_with_both_figures(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", KNOWN, TWICE)
    assert size(folder)["differ"] is True
    text = " ".join(run("size", folder, "--gpu", "h100-sxm").output.split())
    assert "warning: its files hold 0.01 GiB of what is loaded, by its config they would" in text


def test_files_that_cannot_be_read_are_a_fault_and_the_config_alone_is_sized(
    tmp_path: Path,
) -> None:
    folder = write_model(tmp_path / "model", KNOWN)
    (folder / "model.safetensors").write_bytes(b"1234")
    result = run("size", folder)
    assert result.exit_code == 65
    assert "model.safetensors has 4 bytes, no safetensors file" in result.output
    assert size(folder / "config.json")["files_gib"] is None


def test_figures_are_taken_as_an_inventory_takes_them(tmp_path: Path) -> None:
    words = [word for key, value in FIGURES.items() for word in ("--figures", f"{key}={value}")]
    (tmp_path / "figures.json").write_text(json.dumps(FIGURES))
    (tmp_path / "figures.yaml").write_text(f"figures: {json.dumps(FIGURES)}")
    by_words = run("size", "odd-30b", *words).output
    assert by_words.startswith("odd-30b  57.0 GiB of weights, figures by hand")
    for name in ("figures.json", "figures.yaml"):
        assert run("size", "odd-30b", "--figures", tmp_path / name).output == by_words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("weights_gb=3", "--figures.weights_gb: is not a known key, did you mean 'weights_gib'?"),
        ("weights_gib=x", "--figures.weights_gib: must be a number"),
        ("weights_gib=[", "--figures.weights_gib: must be a number"),
        ("absent.json", "--figures: must be key=value, or a readable file of such keys (No such"),
        ("hidden_size=" + "9" * 5000, "--figures.hidden_size: must be"),
    ],
)
def test_figures_that_are_none_are_faults(given: str, words: str) -> None:
    result = run("size", "odd", "--figures", given)
    assert result.exit_code == 65 and words in result.output


def test_headers_of_a_folder_are_printed_and_saved(tmp_path: Path) -> None:
    folder, kept = write_model(tmp_path / "model", KNOWN), tmp_path / "kept.json"
    result = run("tensors", folder, "--save", kept)
    assert result.exit_code == 0 and "BF16 0.01" in result.output
    assert read_headers(kept).tensors == read_headers(folder).tensors
    (found,) = json.loads(run("tensors", folder, "--json").output)
    assert (found["tensors"], found["bytes_by_dtype"]) == (39, {"BF16": found["bytes"]})
    assert found["bytes"] == read_headers(folder).total_bytes


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ((), 67, "name a MODEL, or an --inventory"),
        (("nonsense",), 65, "is not a known model"),
        (("a/b/c",), 65, "is not a known model"),
        (("llama-3.1-8b-instruct", "--save", "/absent/x"), 65, "there is no folder /absent"),
    ],
)
def test_what_cannot_be_read_is_one_message(words: tuple[str, ...], code: int, text: str) -> None:
    result = run("tensors", *words)
    assert result.exit_code == code and text in result.output
    assert "Traceback" not in result.output


def apart(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own: pyinfra's command line would change the sockets of this one."""
    return commands.run("rackwright", *map(str, words))


def inventory(path: Path, place: dict[str, str], saved: Path) -> Path:
    model = {**place, "config": UNKNOWN, "tensors": str(saved)}
    service = {
        "model": "own",
        "engine": "vllm",
        "servers": ["@local"],
        "max_model_len": 2048,
        "objective": "latency",
    }
    host = {
        "server": {"address": "192.0.2.1", "gpus": {"type": "h100-sxm-80gb", "count": 1}},
        "gateway": {"server_name": "localhost"},
    }
    shared = {"models": {"own": model}, "services": {"chat": service}}
    path.write_text(f"hosts = ([('@local', {host!r})], {shared!r})")
    return path


def test_headers_are_written_where_the_inventory_names_them_and_planned_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")  # what is kept is not asked for
    saved, held = tmp_path / "own.json", folder_headers(write_model(tmp_path / "model", UNKNOWN))
    keep(replace(held, repo="own/model", revision=COMMIT))
    place = {"repo": "own/model", "revision": COMMIT}
    path = inventory(tmp_path / "one.py", place, saved)
    before = apart("plan", path, "--without-secrets")
    assert before.returncode == 65 and "must be readable tensor headers" in before.stderr
    result = apart("tensors", "--inventory", path)
    assert result.returncode == 0, result.stderr
    assert f"own/model@{COMMIT[:12]}" in result.stdout
    assert read_headers(saved).tensors == held.tensors
    after = apart("plan", path, "--without-secrets")
    assert "estimate: NobodyForCausalLM is not known." in after.stdout, after.stderr
    document = json.loads(apart("plan", path, "--without-secrets", "--json").stdout)
    assert document["replicas"][0]["weights"]["margin"] == 0.1


def test_a_server_without_the_weights_says_so(tmp_path: Path) -> None:
    path = inventory(tmp_path / "one.py", {"path": "/srv/absent"}, tmp_path / "own.json")
    result = apart("tensors", "--inventory", path)
    assert result.returncode == 69
    assert "@local: /srv/absent: No such file or directory" in result.stderr
    wrong = apart("tensors", "other", "--inventory", path)
    assert wrong.returncode == 67
    assert "'other' is not a known model that a service serves" in wrong.stderr


def test_a_hub_is_asked_though_an_inventory_is_read(tmp_path: Path) -> None:
    """pyinfra replaces sockets and threads: a hub that is asked after that never answers."""
    (tmp_path / "one.py").write_text("hosts = [('@local', {})]")
    argv = ["rackwright", "size", "owner/name", "--inventory", str(tmp_path / "one.py")]
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-m", *argv], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 65
    assert "its config.json could not be fetched" in done.stderr
