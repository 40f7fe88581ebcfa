"""The benchmark prints no figure of a run that was not what it says it is, and all do the same."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.converge import fingerprint, reaching
from benchmarks.converge.all_items import items_of
from benchmarks.converge.comparing import differences
from benchmarks.converge.delaying import Address, Proxy, delaying
from benchmarks.converge.fleet import COUNT, declared
from benchmarks.converge.plain_state import plain
from benchmarks.converge.rows import FIRST, NO_CHANGE, Row, goals, save, table
from benchmarks.converge.tools import TOOLS, Unfit, changed_by_ansible, changed_by_pyinfra
from lab.fleet import RACK
from lab.ports import free_port
from rackwright.desired.engines import engines_of, release_request
from rackwright.desired.items import File, Initramfs, Package, Unit
from rackwright.inventory.reading import load_fleet
from rackwright.inventory.settings import with_defaults
from rackwright.planning.placing import plan
from rackwright.runner.fleet import FleetRun
from tests.samples.inventories import PROJECT

HOSTS = ("rack1", "rack2")


def results(*outcomes: dict[str, list[str]], failed: tuple[str, ...] = ()) -> dict[str, Any]:
    """What `pyinfra --json` says, so far as it is read."""
    empty: dict[str, list[str]] = {"success": [], "no_change": [], "error": []}
    operations = [{"name": "an operation", **empty, **outcome} for outcome in outcomes]
    return {"operations": operations, "failed_hosts": list(failed)}


SAME = {"no_change": ["rack1", "rack2"]}
ONE_CHANGED = {"success": ["rack1"], "no_change": ["rack2"]}
ONE_ALONE = {"no_change": ["rack1"]}


def test_hosts_that_an_operation_changed_are_named() -> None:
    assert changed_by_pyinfra(HOSTS, results(SAME, SAME)) == set()
    assert changed_by_pyinfra(HOSTS, results(SAME, ONE_CHANGED, ONE_ALONE)) == {"rack1"}
    assert changed_by_pyinfra(HOSTS, results()) == set()  # what only connects has none


@pytest.mark.parametrize(
    "unfit",
    [
        results(ONE_ALONE),
        results(SAME, {"no_change": ["rack1"], "error": ["rack2"]}),
        results(SAME, failed=("rack2",)),
    ],
    ids=["host skipped", "host in error", "host failed"],
)
def test_a_run_of_pyinfra_that_was_not_whole_and_clean_is_refused(unfit: dict[str, Any]) -> None:
    with pytest.raises(Unfit):
        changed_by_pyinfra(HOSTS, unfit)


def recap(*rows: tuple[str, int, int, int]) -> str:
    """The end of what ansible-playbook prints."""
    form = "{:<26} : ok=11   changed={}    unreachable={}    failed={}    skipped=2 ignored=0   "
    return "\n".join(["PLAY RECAP ***", *(form.format(*row) for row in rows)])


def test_hosts_that_a_playbook_changed_are_named() -> None:
    assert changed_by_ansible(HOSTS, recap(("rack1", 0, 0, 0), ("rack2", 3, 0, 0))) == {"rack2"}


@pytest.mark.parametrize(
    "said",
    [
        "",
        recap(("rack1", 0, 0, 0)),
        recap(("rack1", 0, 0, 0), ("rack2", 0, 1, 0)),
        recap(("rack1", 0, 0, 0), ("rack2", 1, 0, 1)),
    ],
    ids=["nothing", "host missing", "host not reached", "host failed"],
)
def test_a_playbook_that_was_not_well_on_every_host_is_refused(said: str) -> None:
    with pytest.raises(Unfit):
        changed_by_ansible(HOSTS, said)


def row(tool: str, *seconds: float, hosts: int = 8, run: str = NO_CHANGE) -> Row:
    return Row(run, hosts, 0, tool, 3, list(seconds))


def test_ratios_are_to_this_project_and_to_what_connecting_takes() -> None:
    rows = [row("pyinfra", 8.0, 12.0, 10.0), row("rackwright", 2.0), row("connect", 1.0)]
    lines = [line.split() for line in table(rows)][2:]
    assert lines[0] == ["plain", "pyinfra", "10.00", "8.00", "-", "12.00", "5.00", "10.00", "3"]
    assert lines[1][-3:-1] == ["1.00", "2.00"]
    assert lines[2][-3:-1] == ["0.50", "1.00"]


def test_a_goal_is_kept_or_missed_on_eight_hosts_without_changes_alone() -> None:
    rows = [row("rackwright", 1.0), row("pyinfra", 7.0), row("mitogen", 14.9)]
    assert [kept for kept, _ in goals(rows)] == [True, False]
    assert list(goals([row("rackwright", 1.0, hosts=4), row("pyinfra", 1.0, hosts=4)])) == []
    assert list(goals([row("rackwright", 1.0, run=FIRST), row("pyinfra", 1.0, run=FIRST)])) == []


def test_rows_are_kept_whole_each_time_there_are_more(tmp_path: Path) -> None:
    rows = [row("rackwright", 1.0)]
    save(tmp_path / "new/rows.json", rows)
    save(tmp_path / "new/rows.json", [*rows, row("pyinfra", 7.0)])
    kept = json.loads((tmp_path / "new/rows.json").read_text())
    assert [(one["tool"], one["seconds"]) for one in kept["rows"]] == [
        ("rackwright", [1.0]),
        ("pyinfra", [7.0]),
    ]


def test_hosts_that_differ_are_told_by_path_unit_and_package() -> None:
    fine = {
        "packages": ["nginx 1.22 ii"],
        "units": {"nginx.service": ["active", "enabled"]},
        "firewall": ["table"],
        "listening": ["0.0.0.0:22"],
        "tree": {"/etc/a": ["file", "0o644", "root", "root", "ab"]},
    }
    other = {**fine, "packages": [], "tree": {"/etc/b": ["folder", "0o755", "root", "root"]}}
    assert list(differences({"rack1": fine}, {"rack1": fine})) == []
    told = list(differences({"rack1": fine}, {"rack1": other}))
    assert [words.split(": ")[1] for words in told] == ["nginx 1.22 ii", "/etc/a", "/etc/b"]


@pytest.mark.parametrize(
    ("path", "is_left_out"),
    [
        ("/etc/passwd", False),
        ("/etc/passwd-", True),
        ("/etc/machine-id", True),
        ("/etc/rackwright/replicas/chat-rack1-0.env", False),
        ("/etc/rackwright/.rackwright", True),
        ("/etc/systemd/system/rackwright-watchdog.service", False),
        ("/opt/rackwright/llamacpp/1/lib/python3.11/site-packages/a.so", False),
        ("/opt/rackwright/llamacpp/1/lib/python3.11/__pycache__/a.pyc", True),
        ("/root/.ansible/tmp", True),
        ("/root/.ansible-mine", False),
        ("/var/lib/rackwright/gateway", False),
        ("/var/lib/rackwright/gateway/state.json", True),
        ("/var/lib/rackwright/units/nginx.service.json", True),
        ("/var/cache/rackwright/chat-rack1-0", False),
    ],
)
def test_only_what_is_no_state_is_left_out_of_what_hosts_are_compared_by(
    path: str, is_left_out: bool
) -> None:
    assert bool(fingerprint.LEFT_OUT.search(path)) == is_left_out


def test_mode_owner_target_and_content_of_each_path_are_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    (tmp_path / "folder/file").write_text("a")
    (tmp_path / "folder/file").chmod(0o640)
    (tmp_path / "link").symlink_to("folder")
    owner, group = tmp_path.owner(), tmp_path.group()
    digest = hashlib.sha256(b"a").hexdigest()
    told = {path.removeprefix(f"{tmp_path}/"): seen for path, seen in fingerprint.tree(tmp_path)}
    assert told == {
        "folder": ["folder", "0o700", owner, group],
        "folder/file": ["file", "0o640", owner, group, digest],
        "link": ["link", "folder"],
    }


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> FleetRun:
    """Two hosts of the benchmark, with the lab's settings."""
    monkeypatch.setenv(COUNT, "2")
    hosts, shared = declared()
    group: dict[str, Any] = {}
    exec((PROJECT / "group_data/lab.py").read_text(), group)
    lab = {name: value for name, value in group.items() if not name.startswith("_")}
    data = {name: with_defaults({**shared, **lab, **own}) for name, own in hosts.items()}
    ssh = ("ssh_config_file", "ssh_known_hosts_file")
    spec = load_fleet(data, ssh)
    return FleetRun(spec, plan(spec))


