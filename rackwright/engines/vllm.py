"""vLLM: its command line, environment and endpoints. Flags as of vLLM 0.32."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

from rackwright.catalog import gpu_types
from rackwright.engines.protocol import Engine, flag, owned_flags, visible_gpus
from rackwright.engines.release import Release, Venv
from rackwright.sizing import GpuMemory, Limits, Split, gpu_memory

if TYPE_CHECKING:
    from rackwright.catalog import GpuType
    from rackwright.models import Shape
    from rackwright.plan import Replica
    from rackwright.spec import Settings

_GIB = 1024**3
# fmt: off
# Flags the plan sets, or that hold a secret: a second one would silently win over the plan's.
_OWN = frozenset((
    "api-key", "dtype", "enable-expert-parallel", "enforce-eager", "gpu-memory-utilization",
    "headless", "hf-token", "host", "kv-cache-dtype", "language-model-only", "master-addr",
    "master-port", "max-model-len", "max-num-batched-tokens", "max-num-seqs", "model", "nnodes",
    "node-rank", "pipeline-parallel-size", "port", "quantization", "revision", "root-path",
    "served-model-name", "shutdown-timeout", "ssl-certfile", "ssl-keyfile",
    "tensor-parallel-size", "uds",
))
# Flags that change memory or the GPUs needed in ways the plan cannot judge yet.
_UNJUDGED = frozenset((
    "block-size", "compilation-config", "config", "cpu-offload-gb", "cpu-offload-params",
    "cudagraph-capture-sizes", "data-parallel-address", "data-parallel-backend",
    "data-parallel-external-lb", "data-parallel-hybrid-lb", "data-parallel-rank",
    "data-parallel-rpc-port", "data-parallel-size", "data-parallel-size-local",
    "data-parallel-start-rank", "decode-context-parallel-size", "device-ids",
    "device-memory-utilization", "enable-lora", "hf-config-path", "hf-overrides",
    "kv-cache-memory-bytes", "kv-offloading-size", "max-cudagraph-capture-size",
    "num-gpu-blocks-override", "prefill-context-parallel-size", "quantization-config",
    "spec-method", "spec-model", "spec-tokens", "speculative-config",
))
# fmt: on


_PREBUILT = {"VLLM_USE_FLASHINFER_SAMPLER": "0", "VLLM_USE_DEEP_GEMM": "0"}
"""Kernels that vLLM would compile with nvcc when it starts, and dies without: neither FlashInfer's
sampler nor DeepGEMM (FP8 in blocks) falls back by itself. Its own Triton and CUTLASS kernels serve;
docs/engines.md has what that costs."""

_AMENDMENT = """
import pathlib, sysconfig
folder = pathlib.Path(sysconfig.get_path("purelib"), "vllm-{version}+cpu.dist-info")
folder.mkdir(exist_ok=True)
folder.joinpath("METADATA").write_text(
    "Metadata-Version: 2.1\\nName: vllm\\nVersion: {version}+cpu\\n"
)
"""


class Vllm(Engine):
    """The engine ``vllm``, in its CUDA and its CPU build."""

    name = "vllm"
    documentation = "https://docs.vllm.ai"
    key_variable = "VLLM_API_KEY"
    downloader = "bin/hf"
    torch_program = "bin/python"
    spans_servers = True
    predicts = True
    service_keys = frozenset(
        (
            "enforce_eager",
            "expert_parallel",
            "extra_args",
            "max_num_batched_tokens",
            "pipeline_parallel_size",
            "quantization",
            "servers_per_replica",
            "tensor_parallel_size",
        )
    )
    kv_cache_dtypes = ("auto", "fp8")
    version_path = "/version"
    metrics_path = "/metrics"
    # kv_cache_size_tokens is what vLLM also logs at start, with requests of the longest context;
    # block_size times num_gpu_blocks is another number where layers form several groups.
    figures: Mapping[str, tuple[str, str]] = {
        "requests_running": ("vllm:num_requests_running", ""),
        "requests_waiting": ("vllm:num_requests_waiting", ""),
        "kv_cache_share": ("vllm:kv_cache_usage_perc", ""),
        "tokens_generated": ("vllm:generation_tokens_total", ""),
        "kv_cache_tokens": ("vllm:cache_config_info", "kv_cache_size_tokens"),
    }
    timed_options: Mapping[str, object] = {
        "ignore_eos": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    }

    def version(self, settings: Settings) -> str:
        """The version that ``/version`` must tell; a build may add a ``+local`` part."""
        return settings.vllm_version

    def batch_limits(self, gpu: GpuType) -> tuple[int, int]:
        """vLLM's own choice of (max_num_seqs, max_num_batched_tokens) for its API server.

        Source: EngineArgs.get_batch_defaults, vLLM 0.32, which leaves out A100 by name; compute
        capability 8.0 is that card. Given as arguments too, so that the engine cannot differ.
        """
        if gpu.memory_bytes >= 160 * _GIB:
            return 1024, 16384
        if gpu.memory_bytes >= 70 * _GIB and gpu.compute_capability != (8, 0):
            return 1024, 8192
        return 256, 2048

    def memory(self, shape: Shape, split: Split, total_bytes: int, limits: Limits) -> GpuMemory:
        """Memory of the fullest GPU of a replica, by vLLM's own accounting."""
        return gpu_memory(shape, split, total_bytes, limits)

    def flag_faults(self, extra_args: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        """Flags that the plan sets or cannot judge. vLLM takes ``_`` for ``-``, and a prefix."""
        return owned_flags(extra_args, _OWN, _UNJUDGED)

    def uses_gpus(self, settings: Settings) -> bool:
        """Not in its CPU build."""
        return settings.vllm_build == "cuda"

    def release(self, settings: Settings) -> Release:
        """A venv. Triton compiles its launcher with gcc at first use; the CPU build loads libnuma.

        The CPU build is a distribution of another name; vLLM's command line asks for its own.
        """
        cpu = settings.vllm_build == "cpu"
        return Release(
            version=f"{settings.vllm_version}-{settings.vllm_build}",
            content=Venv(
                settings.vllm_requirements,
                smoke_test="import vllm, torch",
                amendment=_AMENDMENT.format(version=settings.vllm_version) if cpu else "",
                sample="" if cpu else "sample_vllm",
                distribution="vllm",
            ),
            packages=("libnuma1",) if cpu else ("gcc", "libc6-dev", "python3-dev"),
            environment={} if cpu else _PREBUILT,
        )

    def program(self, settings: Settings) -> str:
        """The venv's interpreter."""
        return "bin/python"

    def argv(self, replica: Replica, model_path: str, settings: Settings) -> tuple[str, ...]:
        """The command line after the venv's interpreter.

        The CPU build takes no ``--gpu-memory-utilization``: its KV cache has a size of its own
        (VLLM_CPU_KVCACHE_SPACE), and the share would be one of the host's memory.
        """
        options: dict[str, object] = {
            "model": model_path,
            "served-model-name": replica.service.served_as,
            "host": replica.server.address,
            "port": replica.port,
            "tensor-parallel-size": replica.split.tensor,
            "pipeline-parallel-size": replica.split.pipeline,
            "max-model-len": replica.limits.max_model_len,
            "max-num-seqs": replica.limits.max_num_seqs,
            "max-num-batched-tokens": replica.limits.max_num_batched_tokens,
            "gpu-memory-utilization": replica.limits.gpu_memory_utilization,
            "dtype": replica.model.shape.dtype,
            "shutdown-timeout": settings.stop_timeout_s,
        }
        if settings.vllm_build == "cpu":
            del options["gpu-memory-utilization"]
        own = (word for name, value in options.items() for word in (f"--{name}", str(value)))
        planned = (flag(name, value) for name, value in _planned(replica).items())
        extra = (flag(name, value) for name, value in sorted(replica.service.extra_args.items()))
        return (*_entry(replica), *own, *planned, *extra)

    def environment(
        self, replica: Replica, settings: Settings, gpu_uuids: Sequence[str] | None
    ) -> dict[str, str]:
        """Environment of the process, without secrets; the operator's own wins except for GPUs.

        ``gpu_uuids`` are those of all GPUs of the host by index. Without them GPUs are given by
        index on the CUDA build and not at all on the CPU build. Raises PlanError where the host
        shows fewer GPUs than planned.
        """
        cache = f"{settings.cache_dir}/{replica.name}"
        common = {
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_CACHE_ROOT": f"{cache}/vllm",
            "XDG_CACHE_HOME": cache,
            "HF_HOME": f"{cache}/huggingface",
            "TORCHINDUCTOR_CACHE_DIR": f"{cache}/torchinductor",
            "TRITON_CACHE_DIR": f"{cache}/triton",
        }
        if _is_ip(replica.server.address):
            common["VLLM_HOST_IP"] = replica.server.address
        if replica.network_interface:
            names = ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME")
            common |= dict.fromkeys(names, replica.network_interface)
        build = _cpu(replica, settings) if settings.vllm_build == "cpu" else _cuda(replica, cache)
        gpus = _visible(replica, settings, gpu_uuids)
        return common | build | settings.engine_environment | gpus


def _entry(replica: Replica) -> tuple[str, ...]:
    """What is run: the API server, or on the later servers of a replica workers alone."""
    if replica.answers:
        return ("-m", "vllm.entrypoints.openai.api_server")
    return ("-m", "vllm.entrypoints.cli.main", "serve")


def _planned(replica: Replica) -> dict[str, object]:
    """Flags that only some layouts need."""
    flags: dict[str, object] = {}
    if replica.split.expert_parallel:
        flags["enable-expert-parallel"] = True
    if replica.service.quantization:
        flags["quantization"] = replica.service.quantization
    if replica.limits.kv_cache_dtype != "auto":
        flags["kv-cache-dtype"] = replica.limits.kv_cache_dtype
    if replica.limits.enforce_eager:
        flags["enforce-eager"] = True
    if replica.model.shape.text_only:
        flags["language-model-only"] = True
    if _without_peers(replica):
        flags["disable-custom-all-reduce"] = True
    if replica.span:
        flags["nnodes"] = len(replica.span.addresses)
        flags["node-rank"] = replica.span.rank
        flags["master-addr"] = replica.span.addresses[0]
        flags["master-port"] = replica.span.master_port
    if not replica.answers:
        flags["headless"] = True
    return flags


def _without_peers(replica: Replica) -> bool:
    """Whether ranks share a server whose GPUs cannot reach one another's memory over PCIe."""
    direct = gpu_types()[replica.server.gpus.type].pcie_peer_access
    return replica.split.tensor > 1 and replica.server.interconnect == "pcie" and not direct


def _cpu(replica: Replica, settings: Settings) -> dict[str, str]:
    # Ranks that each bind the same few cores starve one another.
    ranks = replica.split.tensor * replica.split.pipeline
    binding = {"VLLM_CPU_OMP_THREADS_BIND": "nobind"} if ranks > 1 else {}
    return {"VLLM_CPU_KVCACHE_SPACE": str(settings.cpu_kv_cache_gib), **binding}


def _cuda(replica: Replica, cache: str) -> dict[str, str]:
    # Where the plan leaves room for CUDA graphs beside the engine's share, later versions of vLLM
    # would take their own estimate of them off the KV cache as well.
    common = {
        "CUDA_CACHE_PATH": f"{cache}/cuda",
        "FLASHINFER_WORKSPACE_BASE": cache,
        "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS": str(
            int(replica.memory.graphs_inside_bytes > 0)
        ),
    }
    return common | ({"NCCL_P2P_DISABLE": "1"} if _without_peers(replica) else {})


def _visible(
    replica: Replica, settings: Settings, gpu_uuids: Sequence[str] | None
) -> dict[str, str]:
    if gpu_uuids is None and settings.vllm_build == "cpu":
        return {}
    return visible_gpus(replica, gpu_uuids)


def _is_ip(address: str) -> bool:
    try:
        return bool(ip_address(address))
    except ValueError:
        return False


VLLM = Vllm()
