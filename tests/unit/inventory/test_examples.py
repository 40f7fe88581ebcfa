"""inventories/prod.py is the manual of the inventory, group_data/all.py that of settings.

Each key that can be written stands there, in an entry or in a comment beside one, and no other.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel

from rackwright.catalog.gpus import GpuType, NvLink
from rackwright.engines import ENGINES
from rackwright.inventory.group_data import FILE
from rackwright.inventory.settings import HOST_KEYS, SHARED_KEYS, host_settings
from rackwright.models import Figures
from rackwright.models.gguf import Gguf, GgufDigest, Mmproj
from rackwright.models.spec import ModelSource, ModelSpec
from rackwright.runner.host_data import pyinfra_keys
from rackwright.spec import (
    AcceptedFinding,
    AcmeSpec,
    FailoverSpec,
    FleetSpec,
    GatewaySpec,
    GpuSpec,
    OtherGpuSpec,
    OverflowSpec,
    QueueSpec,
    ServerSpec,
    ServiceSpec,
    Target,
)
from tests.samples.inventories import inventory

MANUAL = FILE.parents[1] / "inventories/prod.py"
OWN_NAME = {"name"}  # an entry is named by where it stands
OWN_NAMES: dict[type[BaseModel], set[str]] = {GpuType: {"key"}}  # and its "name" is NVML's
ELSEWHERE = {"provenance"}  # of a model: written as "source"
OBJECTIVES = ("latency", "throughput")
SECTIONS: dict[str, tuple[type[BaseModel], ...]] = {
    "gpu_servers": (ServerSpec, GpuSpec, OtherGpuSpec),
    "gateways": (GatewaySpec, AcmeSpec),
    "_failover": (FailoverSpec,),
    "_services": (ServiceSpec, Target, Gguf, GgufDigest, Mmproj, QueueSpec, OverflowSpec),
    "_models": (ModelSpec, ModelSource, Figures),
    "_gpu_types": (GpuType, NvLink),
    "_accepted": (AcceptedFinding,),
}
"""Which part of the manual shows the keys of which models."""


@dataclass(frozen=True)
class Section:
    """What stands between one variable's value and the end of the next's, its comments too."""

    keys: frozenset[str]
    comments: str

    def shows(self, key: str) -> bool:
        return key in self.keys or key in self.mentioned

    @property
    def mentioned(self) -> set[str]:
        """Keys in comments: `"port": 443` or `port`, in quotes or backticks."""
        return set(re.findall(r'["`]([a-z_0-9]+)["`]', self.comments))


def sections(path: Path) -> Iterator[tuple[str, Section]]:
    text, above = path.read_text(), 0
    for node in ast.parse(text).body:
        assert node.end_lineno
        lines = text.splitlines(keepends=True)[above : node.end_lineno]
        above = node.end_lineno
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            keys = {
                key.value
                for inner in ast.walk(node)
                if isinstance(inner, ast.Dict)
                for key in inner.keys
                if isinstance(key, ast.Constant)
            }
            yield node.targets[0].id, Section(frozenset(keys), comments("".join(lines)))


def comments(text: str) -> str:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return "\n".join(token.string for token in tokens if token.type == tokenize.COMMENT)


def known(model: type[BaseModel]) -> set[str]:
    return set(model.model_fields) - OWN_NAMES.get(model, OWN_NAME) - ELSEWHERE


@pytest.mark.parametrize(
    ("section", "model", "key"),
    [
        (section, model, key)
        for section, models in SECTIONS.items()
        for model in models
        for key in sorted(known(model))
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_every_key_of_the_inventory_is_in_its_manual(
    section: str, model: type[BaseModel], key: str
) -> None:
    shown = dict(sections(MANUAL))[section].shows(key)
    assert shown, (
        f"{model.__name__}.{key} is not in inventories/prod.py: give it to an entry of {section}, "
        f'or show it in a comment there, as "{key}": VALUE'
    )


def test_the_manual_shows_every_model_of_the_spec() -> None:
    """A model that is nested anew must be shown too."""

    def nested(model: type[BaseModel]) -> set[type[BaseModel]]:
        found = {model}
        for field in model.model_fields.values():
            for inner in models_in(field.annotation):
                found |= nested(inner)
        return found

    def models_in(annotation: object) -> Iterator[type[BaseModel]]:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation
        for inner in getattr(annotation, "__args__", ()):
            yield from models_in(inner)

    shown = {model for models in SECTIONS.values() for model in models}
    settings = FleetSpec.model_fields["settings"]
    assert nested(FleetSpec) - {FleetSpec, *models_in(settings.annotation)} == shown


def test_the_manual_shows_no_key_that_is_unknown() -> None:
    """Entries are read by other tests; here what comments write as `"key": VALUE`."""
    may = {key for models in SECTIONS.values() for model in models for key in model.model_fields}
    may |= {*HOST_KEYS, *SHARED_KEYS, *host_settings().model_fields, *pyinfra_keys()}
    may |= {*ENGINES, *OBJECTIVES, *inventory("prod.py")}  # names, which comments explain too
    for name, section in sections(MANUAL):
        written = set(re.findall(r'"([a-z_0-9]+)":', section.comments))
        assert written <= may, f"{name}: {sorted(written - may)}"
