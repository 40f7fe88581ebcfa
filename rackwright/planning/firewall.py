"""Who may reach which ports of a host: rules and sets of a table of nftables, as values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any, Literal, NamedTuple

from rackwright.plan import FleetPlan, Replica
from rackwright.planning.beside import stand_ins
from rackwright.planning.sideways import is_loopback, sharers, sideways_port_of
from rackwright.planning.watchdogs import neighbours, watchdog_port_of
from rackwright.spec import FailoverSpec, FleetSpec

MOST_KNOWN = 4096
"""Addresses that are read once for the firewalls of all hosts; each has those of its neighbours."""


class Rule(NamedTuple):
    """One rule in nft's language. Its name is a comment there, by which it is read back."""

    name: str
    match: str
    verdict: str


LOOPBACK = Rule("loopback", 'iifname "lo"', "accept")
FRIENDS = (
    Rule("peers and monitors", "ip saddr @trusted4", "accept"),
    Rule("peers and monitors, IPv6", "ip6 saddr @trusted6", "accept"),
)
DOORS = (
    Rule("gateways to engines", "tcp dport @engine_ports ip saddr @gateways4", "accept"),
    Rule("gateways to engines, IPv6", "tcp dport @engine_ports ip6 saddr @gateways6", "accept"),
)
WATCHDOGS = (
    Rule("watchdogs", "tcp dport @watchdog_ports ip saddr @servers4", "accept"),
    Rule("watchdogs, IPv6", "tcp dport @watchdog_ports ip6 saddr @servers6", "accept"),
)
"""Of servers with replicas of the same services: theirs ask ours before they restart one."""
SIDEWAYS = (
    Rule("weights and wheels", "tcp dport @sideways_ports ip saddr @sharers4", "accept"),
    Rule("weights and wheels, IPv6", "tcp dport @sideways_ports ip6 saddr @sharers6", "accept"),
)
"""Of servers with the same engines or models: what one has fetched, the others take from it."""
STRANGERS = Rule("strangers", "tcp dport @engine_ports counter", "reject with tcp reset")
"""Refused at once: who is left out by mistake hears of it, and waits for no time-out."""
ENGINES = (
    LOOPBACK,
    Rule("no engine's port", "tcp dport != @engine_ports", "accept"),
    # Only what begins a connection is judged: no state is kept, and none that is there is cut off.
    Rule("begun before", "tcp flags & (fin | syn | rst | ack) != syn", "accept"),
    *FRIENDS,
    *DOORS,
    STRANGERS,
)
"""Nobody else's service is touched: the policy is accept, which other tables may still refuse."""
HOST = (
    LOOPBACK,
    Rule("begun before", "ct state established,related", "accept"),
    Rule("SSH", "tcp dport @ssh_ports", "accept"),
    Rule(
        "ICMP",
        "icmp type { destination-unreachable, time-exceeded, parameter-problem, echo-request }",
        "accept",
    ),
    # Without these there is no neighbour, no route and no path MTU (RFC 4890).
    Rule(
        "ICMPv6",
        "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, "
        "echo-request, mld-listener-query, nd-router-advert, nd-neighbor-solicit, "
        "nd-neighbor-advert }",
        "accept",
    ),
    Rule("DHCP", "udp sport 67 udp dport 68", "accept"),
    Rule("DHCPv6", "ip6 saddr fe80::/10 udp sport 547 udp dport 546", "accept"),
    *FRIENDS,
    Rule("open ports", "tcp dport @tcp_ports", "accept"),
    Rule("open ports, UDP", "udp dport @udp_ports", "accept"),
    *DOORS,
    STRANGERS,
)
"""The policy is drop."""
VRRP = (
    Rule("VRRP", "meta l4proto 112 ip saddr @vrrp4 ip ttl 255", "accept"),
    Rule("VRRP, IPv6", "meta l4proto 112 ip6 saddr @vrrp6 ip6 hoplimit 255", "accept"),
)
"""Between gateways that share an address.

A packet that came through a router has a lower TTL (RFC 5798, 5.1.1.3).
"""


class Table(NamedTuple):
    """What is loaded: the policy for what no rule names, rules by name in order, sets by name."""

    policy: str
    rules: tuple[Rule, ...]
    sets: Mapping[str, tuple[str, ...]]


