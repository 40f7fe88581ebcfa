#!/usr/bin/python3
"""On a host: what it has, for another to be compared with. Standard library alone; prints JSON.

Whole trees, not what anybody says that it wrote: what one tool makes and another does not shows.
"""

import grp
import hashlib
import json
import pwd
import re
import stat
import subprocess
from pathlib import Path

TREES = (
    "/etc",
    "/opt",
    "/usr/local",
    "/root",
    "/srv",
    "/var/lib/rackwright",
    "/var/cache/rackwright",
)
LEFT_OUT = re.compile(
    r"/__pycache__(/|$)|\.pyc$|/pycache(/|$)"  # what Python compiles, and when
    r"|^/etc/(machine-id|ld\.so\.cache|\.pwd\.lock|ssl/certs/java|resolv\.conf)$|^/etc/[^/]*-$"
    r"|^/root/\.(ansible|cache)(/|$)"  # folders of a tool's own, for what it sends
    r"|^/var/lib/rackwright/(units|verified|turns)(/|$)|/\.rackwright$"  # our own notes
    r"|^/var/lib/rackwright/(manifest|weights)\.json$"  # of what drift compares with
    r"|^/var/lib/rackwright/watchdog/|^/var/lib/rackwright/gateway/"  # what runs writes there
    r"|^/var/cache/rackwright/[^/]+/"
)
MADE_HERE = re.compile(
    r"/tls/gateway\.(crt|key)$|/pyvenv\.cfg$|/(RECORD|direct_url\.json)$|/uv_cache\.json$"
)
"""Files whose content is another on each host: only that they are there is told."""
ANY_ORDER = ("/etc/nginx/nginx.conf", "/etc/shadow", "/etc/gshadow", "/etc/passwd", "/etc/group")


def tree(top):
    for path in sorted(Path(top).iterdir()) if Path(top).is_dir() else ():
        if not LEFT_OUT.search(str(path)):
            yield str(path), entry(path)
            if path.is_dir() and not path.is_symlink():
                yield from tree(path)


def entry(path):
    info = path.lstat()
    owner = name_of(pwd.getpwuid, info.st_uid), name_of(grp.getgrgid, info.st_gid)
    own = [oct(stat.S_IMODE(info.st_mode)), *owner]
    if stat.S_ISLNK(info.st_mode):
        return ["link", str(path.readlink())]
    if not stat.S_ISREG(info.st_mode):
        return ["folder" if path.is_dir() else "special", *own]
    return ["file", *own, "" if MADE_HERE.search(str(path)) else digest(path)]


def digest(path):
    content = path.read_bytes()
    if str(path) in ANY_ORDER:
        content = b"\n".join(sorted(without_days(line) for line in content.split(b"\n")))
    return hashlib.sha256(content).hexdigest()


def without_days(line):
    """A line of /etc/shadow without the day of the last change."""
    return re.sub(rb"^([^:]*:[!*]*):\d*:", rb"\1::", line)


def name_of(look_up, number):
    try:
        return look_up(number)[0]
    except KeyError:
        return str(number)


def said(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True).stdout


def units():
    """Ours, Nginx and SSH: enabled, and running."""
    names = ["rackwright-*", "nginx.service", "ssh.service", "nftables.service"]
    shown = said("systemctl", "show", "--property=Id,ActiveState,SubState,UnitFileState", *names)
    rows = (dict(line.split("=", 1) for line in part.splitlines()) for part in shown.split("\n\n"))
    return {row["Id"]: [row["ActiveState"], row["UnitFileState"]] for row in rows if row}


def main():
    packages = said("dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Abbrev}\n")
    rules = said("nft", "list", "table", "inet", "rackwright")
    listening = said("ss", "-Hltn").splitlines()
    return {
        "tree": dict(pair for top in TREES for pair in tree(top)),
        "packages": packages.splitlines(),
        "units": units(),
        "firewall": re.sub(r"counter packets \d+ bytes \d+", "counter", rules).splitlines(),
        "listening": sorted({" ".join(line.split()[3:4]) for line in listening}),
    }


if __name__ == "__main__":
    print(json.dumps(main()))
