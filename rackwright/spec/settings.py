"""Group data: versions, paths, users and time limits of one host."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rackwright.schema.fields import (
    AbsolutePath,
    Digests,
    Names,
    Port,
    ProjectPath,
    Seconds,
    Url,
    VariableName,
    Version,
    split_names,
)

STAGES = ("base", "driver", "engines", "models", "replicas", "gateway", "verify")


class Settings(BaseModel):
    """What group data says of one host. Seconds end in ``_s``; directories are on the host.

    Values may come as text from ``--data``, so numbers and booleans are read from text too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    root_dir: AbsolutePath = "/opt/rackwright"
    config_dir: AbsolutePath = "/etc/rackwright"
    state_dir: AbsolutePath = "/var/lib/rackwright"
    cache_dir: AbsolutePath = "/var/cache/rackwright"

    engine_user: str = Field(
        "rackwright",
        pattern=r"^[a-z_][a-z0-9_-]{0,30}$",
        description="must be a Unix user name: lower case letters, digits, _ and -",
    )
    engine_python: str = Field(
        ">=3.11,<3.15",
        pattern=r"^((/?[A-Za-z0-9][A-Za-z0-9._+-]*)(/[A-Za-z0-9._+-]+)*"
        r"|([<>]=?|==|~=|!=)[0-9]+(\.[0-9]+)*(,([<>]=?|==|~=|!=)[0-9]+(\.[0-9]+)*)*)$",
        description="must be a Python interpreter, as text: a version, a range of them such as "
        "'>=3.11,<3.15', a name or a path",
    )
    engine_environment: dict[str, str] = {}

    driver_source: Literal["auto", "nvidia", "ubuntu", "debian", "none"] = "auto"
    driver_version: str = Field(
        "580.178.04",
        pattern=r"^[0-9]{3}\.[0-9]{2,3}(\.[0-9]{2})?$",
        description="must be an exact driver version such as 580.159.04",
        coerce_numbers_to_str=True,  # `--data driver_version=580.142` arrives as a number
    )
    driver_modules: Literal["auto", "open", "proprietary"] = "auto"
    driver_repository: str = Field(
        "https://developer.download.nvidia.com/compute/cuda/repos/{distribution}/{architecture}/",
        pattern=r"^(https?|file):/[A-Za-z0-9._~:/?=&%+@{}-]+$",
        description="must be an https:, http: or file: URL",
    )
    driver_repository_key: ProjectPath | None = None
    driver_accept: Names = ()
    cuda_toolkit: Names = ()
    reboot: Literal["never", "if-needed"] = "never"

    engine_api_key_env: VariableName | None = None

    vllm_version: Version
    vllm_build: Literal["cuda", "cpu"] = "cuda"
    vllm_requirements: ProjectPath
    uv_requirements: ProjectPath
    compile_bytecode: bool = True
    hf_token_env: VariableName = "HF_TOKEN"
    cpu_kv_cache_gib: int = Field(1, ge=1)

    llamacpp_version: Version | None = None
    llamacpp_build: Literal["cuda", "cpu"] = "cuda"
    llamacpp_url: Url | None = None
    llamacpp_sha256: Digests | None = None
    llamacpp_requirements: ProjectPath | None = None
    llamacpp_program: ProjectPath = "bin/llama-server"

    ollama_version: Version | None = None
    ollama_url: Url | None = None
    ollama_sha256: Digests | None = None

    sglang_version: Version | None = None
    sglang_requirements: ProjectPath | None = None

    start_timeout_s: Seconds = 1800
    stop_timeout_s: Seconds = 120
    restart_delay_s: Seconds = 5
    restart_delay_max_s: Seconds = 300
    base_port: Port = 8000

    nginx_read_timeout_s: Seconds = 600
    nginx_connect_timeout_s: Seconds = 5
    client_max_body_size: str = Field(
        "32m", pattern=r"^[0-9]+[kKmMgG]?$", description="must be an Nginx size such as 32m"
    )

    stages: str = "all"
    report_dir: str = "reports"

    @field_validator("stages")
    @classmethod
    def _known_stages(cls, value: str) -> str:
        unknown = [name for name in _names(value) if name not in STAGES]
        if unknown or not _names(value):
            raise ValueError(f"must be 'all' or a comma list of {', '.join(STAGES)}")
        return value

    @field_validator("driver_repository")
    @classmethod
    def _known_places(cls, value: str) -> str:
        try:
            value.format(distribution="debian12", architecture="x86_64")
        except (KeyError, IndexError, ValueError):
            raise ValueError("must name {distribution} and {architecture} only in braces") from None
        return value

    @field_validator("engine_environment")
    @classmethod
    def _plain_environment(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise ValueError(f"must have names of environment variables as keys, not {name!r}")
            if not text.isprintable():
                raise ValueError(f"must have one line of printable text for {name}")
        return value

    @property
    def stage_names(self) -> frozenset[str]:
        """The stages of the run that are wanted: all of them, or those ``stages`` lists."""
        return frozenset(_names(self.stages))


def _names(stages: str) -> tuple[str, ...]:
    if stages.strip() == "all":
        return STAGES
    return split_names(stages)
