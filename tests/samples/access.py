"""A host as `ssh -G` describes it."""

from __future__ import annotations

from rackwright.runner.access.ssh_config import SshSettings

SETTINGS = SshSettings(
    hostname="192.0.2.9",
    port=2200,
    user="ops",
    config_file=None,
    jump=None,
    command=None,
    identities=(),
    certificates=(),
    known_hosts=(),
    agent=None,
    strict=False,
)
