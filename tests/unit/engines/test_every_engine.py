"""What holds for every engine of the table; a new one is tested when its sample is here."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rackwright
from rackwright.desired import paths
from rackwright.desired.base import base_items
from rackwright.desired.engines import engines_of, lock_items, release_request
from rackwright.desired.items import File, Package, Unit
from rackwright.desired.replicas import replica_items
from rackwright.desired.weights import weights_request
from rackwright.engines import ENGINES, Archive, Engine, Venv
from rackwright.engines.keys import understood_keys
from rackwright.engines.protocol import Engine as EngineProtocol
from rackwright.errors import PlanError, SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.inventory.settings import MODELS
from rackwright.plan import Replica
from rackwright.planning.placing import plan
from rackwright.remote.guard.looking import WORK
from rackwright.report.reading import FIGURES
from rackwright.spec import Settings
from tests.samples.engines import DIGEST, GGUF, SETTINGS
from tests.samples.fleet import cluster, hosts, server, service, settings

Golden = Callable[[str, bytes], None]
UUIDS = [f"GPU-{index}{index}{index}{index}-aaaa" for index in range(8)]


def data(engine: Engine, **more: Any) -> dict[str, dict[str, Any]]:
    """A 70B model on two L40S pairs; all that differs is what the engine loads.

    An engine that neither has stages nor deals layers would talk across PCIe: it has an 8B model.
    """
    own: dict[str, Any] = {"gguf": GGUF, "revision": ...} if engine.serves_gguf else {}
    large = engine.splits.pipeline or engine.splits.by_layers
    model = "llama-3.3-70b-instruct" if large else "llama-3.1-8b-instruct"
    chat = service(model, engine=engine.name, **{**own, **more})
    gpus = 4 if engine.serves_gguf else 8
    box = server(gpu="l40s-48gb", count=gpus, link="pcie")
    return hosts({"gpu1": box}, {"chat": chat}, **SETTINGS)


def fleet_of(engine: Engine, **more: Any) -> tuple[tuple[Replica, ...], Settings]:
    spec = load_fleet(data(engine, **more))
    return plan(spec).replicas, spec.settings["gpu1"]


@pytest.fixture(params=ENGINES.values(), ids=ENGINES.keys())
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.param
    return found


def test_the_protocol_is_fulfilled(engine: Engine) -> None:
    wanted = {name for name in dir(EngineProtocol) if not name.startswith("_")}
    wanted |= set(EngineProtocol.__annotations__)
    assert not [name for name in wanted if not hasattr(engine, name)]
    assert ENGINES[engine.name] is engine
    assert re.fullmatch(r"[a-z]+", engine.name)


def test_unit_and_environment_are_as_kept(engine: Engine, golden: Golden) -> None:
    replicas, settings = fleet_of(engine)
    items = replica_items(replicas[:1], settings, UUIDS)
    for ending in (".service", ".env"):
        (file,) = [one for one in items if isinstance(one, File) and one.key.endswith(ending)]
        golden(f"engine-{engine.name}{ending}", file.content)


def test_no_flag_is_given_twice(engine: Engine) -> None:
    replicas, settings = fleet_of(engine)
    words = engine.argv(replicas[0], "/m", settings)
    names = [word.partition("=")[0] for word in words if word.startswith("--")]
    assert len(set(names)) == len(names)


def test_a_flag_of_the_plan_is_not_the_operators(engine: Engine) -> None:
    """Whatever the engine's command line says is refused as an extra flag, by its whole name."""
    replicas, settings = fleet_of(engine)
    words = engine.argv(replicas[0], "/m", settings)
    names = {word.removeprefix("--").partition("=")[0] for word in words if word[:2] == "--"}
    if "extra_args" not in understood_keys(engine):
        assert not names
        return
    for name in names:
        assert list(engine.flag_faults({name: 1})), name


def test_the_replica_listens_where_it_is_planned(engine: Engine) -> None:
    replicas, settings = fleet_of(engine)
    words = " ".join(engine.argv(replicas[0], "/m", settings))
    environment = engine.environment(replicas[0], settings, UUIDS)
    said = words + " ".join(environment.values())
    assert replicas[0].server.address in said and str(replicas[0].port) in said
    assert "0.0.0.0" not in said


def test_gpus_go_by_uuid_whatever_the_operator_says(engine: Engine) -> None:
    replicas, settings = fleet_of(engine)
    own = settings.model_copy(update={"engine_environment": {"CUDA_VISIBLE_DEVICES": "7"}})
    for replica in replicas:
        environment = engine.environment(replica, own, UUIDS)
        wanted = ",".join(UUIDS[index] for index in replica.gpus)
        assert environment["CUDA_VISIBLE_DEVICES"] == wanted


