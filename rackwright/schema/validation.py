"""What pydantic found wrong, said as faults in the operator's words and paths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from rackwright.errors import Fault, nearest

Model = TypeVar("Model", bound=BaseModel)

_TYPES = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": "must be a string",
    "bool_type": "must be True or False",
    "bool_parsing": "must be True or False",
    "dict_type": "must be a dict",
    "model_type": "must be a dict",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "frozen_set_type": "must be a list",
    "too_short": "must not be empty",
}
_KEY = "[key]"
"""What pydantic puts behind the key of a dict that is at fault itself."""
_RANGE_ERRORS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


def parse(model: type[Model], data: object, path: str, faults: list[Fault]) -> Model | None:
    """``data`` as a ``model``, or None with every fault of it added to ``faults``."""
    if not isinstance(data, Mapping):
        faults.append(Fault(path, "must be a dict", data))
        return None
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        details = _as_written(error.errors(include_url=False), model, data)
        faults.extend(_fault(detail, model, path) for detail in details)
        return None


def salvage(
    model: type[Model], data: Mapping[str, object], neutral: Mapping[str, Any]
) -> Model | None:
    """``data`` with every unreadable place made ``neutral``, or left out where that has no value.

    So what can be read is judged in the same run; None where even that does not help.
    """
    entry = deepcopy(dict(data))
    try:
        return model.model_validate(entry)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if detail["loc"]:
                _replace(entry, [str(at) for at in detail["loc"]], neutral)
    try:
        return model.model_validate(entry)
    except ValidationError:
        return None


def _replace(entry: dict[str, Any], loc: Sequence[str], neutral: Mapping[str, Any]) -> None:
    key, rest = loc[0], loc[1:]
    inner, calm = entry.get(key), neutral.get(key)
    if rest and isinstance(inner, dict) and isinstance(calm, dict):
        _replace(inner, rest, calm)
    elif calm is not None:
        entry[key] = calm
    else:
        entry.pop(key, None)


def _as_written(
    details: list[ErrorDetails], model: type[BaseModel], data: Mapping[str, object]
) -> Iterator[ErrorDetails]:
    """Faults of a key of two kinds, only as the kind that was written: a dict, or a plain value.

    pydantic tries both, and puts the name of the kind behind the key.
    """
    for detail in details:
        key, *rest = detail["loc"] or ("",)
        field = model.model_fields.get(str(key))
        if not rest or len(_kinds(field)) < 2:
            yield detail
        elif isinstance(data.get(str(key)), Mapping) == _of_dict(str(rest[0]), field):
            yield {**detail, "loc": (key, *rest[1:])}


def _kinds(field: FieldInfo | None) -> list[Any]:
    """What a field's value may be, None aside."""
    annotation = field.annotation if field else None
    union = get_origin(annotation) in (Union, UnionType)
    return [kind for kind in get_args(annotation) if kind is not NoneType] if union else []


def _of_dict(name: str, field: FieldInfo | None) -> bool:
    inner = _inner_model(field)
    return name.startswith("dict[") or bool(inner and name == inner.__name__)


def _fault(detail: ErrorDetails, model: type[BaseModel], path: str) -> Fault:
    loc = detail["loc"][:-1] if detail["loc"][-1:] == (_KEY,) else detail["loc"]
    where = path + "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in loc)
    owner, field = _locate(model, detail["loc"])
    value = None if detail["type"] in ("missing", "extra_forbidden") else detail["input"]
    if detail["type"] == "value_error" and isinstance(value, dict):
        value = None
    return Fault(where, _rule(detail, owner, field), value)


def _locate(
    model: type[BaseModel], loc: tuple[int | str, ...]
) -> tuple[type[BaseModel], FieldInfo | None]:
    """The model that holds the place ``loc`` leads to, and the field there if it has one."""
    field = None
    for at in loc:
        inner = _inner_model(field)
        if field is not None and inner is None:
            break
        model = inner or model
        field = _fields(model).get(str(at))
    return model, field


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """By the key that the operator writes: a word of Python's is no name of a field."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _inner_model(field: FieldInfo | None) -> type[BaseModel] | None:
    annotation = field.annotation if field else None
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _constrained(field: FieldInfo | None, of_key: bool = False) -> FieldInfo | None:
    """Where a field's limits are declared: on itself, or inside ``Annotated[...] | None``.

    Of a dict those of its values, or of its keys.
    """
    kinds = get_args(field.annotation) if field else ()
    if field and get_origin(field.annotation) is dict and not of_key:
        kinds = kinds[1:]
    for candidate in kinds:
        for extra in getattr(candidate, "__metadata__", ()):
            if isinstance(extra, FieldInfo):
                return extra
    return field


def _rule(detail: ErrorDetails, owner: type[BaseModel], field: FieldInfo | None) -> str:
    kind = detail["type"]
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return nearest(str(detail["loc"][-1]), _fields(owner), "key")
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind == "literal_error":
        return _choice(detail, field)
    limits = _constrained(field, of_key=detail["loc"][-1:] == (_KEY,))
    if kind in _RANGE_ERRORS and limits and (bounds := _bounds(limits)):
        return bounds
    if kind == "string_pattern_mismatch" and limits and limits.description:
        return limits.description
    return _TYPES.get(kind) or re.sub(r"^\w+ should", "must", detail["msg"])


def _choice(detail: ErrorDetails, field: FieldInfo | None) -> str:
    annotation = field.annotation if field else None
    literal = next((kind for kind in (annotation, *_kinds(field)) if _is_literal(kind)), None)
    names = [str(name) for name in get_args(literal)]
    for name in names:
        if str(detail["input"]).lower() == name.lower():
            return f"must be written {name!r}"
    if len(names) == 1:
        return f"must be {names[0]}" + (", or left out" if NoneType in get_args(annotation) else "")
    return f"must be one of {', '.join(names)}" if names else f"must be {detail['ctx']['expected']}"


def _is_literal(annotation: object) -> bool:
    return get_origin(annotation) is Literal


def _bounds(field: FieldInfo) -> str:
    low = next((item.ge for item in field.metadata if isinstance(item, Ge)), None)
    above = next((item.gt for item in field.metadata if isinstance(item, Gt)), None)
    high = next((item.le for item in field.metadata if isinstance(item, Le)), None)
    if low is not None:
        return f"must be at least {low}" if high is None else f"must be {low} to {high}"
    if above is not None:
        text = f"must be more than {above}"
        return text if high is None else f"{text} and at most {high}"
    return "" if high is None else f"must be at most {high}"
