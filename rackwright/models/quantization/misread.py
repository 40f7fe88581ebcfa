"""Which key of a ``quantization_config`` ended its reading: it is read again, watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rackwright.models.quantization.values import Misread

UNREAD = (Misread, ValueError, LookupError, TypeError, AttributeError)
"""What a reader of a quantization ends with."""
Place = tuple[str, ...]
Reader = Callable[[Mapping[str, Any]], object]


class Watched(Mapping[str, Any]):
    """A dict that notes every key that is taken of it, and of those inside it."""

    def __init__(self, own: Mapping[str, Any], seen: list[Place], place: Place) -> None:
        """``seen`` gets each place in turn; ``place`` is where this dict stands itself."""
        self.own = {key: _watched(value, seen, (*place, str(key))) for key, value in own.items()}
        self.seen, self.place = seen, place

    def __getitem__(self, key: str) -> Any:
        """Noted also where it is not there."""
        self.seen.append((*self.place, str(key)))
        return self.own[key]

    def __iter__(self) -> Iterator[str]:
        """Its keys."""
        return iter(self.own)

    def __len__(self) -> int:
        """How many."""
        return len(self.own)

    def __contains__(self, key: object) -> bool:
        """Whether it has it, which is noted nowhere."""
        return key in self.own

    def get(self, key: str, default: Any = None) -> Any:
        """Noted where it is there."""
        return self[key] if key in self.own else default


def _watched(value: Any, seen: list[Place], place: Place) -> Any:
    if isinstance(value, Mapping):
        return Watched(value, seen, place)
    if isinstance(value, list):
        return [_watched(inner, seen, (*place, str(n))) for n, inner in enumerate(value)]
    return value


def misread(read: Reader, config: Mapping[str, Any], key: str) -> tuple[str, str, object]:
    """Where ``read`` ended in what stands under ``key``, the rule, and the value.

    What a method says in a sentence of its own is said of the whole.
    """
    seen: list[Place] = []
    watched = {**config, key: _watched(config[key], seen, (key,))}
    place: Place = (key,)
    rule = "must be a dict"
    try:
        read(watched)
    except KeyError:
        return ".".join(seen[-1] if seen else place), "is required", None
    except Misread as error:
        rule, value = str(error), error.value
        place = next((at for at in reversed(seen) if _holds(watched, at, value)), place)
    except ValueError as error:
        return key, str(error), None
    except UNREAD:
        place = seen[-1] if seen else place
    return ".".join(place), rule, _at(config, place)


def _holds(config: Any, place: Place, value: object) -> bool:
    held = _at(config, place)
    return held is value or (isinstance(held, list) and any(one is value for one in held))


def _at(config: Any, place: Place) -> Any:
    for key in place:
        own = config.own if isinstance(config, Watched) else config
        config = own[int(key)] if isinstance(own, list) else own.get(key)
    return config
