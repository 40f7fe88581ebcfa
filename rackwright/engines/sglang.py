"""SGLang: its command line, environment and endpoints. Flags as of SGLang 0.5.23.

Its release, its compiler and an 8B model on one H100 were tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rackwright.engines.answers import Canary
from rackwright.engines.environment import socket_interfaces, torch_caches, visible_gpus
from rackwright.engines.options import Form, Kind, Option, refused
from rackwright.engines.protocol import Engine
from rackwright.engines.release import CudaBuild, Release, Venv, script_text
from rackwright.engines.splits import Splits
from rackwright.schema.fields import ProjectPath, Version
from rackwright.sizing import GIB, GpuMemory, Limits, Split
from rackwright.sizing.static_share import static_memory, unjudged, usual_share
from rackwright.spec import SettingsModel

if TYPE_CHECKING:
    from rackwright.catalog import GpuType
    from rackwright.models import Shape
    from rackwright.models.tasks import Task
    from rackwright.plan import Replica
    from rackwright.spec import ServiceSpec, Settings


class SgLangSettings(SettingsModel):
    """What group data says of SGLang: its release."""

    sglang_version: Version | None
    sglang_requirements: ProjectPath | None


# fmt: off
# Those that no replica is given.
_REFUSED = (
    *refused(
        Kind.PLAN,
        "gated-launch-port", "nccl-init-addr", "quantization", "revision", "ssl-certfile",
        "ssl-keyfile",
    ),
    *refused(Kind.SECRET, "admin-api-key", "api-key"),
    *refused(
        Kind.UNJUDGED,
        "base-gpu-id", "config", "cpu-offload-gb", "cuda-graph-bs-decode", "cuda-graph-max-bs",
        "cuda-graph-max-bs-decode", "data-parallel-size", "dcp-size", "device",
        "disaggregation-mode", "dp", "dp-size", "enable-dp-attention", "enable-hierarchical-cache",
        "enable-lora", "enable-symm-mem", "gpu-id-step", "lora-paths", "max-total-tokens",
        "page-size", "speculative-algorithm", "speculative-draft-model-path",
        "swa-full-tokens-ratio",
    ),
)
# fmt: on
_OPTIONS = (
    Option("model-path", of=lambda launch: launch.model_path, form=Form.WORDS, aliases=("model",)),
    Option("served-model-name", of=lambda launch: launch.service.served_as, form=Form.WORDS),
    Option("host", of=lambda launch: launch.replica.server.address, form=Form.WORDS),
    Option("port", of=lambda launch: launch.replica.port, form=Form.WORDS),
    Option(
        "tp-size",
        of=lambda launch: launch.split.tensor,
        form=Form.WORDS,
        aliases=("tp", "tensor-parallel-size"),
    ),
    Option(
        "pp-size",
        of=lambda launch: launch.split.pipeline,
        form=Form.WORDS,
        aliases=("pipeline-parallel-size",),
    ),
    Option("context-length", of=lambda launch: launch.limits.max_model_len, form=Form.WORDS),
    Option("max-running-requests", of=lambda launch: launch.limits.max_num_seqs, form=Form.WORDS),
    Option(
        "chunked-prefill-size",
        key="max_num_batched_tokens",
        of=lambda launch: launch.limits.max_num_batched_tokens,
        form=Form.WORDS,
    ),
    Option(
        "mem-fraction-static",
        of=lambda launch: launch.limits.gpu_memory_utilization,
        form=Form.WORDS,
    ),
    Option("dtype", of=lambda launch: launch.replica.dtype, form=Form.WORDS),
    Option("enable-metrics", of=lambda _: True),
    # So that the gateway can say how many tokens of a prompt were cached.
    Option("enable-cache-report", of=lambda _: True),
    # Those that only some replicas need.
    Option(
        "ep-size",
        of=lambda launch: launch.split.tensor if launch.split.expert_parallel else None,
        aliases=("ep", "expert-parallel-size"),
    ),
    Option(
        "kv-cache-dtype",
        of=lambda launch: "fp8_e4m3" if launch.limits.kv_cache_dtype == "fp8" else None,
    ),
    Option(
        "disable-cuda-graph",
        key="enforce_eager",
        of=lambda launch: launch.limits.enforce_eager or None,
    ),
    Option("nnodes", of=lambda launch: launch.span and len(launch.span.addresses)),
    Option("node-rank", of=lambda launch: launch.span and launch.span.rank),
    Option(
        "dist-init-addr",
        of=lambda launch: launch.span and f"{launch.span.addresses[0]}:{launch.span.master_port}",
    ),
    # The one limit of a start is start_timeout_s; torch's own is 600 s.
    Option(
        "dist-timeout", of=lambda launch: launch.settings.start_timeout_s if launch.span else None
    ),
    *_REFUSED,
)
_CUDA_BUILDS = (
    CudaBuild(
        "0.5.23",
        torch="2.14.1",
        cuda=13,
        oldest_gpu=(8, 0),
        source="what its package requires: torch, cuda-python>=13, flashinfer_python[cu13]; "
        "sgl-kernel has nothing below 8.0 (sgl-project/sglang issues 6006, 24302)",
    ),
)
_COMPILING = {
    "CUDA_HOME": "{release}/cuda",
    "PATH": "{release}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    # The wheels' nvcc is newer than the headers of torch's CUDA, which refuse it unless told.
    "NVCC_APPEND_FLAGS": "-DCCCL_DISABLE_CTK_COMPATIBILITY_CHECK",
    "FLASHINFER_WORKSPACE_BASE": "{compiled}",
    "SGLANG_CACHE_DIR": "{compiled}",
}
"""SGLang does not start without nvcc: DeepGEMM wants it on import, and its own kernels (rotary
embeddings, norms) are compiled for a model's shape when that is first loaded."""


