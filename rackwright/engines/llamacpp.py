"""llama.cpp's server: one GGUF file, dealt by layers. Flags as of b10434 and 0.6.0.

A build comes as an archive of the operator's own (``llamacpp_url`` with its digest), or as a
package by ``llamacpp_requirements``: llama.cpp publishes no CUDA build for Linux.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from rackwright.engines.answers import Ask, Loaded, models_listed
from rackwright.engines.environment import visible_gpus
from rackwright.engines.options import Form, Kind, Launch, Option, refused
from rackwright.engines.protocol import Engine
from rackwright.engines.release import Release, Venv, archive_of
from rackwright.engines.splits import Splits
from rackwright.schema.fields import Digests, ProjectPath, Url, Version
from rackwright.sizing import GpuMemory, Limits, Split
from rackwright.sizing.dealing import Dealt, fullest
from rackwright.sizing.gguf import UBATCH_TOKENS, gguf_dealt, padded, unjudged
from rackwright.spec import SettingsModel

if TYPE_CHECKING:
    from rackwright.catalog import GpuType
    from rackwright.models import Shape
    from rackwright.plan import Replica
    from rackwright.spec import Settings

SLOTS = 4
"""Requests at a time, as llama-server itself has where nobody says (``--parallel -1``)."""


class LlamaCppSettings(SettingsModel):
    """What group data says of llama.cpp: an archive (URL and digest), or Python packages."""

    llamacpp_version: Version | None
    llamacpp_build: Literal["cuda", "cpu"]
    llamacpp_url: Url | None
    llamacpp_sha256: Digests | None
    llamacpp_requirements: ProjectPath | None
    llamacpp_program: ProjectPath


def _devices(launch: Launch) -> str:
    """Devices by name, so that a build without CUDA ends instead of falling back to the CPU."""
    if not _on_gpus(launch):
        return "none"
    return ",".join(f"CUDA{index}" for index in range(len(launch.replica.gpus)))


def _on_gpus(launch: Launch) -> bool:
    return LLAMACPP.uses_gpus(launch.settings)


def _split_mode(launch: Launch) -> str | None:
    if not _on_gpus(launch):
        return None
    return "layer" if len(launch.replica.gpus) > 1 else "none"


def _shares(launch: Launch) -> str | None:
    """Of each GPU: layers where they are not shared equally."""
    shares = [str(one.share) for one in launch.replica.dealt]
    return ",".join(shares) if _on_gpus(launch) and len(shares) > 1 else None


def _projector(launch: Launch) -> str | None:
    """Beside a model that sees or hears; it lies on the first GPU."""
    mmproj = launch.replica.mmproj
    return mmproj.place(launch.settings.state_dir) if mmproj else None


def _context(launch: Launch) -> int:
    """That of all slots: they do not share it, each request may have all of ``max_model_len``."""
    return padded(launch.limits.max_model_len) * launch.limits.max_num_seqs


def _kv_cache_dtype(launch: Launch) -> str | None:
    dtype = launch.limits.kv_cache_dtype
    return None if dtype == "auto" else dtype


# fmt: off
# Those that no replica is given: another model, a secret, an open door, other memory.
_REFUSED = (
    *refused(
        Kind.PLAN,
        "hf-file", "hf-repo", "main-gpu", "model-url", "props", "reuse-port", "ssl-cert-file",
        "ssl-key-file", "tools",
    ),
    *refused(Kind.SECRET, "api-key", "api-key-file", "hf-token"),
    *refused(
        Kind.UNJUDGED,
        "batch-size", "control-vector", "cpu-moe", "embedding", "fit-ctx", "fit-target", "lora",
        "mmproj-device", "mmproj-url", "model-draft", "n-cpu-moe", "no-kv-offload", "kv-offload",
        "op-offload", "override-kv", "override-tensor", "reranking", "rpc", "spec-draft-model",
        "spec-type", "swa-full",
    ),
)
# fmt: on
_WORDS = Form.WORDS
_OPTIONS = (
    Option("model", of=lambda launch: launch.model_path, form=_WORDS),
    Option("mmproj", key="mmproj", of=_projector, form=_WORDS),
    Option("alias", of=lambda launch: launch.service.served_as, form=_WORDS),
    Option("host", of=lambda launch: launch.replica.server.address, form=_WORDS),
    Option("port", of=lambda launch: launch.replica.port, form=_WORDS),
    Option("ctx-size", of=_context, form=_WORDS),
    Option("parallel", of=lambda launch: launch.limits.max_num_seqs, form=_WORDS),
    Option("ubatch-size", of=lambda _: UBATCH_TOKENS, form=_WORDS),
    Option("flash-attn", of=lambda _: "on", form=_WORDS),
    # Nothing is fitted to the memory that is found.
    Option("fit", of=lambda _: "off", form=_WORDS),
    Option("device", of=_devices, form=_WORDS),
    Option(
        "n-gpu-layers",
        of=lambda launch: "all" if _on_gpus(launch) else None,
        form=_WORDS,
        aliases=("gpu-layers",),
    ),
    Option("split-mode", of=_split_mode, form=_WORDS),
    Option("tensor-split", of=_shares, form=_WORDS),
    Option("cache-type-k", of=_kv_cache_dtype, form=_WORDS),
    Option("cache-type-v", of=_kv_cache_dtype, form=_WORDS),
    Option("kv-unified", of=lambda _: False),
    Option("metrics", of=lambda _: True),
    Option("offline", of=lambda _: True),
    Option("ui", of=lambda _: False, aliases=("webui",)),
    *_REFUSED,
)


class LlamaCpp(Engine):
    """The engine ``llamacpp``, built for CUDA or for CPUs."""

    name = "llamacpp"
    documentation = "https://github.com/ggml-org/llama.cpp/tree/master/tools/server"
    settings_model = LlamaCppSettings
    splits = Splits(by_layers=True, unequal=True)
    options = _OPTIONS
    extra_form = Form.WORDS
    # tools/server/server.cpp; reranking and audio want flags that no replica is given.
    paths = (
        *("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings"),
        *("/tokenize", "/detokenize", "/v1/messages", "/v1/messages/count_tokens"),
    )
    # tools/server of 0.6.0 hangs up after each stream and does not say so before: a request that
    # was sent over it meanwhile is lost (measured: one of ninety).
    keeps_connections = False
    metrics_path = "/metrics"
    figures: Mapping[str, tuple[str, str]] = {
        "requests_running": ("llamacpp:requests_processing", ""),
        "requests_waiting": ("llamacpp:requests_deferred", ""),
        "tokens_generated": ("llamacpp:tokens_predicted_total", ""),
        "prompt_tokens": ("llamacpp:prompt_tokens_total", ""),
        "steps": ("llamacpp:n_decode_total", ""),
    }
    timed_options: Mapping[str, object] = {"ignore_eos": True}
    key_variable = "LLAMA_API_KEY"
    serves_gguf = True
    loads_parts = True
    oldest_gpu = (5, 0)
    lists_context = False
    kv_cache_dtypes = ("auto", "f16", "q8_0", "q4_0")

    def batch_limits(self, gpu: GpuType) -> tuple[int, int]:
        """Slots, and the tokens of one step."""
        return SLOTS, UBATCH_TOKENS

    def memory(self, shape: Shape, split: Split, total_bytes: int, limits: Limits) -> GpuMemory:
        """Memory of the fullest of equal GPUs."""
        return fullest(gguf_dealt(shape, (total_bytes,) * split.pipeline, limits))

    def dealt(self, shape: Shape, totals: tuple[int, ...], limits: Limits) -> tuple[Dealt, ...]:
        """Whole layers, as `--tensor-split` tells it."""
        return gguf_dealt(shape, totals, limits)

    def unjudged(self, shape: Shape) -> str:
        """Latent and linear attention are kept in ways that are not computed yet."""
        return unjudged(shape)

    def setting_faults(self, settings: Settings) -> Iterator[tuple[str, str]]:
        """A version, and one way to install it."""
        own = settings.of(LlamaCppSettings)
        if not own.llamacpp_version:
            yield "llamacpp_version", "is required by engine llamacpp"
        if bool(own.llamacpp_requirements) == bool(own.llamacpp_url):
            rule = "is required by engine llamacpp with llamacpp_sha256, or llamacpp_requirements"
            yield "llamacpp_url", rule
        elif own.llamacpp_url and not own.llamacpp_sha256:
            yield "llamacpp_sha256", "is required beside llamacpp_url"

    def uses_gpus(self, settings: Settings) -> bool:
        """Not in a CPU build."""
        return settings.of(LlamaCppSettings).llamacpp_build == "cuda"

    def release(self, settings: Settings) -> Release:
        """An archive with the program in it, or a package."""
        own = settings.of(LlamaCppSettings)
        version = f"{own.llamacpp_version}-{own.llamacpp_build}"
        packages = ("libgomp1",)  # its CPU backend runs on OpenMP
        if own.llamacpp_requirements:
            test = (
                "import pathlib, subprocess, sys; "
                f"server = pathlib.Path(sys.prefix, {own.llamacpp_program!r}); "
                "sys.exit(subprocess.call([server, '--version']) if server.exists() else "
                "f'llamacpp_program: there is no {server}')"
            )
            return Release(version, Venv(own.llamacpp_requirements, test), packages)
        assert own.llamacpp_url and own.llamacpp_sha256
        content = archive_of(
            own.llamacpp_url,
            own.llamacpp_sha256,
            str(own.llamacpp_version),
            (own.llamacpp_program, "--version"),
        )
        return Release(version, content, packages)

    def program(self, settings: Settings) -> str:
        """``llama-server``, by any name that its package gives it."""
        return settings.of(LlamaCppSettings).llamacpp_program

    def environment(
        self, replica: Replica, settings: Settings, gpu_uuids: Sequence[str] | None
    ) -> dict[str, str]:
        """Environment of the process, without secrets; the operator's own wins except for GPUs."""
        cache = f"{settings.cache_dir}/{replica.name}"
        common = {"HOME": cache, "LLAMA_CACHE": cache, "CUDA_CACHE_PATH": f"{cache}/cuda"}
        known = self.uses_gpus(settings) or gpu_uuids is not None
        gpus = visible_gpus(replica, gpu_uuids) if known else {}
        return common | settings.engine_environment | gpus

    def listed(self, body: Any) -> dict[str, int | None] | None:
        """Served name to the context of a slot, which it rounds up; ``loaded`` judges that."""
        return models_listed(body)

    def questions(self, replica: Replica) -> tuple[Ask, ...]:
        """Its properties: context of a slot, and slots."""
        return (Ask("props", "/props"),)

    def loaded(self, served_model_name: str, answers: Mapping[str, Any]) -> Loaded | None:
        """Context and slots. It says nothing of memory: its CUDA devices are named or it ends."""
        if "props" not in answers:
            return None
        props = answers["props"]
        settings = props.get("default_generation_settings") if isinstance(props, Mapping) else None
        context = settings.get("n_ctx") if isinstance(settings, Mapping) else None
        if not isinstance(context, int):
            raise ValueError("/props does not say n_ctx")
        slots = props.get("total_slots")
        return Loaded(context=context, slots=slots if isinstance(slots, int) else None)


LLAMACPP = LlamaCpp()
