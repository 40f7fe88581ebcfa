"""SGLang: its command line, environment and endpoints. Flags as of SGLang 0.5.23.

Its release and its compiler were tried; it has not served on a GPU by this project yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rackwright.engines.protocol import Engine, flag, owned_flags, visible_gpus
from rackwright.engines.release import Release, Venv, script_text
from rackwright.sizing import GIB, GpuMemory, Limits, Split
from rackwright.sizing.static_share import static_memory, unjudged, usual_share

if TYPE_CHECKING:
    from rackwright.catalog import GpuType
    from rackwright.models import Shape
    from rackwright.plan import Replica
    from rackwright.spec import Settings

# fmt: off
# Flags the plan sets, or that hold a secret.
_OWN = frozenset((
    "admin-api-key", "api-key", "chunked-prefill-size", "context-length", "disable-cuda-graph",
    "dist-init-addr", "dtype", "enable-metrics", "ep", "ep-size", "expert-parallel-size",
    "gated-launch-port", "host", "kv-cache-dtype", "max-running-requests", "mem-fraction-static",
    "model", "model-path", "nccl-init-addr", "nnodes", "node-rank", "pipeline-parallel-size",
    "port", "pp-size", "quantization", "revision", "served-model-name", "ssl-certfile",
    "ssl-keyfile", "tensor-parallel-size", "tp", "tp-size",
))
# Flags that change memory or the GPUs needed in ways the plan cannot judge yet.
_UNJUDGED = frozenset((
    "base-gpu-id", "config", "cpu-offload-gb", "cuda-graph-bs-decode", "cuda-graph-max-bs",
    "cuda-graph-max-bs-decode", "data-parallel-size", "dcp-size", "device", "disaggregation-mode",
    "dp", "dp-size", "enable-dp-attention", "enable-hierarchical-cache", "enable-lora",
    "enable-symm-mem", "gpu-id-step", "lora-paths", "max-total-tokens", "page-size",
    "speculative-algorithm", "speculative-draft-model-path", "swa-full-tokens-ratio",
))
# fmt: on
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


class SgLang(Engine):
    """The engine ``sglang``, in its CUDA build."""

    name = "sglang"
    documentation = "https://docs.sglang.ai"
    metrics_path = "/metrics"
    figures: Mapping[str, tuple[str, str]] = {
        "requests_running": ("sglang:num_running_reqs", ""),
        "requests_waiting": ("sglang:num_queue_reqs", ""),
        "kv_cache_share": ("sglang:token_usage", ""),
        "tokens_generated": ("sglang:generation_tokens_total", ""),
        "kv_cache_tokens": ("sglang:max_total_num_tokens", ""),
    }
    timed_options: Mapping[str, object] = {"ignore_eos": True}
    downloader = "bin/hf"
    torch_program = "bin/python"
    spans_servers = True
    service_keys = frozenset(
        (
            "enforce_eager",
            "expert_parallel",
            "extra_args",
            "max_num_batched_tokens",
            "pipeline_parallel_size",
            "servers_per_replica",
            "tensor_parallel_size",
        )
    )
    kv_cache_dtypes = ("auto", "fp8")

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

    def flag_faults(self, extra_args: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        """Flags that the plan sets or cannot judge; argparse takes a prefix."""
        return owned_flags(extra_args, _OWN, _UNJUDGED)

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
        assert settings.sglang_version and settings.sglang_requirements
        content = Venv(
            settings.sglang_requirements,
            smoke_test="import sglang.launch_server, torch",
            amendment=script_text("toolkit"),
            sample="sample_sglang",
            distribution="sglang",
        )
        packages = ("g++", "gcc", "libc6-dev", "libnuma1", "python3-dev")
        return Release(settings.sglang_version, content, packages, _COMPILING)

    def program(self, settings: Settings) -> str:
        """The venv's interpreter."""
        return "bin/python"

    def argv(self, replica: Replica, model_path: str, settings: Settings) -> tuple[str, ...]:
        """The command line after the venv's interpreter."""
        options: dict[str, object] = {
            "model-path": model_path,
            "served-model-name": replica.service.served_as,
            "host": replica.server.address,
            "port": replica.port,
            "tp-size": replica.split.tensor,
            "pp-size": replica.split.pipeline,
            "context-length": replica.limits.max_model_len,
            "max-running-requests": replica.limits.max_num_seqs,
            "chunked-prefill-size": replica.limits.max_num_batched_tokens,
            "mem-fraction-static": replica.limits.gpu_memory_utilization,
            "dtype": replica.model.shape.dtype,
        }
        own = (word for name, value in options.items() for word in (f"--{name}", str(value)))
        planned = (flag(name, value) for name, value in _planned(replica).items())
        extra = (flag(name, value) for name, value in sorted(replica.service.extra_args.items()))
        return ("-m", "sglang.launch_server", *own, "--enable-metrics", *planned, *extra)

    def environment(
        self, replica: Replica, settings: Settings, gpu_uuids: Sequence[str] | None
    ) -> dict[str, str]:
        """Environment of the process; the operator's own wins except for GPUs."""
        cache = f"{settings.cache_dir}/{replica.name}"
        common = {
            "HOME": cache,
            "HF_HUB_OFFLINE": "1",
            "XDG_CACHE_HOME": cache,
            "HF_HOME": f"{cache}/huggingface",
            "TORCHINDUCTOR_CACHE_DIR": f"{cache}/torchinductor",
            "TRITON_CACHE_DIR": f"{cache}/triton",
            "CUDA_CACHE_PATH": f"{cache}/cuda",
        }
        if replica.network_interface:
            names = ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME")
            common |= dict.fromkeys(names, replica.network_interface)
        return common | settings.engine_environment | visible_gpus(replica, gpu_uuids)


def _planned(replica: Replica) -> dict[str, object]:
    """Flags that only some layouts need."""
    flags: dict[str, object] = {}
    if replica.split.expert_parallel:
        flags["ep-size"] = replica.split.tensor
    if replica.limits.kv_cache_dtype == "fp8":
        flags["kv-cache-dtype"] = "fp8_e4m3"
    if replica.limits.enforce_eager:
        flags["disable-cuda-graph"] = True
    if replica.span:
        flags["nnodes"] = len(replica.span.addresses)
        flags["node-rank"] = replica.span.rank
        flags["dist-init-addr"] = f"{replica.span.addresses[0]}:{replica.span.master_port}"
    return flags


SGLANG = SgLang()
