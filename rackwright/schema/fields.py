"""The kinds of values that entries are made of, each with its rule in words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from rackwright.remote.host.readable import HIDDEN
from rackwright.schema.gguf_parts import gguf_part
from rackwright.schema.ports import LAST_PORT

UNSEEN = (*HIDDEN, "/var/run/user", "/tmp", "/var/tmp")
"""What an engine's unit does not see: ``ProtectHome``, and a ``PrivateTmp`` of its own."""
WHY_UNSEEN = "engines do not see it (ProtectHome and PrivateTmp of their units)"


class Entry(BaseModel):
    """What an entry of the inventory is read into: frozen, and no key it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), defer_build=True
    )


LONGEST_PATH = 255
"""Characters of a path, so that each name in it is one that a file can have."""


def no_detours(value: str) -> str:
    """A path that says where it leads. Raises ValueError where ``..`` would lead out again."""
    if {".", ".."} & set(value.split("/")):
        raise ValueError("must be a path without . and .. in it")
    return value


AbsolutePath = Annotated[
    str,
    Field(
        pattern=r"^(/[A-Za-z0-9._@+-]+)+$",
        max_length=LONGEST_PATH,
        description="must be an absolute path of letters, digits and ._@+-",
    ),
    AfterValidator(no_detours),
]
ProjectPath = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._@+][A-Za-z0-9._@+-]*(/[A-Za-z0-9._@+][A-Za-z0-9._@+-]*)*$",
        max_length=LONGEST_PATH,
        description="must be a path relative to the project, of letters, digits and ._@+-, "
        "no name of which starts with -",
    ),
    AfterValidator(no_detours),
]
LocalFolder = Annotated[
    str,
    Field(
        pattern=r"^[^\x00-\x1f\x7f]{1,1000}$",
        description="must be a folder of the machine that runs pyinfra, in one line",
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
        max_length=64,
        description="must be an exact version such as 0.32.0",
        coerce_numbers_to_str=True,  # `--data llamacpp_version=10434` arrives as a number
    ),
]


def reachable(value: str) -> str:
    """A URL without detours, whose port is one. Raises ValueError for another."""
    no_detours(value)
    try:
        urlsplit(value).port  # noqa: B018 - it is judged as it is read
    except ValueError:
        raise ValueError(f"must have a port of 1 to {LAST_PORT}, or none") from None
    return value


def only_places(value: str, *known: str) -> str:
    """A text with nothing in braces but these names. Raises ValueError for anything else."""
    left = value
    for name in known:
        left = left.replace(f"{{{name}}}", "")
    if "{" in left or "}" in left:
        names = " and ".join(f"{{{name}}}" for name in known)
        raise ValueError(f"must name {names} only in braces")
    return value


Url = Annotated[
    str,
    Field(
        pattern=r"^(https?|file)://[A-Za-z0-9._~%@:/?&=+{}-]+$",
        description="must be a URL of https, http or file",
    ),
    AfterValidator(reachable),
    AfterValidator(lambda value: only_places(value, "version", "arch")),
]
HttpsUrl = Annotated[
    str,
    Field(
        pattern=r"^https://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$",
        max_length=LONGEST_PATH,
        description="must be a URL of https",
    ),
    AfterValidator(reachable),
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


def listed(value: object) -> object:
    """A list given as text or as one number, as ``--data`` gives it: ``13.0,13.1``."""
    return split_names(str(value)) if isinstance(value, str | int | float) else value


def split_names(value: str) -> tuple[str, ...]:
    """The names of a comma list."""
    return tuple(name.strip() for name in value.split(",") if name.strip())


Names = Annotated[tuple[str, ...], BeforeValidator(listed)]


def from_text(value: object) -> object:
    """A whole number given as text, as ``--data`` may give it; True and 1.0 are none."""
    digits = isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value)
    return int(digits[0]) if digits else value


A_YEAR_S = 366 * 24 * 3600
Seconds = Annotated[int, BeforeValidator(from_text), Field(strict=True, ge=1, le=A_YEAR_S)]
Duration = Annotated[int, BeforeValidator(from_text), Field(strict=True, ge=0, le=A_YEAR_S)]
"""Seconds too, of which none are as good as some."""
Memory = Annotated[int, BeforeValidator(from_text), Field(strict=True, ge=0, le=10 * A_YEAR_S)]
"""Seconds that others are to remember something; Mozilla recommends two years of HSTS."""
NginxSize = Annotated[
    str,
    Field(pattern=r"^[0-9]{1,9}[kKmMgG]?$", description="must be an Nginx size such as 32m"),
]
Fraction = Annotated[float, Field(strict=True, gt=0, le=1)]


def _whole_address(value: str) -> str:
    """What ends in a number is an IPv4 address in full, and that of one host.

    Systems read ``127.1``, ``010.0.0.1`` and ``0x7f000001`` as addresses too, each its own way;
    10.20.0.300 is no host name either. A host name's parts have 63 characters at most.
    """
    parts = value.split(".")
    if re.fullmatch(r"[0-9]+|0[xX][0-9a-fA-F]*", parts[-1]):
        return of_one_host(value)
    if not all(
        re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", part) for part in parts
    ):
        raise ValueError(_ADDRESS)
    return value


def of_one_host(value: str) -> str:
    """An IPv4 address in full, of one host. Raises ValueError for any other text."""
    try:
        address = IPv4Address(value)
    except ValueError:
        raise ValueError(_ADDRESS) from None
    if address.is_unspecified:
        raise ValueError("must be one address, not all of them")
    if address.is_multicast or address.is_reserved or value.startswith("0."):
        raise ValueError("must be the address of one host")
    return value


_ADDRESS = "must be an IPv4 address or a host name"


def unseen(path: str) -> str:
    """Which of the folders that no engine sees a path lies in; empty where it lies in none."""
    normal = os.path.normpath(path)
    return next((folder for folder in UNSEEN if f"{normal}/".startswith(f"{folder}/")), "")


def _seen_by_engines(value: str) -> str:
    """Weights lie where the hardened unit can read them."""
    if folder := unseen(value):
        raise ValueError(f"must not be below {folder}: {WHY_UNSEEN}, /srv is a place for weights")
    return value


def _first_of_gguf(value: str) -> str:
    """A model in several files is loaded by its first, which finds the others beside itself."""
    part = gguf_part(value)
    if part and not part.number == 1 <= part.parts:
        raise ValueError("must be the first of its parts (-00001-of-)")
    return value


def _one_folder(value: str) -> str:
    """Its folder on a host is ``owner--name``; the hub itself has neither ``--`` nor ``..``."""
    if "--" in value or ".." in value:
        raise ValueError(
            "must be a Hugging Face repository, none of which has -- or .. in its name"
        )
    return value


def _of_each(name: str, known: tuple[int, ...]) -> Callable[[object], object]:
    """One value for all GPUs, or a list with one for each."""

    def read(value: object) -> object:
        values = list(value) if isinstance(value, list | tuple) else [value]
        if not values or not all(type(each) is int and each in known for each in values):
            choice = f"{', '.join(map(str, known[:-1]))} or {known[-1]}"
            raise ValueError(f"must be {choice} {name}, or a list of such, one for each GPU")
        return tuple(values)

    return read


PcieLanes = Annotated[tuple[int, ...], BeforeValidator(_of_each("lanes", (1, 2, 4, 8, 16)))]
PcieGenerations = Annotated[
    tuple[int, ...], BeforeValidator(_of_each("(a generation)", (1, 2, 3, 4, 5, 6)))
]

MOST = 10**15
"""No count of bytes, tokens or requests is larger; numbers beyond what a float holds end sizing."""


def _countable(value: int) -> int:
    if value > MOST:
        raise ValueError(f"must be at most {MOST:,}")
    return value


Count = Annotated[int, Field(strict=True, ge=1), AfterValidator(_countable)]
Whole = Annotated[int, Field(strict=True, ge=0), AfterValidator(_countable)]
HostName = Annotated[
    str,
    Field(
        pattern=r"^@?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
        max_length=64,
        description="must be a host name of letters, digits, dots and hyphens, or @local; "
        "the name starts and ends with neither dot nor hyphen",
    ),
]
UnitName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        max_length=63,
        description="must be named with lower case letters, digits and hyphens "
        "(none at either end)",
    ),
]
Address = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
        max_length=253,
        description=_ADDRESS,
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


def _rdma_device(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}(:[1-9][0-9]?)?", value):
        raise ValueError(
            "must be the name of a device in /sys/class/infiniband, such as mlx5_0, or of one of "
            "its ports: mlx5_0:1"
        )
    return value


RdmaDevice = Annotated[str, AfterValidator(_rdma_device)]
Repo = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=193,
        description="must be a Hugging Face repository: owner/name",
    ),
    AfterValidator(_one_folder),
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
        max_length=LONGEST_PATH,
        description="must be a file of the repository that ends in .gguf",
    ),
    AfterValidator(no_detours),
    AfterValidator(_first_of_gguf),
]
WeightsPath = Annotated[AbsolutePath, AfterValidator(_seen_by_engines)]
GgufPath = Annotated[
    str,
    Field(
        pattern=r"^(/[A-Za-z0-9._@+-]+)+\.gguf$",
        max_length=LONGEST_PATH,
        description="must be an absolute path of a .gguf file, of letters, digits and ._@+-",
    ),
    AfterValidator(no_detours),
    AfterValidator(_first_of_gguf),
    AfterValidator(_seen_by_engines),
]
PulledName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*:[A-Za-z0-9._-]+$",
        max_length=LONGEST_PATH,
        description="must be a model and its tag, such as llama3.2:3b",
    ),
    AfterValidator(no_detours),
]
ServedName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$",
        max_length=200,
        description="must be letters, digits and ._:/- only, and start with a letter or digit",
    ),
]
"""What clients ask for, and a model's own name, which stands for it: both end in files of hosts."""


