"""The operation that has weights on a host: from the others where they have them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import host

from rackwright.desired.weights import weights_request
from rackwright.runner.fleet import FleetRun
from rackwright.runner.operations import unless_done
from rackwright.runner.remote_call import call
from rackwright.runner.secrets import secret
from rackwright.runner.sideways import Seen, supplied, taking_part

SCRIPT = "weights"
LOOK_S = 300
"""For one look: at files on a slow disk, or by a hub that is busy."""

Values = dict[str, Any]


@operation()
def model_weights(fleet: FleetRun) -> Generator[FunctionCommand]:
    """Have the weights of every model on the host; see ``remote/weights.py``."""
    request = request_of(fleet, host.name)
    yield from unless_done(SCRIPT, request, "fetching", lambda one: have_weights(fleet, one))


def request_of(fleet: FleetRun, name: str) -> Values | None:
    """What ``remote/weights.py`` needs on a host; None where no replica needs any."""
    settings = fleet.settings(name)
    token = secret("HF_TOKEN", settings.hf_token_env)
    return weights_request(fleet.plan.on(name), settings, token, fleet.locked_files)


def have_weights(fleet: FleetRun, one: Host) -> str:
    """Have the weights of a host, which lacks some. Raises HostError with what it says."""
    request = request_of(fleet, one.name)
    assert request is not None
    with taking_part(fleet, one, WEIGHTS) as exchange:
        known = {what: content.files for what, content in exchange.contents.items()}
        asked = {
            **request,
            "do": "fetch",
            "models": [_with_files(model, known) for model in request["models"]],
            "sideways": exchange.terms(fleet, one.name),
            "whole": exchange.whole_on(one.name),
        }
        words: str = call(one, SCRIPT, supplied(one, SCRIPT, asked), show=True)
        return words


def _with_files(model: Values, known: Mapping[str, list[Any]]) -> Values:
    files = known.get(identity(model))
    return {**model, "known_files": files} if files else model


def identity(model: Mapping[str, Any]) -> str:
    """What a model is, wherever it lies; empty for one that is not fetched."""
    if model["kind"] == "file":
        return f"{model['path'].rpartition('/')[2]} {model['sha256']}" if model["url"] else ""
    return f"{model['repo']}@{model['revision']}" if model["repo"] else ""


class Weights:
    """Models, as servers give them to one another."""

    kind, only_of_run = "weights", False

    def look(self, fleet: FleetRun, one: Host) -> list[Seen]:
        """Each model that a host is to have."""
        request = request_of(fleet, one.name)
        if request is None:
            return []
        told = call(one, SCRIPT, {**request, "do": "look"}, timeout_s=LOOK_S, kind=dict)
        found = ((model, told.get(model["path"])) for model in request["models"])
        return [_seen(model, seen) for model, seen in found if seen is not None]

    def tell(self, fleet: FleetRun, one: Host, what: str) -> list[Any]:
        """As the model's origin says to this host."""
        request = request_of(fleet, one.name)
        assert request is not None
        models = [model for model in request["models"] if identity(model) == what]
        asked = supplied(one, SCRIPT, {**request, "do": "tell", "models": models})
        return list(call(one, SCRIPT, asked, timeout_s=LOOK_S, kind=list))

    def give(self, fleet: FleetRun, one: Host, terms: Values, whole: list[Values]) -> None:
        """Without any token of the hub."""
        request = request_of(fleet, one.name)
        assert request is not None
        asked = {**request, "do": "give", "models": [], "environment": {}, "whole": whole}
        call(one, SCRIPT, {**asked, "sideways": terms}, kind=str)


def _seen(model: Values, seen: Mapping[str, Any]) -> Seen:
    what, place = identity(model), model["path"]
    folder = place.rpartition("/")[0] if model["kind"] == "file" else place
    files = None if seen["wrong"] else seen["files"]
    return Seen(what, what.partition(" ")[0], bool(seen["wrong"]), folder, files)


WEIGHTS = Weights()
