"""vLLM: its command line, environment and endpoints. Flags as of vLLM 0.32."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from math import ceil
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from rackwright.catalog import BF16_FROM
from rackwright.engines import vllm_pooling, vllm_sound
from rackwright.engines.answers import Canary
from rackwright.engines.environment import socket_interfaces, torch_caches, visible_gpus
from rackwright.engines.options import Form, Kind, Launch, Option, refused
from rackwright.engines.protocol import Engine
from rackwright.engines.release import CudaBuild, Release, Venv
from rackwright.engines.splits import Splits
from rackwright.schema.fields import Count, ProjectPath, Version, from_text
from rackwright.sizing import GpuMemory, Limits, Split, gpu_memory
from rackwright.sizing.weights import host_bytes
from rackwright.spec import SettingsModel

if TYPE_CHECKING:
    from rackwright.catalog import GpuType
    from rackwright.models import Shape
    from rackwright.models.tasks import Task
    from rackwright.plan import Replica
    from rackwright.spec import ServiceSpec, Settings

_GIB = 1024**3


class VllmSettings(SettingsModel):
    """What group data says of vLLM: its release, and the KV cache of its CPU build."""

    vllm_version: Version
    vllm_build: Literal["cuda", "cpu"]
    vllm_requirements: ProjectPath
    cpu_kv_cache_gib: Annotated[Count, Field(le=16384), BeforeValidator(from_text)]


def _without_peers(replica: Replica) -> bool:
    """Whether ranks share a server whose GPUs cannot reach one another's memory over PCIe."""
    direct = replica.gpu.pcie_peer_access
    several = replica.split.expert_ranks > 1
    return several and replica.server.interconnect == "pcie" and not direct


def _share(launch: Launch) -> float | None:
    """Not for the CPU build: its KV cache has a size of its own (VLLM_CPU_KVCACHE_SPACE).

    The share would be one of the host's memory.
    """
    share = launch.limits.gpu_memory_utilization
    return share if VLLM.uses_gpus(launch.settings) else None


def _kv_cache_dtype(launch: Launch) -> str | None:
    dtype = launch.limits.kv_cache_dtype
    return None if dtype == "auto" else dtype


def _more(size: int) -> int | None:
    """A size above 1, which is what the engine has without it."""
    return size if size > 1 else None


def _patience_s(launch: Launch) -> int | None:
    """Ranks on several servers load at their own pace; torch's own limits are 600 and 1800 s."""
    return launch.settings.start_timeout_s if launch.span else None


def _adapters(launch: Launch) -> tuple[str, ...] | None:
    """Each as ``name=path``, a word of its own."""
    return tuple(f"{name}={path}" for name, path in launch.service.adapters.items()) or None


def _place(
    flag: str, form: Form = Form.WORDS, of: Callable[[Launch], object] | None = None
) -> Option:
    """Where a process is, or as whom it answers."""
    return Option(flag, of=of, form=form, compiles=False)


def _text_alone(launch: Launch) -> bool | None:
    service = launch.service
    beside = service.images or service.audios
    return (launch.replica.model.shape.text_only and not beside) or None


def _items(launch: Launch) -> str | None:
    """Of a kind that is left out vLLM would take 999; videos are not planned for."""
    images, audios = launch.service.images or 0, launch.service.audios or 0
    most = {"image": images, "audio": audios, "video": 0}
    return json.dumps(most, separators=(",", ":")) if images or audios else None


def _pooler(launch: Launch) -> str | None:
    return vllm_pooling.pooler(launch.service, launch.replica.model.shape, launch.replica.task)


