"""What each host was given, written down on it once all of that is there."""

from pyinfra.api.deploy import deploy

from rackwright.runner.manifests import write_manifest


@deploy("Manifest")
def manifest() -> None:
    """Compared with the last items of the gateway's stage, so that no run asks for it alone."""
    write_manifest(name="Plan, versions and digests")
