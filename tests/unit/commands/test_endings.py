"""Inventories and files that end a command badly: one message each, never a traceback or a hang."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.fleet import ROOT

LIMIT_S = 120
PLAN = ("-m", "rackwright", "plan")
TOO_DEEP = "must be nested 64 levels deep at most"
ENDS: dict[str, str] = {
    "exit 0": "import sys; sys.exit(0)",
    "exit": "import sys; sys.exit()",
    "base exception": "raise BaseException('x')",
    "generator exit": "raise GeneratorExit",
    "recursion": "def f(): f()\nf()",
    "deep JSON": "import json; json.loads('[' * 10**6)",
    "memory": "raise MemoryError",
    "no connector": "hosts = [('@nothing/gpu1', {})]",
    "NUL": "\x00",
    "lacks a file": "open('absent')",
    "byte order mark": "\ufeffhosts = []",
}
MALFORMED: dict[str, tuple[str, str]] = {
    "a tuple of one": ("hosts = [('gpu1',)]", "hosts[0]: must be a name, or a name and a dict"),
    "a tuple of three": ("hosts = [('gpu1', {}, 3)]", "hosts[0]: must be a name, or a name and a"),
    "no tuple": ("hosts = ()", "hosts: must be a list of hosts, or (hosts, data)"),
    "a group of three": ("all = ([], {}, {})", "all: must be a list of hosts, or (hosts, data)"),
}
CONFIGS: dict[str, tuple[bytes, str]] = {
    "endless": (b"[" * 10**5, TOO_DEEP),
    "deep": (b'{"a":' * 200 + b"1" + b"}" * 200, TOO_DEEP),
    "no text": (b"\xff\xfe", "must be a readable config.json (no JSON)"),
    "a list": (b"[]", "must be a dict"),
    "empty": (b"", "must be a readable config.json (no JSON)"),
}
PLACES = ("fifo", "/dev/zero", "/dev/stdin", "folder")
LOOPS = {"itself": "_c", "in a list": "[_c]", "no end": "_deep"}
BATCH = """
import contextlib, io, json, sys
from rackwright.cli import main
from rackwright.exits import exits
from rackwright.runner import inventory
def run(program, path):
    if program == "data":
        with exits():
            inventory.main(path)
    main([program, path])
ended = []
for program, path in json.load(sys.stdin):
    said, code = io.StringIO(), None
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            run(program, path)
        except SystemExit as error:
            code = error.code
    ended.append((code, said.getvalue()))
json.dump(ended, sys.stdout)
"""
"""Many endings in one process, which has pyinfra: its command line is not for pytest's own."""
SERVER = '{"address": "192.0.2.11", "gpus": {"type": "h100-sxm-80gb", "count": 1}}'