# fmt: off
# Those that no replica is given.
_REFUSED = (
    *refused(Kind.PLAN, "revision", "root-path", "ssl-certfile", "ssl-keyfile", "uds"),
    *refused(Kind.SECRET, "api-key", "hf-token"),
    *refused(
        Kind.UNJUDGED,
        "block-size", "compilation-config", "config", "cpu-offload-gb", "cpu-offload-params",
        "cudagraph-capture-sizes", "data-parallel-address", "data-parallel-backend",
        "data-parallel-external-lb", "data-parallel-hybrid-lb", "data-parallel-rank",
        "data-parallel-multi-port-external-lb", "data-parallel-rpc-port",
        "data-parallel-size-local", "data-parallel-start-rank",
        "dcp-kv-cache-interleave-size", "device-ids",
        "device-memory-utilization", "engram-config", "hf-config-path",
        "kv-cache-memory-bytes", "kv-offloading-size", "max-cudagraph-capture-size",
        "mm-encoder-only", "mm-encoder-tp-mode", "mm-processor-kwargs", "enable-mm-embeds",
        "num-gpu-blocks-override", "prefill-context-parallel-size", "quantization-config",
        "spec-method", "spec-model", "spec-tokens", "speculative-config",
    ),
)
# fmt: on
_OPTIONS = (
    Option("model", of=lambda launch: launch.model_path, form=Form.WORDS),
    _place("served-model-name", of=lambda launch: launch.service.served_as),
    _place("host", of=lambda launch: launch.replica.server.address),
    _place("port", of=lambda launch: launch.replica.port),
    Option("tensor-parallel-size", of=lambda launch: launch.split.tensor, form=Form.WORDS),
    Option("pipeline-parallel-size", of=lambda launch: launch.split.pipeline, form=Form.WORDS),
    Option("max-model-len", of=lambda launch: launch.limits.max_model_len, form=Form.WORDS),
    Option("max-num-seqs", of=lambda launch: launch.limits.max_num_seqs, form=Form.WORDS),
    Option(
        "max-num-batched-tokens",
        key="max_num_batched_tokens",
        of=lambda launch: launch.limits.max_num_batched_tokens,
        form=Form.WORDS,
    ),
    Option("gpu-memory-utilization", of=_share, form=Form.WORDS),
    Option("dtype", of=lambda launch: launch.replica.dtype, form=Form.WORDS),
    # Of a model that answers with vectors or scores. SHARED: the operator may make one of another.
    Option(
        "runner",
        of=lambda launch: vllm_pooling.runner(launch.service, launch.replica.task),
        kind=Kind.SHARED,
        form=Form.WORDS,
    ),
    # Of one that does several things; and of those whose class their files have no name of.
    Option("pooler-config", of=_pooler, kind=Kind.SHARED, form=Form.WORDS),
    Option(
        "hf-overrides",
        of=lambda launch: vllm_pooling.renamed(launch.replica.model.shape),
        form=Form.WORDS,
    ),
    _place("shutdown-timeout", of=lambda launch: launch.settings.stop_timeout_s),
    # So that the gateway can say how many tokens of a prompt were cached.
    Option("enable-prompt-tokens-details", of=lambda _: True),
    # Those that only some replicas need.
    Option("enable-lora", key="adapters", of=lambda launch: bool(launch.service.adapters) or None),
    Option("lora-modules", key="adapters", of=_adapters, form=Form.WORDS),
    Option("enable-expert-parallel", of=lambda launch: launch.split.expert_parallel or None),
    # All of them on one server, which is the default: its sockets are files, its stores loopback's.
    Option("data-parallel-size", of=lambda launch: _more(launch.split.data)),
    Option("decode-context-parallel-size", of=lambda launch: _more(launch.split.context)),
    Option("quantization", key="quantization"),
    # SHARED: "load-format": "dummy" in extra_args makes weights up.
    Option("load-format", key="load_format", kind=Kind.SHARED, compiles=False),
    Option("kv-cache-dtype", of=_kv_cache_dtype),
    Option(
        "enforce-eager",
        key="enforce_eager",
        of=lambda launch: launch.limits.enforce_eager or None,
    ),
    Option("language-model-only", key="audios", of=_text_alone),
    Option("limit-mm-per-prompt", key="images", of=_items, form=Form.WORDS),
    Option(
        "disable-custom-all-reduce",
        of=lambda launch: _without_peers(launch.replica) or None,
        kind=Kind.SHARED,
    ),
    Option("nnodes", of=lambda launch: launch.span and len(launch.span.addresses)),
    Option("node-rank", of=lambda launch: launch.span and launch.span.rank),
    _place("master-addr", Form.EQUALS, lambda launch: launch.span and launch.span.addresses[0]),
    _place("master-port", Form.EQUALS, lambda launch: launch.span and launch.span.master_port),
    # The one limit of a start is start_timeout_s; what hangs later is for the watchdog to find.
    Option("distributed-timeout-seconds", of=_patience_s),
    Option("cpu-distributed-timeout-seconds", of=_patience_s),
    Option("headless", of=lambda launch: not launch.replica.answers or None),
    *_REFUSED,
)

