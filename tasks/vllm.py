"""The pinned vLLM release: a venv of its own, from a hash-locked requirements file."""

from pyinfra import host
from pyinfra.api.deploy import deploy

from rackwright.desired.engine import lock_items, release_request
from rackwright.runner.fleet import this_fleet
from rackwright.runner.operations import converge, engine_release


@deploy("vLLM")
def vllm() -> None:
    """Install the release on every GPU server, beside the one that runs."""
    fleet = this_fleet()
    settings = fleet.settings(host.name)
    serves = fleet.server is not None
    converge(name="Requirements files", items=lock_items(settings) if serves else [])
    engine_release(name="Engine release", request=release_request(settings) if serves else None)
