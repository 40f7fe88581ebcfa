"""Hosts of the lab whose way out is cut: they reach one another, and answer who asks them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.fleet import BRIDGE, host_named
from lab.shell import sh

TABLE = "rackwright-lab-fence"
RULES = """
table ip {table} {{
  set inside {{ type ipv4_addr; elements = {{ {addresses} }} }}
  chain forward {{
    type filter hook forward priority filter - 5;
    ip saddr @inside oifname != "{bridge}" drop
  }}
  chain input {{
    type filter hook input priority filter - 5;
    ip saddr @inside ct state new drop
  }}
}}
"""


@contextmanager
def fenced(*names: str) -> Iterator[None]:
    """Cut the way of hosts to the internet, and to this machine; what it begins is answered."""
    addresses = ", ".join(host_named(name).address for name in names)
    table = f"{TABLE}-{'-'.join(sorted(names))}"
    sh("nft", "-f", "-", stdin=RULES.format(table=table, addresses=addresses, bridge=BRIDGE))
    try:
        yield
    finally:
        sh("nft", "delete", "table", "ip", table)
