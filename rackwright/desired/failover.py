"""Gateways that share addresses: keepalived's configuration and unit, what it asks of Nginx."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_interface
from typing import Any

from rackwright.desired.items import Absent, Directory, File, Item, NoOtherUnits, Unit
from rackwright.desired.render import render
from rackwright.errors import Fault
from rackwright.spec import FailoverSpec, GatewaySpec, Settings

NAME = "keepalived-rackwright"
UNIT = f"{NAME}.service"
"""Of our own: the distribution's keepalived.service, and what an operator has it do, stays."""
MARK = "# Written by Rackwright"
PATIENCE_S = 5
"""For the gateway's answer: slow is not dead, and to move the address cuts every stream."""
HIGHEST_PRIORITY = 200
"""Of VRRP's 1 to 254; it tells gateways apart that start at the same time."""

Values = Mapping[str, Any]


def no_failover(settings: Settings) -> list[Item]:
    """Of every host that holds no address in turn: it may have."""
    return [
        NoOtherUnits(f"{NAME}*.service", MARK, keep=()),
        Absent(_config_path(settings), MARK),
        Absent(_script_path(settings), MARK),
    ]


def failover_items(
    failover: FailoverSpec, gateway: GatewaySpec, interface: str, settings: Settings
) -> list[Item]:
    """Script, configuration and unit; the configuration is tested before it is loaded."""
    script_values = {"gateway": gateway, "patience_s": PATIENCE_S}
    script = render("gateway-answers.sh.j2", script_values)
    answers = File(_script_path(settings), script, mode=0o755)
    config = _config(failover, gateway.name, interface, settings)
    values = {"gateway": gateway, "config": config.key, "folder": NAME}
    unit_file = File(f"/etc/systemd/system/{UNIT}", render("keepalived.service.j2", values))
    unit = Unit(
        UNIT, restart_on=(unit_file,), reload_on=(config, answers), validate=config_test(config.key)
    )
    folder = Directory(f"{settings.root_dir}/bin")
    return [folder, answers, config, unit_file, unit]


def _config_path(settings: Settings) -> str:
    return f"{settings.config_dir}/keepalived.conf"


def _script_path(settings: Settings) -> str:
    return f"{settings.root_dir}/bin/gateway-answers"


def _config(failover: FailoverSpec, name: str, interface: str, settings: Settings) -> File:
    """VRRP tells of addresses of the family that it speaks in; others come along."""
    source = failover.speaks_from(name)
    version = ip_address(source).version
    told = [one for one in failover.addresses if ip_address(one).version == version]
    silent = [one for one in failover.addresses if one not in told]
    values = {
        "failover": failover,
        "host": name,
        "script": _script_path(settings),
        "timeout_s": PATIENCE_S + 1,
        "interface": interface,
        "priority": HIGHEST_PRIORITY - list(failover.gateways).index(name),
        "source": source,
        "peers": failover.peers(name),
        "carried": told or silent,
        "beside": silent if told else [],
    }
    return File(_config_path(settings), render("keepalived.conf.j2", values))


def config_test(path: str) -> tuple[str, ...]:
    """The command that judges a configuration, but for its script and whose that is.

    keepalived 2.2.7 (Debian 12) ends itself over ``script_user``, which 2.2.8 mended, and without
    that line has no user for the script. What comes by a pipe every version finds well: so a copy
    of the rest is judged.
    """
    copy = 'copy=$(mktemp) && trap "rm -f $copy" EXIT'
    rest = 'sed \'/^vrrp_script/,/^}/d; /track_script/,/}/d; /script_/d\' "$0" > "$copy"'
    test = 'keepalived --config-test --vrrp --use-file="$copy"'
    return ("/bin/sh", "-c", f"{copy} && {rest} && {test}", path)


def interface_of(failover: FailoverSpec, gateway: str, seen: Sequence[Values]) -> str | None:
    """The network interface that has the gateway's own address; None where none has."""
    own = failover.speaks_from(gateway)
    return next((one["interface"] for one in seen if one["address"] == own), None)


def interface_faults(
    failover: FailoverSpec, gateway: str, seen: Sequence[Values]
) -> Iterator[Fault]:
    """What a host's addresses contradict of what is declared."""
    on_host = {one["address"] for one in seen}
    for own in failover.gateways[gateway]:
        if own not in on_host:
            yield Fault(f"failover.gateways[{gateway}]", f"is no address of {gateway}", own)
    interface = interface_of(failover, gateway, seen)
    for shared in failover.addresses if interface else ():
        yield from _shared_faults(shared, gateway, seen, interface or "")


def _shared_faults(
    shared: str, gateway: str, seen: Sequence[Values], interface: str
) -> Iterator[Fault]:
    networks = [one for one in seen if one["interface"] == interface and not _is_alone(one)]
    if not any(_holds(one, shared) for one in networks):
        rule = f"is in no network of {interface} on {gateway}: nobody would look for it there"
        yield Fault("failover.addresses", rule, shared)
    for one in seen:
        if one["address"] == shared and not (_is_alone(one) and one["interface"] == interface):
            rule = (
                f"is set on {one['interface']} of {gateway} by its network configuration: "
                "take it out there, keepalived gives it to one gateway at a time"
            )
            yield Fault("failover.addresses", rule, shared)


def _is_alone(one: Values) -> bool:
    """Whether an address was set without a network, as keepalived does."""
    return bool(one["prefix_length"] == ip_address(one["address"]).max_prefixlen)


def _holds(one: Values, address: str) -> bool:
    network = ip_interface(f"{one['address']}/{one['prefix_length']}").network
    return ip_address(address) in network
