"""One replica: what the system says of its process, and what it answers to requests."""

from __future__ import annotations

from typing import Any

from rackwright.remote.gather import noted
from rackwright.remote.host.attempts import attempts
from rackwright.remote.host.environment_file import assignments, unquoted
from rackwright.remote.host.listeners import listeners
from rackwright.remote.host.processes import open_files
from rackwright.remote.host.systemd import service_unit, show
from rackwright.remote.served.engine import EngineConnection
from rackwright.remote.served.http import COMPLETION_TIMEOUT_S, bearer, completion_of, http
from rackwright.remote.served.metrics import figures
from rackwright.remote.served.streaming import stream

HEALTH_TIMEOUT_S = 10
START = "ActiveState,SubState,InvocationID"

Values = dict[str, Any]


def replica(asked: Values) -> Values:
    """Everything about one replica: unit, listeners, and what it answers to requests.

    Of a later server of a replica that spans several only the unit: the first answers for it.
    """
    seen: Values = {"unit": service_unit(asked["unit"]), "attempts": attempts(asked["unit"])}
    seen["open_files"] = open_files(int(seen["unit"].get("MainPID") or 0))
    if asked.get("gathers"):
        seen["rank"] = _rank(asked)
    if not asked.get("answers", True):
        return seen
    key = authorization(asked["environment_path"], asked["key_variable"])
    own = {**asked, "control_group": seen["unit"].get("ControlGroup")}
    return {**seen, "listeners": listeners(asked["port"]), **_answers(own, key)}


def _rank(asked: Values) -> Values:
    """Which of its starts runs, and what that noted of the other ranks."""
    try:
        (unit,) = show(START, asked["unit"])
    except OSError:
        unit = {}
    return {"unit": unit, "noted": noted(asked["name"])}


def _answers(asked: Values, key: dict[str, str]) -> Values:
    """Health, models, version, metrics and real completions; null for what it does not offer."""

    def ask(method: str, path: str, body: Values | str | None = None) -> Values | None:
        timeout_s = COMPLETION_TIMEOUT_S if body else HEALTH_TIMEOUT_S
        connection = EngineConnection(asked, timeout_s)
        return http(connection, method, asked[path], body, key) if asked.get(path) else None

    own = asked.get("question")  # of a model that writes no chats
    question = own or completion_of(asked["served_model_name"], asked["max_tokens"])
    seen = {
        "health": ask("GET", "health_path"),
        "models": ask("GET", "models_path"),
        "version": ask("GET", "version_path"),
        "completion": ask("POST", "completions_path", question),
        "metrics": _metrics(asked, key),
    }
    seen["answers"] = {
        name: _ask_besides(asked, key, path, body) for name, path, body in asked["questions"]
    }
    works = asked["delivery"] and (seen["completion"] or {}).get("status") == 200
    return {**seen, "delivery": _delivery(asked, key, seen["metrics"]) if works else None}


def _ask_besides(asked: Values, key: dict[str, str], path: str, body: Values | None) -> Values:
    """What an engine wants to be asked beside the rest: what it holds once it answered."""
    connection = EngineConnection(asked, HEALTH_TIMEOUT_S)
    return http(connection, "GET" if body is None else "POST", path, body, key)


def _metrics(asked: Values, key: dict[str, str]) -> Values | None:
    """The figures that are wanted of the engine's metrics; null for an engine without metrics."""
    if not asked.get("metrics_path"):
        return None
    connection = EngineConnection(asked, HEALTH_TIMEOUT_S)
    wanted = asked["figures"]
    return http(
        connection, "GET", asked["metrics_path"], None, key, lambda text: figures(text, wanted)
    )


def _delivery(asked: Values, key: dict[str, str], before: Values | None) -> Values:
    """A streamed completion, and how many other requests ran before or after it (or null)."""
    timed = asked["delivery"]
    connection = EngineConnection(asked, timed["most_s"])
    body = {**completion_of(asked["served_model_name"], timed["tokens"]), **asked["timed_options"]}
    seen = stream(connection, asked["completions_path"], body, key, timed["most_s"])
    return {**seen, "others": _running(before, _metrics(asked, key))}


def _running(*seen: Values | None) -> float | None:
    bodies = [(each or {}).get("body") for each in seen]
    found = [body.get("requests_running") for body in bodies if isinstance(body, dict)]
    counted = [running for running in found if running is not None]
    return max(counted, default=None)


def authorization(path: str | None, variable: str | None) -> dict[str, str]:
    """The API key a replica was given, read from its own environment file."""
    found = [value for name, value in assignments(path) if name == variable]
    return bearer(unquoted(found[0])) if found else {}
