"""Model weights: a pinned Hugging Face revision, or a folder the operator filled."""

from pyinfra import host
from pyinfra.api.deploy import deploy

from rackwright.desired.weights import weights_request
from rackwright.runner.fleet import this_fleet
from rackwright.runner.operations import model_weights
from rackwright.runner.secrets import secret


@deploy("Models")
def models() -> None:
    """Have the weights that this server's replicas serve."""
    fleet = this_fleet()
    settings = fleet.settings(host.name)
    token = secret("HF_TOKEN", settings.hf_token_env)
    model_weights(name="Weights", request=weights_request(fleet.replicas, settings, token))