def test_nothing_is_written_outside_the_units_cache(engine: Engine) -> None:
    replicas, settings = fleet_of(engine)
    environment = engine.environment(replicas[0], settings, UUIDS)
    folders = [value for value in environment.values() if value.startswith("/")]
    assert folders and all(value.startswith("/var/cache/rackwright/") for value in folders)


def test_a_key_goes_into_the_environment_file_alone(engine: Engine) -> None:
    replicas, settings = fleet_of(engine)
    items = replica_items(replicas, settings, UUIDS, "s3cret")
    files = {one.key: one for one in items if isinstance(one, File) and b"s3cret" in one.content}
    assert bool(files) == bool(engine.key_variable)
    assert all(key.endswith(".env") and one.secret for key, one in files.items())


def test_an_engine_without_keys_is_refused_where_one_is_set(engine: Engine) -> None:
    asked = {name: {**each, "engine_api_key_env": "KEY"} for name, each in data(engine).items()}
    asked["gw1"]["gateway"] = {"server_name": "llm.example.com", "ask_keys": True}
    if engine.key_variable:
        load_fleet(asked)
        return
    with pytest.raises(SpecError, match="engine_api_key_env: must be None"):
        load_fleet(asked)


def test_settings_that_are_missing_are_named(engine: Engine) -> None:
    bare = {name: {**each, **dict.fromkeys(SETTINGS)} for name, each in data(engine).items()}
    if not list(engine.setting_faults(settings(**dict.fromkeys(SETTINGS)))):
        load_fleet(bare)
        return
    with pytest.raises(SpecError, match=rf"settings\[gpu1\].{engine.name}_version: is required"):
        load_fleet(bare)


def test_its_settings_are_its_own_and_pin_a_version(engine: Engine) -> None:
    own = set(engine.settings_model.model_fields)
    key = f"{engine.name}_version"
    assert key in own, f"engines/{engine.name}.py: its settings_model must have {key}"
    others = (model for model in MODELS if model is not engine.settings_model)
    for model in others:
        both = own & set(model.model_fields)
        assert not both, f"engines/{engine.name}.py: {both} are settings of {model.__name__} too"


def test_a_release_is_pinned_whole(engine: Engine) -> None:
    _, settings = fleet_of(engine)
    release = engine.release(settings)
    if isinstance(release.content, Venv):
        assert b"--hash=sha256:" in paths.lock_file(release.content.requirements)
    else:
        assert isinstance(release.content, Archive)
        for architecture, (url, sha256) in release.content.downloads.items():
            assert "{" not in url and architecture in ("amd64", "arm64") and len(sha256) == 64
    folder = paths.release_dir(engine, settings)
    assert re.fullmatch(rf"/opt/rackwright/{engine.name}/[0-9][\w.+-]*-[0-9a-f]{{12}}", folder)
    assert release.content.smoke_test


def test_another_release_is_another_folder_and_restarts_its_replicas_alone(engine: Engine) -> None:
    replicas, settings = fleet_of(engine)
    newer = settings.model_copy(update={f"{engine.name}_version": "99.0"})
    before, after = (replica_items(replicas, each, UUIDS) for each in (settings, newer))
    folders = [paths.release_dir(engine, each) for each in (settings, newer)]
    assert folders[0] != folders[1]
    for folder, items in zip(folders, (before, after), strict=True):
        units = [one for one in items if isinstance(one, File) and one.key.endswith(".service")]
        assert units and all(f"{folder}/".encode() in one.content for one in units)
    stamps = [[one.stamp for one in items if isinstance(one, Unit)] for items in (before, after)]
    assert all(old != new for old, new in zip(*stamps, strict=True))


def test_a_server_gets_the_engines_of_its_replicas_and_no_other(engine: Engine) -> None:
    replicas, settings = fleet_of(engine)
    assert engines_of(replicas) == (engine,)
    request = release_request([engine], settings)
    assert request is not None and len(request["releases"]) == 1
    items = base_items(settings, server=True, gateway=False, engines=[engine])
    packages = {one.key for one in items if isinstance(one, Package)}
    assert packages >= set(engine.release(settings).packages)
    folders = {one.key for one in lock_items([engine], settings)}
    assert f"/opt/rackwright/{engine.name}" in folders
    assert engines_of(()) == () and release_request((), settings) is None


def test_weights_are_asked_for_in_the_engines_form(engine: Engine) -> None:
    replicas, settings = fleet_of(engine)
    request = weights_request(replicas, settings, {})
    assert request is not None
    (model,) = request["models"]
    assert model["kind"] == ("file" if engine.serves_gguf else "folder")
    if engine.serves_gguf:
        assert model["url"].endswith(f"/resolve/{'c' * 40}/{GGUF['file']}")
        assert model["path"].endswith(f"/{'c' * 40}/{GGUF['file']}")
        assert (model["sha256"], model["size_bytes"]) == (DIGEST, GGUF["size_bytes"])
    else:
        assert model["hub"] == "https://huggingface.co" and model["revision"] in model["path"]


