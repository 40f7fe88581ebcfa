"""Group data: the types of what Python code reads. The values are in group_data/, all of them."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from rackwright.remote.host.reserved import is_reserved_account, is_reserved_folder
from rackwright.schema.fields import (
    AbsolutePath,
    Count,
    Duration,
    HttpsUrl,
    LocalFolder,
    Memory,
    Names,
    NginxSize,
    ProjectPath,
    Seconds,
    VariableName,
    Whole,
    from_text,
    no_detours,
    only_places,
    reachable,
    split_names,
)
from rackwright.schema.networks import OpenPorts, Sources
from rackwright.schema.ports import EnginePort

FOLDERS = ("root_dir", "config_dir", "state_dir", "cache_dir")
"""The settings that name Rackwright's own folders on a host."""
Part = TypeVar("Part", bound="SettingsModel")
HUB_VARIABLE = "HF_ENDPOINT"
"""Of an engine's environment: the hub that weights are fetched from."""
_HUB_URL = r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?"
STAGES = ("base", "firewall", "driver", "engines", "models", "replicas", "gateway", "verify")


def _own_user(name: str) -> str:
    if is_reserved_account(name):
        raise ValueError("must be a user of Rackwright's own, this is one of the system's names")
    return name


def _own_folder(path: str) -> str:
    if is_reserved_folder(path):
        raise ValueError("must be a folder of Rackwright's own, this is one of the system's")
    return path


PythonInterpreter = Annotated[
    str,
    Field(
        pattern=r"^((/?[A-Za-z0-9][A-Za-z0-9._+-]*)(/[A-Za-z0-9._+-]+)*"
        r"|([<>]=?|==|~=|!=)[0-9]+(\.[0-9]+)*(,([<>]=?|==|~=|!=)[0-9]+(\.[0-9]+)*)*)$",
        description="must be a Python interpreter, as text: a version, a range of them such as "
        "'>=3.11,<3.15', a name or a path",
    ),
    AfterValidator(no_detours),
]
DriverVersion = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{3}\.[0-9]{2,3}(\.[0-9]{2})?$",
        description="must be an exact driver version such as 580.159.04",
        coerce_numbers_to_str=True,  # `--data driver_version=580.142` arrives as a number
    ),
]
RepositoryUrl = Annotated[
    str,
    Field(
        pattern=r"^(https?|file):/[A-Za-z0-9._~:/?=&%+@{}-]+$",
        description="must be an https:, http: or file: URL",
    ),
    AfterValidator(reachable),
]
MirrorUrl = Annotated[
    str,
    Field(
        pattern=r"^https?://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$",
        max_length=1000,
        description="must be a URL of https or http",
    ),
    AfterValidator(reachable),
]
Distribution = Annotated[
    str,
    Field(
        pattern=r"^[a-z]+[0-9]+$",
        description="must be a release such as debian12 or ubuntu2404",
    ),
]
TrialSeconds = Annotated[int, BeforeValidator(from_text), Field(strict=True, ge=20, le=600)]
"""Enough for a new connection through jump hosts, and no longer than one waits for a way back."""
UserName = Annotated[
    str,
    Field(
        pattern=r"^[a-z_][a-z0-9_-]{0,30}$",
        description="must be a Unix user name: lower case letters, digits, _ and -",
    ),
    AfterValidator(_own_user),
]
OwnFolder = Annotated[AbsolutePath, AfterValidator(_own_folder)]


class SettingsModel(BaseModel):
    """Some settings of one host, by type and without a default: defaults are group data.

    Values may come as text from ``--data``, so numbers and booleans are read from text too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def of(self, kind: type[Part]) -> Part:
        """The same settings, as the model that declares some of them (an engine's own)."""
        assert isinstance(self, kind), f"{kind.__name__} is not among the models that are read"
        return self


class Settings(SettingsModel):
    """What group data says of one host. Seconds end in ``_s``; directories are on the host.

    What only templates read is declared in group_data/all.py, and is an attribute as well.
    """

    root_dir: OwnFolder
    config_dir: OwnFolder
    state_dir: OwnFolder
    cache_dir: OwnFolder

    apt_snapshot: RepositoryUrl | None

    engine_user: UserName
    engine_python: PythonInterpreter
    engine_environment: dict[str, str]

    driver_source: Literal["auto", "nvidia", "ubuntu", "debian", "none"]
    driver_version: DriverVersion
    driver_modules: Literal["auto", "open", "proprietary"]
    driver_repository: RepositoryUrl
    driver_repository_key: ProjectPath | None
    driver_accept: Names
    cuda_toolkit: Names
    reboot: Literal["never", "if-needed"]

    engine_api_key_env: VariableName | None
    gateway_key_env: VariableName | None

    seeds: Literal["fleet", "server", "off"]
    seeds_gib: Annotated[Count, Field(le=1024), BeforeValidator(from_text)]

    uv_requirements: ProjectPath
    compile_bytecode: bool
    hf_token_env: VariableName

    model_hub: MirrorUrl
    python_index: MirrorUrl | None
    python_builds: MirrorUrl | None
    apt_sources: dict[Distribution, ProjectPath]
    bundle: LocalFolder | None

    client_max_body_size: NginxSize
    queue_length: Annotated[Whole, BeforeValidator(from_text)]
    queue_wait_s: Duration
    hsts_max_age_s: Memory | None
    acme_directory: HttpsUrl

    firewall: Literal["engines", "host", "off"]
    firewall_monitors: Sources
    firewall_ports: OpenPorts
    firewall_confirm_s: TrialSeconds

    watchdog: Literal["on", "off"]
    watchdog_port: Annotated[EnginePort, BeforeValidator(from_text)]
    watchdog_restarts_an_hour: Annotated[Whole, BeforeValidator(from_text)]

    sideways: Literal["on", "off"]
    sideways_port: Annotated[EnginePort, BeforeValidator(from_text)]
    sideways_mbit_per_s: Annotated[int, BeforeValidator(from_text), Field(ge=1)] | None

    start_timeout_s: Seconds
    stop_timeout_s: Seconds
    drain_timeout_s: Seconds
    canary_s: Seconds
    restart_delay_s: Seconds
    restart_delay_max_s: Seconds
    start_attempts: Annotated[Whole, BeforeValidator(from_text)]
    base_port: Annotated[EnginePort, BeforeValidator(from_text)]
    router_base_port: Annotated[EnginePort, BeforeValidator(from_text)]

    stages: str
    report_dir: LocalFolder

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
        return only_places(value, "distribution", "architecture")

    @field_validator("apt_snapshot")
    @classmethod
    def _known_archive(cls, value: str | None) -> str | None:
        return value and only_places(value, "archive", "time")

    @field_validator("engine_environment")
    @classmethod
    def _plain_environment(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise ValueError(f"must have names of environment variables as keys, not {name!r}")
            if not text.isprintable():
                raise ValueError(f"must have one line of printable text for {name}")
            if name == HUB_VARIABLE and not re.fullmatch(_HUB_URL, text):
                raise ValueError(f"must have an https or http URL for {name}")
            if name == HUB_VARIABLE:
                reachable(text)
        return value

    @property
    def hub(self) -> str:
        """Where models are fetched from; engines are told another by their environment."""
        return self.engine_environment.get(HUB_VARIABLE, self.model_hub).rstrip("/")

    @property
    def stage_names(self) -> frozenset[str]:
        """The stages of the run that are wanted: all of them, or those ``stages`` lists."""
        return frozenset(_names(self.stages))


def _names(stages: str) -> tuple[str, ...]:
    if stages.strip() == "all":
        return STAGES
    return split_names(stages)