def _one_site(value: str) -> str:
    """What a browser sends as ``Origin``: no path, not even a slash; ``*`` is every page."""
    if value != "*" and not re.fullmatch(_ORIGIN, value):
        raise ValueError("must be an origin such as https://app.example.com, without a path, or *")
    return reachable(value)


_ORIGIN = r"https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?"
Origin = Annotated[str, Field(max_length=300), AfterValidator(_one_site)]


def _of_an_api(value: str) -> str:
    """Of an API that is asked over TLS: its name tells whose certificate it must have."""
    if not value.startswith("https://"):
        raise ValueError("must be https://: requests and its key leave the fleet")
    if not re.fullmatch(_API_URL, value):
        raise ValueError("must be a URL such as https://api.example.com/v1, without ? and #")
    return reachable(value).rstrip("/")


_API_URL = r"https://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?"
ApiUrl = Annotated[str, Field(max_length=1000), AfterValidator(_of_an_api)]
Adapters = dict[ServedName, WeightsPath]
"""LoRA adapters by the name that clients ask for, each a folder on the servers."""
Scalar = str | int | float | bool | None
GpuIndex = Annotated[int, Field(strict=True, ge=0)]
NvmlIndex = Annotated[int, Field(strict=True, ge=0, le=63)]
GpuGroups = tuple[tuple[GpuIndex, ...], ...]
