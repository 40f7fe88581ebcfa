"""A reading of the fleet as tables for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rackwright.report.reading import GpuRow, Reading, ReplicaRow

_HOT_C = 85
_GPU = ("HOST", "GPU", "", "BUSY", "MEMORY GiB", "TEMP", "POWER W", "REPLICA")
_REPLICA = ("HOST", "REPLICA", "STATE", "RUNNING", "WAITING", "KV CACHE", "TOKENS/S")
_ACCEPTED = ("HOST", "WHAT", "ACCEPTED", "UNTIL", "WHY")
_NUMBERS = ("GPU", "BUSY", "MEMORY GiB", "TEMP", "POWER W", "RUNNING", "WAITING", "KV CACHE",
            "TOKENS/S")  # fmt: skip


def watch_tables(reading: Reading, said: str = "") -> RenderableType:
    """Hosts that are silent, GPUs, replicas, quarantine, what is accepted.

    ``said`` is a line above them.
    """
    parts: list[RenderableType] = [Text(said, style="dim")] if said else []
    if reading.gpus or reading.silent:
        gpus = _table(_GPU)
        for row in reading.gpus:
            gpus.add_row(*_gpu(row))
        for host, why in reading.silent.items():
            gpus.add_row(host, *[""] * 6, Text(why, style="bold red"))
        parts.append(gpus)
    if reading.replicas:
        replicas = _table(_REPLICA)
        for each in reading.replicas:
            replicas.add_row(*_replica(each))
        parts += [Text(), replicas]
    for host, words in reading.quarantined.items():
        parts += [Text(), Text(f"{host} is in quarantine {words}", style="bold red")]
    if reading.accepted:
        accepted = _table(_ACCEPTED)
        for one in reading.accepted:
            about = (one.host, one.subject or one.host, one.check)
            over = one.is_over(reading.today)
            until = Text(f"{one.until}{', over' if over else ''}", style="bold red" if over else "")
            accepted.add_row(*about, until, Text(one.why))
        parts += [Text(), accepted]
    return Group(*parts)


def _table(headings: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(
            heading,
            justify="right" if heading in _NUMBERS else "left",
            no_wrap=heading != "REPLICA",
            overflow="fold",
        )
    return table


def _gpu(row: GpuRow) -> list[str | Text]:
    hot = row.temperature_c is not None and row.temperature_c >= _HOT_C
    who = Text(", ".join(row.replicas) or ("" if row.others else "nothing planned"))
    if row.others:
        noun = "process" if row.others == 1 else "processes"
        who += Text(f"{', ' if row.replicas else ''}{row.others} other {noun}", style="bold red")
    return [
        row.host,
        str(row.index),
        Text(row.name, style="bold red" if row.name == "lost" else ""),
        _shown(row.utilization_percent, "{:.0f} %"),
        f"{_shown(row.used_gib, '{:.1f}')} / {_shown(row.total_gib, '{:.1f}')}",
        Text(_shown(row.temperature_c, "{} °C"), style="bold red" if hot else ""),
        f"{_shown(row.draw_w, '{:.0f}')} / {_shown(row.limit_w, '{:.0f}')}",
        who,
    ]


def _replica(row: ReplicaRow) -> list[str | Text]:
    return [
        row.host,
        row.name,
        Text(row.state, style="green" if row.state == "active" else "bold red"),
        _shown(row.running, "{:.0f}"),
        _shown(row.waiting, "{:.0f}"),
        _shown(row.kv_cache and 100 * row.kv_cache, "{:.1f} %"),
        _shown(row.tokens_per_s, "{:,.1f}"),
    ]


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