_TURING = (7, 5)
_OLDEST = "docs/getting_started/installation/gpu.cuda.inc.md (compute capability)"
_LOCK = "the lock file in rackwright/engines/requirements"
_TORCH = "vLLM's requirements/cuda.txt"
_CUDA_BUILDS = (
    CudaBuild("0.33.0", "2.14.0", 13, _TURING, source=f"{_TORCH}; its release notes; {_OLDEST}"),
    CudaBuild("0.32.0", "2.13.0", 13, _TURING, source=f"{_TORCH}; {_LOCK} (cu130); {_OLDEST}"),
    CudaBuild("0.26.0", "2.11.0", 12, _TURING, source=f"{_TORCH}; {_OLDEST}"),
)
_BF16_ONLY = ("mxfp4",)
"""Quantizations whose kernels want bfloat16 (vllm-project/vllm pull request 29901, which brought
those of AWQ, GPTQ and FP8 to Turing)."""
_HOPPER, _HOPPER_ALONE = 9, frozenset({"Dots3NoteForCausalLM"})
"""Models whose own code names FlashAttention 3, with a cache in 16 bits (FlashAttnMLASparseBackend
in vllm/v1/attention/backends/mla/flashattn_mla_sparse.py, 0.32)."""
_TWO_WIDTHS = (9, 10)
"""Compute capabilities on which keys and values beside learned tokens have widths of their own
(FlashAttentionDiffKVBackend in vllm/v1/attention/backends/flash_attn_diffkv.py, 0.32)."""
_FP8_ALONE = ("quark", "torchao")
"""Quantizations whose FP8 no kernel of 16 bits stands in for."""
FP8_FROM = (8, 9)
"""The compute capability from which there is arithmetic in FP8."""

