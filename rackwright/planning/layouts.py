"""A way to lay one service out on GPUs, as a value: feasible, or with the reason why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rackwright.catalog import GpuType
from rackwright.plan import Speed
from rackwright.planning.topology import Island
from rackwright.sizing import GpuMemory, Limits, Split
from rackwright.sizing.dealing import Dealt
from rackwright.spec import ServerSpec


class Site(NamedTuple):
    """Where a service is to run: its servers, their kind of GPU, and the indexes it may use.

    Several servers make one site when a replica spans them: all have the same GPUs. ``types`` are
    of each index where they are several, for an engine that deals layers over such.
    """

    servers: tuple[ServerSpec, ...]
    gpu: GpuType
    gpus: tuple[int, ...]
    types: tuple[GpuType, ...] = ()

    def bytes_of(self, group: Island) -> tuple[int, ...]:
        """Memory of each GPU of a group."""
        kinds = dict(zip(self.gpus, self.types, strict=False))
        return tuple(kinds.get(index, self.gpu).memory_bytes for index in group)

    @property
    def server(self) -> ServerSpec:
        """The first server, where a replica that spans several has its address."""
        return self.servers[0]


@dataclass(frozen=True)
class Layout:
    """A split and the GPUs of each replica on each of its servers.

    ``limits`` are what the engine is told, where it was sized. ``reason`` says why not; empty when
    feasible. ``across`` marks the one reason an operator may
    overrule: a group that talks over something slow. ``by_layers``: the stages are GPUs that layers
    are dealt over, and ``dealt`` is what each GPU has, by group. ``alone`` is the speed of a single
    request, ``busy`` of one replica under its part of the load that it is judged by (``loads``),
    which gives work to ``asked`` of them, and ``between`` are those of fewer requests;
    ``longest_prompt_s`` is what the longest prompt takes.
    """

    split: Split
    groups: tuple[Island, ...] = ()
    nodes: int = 1
    limits: Limits | None = None
    memory: GpuMemory | None = None
    alone: Speed | None = None
    between: tuple[Speed, ...] = ()
    busy: Speed | None = None
    asked: int = 0
    longest_prompt_s: float | None = None
    reason: str = ""
    across: bool = False
    by_layers: bool = False
    dealt: tuple[tuple[Dealt, ...], ...] = ()

    @property
    def feasible(self) -> bool:
        """Whether it would run: it was rejected for nothing, or only for being slow."""
        sized = self.alone is not None or self.memory is not None
        return sized and (not self.reason or self.reason.startswith("fits"))

    @property
    def speeds(self) -> tuple[Speed, ...]:
        """Of one request, of some, and of its part of the load; empty where none is predicted."""
        return (self.alone, *self.between, self.busy) if self.alone and self.busy else ()

    @property
    def out_tok_s(self) -> float:
        """Tokens a second of all replicas under the load that they are judged by."""
        return self.busy.out_tok_s * self.asked if self.busy else 0.0

    @property
    def requests(self) -> int:
        """That load: requests at once, of all replicas together."""
        return self.busy.concurrency * self.asked if self.busy else 0


def split_names(layouts: Sequence[Layout]) -> str:
    """Splits as people write them: ``TP 1, 2, 4; TP 2 PP 2``, or ``1, 2 GPUs`` by layers."""
    if layouts[0].by_layers:
        counts = [layout.split.pipeline for layout in layouts]
        return f"{', '.join(map(str, counts))} GPU{'s' if counts != [1] else ''}"
    names: dict[tuple[str, str], list[str]] = {}
    for layout in layouts:
        split = layout.split
        rest = f" PP {split.pipeline}" if split.pipeline > 1 else ""
        rest += " EP" if split.expert_parallel else ""
        rest += f" DCP {split.context}" if split.context > 1 else ""
        first = f"DP {split.data} " if split.data > 1 else ""
        names.setdefault((first, rest), []).append(str(split.tensor))
    return "; ".join(
        f"{first}TP {', '.join(dict.fromkeys(sizes))}{rest}"
        for (first, rest), sizes in names.items()
    )


def split_name(split: Split) -> str:
    """One split as people write it."""
    return split_names([Layout(split)])
