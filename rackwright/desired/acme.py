"""Asking a CA for the gateway's certificate: whether there is a reason to, and by which words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rackwright.desired import paths
from rackwright.planning.names import gateway_names
from rackwright.spec import GatewaySpec, ServiceSpec, Settings

RENEWAL_FAILED_DAYS = 14
"""Certbot's timer renews 30 days before the end; with less left, its renewal does not work."""
DAY_S = 86400
NOT_SERVED = "it was issued and is not served"


@dataclass(frozen=True)
class AcmeCertificate:
    """A certificate as it is to be issued and renewed; ``served`` is the link to what is served."""

    names: tuple[str, ...]
    directory: str
    email: str
    webroot: str
    hook: str
    served: str

    def request(self) -> dict[str, Any]:
        """What the host needs to know to look at it."""
        return {"lineage": paths.LINEAGE, "folder": paths.ISSUED, "served": self.served}

    def command(self, reason: str) -> tuple[str, ...]:
        """What mends a difference: certbot, or its hook alone where all else is done."""
        if reason == NOT_SERVED:
            return ("env", f"RENEWED_LINEAGE={paths.ISSUED}", self.hook)
        return self._certbot()

    def _certbot(self) -> tuple[str, ...]:
        """For exactly these names, now, and likewise whenever its timer renews it."""
        names = (word for name in self.names for word in ("--domain", name))
        return (
            *("certbot", "certonly", "--non-interactive", "--cert-name", paths.LINEAGE),
            *("--webroot", "--webroot-path", self.webroot, "--key-type", "ecdsa"),
            *("--server", self.directory, "--agree-tos", "--no-eff-email", "--email", self.email),
            *("--force-renewal", "--renew-with-new-domains", "--deploy-hook", self.hook),
            *names,
        )

    def difference(self, seen: Mapping[str, Any]) -> str | None:
        """Why the CA has to be asked; None where the certificate is as it must be."""
        if not seen.get("names"):
            return "there is none yet"
        if {*seen["names"]} != {*self.names}:
            return f"it is for {', '.join(sorted(seen['names']))}"
        if seen["ends_in_s"] < RENEWAL_FAILED_DAYS * DAY_S:
            return f"it ends in {seen['ends_in_s'] / DAY_S:.0f} days and was not renewed"
        for key, wanted in self._renewal().items():
            if (now := seen["renewal"].get(key)) != wanted:
                return f"it is renewed with {key} {now}"
        return None if seen["is_served"] else NOT_SERVED

    def _renewal(self) -> dict[str, str]:
        """What certbot keeps of the last time, by its names, and does again."""
        return {
            "server": self.directory,
            "renew_hook": self.hook,
            "webroot_path": self.webroot,
        }


def acme_certificate(
    gateway: GatewaySpec, services: Iterable[ServiceSpec], settings: Settings
) -> AcmeCertificate | None:
    """The certificate that a CA is to issue for a gateway's names; None where it asks no CA.

    ``services`` are those behind it.
    """
    if gateway.acme is None:
        return None
    return AcmeCertificate(
        names=gateway_names(gateway, services),
        directory=gateway.acme.directory or settings.acme_directory,
        email=gateway.acme.email,
        webroot=paths.challenges_dir(settings),
        hook=paths.issued_hook(settings),
        served=paths.served_link(settings.config_dir),
    )
