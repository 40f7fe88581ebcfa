"""Hostile text in every field: refused, or in the files of a host exactly what was meant.

The judges are systemd's own parser and Nginx's (crossplane here; a lab host asks `nginx -t` and a
running systemd).
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackwright.desired import paths
from rackwright.desired.gateway_places import CONFIG, FLEET
from rackwright.desired.render import render
from rackwright.engines import ENGINES
from rackwright.errors import RenderError, SpecError
from rackwright.plan import Replica
from rackwright.spec import ServiceSpec
from tests.samples.hostile import KEY, PLACES, TEXTS, UUIDS, Rendered, rendered
from tests.samples.nginx import Directive, directives, values
from tests.samples.systemd import LoadedUnit, loaded

pieces = st.sampled_from([*TEXTS, "a", "b1", "-x", ".y", "/z", "example.com", "/srv/m", "%", "\\"])
hostile = st.lists(pieces | st.text(max_size=3), max_size=4).map("".join)
likely = st.text("ab1-._:/@+%$", max_size=12) | st.from_regex(r"(/[a-c.@+_-]{1,3}){1,3}")


def shape(block: list[Directive], *, keys: bool = False) -> list[object]:
    """Directives and how many words each has, without the words; so the keys of a map."""
    return [
        (
            "key" if keys else each["directive"],
            len(each["args"]),
            shape(each.get("block") or [], keys=each["directive"] == "map"),
        )
        for each in block
    ]


SOUND = rendered()
GATEWAY = ("gw1", CONFIG)


def judge(*fleets: Rendered) -> None:
    """Fail where a file says anything but what the plan does; systemd is asked once."""
    found = {
        f"{number} {replica.name}": (replica, unit, environment, made)
        for number, made in enumerate(fleets)
        for replica, unit, environment in made.replicas()
    }
    read = loaded({name: unit for name, (_, unit, _, _) in found.items()})
    for name, (replica, _, environment, made) in found.items():
        judge_unit(replica, read[name], made)
        judge_environment(replica, environment, made)
    for made in fleets:
        judge_gateway(made)
    for text in {text for made in fleets for text in made.files.values()}:
        if text.startswith("#!/bin/sh"):
            done = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr


def judge_unit(replica: Replica, unit: LoadedUnit, made: Rendered) -> None:
    host, engine = made.spec.settings[replica.server.name], ENGINES[replica.service.engine]
    weights = paths.model_path(replica, host)
    program = f"{paths.release_dir(engine, host)}/{engine.program(host)}"
    (argv,) = unit.commands["ExecStart"]
    wanted = (program, *engine.argv(replica, weights, host))
    assert tuple(word.replace("$$", "$") for word in argv) == wanted
    served = replica.service.served_as
    gpus = ", ".join(map(str, replica.gpus))
    assert unit.one("Description") == f"Rackwright replica {replica.name}: {served} on GPU {gpus}"
    assert unit.one("User") == unit.one("Group") == host.engine_user
    assert unit.one("EnvironmentFile") == paths.environment_path(replica, host)
    assert unit.one("WorkingDirectory") == f"{host.cache_dir}/{replica.name}"
    assert unit.one("ReadWritePaths") == host.cache_dir
    assert weights in unit.properties["RequiresMountsFor"]
    assert {kind: len(lines) for kind, lines in unit.commands.items()} == {
        "ExecStartPre": 1,
        "ExecStart": 1,
        "ExecStartPost": 3 if engine.after_start(replica, weights) else 2,
        "ExecStopPost": 1,
    }


def judge_environment(replica: Replica, text: str, made: Rendered) -> None:
    host, engine = made.spec.settings[replica.server.name], ENGINES[replica.service.engine]
    wanted = paths.release_environment(engine, host, paths.release_dir(engine, host))
    wanted |= engine.environment(replica, host, UUIDS)
    wanted |= {engine.key_variable: KEY} if engine.key_variable else {}
    assert dict(assignments(text)) == wanted


def assignments(text: str) -> Iterator[tuple[str, str]]:
    """As systemd reads them: in double quotes a backslash escapes only four characters."""
    head, *lines = text.split("\n")[:-1]
    assert head.startswith("# ")
    for line in lines:
        name, _, value = line.partition("=")
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name), line
        assert re.fullmatch(r'"(?:[^"\\`$]|\\["\\`$])*"', value), line
        yield name, re.sub(r'\\(["\\`$])', r"\1", value[1:-1])


def judge_gateway(made: Rendered) -> None:
    block, sound = (directives(each.files[GATEWAY]) for each in (made, SOUND))
    assert shape(block) == shape(sound)
    gateway = made.spec.gateways["gw1"]
    expressions = [words[0] for words in values(block, "server_name")]
    names = (gateway.server_name, *chat_of(made).host_names)
    for expression, name in zip(expressions, map(str.lower, names), strict=True):
        assert expression.startswith("~^") and re.fullmatch(expression[1:], name)
        other = name.replace(".", "x").replace("[", "")
        assert not re.fullmatch(expression[1:], other) or "." not in name
    assert values(block, "ssl_certificate") == [[gateway.certificate]]
    assert values(block, "ssl_certificate_key") == [[gateway.certificate_key]]
    judge_data(made)


def chat_of(made: Rendered) -> ServiceSpec:
    """The service that has every key; it may be called otherwise."""
    return next(one for one in made.spec.services.values() if one.overflow)


def judge_data(made: Rendered) -> None:
    """What the Lua reads is what was declared, no more and no less."""
    told = json.loads(made.files["gw1", FLEET])
    replicas = [one for service in told["services"].values() for one in service["replicas"]]
    assert {(one["host"], one["port"]) for one in replicas} == {
        (one.server.address, one.port) for one in made.plan.replicas
    }
    service, chat = chat_of(made), told["services"][chat_of(made).name]
    assert service.overflow
    assert (chat["model"], chat["aliases"]) == (service.served_as, list(service.aliases))
    assert chat["adapters"] == list(service.adapters)
    assert chat["origins"] == list(service.browser_origins)
    assert told["hosts"] == {name.lower(): service.name for name in service.host_names}
    outside = chat["overflow"]
    assert outside["model"] == service.overflow.model
    host, _, prefix = service.overflow.url.removeprefix("https://").partition("/")
    assert f"{outside['host']}:{outside['port']}" in (host.lower(), f"{host.lower()}:443")
    assert outside["prefix"].removeprefix("/") == prefix


def test_the_sound_fleet_is_as_planned() -> None:
    judge(SOUND)


@pytest.mark.parametrize("place", PLACES)
def test_a_text_that_breaks_out_is_refused_or_stays_inside(place: str) -> None:
    judge(SOUND, *passed((place, text) for text in TEXTS))


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(sorted(PLACES)), hostile | likely), max_size=5))
def test_any_text_is_refused_or_stays_inside(cases: list[tuple[str, str]]) -> None:
    judge(SOUND, *passed(cases))


def passed(cases: Iterable[tuple[str, str]]) -> Iterator[Rendered]:
    """The fleets that no rule refuses."""
    for place, text in cases:
        with suppress(SpecError):
            yield rendered(place, text)


@pytest.mark.parametrize("place", PLACES)
def test_no_control_character_is_let_into_a_name(place: str) -> None:
    for text in ("a\nb", "a\rb", "/srv/a\n", "1\n", "a\x00", "\x1b[1m", "\u2028", "\ud800"):
        with pytest.raises(SpecError):
            rendered(place, text)


@pytest.mark.parametrize("text", ["a\nb", "a\r", "\x1b[1m", "\x00", "\u2028", "\ud800"])
def test_what_no_rule_refused_is_not_rendered_and_not_shown(text: str) -> None:
    """Of a host's own answer, or of a setting that only a template knows."""
    replica = SOUND.plan.replicas[0]
    with pytest.raises(RenderError, match=r"replica\.env\.j2: .* one line of printable") as caught:
        render("replica.env.j2", {"replica": replica, "variables": {"A": f"s3cret{text}"}})
    assert "s3cret" not in str(caught.value)