GPUS = [{"uuid": f"GPU-{index}", "pci_bus_id": f"00000000:0{index}:00.0"} for index in range(2)]


@pytest.mark.parametrize("host", HOSTS)
def test_other_tools_are_told_of_every_file_package_and_unit(
    fleet: FleetRun, host: str, tmp_path: Path
) -> None:
    items = items_of(fleet, host, GPUS)
    request = release_request(engines_of(fleet.plan.on(host)), fleet.settings(host))
    state = plain(items, request, tmp_path)
    assert set(state["packages"]) == {one.key for one in items if isinstance(one, Package)}
    assert {one["name"] for one in state["units"]} >= {
        *("rackwright-firewall.service", "rackwright-watchdog.service"),
        *(f"rackwright-chat-{host}-{index}.service" for index in range(2)),
        *(["nginx.service"] if host == "rack1" else []),
    }
    assert len(state["units"]) == sum(isinstance(one, Unit) for one in items)
    files = {one["path"]: Path(one["source"]).read_bytes() for one in state["files"]}
    assert files == {one.key: one.content for one in items if isinstance(one, File)}
    assert [Path(one["path"]).parts[3] for one in state["releases"]] == ["uv", "llamacpp"]
    assert bool(state["certificates"]) == (host == "rack1")


def test_a_kind_of_item_that_no_other_tool_is_told_of_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="initramfs"):
        plain([Initramfs("all", ())], None, tmp_path)