class Firewall(NamedTuple):
    """Who may come in on a host. ``gateways`` and ``trusted`` are addresses, networks and names.

    ``asked`` are gateways that alone know where they come from. ``trusted`` may reach engines'
    ports, and where the whole ``host`` is guarded all of it. Ports of ``open_ports`` are those of
    the setting, and a gateway's own. ``vrrp`` are addresses of gateways that share one with it. The
    ``watchdog_port`` is one of ``engine_ports``, which the watchdogs of ``servers`` reach as well;
    so is the ``sideways_port``, which ``sharers`` reach.
    """

    mode: Literal["engines", "host"]
    engine_ports: tuple[int, ...]
    gateways: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    open_ports: tuple[str, ...] = ()
    vrrp: tuple[str, ...] = ()
    watchdog_port: int | None = None
    servers: tuple[str, ...] = ()
    sideways_port: int | None = None
    sharers: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Host names among those who may come in: the host has to look them up."""
        sources = _once((*self.gateways, *self.trusted, *self.servers, *self.sharers))
        return [one for one in sources if _network(one) is None]

    def table(self, known: Mapping[str, Sequence[str]], ssh_ports: Iterable[int]) -> Table:
        """What is to be loaded, where ``known`` has the addresses of each of ``names``."""
        sets = {"engine_ports": _numbers(self.engine_ports)}
        sets |= _by_family("gateways", self.gateways, known)
        sets |= _by_family("trusted", self.trusted, known)
        if self.watchdog_port is not None:
            sets["watchdog_ports"] = _numbers((self.watchdog_port,))
            sets |= _by_family("servers", self.servers, known)
        if self.sideways_port is not None:
            sets["sideways_ports"] = _numbers((self.sideways_port,))
            sets |= _by_family("sharers", self.sharers, known)
        if self.mode == "engines":
            return Table("accept", self._with_servers(ENGINES), sets)
        sets["ssh_ports"] = _numbers(ssh_ports)
        for protocol in ("tcp", "udp"):
            ports = (one.split("/") for one in self.open_ports)
            sets[f"{protocol}_ports"] = _numbers(int(n) for n, its in ports if its == protocol)
        rules = self._with_servers(HOST)
        if not self.vrrp:
            return Table("drop", rules, sets)
        return Table("drop", (*rules, *VRRP), sets | _by_family("vrrp", self.vrrp, known))

    def _with_servers(self, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """What servers ask of one another, before strangers are refused."""
        watchdogs = () if self.watchdog_port is None else WATCHDOGS
        sideways = () if self.sideways_port is None else SIDEWAYS
        at = rules.index(STRANGERS)
        return (*rules[:at], *watchdogs, *sideways, *rules[at:])


def firewall_of(name: str, spec: FleetSpec, plan: FleetPlan) -> Firewall | None:
    """Who may come in on a host; None where that is not ours to say."""
    settings, replicas = spec.settings[name], plan.on(name)
    listening = (*replicas, *stand_ins(plan, name))
    ports = sorted({port for replica in listening for port in _ports(replica)})
    watchdog = watchdog_port_of(name, spec, plan)
    if watchdog is not None and not is_loopback(spec.servers[name].address):
        ports.append(watchdog)
    # Itself as well, which changes nothing: so all that share have the same set, worked out once.
    together = {server.name for server in sharers(name, spec, plan)}
    sharing = together and together | {name}
    sideways = sideways_port_of(name, spec, plan) if together else None
    if sideways is not None:
        ports.append(sideways)
    if settings.firewall == "off" or (settings.firewall == "engines" and not ports):
        return None
    known = {other: _address(other, spec) for other in spec.gateways if other != name}
    gateway = spec.gateways.get(name)
    clients = (f"{port}/tcp" for port in gateway.public_ports) if gateway else ()
    return Firewall(
        mode=settings.firewall,
        engine_ports=tuple(sorted(ports)),
        gateways=_once(address for address in known.values() if address),
        asked=tuple(other for other, address in known.items() if not address and ports),
        trusted=_once([*_peers(replicas), *settings.firewall_monitors]),
        open_ports=(*clients, *settings.firewall_ports),
        vrrp=_vrrp(name, spec.failover),
        watchdog_port=watchdog if watchdog in ports else None,
        servers=_once(server.address for server in neighbours(name, plan)) if watchdog else (),
        sideways_port=sideways,
        sharers=_once(server.address for server in spec.servers.values() if server.name in sharing),
    )


def _vrrp(name: str, failover: FailoverSpec | None) -> tuple[str, ...]:
    """Gateways that tell each other who has the address. Those that DNS names tell nothing."""
    shares = failover is not None and failover.shares and name in failover.gateways
    return failover.peers(name) if failover and shares else ()


def _ports(replica: Replica) -> Iterator[int]:
    """Of what listens for others: the engine, and where several servers meet."""
    if replica.answers and not is_loopback(replica.server.address):
        yield replica.port
    if replica.answers and replica.span and replica.span.master_port:
        yield replica.span.master_port


def _address(gateway: str, spec: FleetSpec) -> str | None:
    """Where a gateway comes from; one that is a server too is on the servers' network."""
    server = spec.servers.get(gateway)
    return spec.gateways[gateway].address or (server.address if server else None)


def _peers(replicas: Sequence[Replica]) -> Iterator[str]:
    """The other servers of the replicas that span several."""
    for replica in replicas:
        others = replica.span.addresses if replica.span else ()
        yield from (address for address in others if address != replica.server.address)


def _once(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _numbers(ports: Iterable[int]) -> tuple[str, ...]:
    return tuple(str(port) for port in sorted(set(ports)))


@lru_cache(MOST_KNOWN)
def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None


def _by_family(
    name: str, sources: Iterable[str], known: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    texts = tuple(str(text) for one in sources for text in known.get(one, (one,)))
    return {f"{name}{version}": _collapsed(texts, version) for version in (4, 6)}


@lru_cache(MOST_KNOWN)
def _collapsed(texts: tuple[str, ...], version: int) -> tuple[str, ...]:
    """As few as say the same, none within another, which nft refuses; hosts without a length."""
    networks: list[Any] = [network for text in texts if (network := _network(text))]
    alone = collapse_addresses(one for one in networks if one.version == version)
    return tuple(str(o.network_address if o.num_addresses == 1 else o) for o in alone)