_OF_VECTORS = (
    *("/v1/embeddings", "/v1/rerank", "/v1/score"),
    *("/tokenize", "/v1/tokenize", "/detokenize", "/v1/detokenize"),
)


class SgLang(Engine):
    """The engine ``sglang``, in its CUDA build."""

    name = "sglang"
    documentation = "https://docs.sglang.ai"
    settings_model = SgLangSettings
    splits = Splits(tensor=True, pipeline=True, expert=True, servers=True)
    options = _OPTIONS
    cuda_builds = _CUDA_BUILDS
    # srt/entrypoints/http_server.py, 0.5.23.
    paths = (
        *("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings"),
        *("/v1/rerank", "/v1/score"),
        *("/tokenize", "/v1/tokenize", "/detokenize", "/v1/detokenize"),
        *("/v1/messages", "/v1/messages/count_tokens"),
    )
    metrics_path = "/metrics"
    figures: Mapping[str, tuple[str, str]] = {
        "requests_running": ("sglang:num_running_reqs", ""),
        "requests_waiting": ("sglang:num_queue_reqs", ""),
        "kv_cache_share": ("sglang:token_usage", ""),
        "tokens_generated": ("sglang:generation_tokens_total", ""),
        "prompt_tokens": ("sglang:prompt_tokens_total", ""),
        "kv_cache_tokens": ("sglang:max_total_num_tokens", ""),
    }
    timed_options: Mapping[str, object] = {"ignore_eos": True}
    torch_program = "bin/python"
    kv_cache_dtypes = ("auto", "fp8")

    def task(self, service: ServiceSpec, shape: Shape) -> Task | None:
        """To embed, where the operator's flag says so."""
        said = {flag.replace("_", "-"): value for flag, value in service.extra_args.items()}
        embeds = said.get("is-embedding", False) is not False
        return "embed" if embeds else super().task(service, shape)

    def paths_of(self, shape: Shape, task: Task | None) -> tuple[str, ...]:
        """With that flag none whose answer would be written."""
        return self.paths if task is None else _OF_VECTORS

    def canary(self, service: ServiceSpec, task: Task | None = None) -> Canary:
        """One token; of a model that embeds, a vector."""
        if task is None:
            return super().canary(service)
        return Canary("/v1/embeddings", {"model": service.served_as, "input": "Hi"})

    def batch_limits(self, gpu: GpuType) -> tuple[int, int]:
        """SGLang's own choice of requests in a decode graph, and of tokens of a prefill."""
        for below_gib, limits in (
            (20, (8, 2048)),
            (35, (48, 4096)),
            (60, (32, 4096)),
            (160, (256, 8192)),
        ):
            if gpu.memory_bytes < below_gib * GIB:
                return limits
        return 512, 16384

    def memory_share(self, total_bytes: int, limits: Limits) -> float:
        """What its own rule for activations and graphs leaves."""
        return usual_share(total_bytes, limits)

    def memory(self, shape: Shape, split: Split, total_bytes: int, limits: Limits) -> GpuMemory:
        """Memory of the fullest GPU, by SGLang's accounting."""
        return static_memory(shape, split, total_bytes, limits)

    def unjudged(self, shape: Shape) -> str:
        """Only full attention is computed yet."""
        return unjudged(shape)

    def setting_faults(self, settings: Settings) -> Iterator[tuple[str, str]]:
        """A version and its requirements file."""
        for key in ("sglang_version", "sglang_requirements"):
            if not getattr(settings, key):
                yield key, "is required by engine sglang"

    def uses_gpus(self, settings: Settings) -> bool:
        """Always."""
        return True

    def release(self, settings: Settings) -> Release:
        """A venv; Triton compiles its launcher with gcc, kernels are compiled with nvcc and g++."""
        own = settings.of(SgLangSettings)
        assert own.sglang_version and own.sglang_requirements
        content = Venv(
            own.sglang_requirements,
            smoke_test="import sglang.launch_server, torch",
            amendment=script_text("toolkit"),
            sample="sample_sglang",
            distribution="sglang",
        )
        packages = ("g++", "gcc", "libc6-dev", "libnuma1", "python3-dev")
        return Release(own.sglang_version, content, packages, _COMPILING)

    def program(self, settings: Settings) -> str:
        """The venv's interpreter."""
        return "bin/python"

    def entry(self, replica: Replica) -> tuple[str, ...]:
        """Its server, the same on all servers of a replica."""
        return ("-m", "sglang.launch_server")

    def environment(
        self, replica: Replica, settings: Settings, gpu_uuids: Sequence[str] | None
    ) -> dict[str, str]:
        """Environment of the process; the operator's own wins except for GPUs."""
        cache = f"{settings.cache_dir}/{replica.name}"
        common = {
            "HOME": cache,
            "HF_HUB_OFFLINE": "1",
            **torch_caches(cache),
            "CUDA_CACHE_PATH": f"{cache}/cuda",
            **socket_interfaces(replica),
            **_longer_context(replica),
        }
        return common | settings.engine_environment | visible_gpus(replica, gpu_uuids)


def _longer_context(replica: Replica) -> dict[str, str]:
    """It takes ``max_position_embeddings`` for the longest context, also where YaRN stretches it.

    Beyond that it refuses, unless told that it is meant; the plan has held it to what is right.
    """
    own = replica.model.shape.unscaled_context
    longer = own is not None and replica.limits.max_model_len > own
    return {"SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN": "1"} if longer else {}


SGLANG = SgLang()
