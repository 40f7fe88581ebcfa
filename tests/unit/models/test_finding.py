"""A model by whatever name it is asked for. The hub is a server on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from rackwright import catalog
from rackwright.errors import SpecError
from rackwright.models.finding import find_gpus, find_model
from rackwright.models.spec import ModelSpec
from tests.samples.fleet import TINY

CONFIG = TINY["config"]
Answer = tuple[int, bytes]


class Hub:
    """Answers requests for a config with ``answer``, and keeps what it was asked.

    ``beside`` is its answer for what a quantizer wrote beside the config, ``params`` for Mistral's
    own file.
    """

    def __init__(self) -> None:
        self.answer: Answer = (200, json.dumps(CONFIG).encode())
        self.beside: Answer = (404, b"")
        self.params: Answer = (404, b"")
        self.moved_to = ""
        self.asked: list[tuple[str, str | None]] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.asked.append((self.path, self.headers["Authorization"]))
                code, body = hub.answer
                if self.path.endswith("/hf_quant_config.json"):
                    code, body = hub.beside
                elif self.path.endswith("/params.json"):
                    code, body = hub.params
                elif hub.moved_to and self.path != hub.moved_to:
                    code, body = 307, b""
                self.send_response(code)
                if code == 307:
                    self.send_header("Location", hub.moved_to)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing on the terminal."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    found = Hub()
    thread = Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", found.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def fault(name: str) -> str:
    with pytest.raises(SpecError) as caught:
        find_model(name)
    (only,) = caught.value.faults
    return str(only)


# --- Mistral's own format -----------------------------------------------------------------------


def test_a_repository_with_only_params_json_is_read(hub: Hub) -> None:
    sizes = {"dim": 64, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "hidden_dim": 96}
    hub.answer = (404, b"")
    hub.params = (200, json.dumps({**sizes, "vocab_size": 100}).encode())
    assert find_model("mistralai/own").shape.hidden_size == 64
    assert [path.rpartition("/")[2] for path, _ in hub.asked][:2] == ["config.json", "params.json"]


@pytest.mark.parametrize("params", [(200, b"[]"), (200, b"{"), (404, b""), (500, b"")])
def test_where_neither_file_is_there_the_config_is_missed(hub: Hub, params: Answer) -> None:
    hub.answer, hub.params = (404, b""), params
    assert "has no config.json that the hub would give (HTTP 404)" in fault("mistralai/own")


# --- the catalog and the disk ------------------------------------------------------------------


@pytest.mark.parametrize("change", [str, str.upper, str.title])
def test_a_model_of_the_catalog_goes_by_its_name_and_its_repository(
    change: Callable[[str], str], hub: Hub
) -> None:
    assert find_model(change("llama-3-70b-instruct")).name == "llama-3-70b-instruct"
    assert find_model(change("meta-llama/Meta-Llama-3-70B-Instruct")).name == "llama-3-70b-instruct"
    assert hub.asked == []


def test_no_two_models_of_the_catalog_go_by_one_name() -> None:
    entries = catalog.model_entries()
    names = [name for key, entry in entries.items() for name in (key, entry["repo"].lower())]
    assert len(set(names)) == len(names)
    assert all(key == key.lower() for key in entries)


def test_a_directory_or_its_config_is_a_model(tmp_path: Path) -> None:
    folder = tmp_path / "my-llama"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    for name in (folder, folder / "config.json"):
        model = find_model(str(name))
        assert (model.name, model.longest_context) == ("my-llama", 2048)


def test_the_directory_one_is_in_has_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    monkeypatch.chdir(tmp_path)
    for name in (".", "config.json", "./config.json"):
        assert find_model(name).name == tmp_path.name


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "model.config: must be a readable config.json (No such file or directory) (got"),
        ("{", "model.config: must be a readable config.json (no JSON) (got"),
        ("\udcff", "model.config: must be a readable config.json (no JSON) (got"),
        ("[]", "model.config: must be a dict (got []"),
        ("{}", "model: cannot be sized: architectures: must be a list of one name"),
        ('{"architectures": ["LlamaForCausalLM"]}', "model: cannot be sized: hidden_size: is requ"),
    ],
)
def test_a_directory_without_a_usable_config_is_refused(
    content: str | None, text: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "config.json").write_bytes(content.encode(errors="surrogateescape"))
    assert fault(str(tmp_path)).startswith(text)


# --- the hub -----------------------------------------------------------------------------------


def test_a_repository_is_asked_for_its_config(hub: Hub) -> None:
    model = find_model("Some-Org/My.Llama_2")
    folder = "/Some-Org/My.Llama_2/resolve/main"
    assert hub.asked == [(f"{folder}/{name}.json", None) for name in ("config", "hf_quant_config")]
    assert (model.name, model.source.repo) == ("my.llama_2", "Some-Org/My.Llama_2")
    assert model.shape.heads == 4


@pytest.mark.parametrize("slash", ["", "/", "//"])
def test_the_address_of_the_hub_may_end_as_it_likes(
    slash: str, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url + slash)
    assert find_model("a/b").name == "b"
    assert hub.asked[0][0] == "/a/b/resolve/main/config.json"


def test_a_token_is_sent_and_never_shown(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    find_model("a/b")
    assert hub.asked[-1][1] == "Bearer hf_secret"
    hub.answer = (401, b"hf_secret")
    assert "hf_secret" not in fault("a/b")


def test_a_repository_that_moved_is_followed(hub: Hub) -> None:
    hub.moved_to = "/new/b/resolve/main/config.json"
    assert find_model("old/b").shape.heads == 4
    assert [path for path, _ in hub.asked[:2]] == ["/old/b/resolve/main/config.json", hub.moved_to]


@pytest.mark.parametrize("code", [401, 403])
def test_a_closed_repository_says_what_opens_it(code: int, hub: Hub) -> None:
    hub.answer = (code, b"Access to model a/b is restricted")
    assert fault("a/b") == (
        f"model: has no config.json that the hub would give (HTTP {code}, set HF_TOKEN if it is "
        "gated) (got 'a/b')"
    )


@pytest.mark.parametrize("code", [404, 429, 500, 503])
def test_a_hub_that_does_not_give_it_is_quoted(code: int, hub: Hub) -> None:
    hub.answer = (code, b"")
    text = f"model: has no config.json that the hub would give (HTTP {code}) (got 'a/b')"
    assert fault("a/b") == text


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{", b"\xff\xfe", b"null", b"[1]", b"7", b'"text"', b"{}"]
)
def test_an_answer_that_is_no_config_is_a_fault(body: bytes, hub: Hub) -> None:
    hub.answer = (200, body)
    assert fault("a/b").startswith("model")


def test_a_hub_that_sends_on_for_ever_is_a_fault(hub: Hub) -> None:
    hub.answer, hub.moved_to = (307, b""), "/round"
    assert "could not be fetched" in fault("a/b")


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:1",
        "nonsense",
        "http://[::1",
        "http://127.0.0.1:port",
        "ftp://a",
        "http://",
    ],
)
def test_a_hub_that_cannot_be_reached_is_a_fault(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, hub: Hub
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    assert fault("a/b").startswith(
        "model: is not in the catalog, and its config.json could not be fetched: "
    )


@pytest.mark.parametrize("token", ["hf\nsecret", "hf_secret_é", "hf_secret\x7f"])
def test_a_token_that_cannot_be_sent_is_a_fault_that_does_not_show_it(
    token: str, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    assert "HF_TOKEN" in fault("a/b") and "secret" not in fault("a/b")
    assert hub.asked == []


def test_a_line_break_after_a_token_does_no_harm(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret\n")
    find_model("a/b")
    assert hub.asked[-1][1] == "Bearer hf_secret"


def test_an_architecture_that_is_not_known_is_said(hub: Hub) -> None:
    hub.answer = (
        200,
        json.dumps({**CONFIG, "architectures": ["OpenVLAForActionPrediction"]}).encode(),
    )
    with pytest.raises(SpecError) as caught:
        find_model("a/b")
    first, second = map(str, caught.value.faults)
    assert first.startswith("model: cannot be sized: architectures: is not supported yet, vLLM 0.")
    assert first.endswith("(got 'OpenVLAForActionPrediction')")
    assert second.startswith("model: has no tensor headers that could be read: ")


# --- what a quantizer wrote beside the config --------------------------------------------------

FP8 = {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}}
OWN = {"quant_method": "awq", "bits": 4, "group_size": 128}


def methods(model: ModelSpec) -> tuple[str, str]:
    """How it is quantized, and what its KV cache is kept in."""
    quantization = model.shape.quantization
    return quantization.method if quantization else "none", model.shape.kv_cache_dtype


def test_a_file_of_quantization_in_a_repository_counts(hub: Hub) -> None:
    hub.beside = (200, json.dumps(FP8).encode())
    assert methods(find_model("a/b")) == ("modelopt", "fp8")
    hub.answer = (200, json.dumps({**CONFIG, "quantization_config": OWN}).encode())
    hub.asked.clear()
    assert methods(find_model("a/b")) == ("awq", "bfloat16")
    assert len(hub.asked) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((403, b""), "HTTP 403"),
        ((500, b""), "HTTP 500"),
        ((200, b"[]"), "no JSON object"),
        ((200, b"<html>"), "Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_a_file_of_quantization_that_cannot_be_had_is_a_fault(
    answer: Answer, reason: str, hub: Hub
) -> None:
    hub.beside = answer
    rule = "may be quantized, but its hf_quant_config.json could not be read"
    assert f"model: {rule}: {reason} (got" in fault("a/b")


@pytest.mark.parametrize("name", ["", "config.json"])
def test_a_file_of_quantization_in_a_directory_counts(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(FP8))
    assert methods(find_model(str(tmp_path / name))) == ("modelopt", "fp8")
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, "quantization_config": OWN}))
    assert methods(find_model(str(tmp_path / name))) == ("awq", "bfloat16")


@pytest.mark.parametrize("content", ["[]", "{", ""])
def test_a_file_of_quantization_that_is_none_is_a_fault(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "hf_quant_config.json").write_text(content)
    assert "hf_quant_config.json" in fault(str(tmp_path))


# --- names that are none -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("lama-3-70b-instruct", "llama-3-70b-instruct"),
        ("deepseek_r1", "deepseek-r1"),
        ("Qwen3-8", "qwen3-8b"),
    ],
)
def test_a_name_that_is_near_is_said(name: str, nearest: str, hub: Hub) -> None:
    assert f"is not a known model, did you mean {nearest!r}?" in fault(name)
    assert "(nor is it a directory or a repository, owner/name)" in fault(name)
    assert hub.asked == []


@pytest.mark.parametrize("name", ["", "/", "a/", "/b", "a/b/c", "./a/b", "~/a", "../a", "x" * 5000])
def test_what_is_no_repository_is_asked_of_nobody(
    name: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError):
        find_model(name)
    assert hub.asked == []


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("h200-sxm-141gb", ["h200-sxm-141gb"]),
        ("L40S", ["l40s-48gb"]),
        ("NVIDIA H100 NVL", ["h100-nvl-94gb"]),
        ("3090", ["rtx-3090-24gb"]),
    ],
)
def test_a_gpu_type_goes_by_key_alias_and_product_name(name: str, keys: list[str]) -> None:
    assert [gpu.key for gpu in find_gpus(name)] == keys
    assert {gpu.key for gpu in find_gpus(None)} == set(catalog.gpu_types())


def test_a_gpu_that_could_be_several_is_asked_back() -> None:
    with pytest.raises(SpecError, match="may be any of a100-sxm-80gb, a100-sxm-40gb, a100-pcie"):
        find_gpus("a100")
