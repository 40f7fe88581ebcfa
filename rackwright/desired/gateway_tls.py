"""The gateway's certificate: the operator's files, one that a CA issues, or its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rackwright.desired import paths
from rackwright.desired.folders import config_folder
from rackwright.desired.gateway_places import CHALLENGES, NO_CHALLENGES
from rackwright.desired.items import (
    Certificate,
    Directory,
    File,
    Item,
    Package,
    Symlink,
    Unit,
)
from rackwright.desired.render import render
from rackwright.spec import GatewaySpec, Settings

ACME_PACKAGES = ("certbot",)
"""Of gateways that have a CA issue their certificate."""


class Tls(NamedTuple):
    """What Nginx is told, what must be there before, and which of that it loads.

    ``staples`` says that a CA may have named a responder (OCSP) in the certificate.
    """

    certificate: str
    certificate_key: str
    staples: bool
    items: list[Item]
    loaded: tuple[File | Certificate, ...] = ()

    @property
    def made_here(self) -> str | None:
        """The certificate that the gateway makes itself, which nobody else has signed."""
        return next((one.key for one in self.loaded if isinstance(one, Certificate)), None)


def gateway_tls(
    gateway: GatewaySpec, settings: Settings, names: Sequence[str], peers: Sequence[str] = ()
) -> Tls:
    """The certificate for all of these names, from where the gateway says.

    ``peers`` are addresses of other gateways of the same names: a CA may ask any of them.
    """
    if gateway.certificate and gateway.certificate_key:
        return Tls(gateway.certificate, gateway.certificate_key, True, [NO_CHALLENGES])
    if gateway.acme:
        return _issued(settings, tuple(names), peers)
    certificate, key = paths.certificate_paths(settings.config_dir)
    made = Certificate(certificate, key, tuple(names))
    items: list[Item] = [*_folders(settings), made, NO_CHALLENGES]
    return Tls(certificate, key, False, items, (made,))


def _issued(settings: Settings, names: tuple[str, ...], peers: Sequence[str]) -> Tls:
    """A link leads to what the CA issued; until then to a certificate that is made here.

    So Nginx comes up before there is one, and can answer the CA's challenge.
    """
    served, until = paths.served_link(settings.config_dir), paths.until_issued(settings.config_dir)
    webroot, hook = paths.challenges_dir(settings), paths.issued_hook(settings)
    made = Certificate(*paths.in_folder(until), names)
    asked = {"host_names": names, "webroot": webroot, "peers": [in_url(one) for one in peers]}
    challenges = File(CHALLENGES, render("acme.conf.j2", asked))
    issued = render("certificate-issued.sh.j2", {"served": served})
    items: list[Item] = [
        *map(Package, ACME_PACKAGES),
        *_folders(settings),
        Directory(until, mode=0o750),
        made,
        Symlink(served, until, only_first=True),
        Directory(webroot),
        Directory(f"{settings.root_dir}/bin"),
        File(hook, issued, mode=0o755),
        challenges,
        Unit("certbot.timer"),
    ]
    return Tls(*paths.in_folder(served), True, items, (made, challenges))


def in_url(address: str) -> str:
    """An IP address as it stands before a port."""
    return f"[{address}]" if ":" in address else address


def _folders(settings: Settings) -> list[Item]:
    return [config_folder(settings), Directory(f"{settings.config_dir}/tls", mode=0o750)]
