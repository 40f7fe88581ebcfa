"""First runs on bare hosts, then runs that change nothing; no figure of anything else."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.converge import sessions
from benchmarks.converge.comparing import MOST, Fingerprint, differences, fingerprints
from benchmarks.converge.reaching import reached
from benchmarks.converge.rows import FIRST, NO_CHANGE, Row, counts, goals, save, table
from benchmarks.converge.tools import Place, Tool, Unfit, expect
from benchmarks.lab_hosts import fresh
from lab.fleet import RACK, ROOT, LabHost
from lab.shell import say, step

BARE = (
    "apt-get -qq update && apt-get -qq install -y --no-install-recommends python3-apt >/dev/null; "
    "getent group render >/dev/null || groupadd --system render"
)
"""On all hosts, for all tools, before anything is timed: what Ansible wants of a host, and the
group of GPUs' users. Lab hosts lack it; this project does without, others would have to be told."""
DRIFT = " && ".join(
    [
        "echo drift >> /etc/rackwright/replicas/chat-$(hostname)-0.env",
        "chmod 0700 /opt/rackwright/bin",
        "rm /etc/systemd/system/rackwright-firewall.service",
        "systemctl stop rackwright-chat-$(hostname)-1.service",
    ]
)
"""A host then differs in two files, a folder and a unit."""


class Measuring:
    """The tools, in the order of tables, and all rows so far; ``missed`` are goals in words."""

    def __init__(self, tools: Sequence[Tool], path: Path) -> None:
        """``path`` is the file that rows are kept in."""
        self._tools, self._path = tools, path
        self._makers = [tool for tool in tools if tool.makes]
        self.rows: list[Row] = []
        self.missed: list[str] = []

    def group(self, count: int, added_ms: float, first: int, repeat: int) -> None:
        """Everything on so many hosts, so far away. Raises Unfit where a run is not what it is."""
        made: dict[str, Fingerprint] | None = None
        rows = {t.name: Row(FIRST, count, added_ms, t.name) for t in self._makers}
        for turn in range(max(1, first)):
            for tool in self._makers if first else self._makers[:1]:
                with ExitStack() as stack:
                    hosts, place = stack.enter_context(bare(count, added_ms))
                    with step(f"{tool.words}: first run {turn + 1} on {count} host(s)"):
                        rows[tool.name].seconds.append(expect(tool, place, change=True).seconds)
                    made = _same(tool, hosts, made)
                    if tool is self._makers[-1] or not first:
                        if first and turn == first - 1:
                            self._tell([row for row in rows.values() if row.seconds])
                        if repeat and turn == max(1, first) - 1:
                            self._no_change(hosts, place, made, added_ms, repeat)

    def _no_change(
        self,
        hosts: Sequence[LabHost],
        place: Place,
        made: dict[str, Fingerprint],
        added_ms: float,
        repeat: int,
    ) -> None:
        for tool in self._makers:
            with step(f"{tool.words}: settles, mends what drifted, then finds nothing"):
                tool.run(place)  # what it keeps notes of may be new to it
                for host in hosts:
                    sessions.on(host, DRIFT)
                expect(tool, place, change=True)
                _same(tool, hosts, made)
                expect(tool, place, change=False)
        rows = [Row(NO_CHANGE, len(hosts), added_ms, tool.name) for tool in self._tools]
        for tool, row in zip(self._tools, rows, strict=True):  # untimed: warms what is cached
            start = sessions.now()
            expect(tool, place, change=False)
            row.sessions = sessions.count_since(hosts, start)
        for turn in range(repeat):  # in turns: what slows the machine slows them alike
            with step(f"{len(hosts)} host(s), {added_ms:g} ms: turn {turn + 1} of {repeat}"):
                for tool, row in zip(self._tools, rows, strict=True):
                    row.seconds.append(expect(tool, place, change=False).seconds)
        self._tell(rows)

    def _tell(self, rows: Sequence[Row]) -> None:
        self.rows += rows
        save(self._path, self.rows)
        print("\n" + "\n".join(table(rows)), flush=True)
        for kept, words in goals(rows):
            print(f"  {words}{'' if kept else ': MISSED'}", flush=True)
            self.missed += [] if kept else [words]


@contextmanager
def bare(count: int, added_ms: float) -> Iterator[tuple[Sequence[LabHost], Place]]:
    """Fresh hosts, how they are reached, and what each is to have."""
    with (
        fresh(RACK[:count]) as hosts,
        reached(hosts, added_ms) as ssh,
        tempfile.TemporaryDirectory() as folder,
    ):
        place = Place(tuple(host.name for host in hosts), ssh, Path(folder))
        with step("packages of bare hosts, and what each is to have"):
            for host in hosts:
                sessions.on(host, BARE)
            argv = [sys.executable, "-m", "benchmarks.converge.desired", folder]
            subprocess.run(argv, cwd=ROOT, env=place.environment, check=True)
        for name in (place.hosts[0], place.hosts[-1]):
            say(f"  {name}: {counts(json.loads((place.state / f'{name}.json').read_text()))}")
        yield hosts, place


def _same(
    tool: Tool, hosts: Sequence[LabHost], made: dict[str, Fingerprint] | None
) -> dict[str, Fingerprint]:
    """What the hosts have now. Raises Unfit unless it is what another tool made of them."""
    found = fingerprints(hosts)
    if made and (unlike := list(differences(made, found))):
        told = "\n  ".join(unlike[:MOST])
        raise Unfit(f"{tool.words} made another state, {len(unlike)} differ:\n  {told}")
    return made or found
