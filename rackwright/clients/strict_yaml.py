"""YAML that says what it means: no name twice, no text that is quietly a date, no endless depth."""

from __future__ import annotations

from typing import Any

import yaml

from rackwright.errors import Fault
from rackwright.schema.depth import TOO_DEEP, too_deep

_DATES = "tag:yaml.org,2002:timestamp"


class _Strict(yaml.SafeLoader):
    """Text that looks like a date stays text. Names that come twice are kept in ``twice``."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the class above it has them
        first: [(tag, pattern) for tag, pattern in known if tag != _DATES]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.twice: list[tuple[int, object]] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names: set[object] = set()
        for name, _ in node.value:
            if isinstance(name, yaml.ScalarNode):
                if name.value in names:
                    self.twice.append((name.start_mark.line + 1, name.value))
                names.add(name.value)
        return super().construct_mapping(node, deep)


def strictly_read(text: str, faults: list[Fault]) -> object:
    """What a YAML text says; every reason not to believe it is added to ``faults``."""
    loader = _Strict(text)
    try:
        data = loader.get_single_data()
    except yaml.YAMLError as error:
        faults.append(Fault(_place(error), f"must be YAML: {_words(error)}"))
        return None
    except RecursionError:
        faults.append(Fault("keys", TOO_DEEP))
        return None
    except ValueError:
        faults.append(Fault("keys", "must be YAML whose numbers and dates can be read"))
        return None
    faults.extend(Fault(f"line {line}", "is there twice", name) for line, name in loader.twice)
    if too_deep(data):
        faults.append(Fault("keys", TOO_DEEP))
        return None
    return data


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}" if mark else "keys"


def _words(error: yaml.YAMLError) -> str:
    return " ".join(str(getattr(error, "problem", None) or error).split())
