"""Where a gateway has its configuration, data, live state and local socket."""

from __future__ import annotations

from rackwright.desired.folders import state_folder
from rackwright.desired.items import Absent, Directory, File, Item
from rackwright.remote.items.own import MARK as OWN
from rackwright.spec import Settings

CONFIG = "/etc/nginx/conf.d/rackwright.conf"
CHALLENGES = "/etc/nginx/conf.d/rackwright-acme.conf"
MARK = "# Written by Rackwright"
NO_CHALLENGES = Absent(CHALLENGES, MARK, reload="nginx.service")
"""Of a host that asks no CA: it may have asked one."""
FOLDER = "/etc/nginx/rackwright"
LUA = f"{FOLDER}/gateway.lua"
FLEET, KEYS, SECRETS = (f"{FOLDER}/{name}.json" for name in ("fleet", "keys", "secrets"))
NGINX = "www-data"
"""User and group of Debian's and Ubuntu's Nginx: its workers read data and keep what they know."""
SOCKET_FOLDER = "/run/rackwright-gateway"
SOCKET = f"{SOCKET_FOLDER}/state.sock"
SOCKET_AT_BOOT = "/etc/tmpfiles.d/rackwright-gateway.conf"
DROP_IN = "/etc/systemd/system/nginx.service.d/rackwright.conf"
TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
"""Whose certificates an outside API may have: those that the distribution trusts."""


def live_folder(settings: Settings) -> str:
    """Where a gateway keeps what must outlive its restart."""
    return f"{settings.state_dir}/gateway"


def folder_items(settings: Settings) -> list[Item]:
    """Folders, and what makes the socket's again at each boot."""
    at_boot = f"{MARK}: the gateway's local socket, for root alone.\nd {SOCKET_FOLDER} 0700\n"
    access = {"owner": NGINX, "group": NGINX}
    known = ("state.json", "usage.json")
    return [
        Directory(FOLDER, inside=("gateway.lua", "fleet.json")),
        state_folder(settings),
        Directory(live_folder(settings), 0o750, **access, inside=known),
        File(SOCKET_AT_BOOT, at_boot.encode()),
        Directory(SOCKET_FOLDER, mode=0o700),
    ]


GOODBYE_S = 1
"""From the word that connections end to the reload: who asks more often is on a new one then."""
STREAMS_S = 15
"""More than the gateway waits for streams that began before that word (``gateway.lua``: STAY_S)."""


def drop_in_file() -> File:
    """For Nginx' unit, whoever starts or reloads it.

    It leaves its socket behind when it stops, and would not start then. A reload closes connections
    that are idle though a client may just send on one, so each answer says first that its own ends.
    A stream that began before cannot say so any more: the reload waits for it, but not for long.
    """
    ask = f"/usr/bin/curl -s -o /dev/null --unix-socket {SOCKET} http://localhost/reloading"
    lines = [
        f"{MARK}: Nginx does not start where its socket is left of before;",
        "# a reload closes connections that are idle, so answers say so first for a moment.",
        "[Service]",
        f"ExecStartPre=-/bin/rm -f {SOCKET}",
        "ExecReload=",
        f"ExecReload=-{ask} -m 2 -X POST",
        f"ExecReload=/bin/sleep {GOODBYE_S}",
        f"ExecReload=-{ask} -m {STREAMS_S}",
        "ExecReload=/usr/sbin/nginx -g 'daemon on; master_process on;' -s reload",
    ]
    return File(DROP_IN, "".join(f"{line}\n" for line in lines).encode())


def no_gateway(settings: Settings) -> list[Item]:
    """Of every host that is none: it may have been one. Nginx forgets the configuration first."""
    return [
        Absent(CONFIG, MARK, reload="nginx.service"),
        NO_CHALLENGES,
        Absent(DROP_IN, MARK),
        Absent(SOCKET_AT_BOOT, MARK),
        Absent(FOLDER, OWN),
        Absent(live_folder(settings), OWN),
    ]
