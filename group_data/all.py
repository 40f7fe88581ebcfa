"""What is the same on every host, and the one place of every default.

Another value for some hosts goes into a file named like their group, or like the inventory; for one
host into its data. A setting that stands here and, with another value, in an inventory's own `all`
is refused. What Python code reads has its type in rackwright/spec/settings.py (or in its engine's
module); what only templates read has it here, beside the value: a type of Python, or the name of
one of rackwright/schema/fields.py. docs/inventory.md says more.
"""

_imported = {*dir()}  # imports go above this line: they are no settings

# Where hosts have locked packages from (docs/lock.md) that their archives have replaced since: the
# snapshot service of their distribution, or a mirror that keeps what was, as a URL with {archive}
# and {time} ("debian", "20261125T021059Z"). None: nowhere.
apt_snapshot = None

# Where things go on a host: folders of Rackwright's own, none inside another.
root_dir = "/opt/rackwright"  # engine releases and programs, owned by root
config_dir = "/etc/rackwright"  # environment files and certificates
state_dir = "/var/lib/rackwright"  # downloaded weights
cache_dir = "/var/cache/rackwright"  # compiled kernels, one folder a replica

# The NVIDIA driver; docs/driver.md says more. A new version, or an older one, is its number here.
driver_source = "auto"  # nvidia, ubuntu (Canonical's signed modules), debian, or none: only checked
driver_version = "580.178.04"  # exactly
driver_modules = "auto"  # open wherever the GPU is new enough; or "open", "proprietary"
# NVIDIA's repository, or a mirror of it; for a mirror the key is a file of this project.
driver_repository = (
    "https://developer.download.nvidia.com/compute/cuda/repos/{distribution}/{architecture}/"
)
driver_repository_key = None
driver_accept = ()  # predictions of `rackwright preflight` that you know better, by name
cuda_toolkit = ()  # for those who compile: ("13.0",); engines bring the CUDA they need
reboot = "never"  # or "if-needed": one host after another, replicas stopped gracefully before

# The engines. A server gets those that its replicas run. A new version of a Python engine is a new
# requirements file with hashes, and its number here.
engine_user = "rackwright"  # made by Rackwright; an account of somebody else's is refused
engine_python = ">=3.11,<3.15"  # the server's own if it is one of these, or else uv fetches one
# vLLM's kernels that need nvcc when it starts (FlashInfer's sampler, DeepGEMM) are off: it does not
# start without nvcc, and waits for a compiler with it. docs/engines.md has what was measured.
engine_environment = {}  # more variables of every engine's process: {"NCCL_DEBUG": "INFO"}
compile_bytecode = True  # at installation: engines start seconds sooner
# What a proven replica compiled, kept for others that are alike (docs/start.md): code that runs as
# the engines' user. "fleet": also for other servers of the inventory; "server": for its own; "off".
seeds = "fleet"
seeds_gib = 4  # of a server's seeds together; the oldest go first
vllm_version = "0.32.0"
vllm_build = "cuda"  # or "cpu"
vllm_requirements = "rackwright/engines/requirements/vllm-0.32.0-cu130.txt"
cpu_kv_cache_gib = 1  # of the "cpu" build
sglang_version = "0.5.23"
sglang_requirements = "rackwright/engines/requirements/sglang-0.5.23-cu130.txt"
# What may choose among the replicas of a service that asks for it, on gateways.
vllm_router_version = "0.1.17"
vllm_router_requirements = "rackwright/engines/requirements/vllm-router-0.1.17.txt"
uv_requirements = "rackwright/engines/requirements/uv.txt"

# An archive is known by its digests: of the vendor's (sha256sum.txt of the release), or yours.
ollama_version = "0.32.7"
ollama_url = (
    "https://github.com/ollama/ollama/releases/download/v{version}/ollama-linux-{arch}.tar.zst"
)
ollama_sha256 = {
    "amd64": "ed1e39fe8fea90bd7f4c723bd949a2cea3153e111220ec0a183ea5b8dc8b2cae",
    "arm64": "413cb50f2fd201b65e17e563c082607bc0ade60d700132c563c7a1c0cd529fde",
}
# llama.cpp publishes no CUDA build for Linux: build one (cmake -DGGML_CUDA=ON), pack its bin/, and
# say where it is. docs/engines.md has the commands.
llamacpp_version = None
llamacpp_build = "cuda"  # or "cpu"
llamacpp_url = None
llamacpp_sha256 = None
llamacpp_requirements = None  # instead of url and sha256: Python packages that bring the program
llamacpp_program = "bin/llama-server"  # in the archive

