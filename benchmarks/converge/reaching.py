"""How hosts are reached: as the lab says, or through a proxy that adds to each round trip."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.converge.delaying import Address, delaying
from lab.fleet import LAB, LabHost

PORT = 2022
"""Of the proxy, on an address of its own for each host: 127.18.0.41 stands for 198.18.0.41."""


@contextmanager
def reached(hosts: Sequence[LabHost], added_ms: float) -> Iterator[Path]:
    """The folder of an ssh_config and known_hosts by which these hosts are so far away."""
    if not added_ms:
        yield LAB
        return
    routes = {_near(host): Address(host.address, 22) for host in hosts}
    with tempfile.TemporaryDirectory() as folder, delaying(routes, added_ms / 1000):
        _write(Path(folder), hosts)
        yield Path(folder)


def _near(host: LabHost) -> Address:
    return Address("127.18." + host.address.split(".", 2)[2], PORT)


def _write(folder: Path, hosts: Sequence[LabHost]) -> None:
    """The lab's own, with other addresses."""
    config, known = ((LAB / name).read_text() for name in ("ssh_config", "known_hosts"))
    keys = dict(line.split(" ", 1) for line in known.splitlines())
    entries = {part.split("\n", 1)[0]: part for part in config.split("Host ") if part}
    texts, lines = [], []
    for host in hosts:
        near = _near(host)
        entry = entries[host.name].replace(host.address, f"{near.host}\n  Port {near.port}")
        texts.append(f"Host {entry}".replace(str(LAB / "known_hosts"), str(folder / "known_hosts")))
        lines.append(f"[{near.host}]:{near.port} {keys[host.address]}\n")
    (folder / "ssh_config").write_text("".join(texts))
    (folder / "known_hosts").write_text("".join(lines))
