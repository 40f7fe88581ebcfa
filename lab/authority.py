"""A stand-in for a certificate authority: pebble, which Let's Encrypt makes to test clients with.

It keeps to RFC 8555 and really asks port 80 of each name for the challenge; of names it knows those
that it is told, by a name server of its own. Its root is another after each start, which only hosts
trust that are told to.
"""

from __future__ import annotations

import json
import subprocess

from lab.errors import LabError
from lab.fleet import LAB, host_named

NAME = "ca.lab.example"
PORT, MANAGEMENT_PORT, NAMES_PORT = 14000, 15000, 8055
DIRECTORY = f"https://{NAME}:{PORT}/dir"
VALID_DAYS = 20
"""Certbot renews with less than 30 days left: so whenever it is asked to."""
FOLDER = "/etc/rackwright-lab/authority"
CONFIG = {
    "listenAddress": f"0.0.0.0:{PORT}",
    "managementListenAddress": f"0.0.0.0:{MANAGEMENT_PORT}",
    "certificate": f"{FOLDER}/server.crt",
    "privateKey": f"{FOLDER}/server.key",
    "httpPort": 80,
    "tlsPort": 443,
    "ocspResponderURL": "",
    "externalAccountBindingRequired": False,
    "certificateValidityPeriod": VALID_DAYS * 86400,
}
ROOTS = "/usr/local/share/ca-certificates"
START = f"""set -e
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends pebble >/dev/null
mkdir -p {FOLDER}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN={NAME} \
    -addext subjectAltName=DNS:{NAME} -keyout {FOLDER}/server.key -out {FOLDER}/server.crt 2>&1
cat > {FOLDER}/pebble.json <<'JSON'
{json.dumps({"pebble": CONFIG}, indent=1)}
JSON
systemctl stop authority.service 2>/dev/null || true
systemd-run -q --unit authority -p SyslogIdentifier=authority \
    -E PEBBLE_VA_NOSLEEP=1 -E PEBBLE_WFE_NONCEREJECT=0 -E PEBBLE_AUTHZREUSE=0 \
    pebble -strict=false -dnsserver 127.0.0.1:8053 -config {FOLDER}/pebble.json
for _ in $(seq 300); do
    curl -ksf https://127.0.0.1:{PORT}/dir >/dev/null && exit 0
    sleep 0.1
done
journalctl -u authority -n 20
exit 1
"""
NAMES = f"""set -e
systemctl stop authority-names.service 2>/dev/null || true
systemd-run -q --unit authority-names pebble-challtestsrv -defaultIPv4 "" -defaultIPv6 "" \
    -dns01 127.0.0.1:8053 -http01 "" -https01 "" -tlsalpn01 "" -management 127.0.0.1:{NAMES_PORT}
"""


def start(host: str) -> None:
    """Install it on a lab host and start it, with a root of its own."""
    _on(host, START)


def root(authority: str) -> str:
    """The root of all that it issues, PEM."""
    return _on(authority, f"curl -ksf https://127.0.0.1:{MANAGEMENT_PORT}/roots/0")


def trust(host: str, authority: str) -> None:
    """Have a lab host find it, and trust it and what it issues."""
    server, address = _on(authority, f"cat {FOLDER}/server.crt"), host_named(authority).address
    _on(host, f"cat > {ROOTS}/rackwright-lab-server.crt <<'PEM'\n{server}PEM\n")
    _on(host, f"cat > {ROOTS}/rackwright-lab-root.crt <<'PEM'\n{root(authority)}PEM\n")
    _on(host, f"echo {address} {NAME} >> /etc/hosts && update-ca-certificates --fresh")


def knows(authority: str, names: dict[str, str]) -> None:
    """Have it find these names at these addresses, and no others."""
    told = (json.dumps({"host": name, "addresses": [at]}) for name, at in names.items())
    url = f"http://127.0.0.1:{NAMES_PORT}/add-a"
    tell = "curl -sf --retry 60 --retry-delay 1 --retry-connrefused"
    _on(authority, NAMES + "".join(f"{tell} -d '{one}' {url}\n" for one in told))


def orders(authority: str) -> int:
    """How many certificates it was asked for since it started."""
    log = "journalctl -u authority -o cat"
    return int(_on(authority, f"{log} | grep -c 'There are now .* orders in the db' || true"))


def _on(host: str, script: str) -> str:
    argv = ["ssh", "-F", str(LAB / "ssh_config"), host, "sh -s"]
    done = subprocess.run(argv, input=script, capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"{host}: {done.stderr.strip()}\n{done.stdout.strip()}")
    return done.stdout