def test_its_scripts_are_on_the_host_and_are_run(engine: Engine) -> None:
    replicas, settings = fleet_of(engine)
    items = replica_items(replicas, settings, UUIDS)
    files = {one.key for one in items if isinstance(one, File)}
    for name in engine.scripts:
        path = f"/opt/rackwright/bin/{name.replace('_', '-')}"
        assert path in files
        units = [one for one in items if isinstance(one, File) and one.key.endswith(".service")]
        assert all(f"ExecStartPost={path} ".encode() in one.content for one in units)


def test_what_it_says_it_holds_is_of_no_sense_where_it_is_junk(engine: Engine) -> None:
    replicas, _ = fleet_of(engine)
    names = [question.name for question in engine.questions(replicas[0])]
    assert engine.loaded("chat", {}) is None
    for junk in (None, [], {}, "text", 7, {"models": {}}, {"models": [{"name": "chat"}]}):
        if names:
            with pytest.raises((ValueError, AttributeError, TypeError)):
                engine.loaded("chat", dict.fromkeys(names, junk))
        assert engine.listed(junk) is None


def test_an_engine_that_has_metrics_says_what_they_are_called(engine: Engine) -> None:
    """Not all of them tell all: llama.cpp has no figure of its KV cache."""
    told, least = set(engine.figures), {"requests_running", "requests_waiting", "tokens_generated"}
    where = f"engines/{engine.name}.py: figures"
    assert bool(engine.metrics_path) == ("requests_running" in told), (
        f"{where} and metrics_path go together: give both, or neither"
    )
    known = {*FIGURES, "kv_cache_tokens", *WORK}
    assert told <= known, f"{where} has {sorted(told - known)}: nothing reads it, leave it out"
    assert not engine.metrics_path or least <= told, (
        f"{where} lacks {sorted(least - told)}: say which series of {engine.metrics_path} tells it"
    )


def test_its_memory_is_never_more_than_the_gpu_has(engine: Engine) -> None:
    replicas, _ = fleet_of(engine)
    for replica in replicas:
        memory = replica.memory
        assert memory.sequences >= 1 and memory.free_bytes >= 0
        assert memory.usable_bytes + memory.outside_bytes <= memory.total_bytes
        assert memory.weights_bytes + memory.kv_cache_bytes <= memory.usable_bytes


def test_an_engine_that_does_not_span_servers_is_laid_out_on_each_alone(engine: Engine) -> None:
    """A model too large for one server: spread over two, or refused; never half of it."""
    own: dict[str, Any] = {"revision": ...} if engine.serves_gguf else {}
    if engine.serves_gguf:
        own["gguf"] = {**GGUF, "size_bytes": 820 * 2**30}
    chat = service("llama-3.1-405b-instruct", engine=engine.name, servers=["gpu1", "gpu2"], **own)
    spec = load_fleet(hosts(cluster(2), {"chat": chat}, **SETTINGS))
    if engine.splits.servers:
        replicas = plan(spec).replicas
        assert {replica.span.rank for replica in replicas} == {0, 1}
        assert replicas[0].span.master_port
    else:
        with pytest.raises(PlanError, match=r"no layout of llama-3\.1-405b-instruct fits 8 x"):
            plan(spec)


def outside_samples(node: ast.AST) -> Iterator[ast.AST]:
    """All of a module but what a check is tried on: its Sample and its Examples."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Sample", "Example"):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from outside_samples(child)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("Check(examples=(Example('x', WARN, planned={'engine': 'vllm'}),))", []),
        ("@dataclass\nclass Planned:\n    engine: str = 'vllm'", ["vllm"]),
        ("def judge(planned, seen):\n    return planned.engine == 'ollama'", ["ollama"]),
    ],
)
def test_an_engine_named_outside_a_sample_is_seen(source: str, found: list[str]) -> None:
    nodes = outside_samples(ast.parse(source))
    names = [node.value for node in nodes if isinstance(node, ast.Constant)]
    assert [name for name in names if name in ENGINES] == found


def test_no_file_but_its_own_names_an_engine() -> None:
    """A name outside is a branch on it, or a default that another engine would have to know of."""
    package = Path(rackwright.__file__).parent
    own = {package / f"engines/{name}.py" for name in ENGINES}
    own |= {package / f"remote/sample_{name}.py" for name in ENGINES}  # run in its own release
    own |= set((package / "checks").rglob("healthy.py"))  # samples of engines that ran
    named = [
        f"{path.relative_to(package)}:{node.lineno}: {node.value}"
        for path in sorted(set(package.rglob("*.py")) - own)
        for node in outside_samples(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in ENGINES
    ]
    assert not named, "take it from ENGINES or from what was planned: " + ", ".join(named)
