"""Model weights: a pinned Hugging Face revision, or a folder the operator filled."""

from pyinfra.api.deploy import deploy

from rackwright.runner.fleet import this_fleet
from rackwright.runner.weights import model_weights


@deploy("Models")
def models() -> None:
    """Have the weights that this server's replicas serve: fetched once, and given on."""
    model_weights(name="Weights", fleet=this_fleet())
