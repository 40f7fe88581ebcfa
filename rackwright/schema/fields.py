"""The kinds of values that entries are made of, each with its rule in words."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Entry(BaseModel):
    """What an entry of the inventory is read into: frozen, and no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


AbsolutePath = Annotated[
    str,
    Field(
        pattern=r"^(/[A-Za-z0-9._@+-]+)+$",
        description="must be an absolute path of letters, digits and ._@+-",
    ),
]
ProjectPath = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._@+-]+(/[A-Za-z0-9._@+-]+)*$",
        description="must be a path relative to the project, of letters, digits and ._@+-",
    ),
]
VariableName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="must be the name of an environment variable",
    ),
]
Version = Annotated[
    str,
    Field(
        pattern=r"^[0-9]+(\.[0-9]+)*([A-Za-z0-9.+-]*)$",
        description="must be an exact version such as 0.32.0",
        coerce_numbers_to_str=True,  # `--data llamacpp_version=10434` arrives as a number
    ),
]
Url = Annotated[
    str,
    Field(
        pattern=r"^(https?|file)://[A-Za-z0-9._~%@:/?&=+{}-]+$",
        description="must be a URL of https, http or file",
    ),
]
Sha256 = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{64}$",
        description="must be a SHA-256 digest, 64 hex digits",
    ),
]
Architecture = Literal["amd64", "arm64"]
Digests = Sha256 | dict[Architecture, Sha256]
"""Of an archive: one digest (amd64), or one for each architecture."""


def _listed(value: object) -> object:
    """A list given as text or as one number, as ``--data`` gives it: ``13.0,13.1``."""
    return split_names(str(value)) if isinstance(value, str | int | float) else value


def split_names(value: str) -> tuple[str, ...]:
    """The names of a comma list."""
    return tuple(name.strip() for name in value.split(",") if name.strip())


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Seconds = Annotated[int, Field(ge=1)]
Duration = Annotated[int, Field(ge=0)]
"""Seconds too, of which none are as good as some."""
NginxSize = Annotated[
    str,
    Field(pattern=r"^[0-9]+[kKmMgG]?$", description="must be an Nginx size such as 32m"),
]
Port = Annotated[int, Field(ge=1, le=65535)]


def _whole_address(value: str) -> str:
    """Digits and dots alone are an IPv4 address; 10.20.0.300 is no host name either."""
    if value.replace(".", "").isdigit():
        try:
            ip_address(value)
        except ValueError:
            raise ValueError("must be an IPv4 address or a host name") from None
    return value


def _whole_gguf(value: str) -> str:
    """A model in several files is loaded by its first, whose digest says nothing of the others."""
    if re.search(r"-[0-9]{5}-of-[0-9]{5}\.gguf$", value):
        raise ValueError("must be one file, merge a split one with llama-gguf-split --merge")
    return value


Count = Annotated[int, Field(strict=True, ge=1)]
HostName = Annotated[
    str,
    Field(
        pattern=r"^@?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
        max_length=64,
        description="must be a host name of letters, digits, dots and hyphens, or @local",
    ),
]
UnitName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        max_length=63,
        description="must be named with lower case letters, digits and hyphens",
    ),
]
Address = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
        max_length=253,
        description="must be an IPv4 address or a host name",
    ),
    AfterValidator(_whole_address),
]
InterfaceName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$",
        description="must be the name of a network interface, at most 15 characters",
    ),
]
Repo = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="must be a Hugging Face repository: owner/name",
    ),
]
Revision = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{40}$",
        description="must be a full commit hash, 40 hex digits (branches and tags move)",
    ),
]
GgufName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._@+-]+(/[A-Za-z0-9._@+-]+)*\.gguf$",
        description="must be a file of the repository that ends in .gguf",
    ),
    AfterValidator(_whole_gguf),
]
GgufPath = Annotated[
    str,
    Field(
        pattern=r"^(/[A-Za-z0-9._@+-]+)+\.gguf$",
        description="must be an absolute path of a .gguf file, of letters, digits and ._@+-",
    ),
    AfterValidator(_whole_gguf),
]
PulledName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*:[A-Za-z0-9._-]+$",
        description="must be a model and its tag, such as llama3.2:3b",
    ),
]
ServedName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$",
        description="must be letters, digits and ._:/- only",
    ),
]
Scalar = str | int | float | bool | None
GpuIndex = Annotated[int, Field(strict=True, ge=0)]
NvmlIndex = Annotated[int, Field(strict=True, ge=0, le=63)]
GpuGroups = tuple[tuple[GpuIndex, ...], ...]
