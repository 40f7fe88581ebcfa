"""What proven replicas compiled when they started, kept for others that are alike."""

from pyinfra.api.deploy import deploy

from rackwright.runner.seeds import keep_seeds


@deploy("Seeds")
def seeds() -> None:
    """Nothing is asked of a host on which no replica was started."""
    keep_seeds(name="What started replicas compiled")