def test_tools_have_names_that_the_command_line_takes() -> None:
    assert list(TOOLS) == ["pyinfra", "rackwright", "ansible", "mitogen", "connect"]


ADDED_S = 0.1


def test_what_delays_passes_every_byte_a_round_trip_later_and_holds_its_tasks() -> None:
    asyncio.run(_through_the_proxy())


async def _through_the_proxy() -> None:
    sent = bytes(range(256)) * 2000
    async with _echoing() as target:
        near, proxy = Address("127.0.0.1", free_port()), asyncio.Event()
        carrying = Proxy({near: target}, ADDED_S)
        serving = asyncio.create_task(carrying.serve(proxy.set))
        ready = asyncio.create_task(proxy.wait())
        await asyncio.wait((serving, ready), return_when=asyncio.FIRST_COMPLETED)
        assert ready.done(), serving
        started = time.monotonic()
        pairs = [await asyncio.open_connection(*near) for _ in range(5)]
        for _, writer in pairs:
            writer.write(sent)
            writer.write_eof()
        answers = []
        for reader, writer in pairs:
            gc.collect()  # what nobody holds would be gone now
            answers.append(await reader.read())
            writer.close()
        assert answers == [sent] * len(pairs)
        assert time.monotonic() - started >= 2 * ADDED_S  # one to connect, one for the answer
        await asyncio.gather(*carrying.carried)
        assert carrying.carried == set()
        carrying.stop()
        await serving


def test_where_nothing_listens_the_client_is_hung_up_on() -> None:
    near = Address("127.0.0.1", free_port())
    with (
        delaying({near: Address("127.0.0.1", free_port())}, 0.0),
        socket.create_connection(near, timeout=60) as client,
    ):
        assert client.recv(1) == b""


def test_an_address_that_is_taken_is_an_error_of_whoever_wants_to_delay() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        near = Address(*taken.getsockname()[:2])
        with pytest.raises(OSError, match="in use"), delaying({near: near}, 0.0):
            pass


@asynccontextmanager
async def _echoing() -> AsyncIterator[Address]:
    """A server that sends back what it gets, and ends when its client does."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(1000):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        yield Address(*server.sockets[0].getsockname()[:2])


def test_a_host_seems_to_be_at_another_address_with_the_same_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ssh_config").write_text(
        f"Host rack1\n  HostName 198.18.0.41\n  User root\n"
        f"  UserKnownHostsFile {tmp_path}/known_hosts\n"
        f"Host rack2\n  HostName 198.18.0.42\n  User root\n"
    )
    (tmp_path / "known_hosts").write_text("198.18.0.41 ssh-ed25519 A\n198.18.0.42 ssh-ed25519 B\n")
    monkeypatch.setattr(reaching, "LAB", tmp_path)
    with reaching.reached(RACK[:1], 0) as near:
        assert near == tmp_path
    with reaching.reached(RACK[:1], 10) as far:
        config, known = ((far / name).read_text() for name in ("ssh_config", "known_hosts"))
    assert known == "[127.18.0.41]:2022 ssh-ed25519 A\n"
    assert config.splitlines() == [
        "Host rack1",
        "  HostName 127.18.0.41",
        "  Port 2022",
        "  User root",
        f"  UserKnownHostsFile {far}/known_hosts",
    ]
