"""The desired state that every way is timed on: 40 items, as a server with four replicas has."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.desired.items import Directory, File, Item, Package, Symlink, Unit, User

USER = "bench"
ROOT = "/opt/bench"
CONFIG = "/etc/bench"
STATE = "/var/lib/bench"
CACHE = "/var/cache/bench"
REPLICAS = tuple(f"replica-{number}" for number in range(1, 5))
# Of the lab's base image: it is the looking that is timed, not a mirror.
PACKAGES = ("ca-certificates", "curl", "iproute2", "openssh-server", "procps", "sudo")
LIVE = Symlink(f"{ROOT}/live", f"{ROOT}/releases/1.0.0")

_UNIT = """[Unit]
Description=Benchmark {name}
[Service]
User={user}
EnvironmentFile={config}/replicas/{name}.env
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""
_SCRIPT = "#!/bin/sh\nexec true\n"
# As long as a hash-locked requirements file is: content is compared by digest, whole.
_REQUIREMENTS = "".join(f"package{n}==1.0 \\\n    --hash=sha256:{n:064x}\n" for n in range(1500))


def _folders() -> Iterator[Item]:
    for path in (ROOT, f"{ROOT}/bin", f"{ROOT}/releases", f"{ROOT}/releases/1.0.0", CONFIG):
        yield Directory(path)
    yield Directory(f"{CONFIG}/replicas", mode=0o750, group=USER)
    for path in (STATE, CACHE):
        yield Directory(path, owner=USER, group=USER)


def _shared_files() -> Iterator[Item]:
    for name in ("engine", "installer"):
        yield File(f"{CONFIG}/{name}.txt", _REQUIREMENTS.encode())
    for name in ("await-ready", "starts"):
        yield File(f"{ROOT}/bin/{name}", _SCRIPT.encode(), mode=0o755)
    yield File("/etc/sysctl.d/90-bench.conf", b"# Nothing is set here.\n")
    yield File("/etc/modprobe.d/90-bench.conf", b"# Nothing is set here.\n")
    yield File("/etc/tmpfiles.d/90-bench.conf", b"# Nothing is set here.\n")


def _replica(name: str) -> Iterator[Item]:
    """What one replica is on a host: a cache folder, a unit file, its environment, the unit."""
    text = _UNIT.format(name=name, user=USER, config=CONFIG)
    unit = File(f"/etc/systemd/system/bench-{name}.service", text.encode())
    environment = File(f"{CONFIG}/replicas/{name}.env", b"A=1\n", mode=0o640, group=USER)
    yield Directory(f"{CACHE}/{name}", owner=USER, group=USER)
    yield from (unit, environment)
    yield Unit(f"bench-{name}.service", restart_on=(unit, environment, LIVE))


ITEMS: tuple[Item, ...] = (
    *(Package(name) for name in PACKAGES),
    User(USER, home=STATE, groups=("video",)),
    *_folders(),
    *_shared_files(),
    LIVE,
    *(item for name in REPLICAS for item in _replica(name)),
    Unit("ssh.service"),
)

DRIFT = " && ".join(
    [
        f"echo drift >> {CONFIG}/replicas/replica-1.env",
        f"chmod 0700 {ROOT}/bin",
        f"ln -sfn /nowhere {ROOT}/live",
        "systemctl stop bench-replica-2.service",
    ]
)
"""A shell command that makes a host differ in four items: a file, a folder, the link and a unit."""
