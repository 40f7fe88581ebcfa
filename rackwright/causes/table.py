"""Known causes of an engine that does not start or dies: what shows them, what to do.

The words are those of vLLM 0.32, SGLang 0.5.23, PyTorch, Triton, FlashInfer, NCCL, transformers,
huggingface_hub, llama.cpp and Ollama, from their sources; an example of each is in
``tests/data/causes``. The first that matches counts, so what is narrow stands before what is wide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rackwright.causes.failure import Raised


@dataclass(frozen=True)
class Cause:
    """One cause. It matches an error by ``words`` (of class and message) and ``within`` (of the
    functions that led there, as ``file:function``), regular expressions both; or how a process
    ended: by one of ``signals`` (``ILL``), with one of systemd's ``results`` or exit ``statuses``.
    ``meaning`` and ``remedy`` are sentences for the operator.
    """

    name: str
    meaning: str
    remedy: str
    words: str = ""
    within: str = ""
    signals: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()

    def explains(self, raised: Raised) -> bool:
        """Whether an error is of this cause."""
        if not self.words or not re.search(self.words, raised.words):
            return False
        return not self.within or any(re.search(self.within, f) for f in raised.functions)


_OUT_OF_MEMORY = (
    r"CUDA out of memory|OutOfMemoryError|CUDA error: out of memory|cudaErrorMemoryAllocation"
    r"|CUDA_ERROR_OUT_OF_MEMORY|cudaMalloc failed: out of memory|failed to allocate \w+ buffer"
)

CAUSES: tuple[Cause, ...] = (
    Cause(
        "nvcc is missing",
        "FlashInfer compiles kernels when the engine first samples, and finds no CUDA compiler.",
        "leave VLLM_USE_FLASHINFER_SAMPLER=0 and VLLM_ALLREDUCE_USE_FLASHINFER=0, the project's "
        "defaults, in place: vLLM's own sampler and all-reduce need no compiler; with FlashInfer "
        "install the CUDA toolkit (nvcc) and set CUDA_HOME. "
        "SGLang has nvcc in its release: leave CUDA_HOME to it, and deploy again",
        words=r"Could not find nvcc|nvcc.{0,40}(?:not found|No such file)|No such file.{0,60}nvcc",
    ),
    Cause(
        "ninja is missing",
        "Kernels are to be compiled at start, and the build tool is not on the engine's PATH.",
        "leave VLLM_USE_FLASHINFER_SAMPLER=0, the project's default, in place; with FlashInfer put "
        "the release's bin folder, which has ninja, on PATH",
        words=r"No such file or directory: '(?:\S*/)?ninja'|Ninja is required",
    ),
    Cause(
        "no C compiler",
        "Triton or Inductor compiles at start and finds no C compiler.",
        "install gcc and the Python headers of the engine's interpreter (stage base does), or set "
        "enforce_eager",
        words=r"Failed to find C compiler|No working C\+\+ compiler found|InvalidCxxCompiler"
        r"|fatal error: Python\.h",
    ),
    Cause(
        "GPU memory ran out at CUDA graph capture",
        "Weights and KV cache fitted; the graphs captured after them did not.",
        "lower gpu_memory_utilization (graphs lie outside it), or max_num_seqs: fewer graphs; "
        "enforce_eager needs none and decodes slower",
        words=rf"{_OUT_OF_MEMORY}|Capture cuda graph failed",
        within=r"capture|cuda_?graph",
    ),
    Cause(
        "more sequences than blocks of state",
        "Layers keep a state of each request, and the KV cache has fewer blocks than the engine is "
        "told of requests.",
        "leave max_num_seqs out (the plan tells what fits) or lower it to what the message says, "
        "raise gpu_memory_utilization, or use more GPUs",
        words=r"max_num_seqs \(\d+\) exceeds available Mamba cache blocks",
    ),
    Cause(
        "GPU memory ran out at profiling",
        "The largest step the engine allows does not fit beside the weights.",
        "lower max_num_batched_tokens or max_num_seqs, spread the model over more GPUs, or end "
        "what else is on the GPU (`rackwright verify` names it)",
        words=rf"{_OUT_OF_MEMORY}|out of memory occurred when warming up",
        within=r"profile_run|determine_available_memory|_dummy_(?:sampler_)?run|warm_?up",
    ),
    Cause(
        "GPU memory ran out",
        "An allocation failed: the model does not fit, or somebody else holds the memory.",
        "end what else is on the GPU (`rackwright verify` names it); else more GPUs, a quantized "
        "model, a smaller max_model_len or fewer max_num_seqs",
        words=_OUT_OF_MEMORY,
    ),
    Cause(
        "the KV cache is smaller than one request",
        "What is left beside the weights holds no request of max_model_len tokens.",
        "lower max_model_len to what the message says, raise gpu_memory_utilization, use more "
        "GPUs or kv_cache_dtype fp8",
        words=r"To serve at least one request with the model'?s",
    ),
    Cause(
        "no memory is left for the KV cache",
        "Weights and working memory take all that gpu_memory_utilization allows.",
        "raise gpu_memory_utilization, lower max_num_batched_tokens, or use more GPUs; for SGLang "
        "raise mem-fraction-static",
        words=r"No available memory for the cache blocks|Not enough memory\. Please try to incr",
    ),
    Cause(
        "the GPU is not free",
        "Somebody else holds memory that this engine was promised.",
        "end what is on the GPU and not planned (`rackwright verify` names it), such as an engine "
        "that was left over; else lower gpu_memory_utilization",
        words=r"Free memory on device .{0,80}is less than|exceed the desired GPU memory util",
    ),
    Cause(
        "the repository is gated",
        "The token, or the lack of one, gives no access to the model's repository.",
        "ask for access on the model's page, name the variable that holds the token in "
        "hf_token_env, and run stage models",
        words=r"GatedRepoError|gated repo|\b40[13] Client Error|Invalid credentials|"
        r"Access to model .{0,200}is restricted",
    ),
    Cause(
        "weights are missing",
        "Engines are offline by plan, and what they look for is not in the model's folder.",
        "run stage models; with a `path` of your own look whether it holds config.json, tokenizer "
        "and *.safetensors, whole",
        words=r"LocalEntryNotFoundError|Cannot find any model weights|couldn't connect to '\S+' to"
        r"|not a local folder and is not a valid model|RepositoryNotFoundError|EntryNotFoundError"
        r"|Error no file named|failed to open GGUF|gguf_init_from_file|outgoing traffic has been"
        r"|(?:No such file|FileNotFoundError).{0,300}(?:\.safetensors|\.gguf|config\.json)"
        r"|MetadataIncompleteBuffer|HeaderTooLarge|does not appear to have a file named"
        r"|model '\S+' not found",
    ),
    Cause(
        "the chat template is missing",
        "The tokenizer brings none, and a chat needs one.",
        "give the model's template as extra_args chat-template, or serve a model tuned for chat",
        words=r"chat template (?:is no longer allowed|path doesn't exist|string)"
        r"|default chat template is no longer|tokenizer\.chat_template is not set"
        r"|ChatTemplateResolutionError|supplied chat template",
    ),
    Cause(
        "the port is taken",
        "Another process listens on the port that this replica was given.",
        "see whose it is (`ss -ltnp` on the host): a stale engine is ended, another service keeps "
        "its port and the replica gets one by `port` of its service",
        words=r"Errno 98|EADDRINUSE|[Aa]ddress already in use|couldn't bind HTTP server socket"
        r"|Port \d+ is (?:already )?in use|Port is already in use",
    ),
    Cause(
        "/dev/shm is too small",
        "Ranks of one host speak through shared memory, and it is full.",
        "look at `df -h /dev/shm`: remove what dead processes left (`/dev/shm/nccl-*`, `psm_*`), "
        "or give it more (`mount -o remount,size=…`); in a container it is 64 MB by default",
        words=r"/dev/shm|shared memory segment|shared memory \(shm\)|Bus error|bus error",
        signals=("BUS",),
    ),
    Cause(
        "NCCL timed out",
        "A rank waited for the others, which were slow, dead, or not reachable.",
        "look at the other ranks' logs for what came first; else at the links (`rackwright "
        "bandwidth`), at network_interface for several servers, and on PCIe at ACS/IOMMU",
        words=r"Watchdog caught collective operation timeout|watchdog thread terminated"
        r"|wait timeout after \d+ ?ms|Timed out (?:after|initializing) .{0,200}|DistStoreError"
        r"|NCCL.{0,80}(?:timeout|timed out)|Timeout waiting for key",
    ),
    Cause(
        "NCCL failed",
        "The library that joins the GPUs could not set up or use a link.",
        "set NCCL_DEBUG=INFO for its own words; usual are a fabric manager that does not run, "
        "peer-to-peer blocked by ACS/IOMMU (NCCL_P2P_DISABLE=1 shows it), a wrong interface",
        words=r"NCCL error|DistBackendError|nccl(?:System|UnhandledCuda|Internal|Remote|Invalid)\w+"
        r"|NCCL WARN",
    ),
    Cause(
        "the model needs code of its own",
        "Config or tokenizer come with Python code, which is not run unless you allow it.",
        "read that code; then set extra_args trust-remote-code, or serve a model without",
        words=r"trust_remote_code=True|requires you to execute the \w+ file|contains custom code",
    ),
    Cause(
        "the tokenizer is refused",
        "Its files are missing, damaged, or of a class this release does not know.",
        "compare the folder's tokenizer files with the repository's, run stage models; a newer "
        "engine release may know its class",
        words=r"Failed to load the tokenizer|Tokenizer class \S+ does not exist"
        r"|Can't load tokenizer|Couldn't instantiate the backend tokenizer"
        r"|unknown pre-tokenizer type|error loading model vocabulary"
        r"|data did not match any variant of untagged enum",
    ),
    Cause(
        "the architecture is not supported",
        "This release of the engine does not know the model's kind.",
        "take an engine release that does (its list of supported models), or another engine",
        words=r"Model architectures? .{0,400}(?:not supported|failed to be inspected|until v)"
        r"|does not recognize this architecture|unknown model architecture|has no vLLM impl",
    ),
    Cause(
        "the quantization is not supported",
        "The engine does not know the method, or this GPU is too old for it.",
        "take weights in another quantization, or a GPU of the capability that the message names",
        words=r"Unknown quantization method|quantization method .{0,80}not supported"
        r"|Minimum capability|is not supported for quantization|[Bb]float16 is only supported on"
        r"|does not match the quantization|no kernel image is available"
        r"|compute capability .{0,60}(?:required|at least|not supported)|fp8e4nv not supported",
    ),
    Cause(
        "driver and library are of different versions",
        "The driver was upgraded, and the module of before is still loaded.",
        "reboot the host, or stop what uses the GPUs and load the module again; "
        "`rackwright verify` names both versions (check driver)",
        words=r"[Ee]rror 80[34]\b|forward compatibility was attempted"
        r"|system has unsupported display|(?i:driver/library version mismatch)"
        r"|NVMLError_LibRmVersionMismatch|NVML/RM version mismatch",
    ),
    Cause(
        "the driver is too old",
        "This release is built for a newer CUDA than the installed driver speaks.",
        "pin a newer driver (driver_version 580 or newer for CUDA 13) and run stage driver",
        words=r"driver on your system is too old|driver version is insufficient"
        r"|provided PTX was compiled with an unsupported",
    ),
    Cause(
        "the fabric is not ready",
        "GPUs joined by NVSwitch wait for the fabric manager; until then CUDA fails.",
        "start nvidia-fabricmanager of exactly the driver's version and wait until `nvidia-smi -q` "
        "says Fabric State: Completed; in a guest it belongs to the host",
        words=r"[Ee]rror 802\b|system not yet initialized|cudaErrorSystemNotReady",
    ),
    Cause(
        "no GPU is seen",
        "The engine finds no driver, or none of the GPUs it was given.",
        "`nvidia-smi` on the host must list them; then deploy again: CUDA_VISIBLE_DEVICES names "
        "GPUs by UUID, which change when a card is swapped. `rackwright verify` says more",
        words=r"No CUDA GPUs are available|no CUDA-capable device|Found no NVIDIA driver"
        r"|Failed to infer device type|invalid device ordinal|NVML: .{0,20}Not Found"
        r"|NVMLError_(?:LibraryNotFound|DriverNotLoaded)|CUDA_ERROR_NO_DEVICE"
        r"|[Ee]rror 10[01]\b|failed to initialize CUDA",
    ),
    Cause(
        "glibc is too old",
        "The build wants a newer C or C++ library than this system has.",
        "take a newer Debian or Ubuntu, or a build made for this one",
        words=r"version `GLIBC(?:XX)?_[\d.]+' not found|version `CXXABI_[\d.]+' not found",
    ),
    Cause(
        "a library is missing",
        "A shared library that the build needs is not on this system.",
        "install the package that has it (stage base installs what the project knows of); a CUDA "
        "library comes with the release: run stage engines",
        words=r"cannot open shared object file|error while loading shared libraries",
    ),
    Cause(
        "too many open files",
        "The process may not open as many files as it needs.",
        "deploy again: the planned unit has LimitNOFILE=1048576; `rackwright verify` shows the "
        "limit (open files), and fs.nr_open of the kernel bounds it",
        words=r"Errno 24\b|[Tt]oo many open files|EMFILE",
    ),
    Cause(
        "the disk is full",
        "A file could not be written.",
        "free room (`df -h`, `rackwright verify` row disk): releases that are not live any more "
        "and older revisions below the models' folder may go",
        words=r"Errno 28\b|[Nn]o space left on device|ENOSPC|Errno 122\b|[Dd]isk quota exceeded",
    ),
    Cause(
        "a file may not be read",
        "The engine runs as a user of its own, who has no right to it.",
        "give the engine's user (engine_user) read access to the model's folder and every folder "
        "above it, and nobody's home: ProtectHome hides those",
        words=r"PermissionError|Errno 13\b|[Pp]ermission denied|Errno 30\b|Read-only file system",
    ),
    Cause(
        "an option is refused",
        "The engine does not know an argument of its command line, or not this value of it.",
        "correct extra_args of the service: names are the engine's, without dashes in front",
        words=r"error: (?:unrecognized arguments|argument|invalid argument|ambiguous option)"
        r"|validation errors? for \w+Config",
    ),
    Cause(
        "an instruction this CPU does not have",
        "The build was made for a newer or another CPU (AVX-512, AMX), and died of signal ILL.",
        "take a build that chooses its code by the CPU it finds (llama.cpp: "
        "GGML_CPU_ALL_VARIANTS), or one for this CPU: `lscpu` lists its features",
        words=r"[Ii]llegal instruction|AMX is not ready|invalid opcode|SIGILL",
        signals=("ILL",),
    ),
    Cause(
        "the engine crashed",
        "Native code touched memory that is not its own, and died of signal SEGV.",
        "look at the log's last lines for what it did; a driver or library of another version than "
        "the release was built with is usual: run stage engines; then the engine's known issues",
        words=r"[Ss]egmentation fault|segfault at|SIGSEGV|general protection",
        signals=("SEGV",),
    ),
    Cause(
        "the out-of-memory killer",
        "The host ran out of main memory (RAM, not the GPU's), and the kernel ended the engine.",
        "give the host more memory or less to do: loading needs the weights' size once over; lower "
        "swap-space or CPU offload in extra_args; fewer replicas a host",
        words=r"Out of memory: Killed process|oom-kill|cgroup out of memory",
        results=("oom-kill",),
    ),
    Cause(
        "killed from outside",
        "Signal KILL, which no program sends itself: by hand, or by the out-of-memory killer.",
        "`journalctl --dmesg --grep=killed` on the host tells which; see its memory with `free -h`",
        words=r"signal: killed|SIGKILL",
        signals=("KILL",),
    ),
    Cause(
        "the release is not there",
        "systemd could not execute the engine's program.",
        "run stage engines: the link `current` points to a release that is not whole",
        words=r"Failed to execute|Failed at step EXEC",
        statuses=("203",),
    ),
    Cause(
        "not ready in time",
        "The engine runs, and did not answer within its start-up time.",
        "look at its last lines: where it still loads or compiles, raise start_timeout_s; where it "
        "stands still, ranks may be waiting for one another",
        words=r"not ready within",
        results=("timeout",),
    ),
)