def run(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Bounded: what hangs fails."""
    return subprocess.run(
        [sys.executable, *argv],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


Ending = tuple[int, str]
Endings = dict[tuple[str, str], Ending]


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> Endings:
    """How each program ends on each case, by (program, case)."""
    folder = tmp_path_factory.mktemp("endings")
    asked: dict[tuple[str, str], str] = {}
    malformed = {name: code for name, (code, _) in MALFORMED.items()}
    for name, code in (ENDS | malformed | {"interrupt": "raise KeyboardInterrupt"}).items():
        (folder / f"{name}.py").write_text(code)
        asked |= {(program, name): str(folder / f"{name}.py") for program in ("plan", "data")}
    for name, (content, _) in CONFIGS.items():
        config = folder / f"{name}.json"
        config.write_bytes(content)
        asked["plan", name] = str(fleet_of(folder, repr(str(config)), name))
        asked["size", name] = str(config)
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "folder/config.json")
    for place in PLACES:
        config = repr(str(folder / place))
        asked["plan", place] = str(fleet_of(folder, config, Path(place).name))
    endless = "{}\n_c = _config\n_c['c'] = _c\n_deep = {}\nfor _ in range(10**5): _deep = [_deep]\n"
    for name, value in LOOPS.items():
        asked["plan", name] = str(fleet_of(folder, f"{endless}_config = {value}", name))
    (folder / "piped/group_data").mkdir(parents=True)
    os.mkfifo(folder / "piped/group_data/all.py")
    asked["plan", "piped"] = str(fleet_of(folder / "piped", "{}"))
    asked |= {(program, "no file"): str(folder / "fifo") for program in ("data", "report", "topo")}
    done = subprocess.run(
        [sys.executable, "-c", BATCH],
        input=json.dumps([(program, path) for (program, _), path in asked.items()]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(asked, json.loads(done.stdout), strict=True))


def faulty(ending: Ending) -> str:
    """What is said of a faulty input."""
    code, said = ending
    assert code == 65, said
    assert said.startswith("Error: ") and "Traceback" not in said
    return said


def refused(done: subprocess.CompletedProcess[str], code: int = 65) -> str:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr and done.stderr.startswith("Error: ")
    return done.stderr


def fleet_of(folder: Path, config: str, name: str = "mine") -> Path:
    """An inventory with one model of its own, whose config is that Python expression."""
    path = folder / f"{name}.py"
    path.write_text(
        f'hosts = [("gpu1", {{"server": {SERVER}, "gateway": {{"server_name": "a.example.com"}}}})]'
        f'\n_chat = {{"model": "m", "engine": "vllm", "servers": ["gpu1"], "max_model_len": 512,'
        f' "objective": "latency"}}\n_config = {config}\n'
        'all = (hosts, {"services": {"chat": _chat},'
        ' "models": {"m": {"path": "/srv/m", "config": _config}}})\n'
    )
    return path


@pytest.mark.parametrize("program", ["plan", "data"])
@pytest.mark.parametrize("case", ENDS)
def test_an_inventory_that_ends_is_never_a_good_end(
    endings: Endings, program: str, case: str
) -> None:
    assert f"{case}.py" in faulty(endings[program, case])


@pytest.mark.parametrize("program", ["plan", "data"])
@pytest.mark.parametrize("case", MALFORMED)
def test_a_group_that_is_not_made_of_hosts_is_a_fault(
    endings: Endings, program: str, case: str
) -> None:
    assert MALFORMED[case][1] in faulty(endings[program, case])


@pytest.mark.parametrize("program", ["plan", "data"])
def test_an_interrupt_inside_an_inventory_is_one(endings: Endings, program: str) -> None:
    assert tuple(endings[program, "interrupt"]) == (130, "Error: interrupted\n")


def test_what_is_no_file_is_not_waited_for(endings: Endings) -> None:
    assert "is no regular file" in faulty(endings["data", "no file"])
    assert "is not a report: no regular file" in faulty(endings["report", "no file"])
    assert "is no text: no regular file" in faulty(endings["topo", "no file"])
    assert "group_data/all.py: is no regular file" in faulty(endings["plan", "piped"])


@pytest.mark.parametrize("case", CONFIGS)
def test_a_config_that_is_none_is_a_fault(endings: Endings, case: str) -> None:
    assert f"models[m].config: {CONFIGS[case][1]}" in faulty(endings["plan", case])
    assert f"model.config: {CONFIGS[case][1]}" in faulty(endings["size", case])


@pytest.mark.parametrize("place", PLACES)
def test_a_config_that_is_no_regular_file_is_not_waited_for(endings: Endings, place: str) -> None:
    text = "models[m].config: must be a readable config.json (no regular file)"
    assert text in faulty(endings["plan", place])


@pytest.mark.parametrize("case", LOOPS)
def test_data_that_contains_itself_or_never_ends_is_a_fault(endings: Endings, case: str) -> None:
    assert "hosts[gpu1].models: must be nested 64 levels" in faulty(endings["plan", case])


@pytest.mark.parametrize("option", ["--junit", "--html"])
@pytest.mark.parametrize("place", ["absent/report", "folder/..", "fifo"])
def test_a_report_that_cannot_be_written_is_said_before_hosts_are_asked(
    tmp_path: Path, option: str, place: str
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    target = str(tmp_path / place)
    done = run("-m", "rackwright", "verify", "inventories/lab.py", option, target)
    assert done.returncode in (64, 65)
    assert "Traceback" not in done.stderr and "answer" not in done.stderr


def test_a_matrix_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "topo.txt").write_bytes(b"\xff\xfe\x00")
    refused(run("-m", "rackwright", "topo", str(tmp_path / "topo.txt")))


def test_what_was_not_expected_has_its_own_code_and_can_be_traced(tmp_path: Path) -> None:
    broken = (
        "import rackwright.commands.plan as verb\n"
        "verb.plan_text = lambda plan: 1 / 0\n"
        "from rackwright.cli import main; main()"
    )
    argv = ("-c", broken, "plan", "inventories/local.py")
    line = refused(run(*argv), 70)
    assert line.startswith("Error: ZeroDivisionError: division by zero (a fault of Rackwright")
    assert "Traceback" in run(*argv, RACKWRIGHT_TRACEBACK="1").stderr


def test_a_command_line_that_cannot_be_read_has_a_code_of_its_own(tmp_path: Path) -> None:
    for argv in (("plan",), ("plan", "absent.py"), ("nothing",), ("plan", "--nothing")):
        assert run("-m", "rackwright", *argv).returncode == 64
    assert "INVENTORY" in refused(run("-m", "rackwright.runner.inventory"), 64)


def test_group_data_may_ask_where_it_lies_and_for_whom(tmp_path: Path) -> None:
    path = fleet_of(tmp_path, "'lab/tiny_llama.json'")
    path.write_text(path.read_text().replace('{"services"', '{"base_port": 9000, "services"'))
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data/mine.py").write_text(
        "from pyinfra import inventory\n"
        "base_port = 9000 + len(inventory.get_group('hosts'))\n"
        "report_dir = __file__.rpartition('/')[0]\n"
    )
    assert "all.base_port: is given in" in refused(run(*PLAN, str(path)))
    path.write_text(path.read_text().replace('"base_port": 9000, ', ""))
    done = run(*PLAN, str(path))
    assert done.returncode == 0 and "port 9001" in done.stdout, done.stderr


def test_a_reader_that_goes_away_is_no_fault() -> None:
    words = f"{sys.executable} -u -m rackwright plan inventories/prod.py"
    done = subprocess.run(
        ["bash", "-c", f"{words} | head -0; exit ${{PIPESTATUS[0]}}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode in (0, 141) and "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", [PLAN, ("pyinfra",)], ids=["rackwright", "pyinfra"])
def test_keys_of_pyinfra_are_refused_when_misspelt(tmp_path: Path, verb: tuple[str, ...]) -> None:
    path = fleet_of(tmp_path, "{}")
    path.write_text(path.read_text().replace('("gpu1", {', '("@rackwright/gpu1", {"_sudoo": True,'))
    more = ("deploy.py", "-y") if verb == ("pyinfra",) else ()
    program = ("-m", "pyinfra") if more else verb
    done = run(*program, str(path), *more)
    assert "hosts[gpu1]._sudoo: is not a known key, did you mean '_sudo'?" in done.stderr
    assert "Traceback" not in done.stderr and "Connected" not in done.stderr


@pytest.mark.parametrize("verb", [PLAN, ("pyinfra",)], ids=["rackwright", "pyinfra"])
def test_a_setting_of_all_is_not_ignored_in_silence(tmp_path: Path, verb: tuple[str, ...]) -> None:
    path = fleet_of(tmp_path, "{}")
    text = path.read_text().replace('{"services"', '{"base_port": 9000, "services"')
    path.write_text(text.replace('"gpu1", {', '"@rackwright/gpu1", {'))
    more = ("deploy.py", "-y") if verb == ("pyinfra",) else ()
    program = ("-m", "pyinfra") if more else verb
    done = run(*program, str(path), *more)
    text = f"all.base_port: is given in {path} and in group_data/all.py, which pyinfra lets win"
    assert text in done.stderr