# Where hosts have things from, for those that may not go anywhere: mirrors (docs/bundle.md). Those
# of archives are `ollama_url`, `llamacpp_url` and `driver_repository` above.
model_hub = "https://huggingface.co"  # or what answers like it
python_index = None  # a simple index (PEP 503) of Python packages; None: the one of each host
python_builds = None  # what uv has a Python from, where a server's own is none that engines run on
# By release, what apt reads instead of the host's own sources: deb822 files of this project, as in
# {"debian12": "mirrors/debian12.sources"}. Only by us: the host's own sources stay as they are.
apt_sources = {}
# A folder of `rackwright bundle` on the machine that runs pyinfra: nothing comes from elsewhere.
bundle = None

# Names of variables on the machine that runs pyinfra. No secret is written in a file here.
hf_token_env = "HF_TOKEN"  # for gated repositories
engine_api_key_env = None  # must then be set; None: the gateway is the only door, asks for no key
gateway_key_env = None  # of gateways that ask for keys: what `verify` asks with (docs/gateway.md)

# Limits in seconds. A 70B model takes minutes to load; a long answer takes minutes to finish.
start_timeout_s = 1800
stop_timeout_s = 120
drain_timeout_s = 600  # for the requests of a replica that is to be changed
canary_s = 60  # how long the first changed replica is watched, where a rollout asks for that
restart_delay_s = 5
restart_delay_max_s = 300
# Starts in a row that never became ready, after which a replica stops trying; 0: it goes on trying.
start_attempts = 5

# Ports of replicas count up from here on each server.
base_port = 8000
# Ports of routers on each gateway, on loopback: two for each service that has one.
router_base_port = 8700

# The gateway.
# Seconds. The first is what a server that is down costs a request before the next one is asked; the
# second how long a replica may say nothing: a long answer that is not streamed comes at its end.
nginx_connect_timeout_s: "Seconds" = 2
nginx_read_timeout_s: "Seconds" = 1800
client_max_body_size = "32m"
# Requests of a service that wait in the gateway while its replicas are full, and for how long; the
# next is answered 429. A service's own `queue` goes before. 0: none waits.
queue_length = 128
queue_wait_s = 30
# Browsers that were told once use https for every port of the name for so long: 31536000 is a year.
hsts_max_age_s = None  # None: say nothing; 0: have them forget it
# The CA of gateways that say "acme" and no other directory: Let's Encrypt.
acme_directory = "https://acme-v02.api.letsencrypt.org/directory"

# Who may come in, by a table of nftables of our own (docs/gateway.md, "Firewall"). "engines": to
# ports of engines only gateways, the replica's own peers and monitors, all else is as it was.
# "host": SSH and what is declared alone, on gateways too. "off": none, and ours is taken away.
firewall = "engines"
firewall_monitors = ()  # addresses, networks or host names: ("10.1.0.5", "monitor.example.com")
firewall_ports = ()  # of "host", open to all: (9100, "51820/udp")
firewall_confirm_s = 60  # until a change that no new connection confirms rolls itself back

# The watchdog of each GPU server: takes a replica that hangs out at the gateways and restarts it
# (docs/watchdog.md). Gateways and the servers of the same services reach it at its port.
watchdog = "on"  # or "off": none, and ours is taken away
watchdog_port = 7979
watchdog_restarts_an_hour = 3  # of a replica; then it is given up. 0: never

# Weights and wheels are fetched by one server, and the others take them from those that have them,
# at this port of their own addresses, while a run needs it (docs/weights.md).
sideways = "on"  # or "off": each server fetches for itself
sideways_port = 7980
sideways_mbit_per_s = None  # what a server takes, and gives, at most; None: as fast as it goes

# Of a run: all stages, or a comma list of some (`--data stages=gateway,verify`).
stages = "all"

# On the machine that runs pyinfra.
report_dir = "reports"

# For pyinfra, which else reads this file anew for each name that it defines.
__all__ = [name for name in {*dir()} - _imported - {"_imported"} if not name.startswith("__")]