_PREBUILT = {
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
    "VLLM_ALLREDUCE_USE_FLASHINFER": "0",
    "VLLM_USE_DEEP_GEMM": "0",
}
"""Kernels that vLLM would compile with nvcc when it starts, and dies without: neither FlashInfer's
sampler, nor its all-reduce (of tensor parallel ranks), nor DeepGEMM (FP8 in blocks) falls back by
itself. vLLM's own Triton, CUTLASS and CUDA kernels serve; docs/engines.md has what that costs."""

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
    settings_model = VllmSettings
    splits = Splits(
        tensor=True, pipeline=True, expert=True, uneven=True, data=True, context=True, servers=True
    )
    options = _OPTIONS
    cuda_builds = _CUDA_BUILDS
    key_variable = "VLLM_API_KEY"
    torch_program = "bin/python"
    predicts = True
    kv_cache_dtypes = ("auto", "fp8")
    # Below VLLM_CACHE_ROOT and beside it; not what a server says of itself: which GPUs reach one
    # another's memory (gpu_p2p_access_cache), and how much memory was free (startup_plan).
    compiled = (
        *("vllm/torch_compile_cache", "vllm/modelinfos", "vllm/deep_gemm"),
        *("vllm/flashinfer_autotune_cache", "torchinductor", "triton", ".cache/flashinfer", "cuda"),
    )
    routers = ("vllm-router",)
    tasks = (*vllm_pooling.TASKS, "transcription")
    # The routers of vllm/entrypoints, 0.32; which of them are there depends on the model.
    paths = (
        *("/v1/chat/completions", "/v1/completions", "/v1/responses"),
        *vllm_pooling.POOLING,
        *vllm_sound.PATHS,
        *("/v1/messages", "/v1/messages/count_tokens"),
    )
    version_path = "/version"
    metrics_path = "/metrics"
    # kv_cache_size_tokens is what vLLM also logs at start, with requests of the longest context;
    # block_size times num_gpu_blocks is another number where layers form several groups.
    figures: Mapping[str, tuple[str, str]] = {
        "requests_running": ("vllm:num_requests_running", ""),
        "requests_waiting": ("vllm:num_requests_waiting", ""),
        "kv_cache_share": ("vllm:kv_cache_usage_perc", ""),
        "tokens_generated": ("vllm:generation_tokens_total", ""),
        "prompt_tokens": ("vllm:prompt_tokens_total", ""),
        "kv_cache_tokens": ("vllm:cache_config_info", "kv_cache_size_tokens"),
    }
    timed_options: Mapping[str, object] = {
        "ignore_eos": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    }

    def task(self, service: ServiceSpec, shape: Shape) -> Task | None:
        """By the model's architecture, or by flags for the pooling runner."""
        return vllm_pooling.task(service, shape)

    def as_loaded(self, service: ServiceSpec, shape: Shape) -> Shape:
        """For the pooling runner without a table of outputs."""
        return vllm_pooling.as_loaded(service, shape)

    def task_faults(self, service: ServiceSpec, shape: Shape) -> Iterator[tuple[str, str]]:
        """What its pooling runner, or a model that transcribes, refuses or has no use for."""
        if shape.answers == "transcripts":
            return vllm_sound.flag_faults(service)
        return vllm_pooling.flag_faults(service, shape)

    def paths_of(self, shape: Shape, task: Task | None) -> tuple[str, ...]:
        """Its two runners have different ones; those of sound are of models that hear."""
        if task == "transcription":
            return vllm_sound.PATHS
        if task:
            return vllm_pooling.paths(task, shape)
        others = (*vllm_pooling.POOLING, *vllm_sound.not_of(shape))
        return tuple(path for path in self.paths if path not in others)

    def canary(self, service: ServiceSpec, task: Task | None = None) -> Canary:
        """One token; of a model that pools instead of generating, a vector or scores."""
        if task == "transcription":
            return vllm_sound.canary(service)
        return vllm_pooling.canary(service, task) if task else super().canary(service)

    def version(self, settings: Settings) -> str:
        """The version that ``/version`` must tell; a build may add a ``+local`` part."""
        return settings.of(VllmSettings).vllm_version

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

    def gpu_refusals(self, gpu: GpuType, shape: Shape, service: ServiceSpec) -> Iterator[str]:
        """Before Ampere attention is Triton's, which has FP8 from 8.9 on only.

        Others' FP8 is multiplied as 16 bits where a GPU has none, not these methods': QuarkW8A8Fp8
        (get_min_capability), _check_torchao_fp8_activation_capability in quantization/torchao.py.
        """
        if gpu.compute_capability < FP8_FROM and _needs_fp8(shape):
            yield f"{gpu.name} has no FP8, which these weights need"
        if shape.architecture in _HOPPER_ALONE:
            if gpu.compute_capability[0] != _HOPPER:
                yield f"{gpu.name} is no Hopper, for which alone this model's attention is made"
            if service.kv_cache_dtype == "fp8":
                yield "this model's attention keeps 16 bits: leave kv_cache_dtype out"
        if _has_learned_tokens(shape) and gpu.compute_capability[0] not in _TWO_WIDTHS:
            yield f"{gpu.name} is neither Hopper nor Blackwell 10, which its attention is made for"
        if gpu.unified_memory and host_bytes(shape, Split()):
            yield f"{gpu.name} shares the host's memory, and n-grams pinned there are not judged"
        if gpu.compute_capability >= BF16_FROM:
            return
        if shape.quantization and shape.quantization.method in _BF16_ONLY:
            yield f"{gpu.name} has no bfloat16, which vLLM's kernels for {_BF16_ONLY[0]} need"
        if service.kv_cache_dtype == "fp8":
            yield f"{gpu.name} has no FP8 for the KV cache: leave kv_cache_dtype out"
        elif service.kv_cache_dtype == "auto" and shape.kv_cache_dtype == "fp8":
            yield f"{gpu.name} has no FP8 for the KV cache, which these weights ask for"

    def memory(self, shape: Shape, split: Split, total_bytes: int, limits: Limits) -> GpuMemory:
        """Memory of the fullest GPU of a replica, by vLLM's own accounting."""
        return gpu_memory(shape, split, total_bytes, limits)

    def most_sequences(self, shape: Shape, memory: GpuMemory, limits: Limits) -> int | None:
        """A block for each, where layers keep a state of it and CUDA graphs are captured.

        Source: resolve_cudagraph_mode_and_sizes in vllm/config/compilation.py, 0.32, which raises
        ValueError; whole steps are not captured of what pools (config/vllm.py). A tenth less,
        because how large the cache will be is a prediction.
        """
        states = any(layer.kv.kind == "state" for layer in shape.kinds)
        if not states or limits.enforce_eager or shape.answers == "vectors":
            return None
        return ceil(0.9 * memory.kv_cache_blocks)

    def uses_gpus(self, settings: Settings) -> bool:
        """Not in its CPU build."""
        return settings.of(VllmSettings).vllm_build == "cuda"

    def release(self, settings: Settings) -> Release:
        """A venv. Triton compiles its launcher with gcc at first use; the CPU build loads libnuma.

        The CPU build is a distribution of another name; vLLM's command line asks for its own.
        """
        own, cpu = settings.of(VllmSettings), not self.uses_gpus(settings)
        return Release(
            version=f"{own.vllm_version}-{own.vllm_build}",
            content=Venv(
                own.vllm_requirements,
                smoke_test="import vllm, torch",
                amendment=_AMENDMENT.format(version=own.vllm_version) if cpu else "",
                sample="" if cpu else "sample_vllm",
                distribution="vllm",
            ),
            packages=("libnuma1",) if cpu else ("gcc", "libc6-dev", "python3-dev"),
            environment={} if cpu else _PREBUILT,
        )

    def program(self, settings: Settings) -> str:
        """The venv's interpreter."""
        return "bin/python"

    def entry(self, replica: Replica) -> tuple[str, ...]:
        """The API server, or on the later servers of a replica workers alone."""
        if replica.answers:
            return ("-m", "vllm.entrypoints.openai.api_server")
        return ("-m", "vllm.entrypoints.cli.main", "serve")

    def cache(self, replica: Replica, settings: Settings) -> str:
        """One for each release: what another one compiled is of no use to it, and never ends."""
        return f"{super().cache(replica, settings)}/{self.release(settings).version}"

    def environment(
        self, replica: Replica, settings: Settings, gpu_uuids: Sequence[str] | None
    ) -> dict[str, str]:
        """Environment of the process, without secrets; the operator's own wins except for GPUs.

        ``gpu_uuids`` are those of all GPUs of the host by index. Without them GPUs are given by
        index on the CUDA build and not at all on the CPU build. Raises PlanError where the host
        shows fewer GPUs than planned.
        """
        cache = self.cache(replica, settings)
        common = {
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            # Its own limit of a start is 600 s.
            "VLLM_ENGINE_READY_TIMEOUT_S": str(settings.start_timeout_s),
            "VLLM_CACHE_ROOT": f"{cache}/vllm",
            **torch_caches(cache),
        }
        if _is_ip(replica.server.address):
            common["VLLM_HOST_IP"] = replica.server.address
        common |= socket_interfaces(replica)
        build = _cuda(replica, cache) if self.uses_gpus(settings) else _cpu(replica, settings)
        known = self.uses_gpus(settings) or gpu_uuids is not None
        gpus = visible_gpus(replica, gpu_uuids) if known else {}
        return common | build | settings.engine_environment | gpus


def _cpu(replica: Replica, settings: Settings) -> dict[str, str]:
    # Ranks that each bind the same few cores starve one another.
    binding = {"VLLM_CPU_OMP_THREADS_BIND": "nobind"} if replica.split.gpus > 1 else {}
    return {"VLLM_CPU_KVCACHE_SPACE": str(settings.of(VllmSettings).cpu_kv_cache_gib), **binding}


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


def _is_ip(address: str) -> bool:
    try:
        return bool(ip_address(address))
    except ValueError:
        return False


VLLM = Vllm()


def _has_learned_tokens(shape: Shape) -> bool:
    """Whether some stand before all others, as openPangu's do."""
    return any(one.name == "self_attn.param_sink_key" for one in shape.layers[0].tensors)


def _needs_fp8(shape: Shape) -> bool:
    found = shape.quantization
    if not found or found.method not in _FP8_ALONE:
        return False
    return any(scheme and scheme.compute == "fp8" for layer in shape.schemes for scheme in layer)
