"""What only an inventory's file shows: hosts that are none, data that group data replaces."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest
from pyinfra.api.inventory import Inventory

from rackwright.runner.inventory_file import InventoryFile, file_faults, path_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "group_data").mkdir()
    (tmp_path / "inventories").mkdir()
    return tmp_path


def read(folder: Path, text: str) -> InventoryFile:
    path = folder / "inventories/mine.py"
    path.write_text(text)
    return InventoryFile.read(str(path), str(folder))


def group_data(folder: Path, name: str, text: str) -> Path:
    path = folder / "group_data" / f"{name}.py"
    path.write_text(text)
    return path


def overridden(file: InventoryFile) -> list[str]:
    return [str(fault) for fault in file.overridden()]


ALL = 'hosts = ["gpu1"]\nall = (hosts, {"base_port": 9000, "services": {}})\n'


@pytest.mark.parametrize("name", ["all", "mine"])
def test_a_setting_of_all_that_group_data_replaces_names_both_places(
    folder: Path, name: str
) -> None:
    path = group_data(folder, name, "base_port = 8000\nreport_dir = 'reports'\n")
    mine = folder / "inventories/mine.py"
    assert overridden(read(folder, ALL)) == [
        f"all.base_port: is given in {mine} and in {path}, which pyinfra lets win: put it into "
        "group_data/mine.py or a host's own data (got 9000)"
    ]


def test_one_that_is_the_same_in_both_is_no_fault(folder: Path) -> None:
    group_data(folder, "all", "base_port = 9000\n")
    assert overridden(read(folder, ALL)) == []


def test_a_group_that_is_more_particular_than_all_may_say_otherwise(folder: Path) -> None:
    group_data(folder, "gateways", "base_port = 8000\n")
    assert overridden(read(folder, ALL)) == []
    own = 'gateways = (["gw1"], {"base_port": 9000})\n'
    assert len(overridden(read(folder, own))) == 1


def test_group_data_beside_the_inventory_and_named_folders_count(folder: Path) -> None:
    (folder / "inventories/group_data").mkdir()
    (folder / "inventories/group_data/all.py").write_text("base_port = 1\n")
    (folder / "more").mkdir()
    (folder / "more/all.py").write_text("base_port = 2\n")
    path = folder / "inventories/mine.py"
    path.write_text(ALL)
    file = InventoryFile.read(str(path), str(folder), (str(folder / "more"),))
    assert len(overridden(file)) == 2


def test_a_host_s_own_data_is_not_replaced(folder: Path) -> None:
    group_data(folder, "all", "base_port = 8000\n")
    assert overridden(read(folder, 'hosts = [("gpu1", {"base_port": 9000})]\n')) == []


@pytest.mark.parametrize(
    "host",
    ['("gpu1", {}, 3)', '("gpu1",)', "()", '("gpu1", None)', "(1, {})", '("", {})', '""'],
)
def test_what_is_no_host_is_named_once(folder: Path, host: str) -> None:
    file = read(folder, f"_host = {host}\nhosts = [_host]\nall = (hosts, {{}})\n")
    faults = [str(fault) for fault in file.malformed()]
    assert len(faults) == 1
    assert faults[0].startswith("hosts[0]: must be a name, or a name and a dict of its data (got")


@pytest.mark.parametrize("group", ["([], {}, 1)", "([], None)", "([],)", "([], [])", "()"])
def test_a_group_is_hosts_or_hosts_and_data(folder: Path, group: str) -> None:
    file = read(folder, f"all = {group}\n")
    assert [fault.path for fault in file.malformed()] == ["all"]


@pytest.mark.parametrize("group", ["{}", "3", "None", "[('gpu1', {}), 3]", "([['gpu1', {}]], {})"])
def test_what_was_to_be_all_hosts_and_is_not_is_said(folder: Path, group: str) -> None:
    assert len(list(read(folder, f"all = {group}\n").malformed())) == 1


def test_a_host_as_a_list_would_lose_its_group(folder: Path) -> None:
    file = read(folder, 'more = [("gpu1", {}), ["gpu2", {}]]\n')
    assert [fault.path for fault in file.malformed()] == ["more[1]"]


@pytest.mark.parametrize("value", ["[1, 2]", "{}", "3", '"x"', "[{}]"])
def test_what_pyinfra_takes_for_no_group_is_not_judged(folder: Path, value: str) -> None:
    assert list(read(folder, f"ports = {value}\n").malformed()) == []


def test_what_a_file_prints_is_left_to_pyinfra_to_print(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group_data(folder, "all", "print('loud')\n")
    assert overridden(read(folder, f"print('loud')\n{ALL}")) == []
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="why"):
        read(folder, "print('before it failed')\nraise ValueError('why')\n")
    assert capsys.readouterr().out == "before it failed\n"


def test_group_data_that_is_a_pipe_is_no_file_to_read(folder: Path) -> None:
    group_data(folder, "mine", "base_port = 8000\n")
    os.mkfifo(folder / "group_data/all.py")
    assert list(read(folder, ALL).unreadable()) == [folder / "group_data/all.py"]


@pytest.mark.parametrize(
    "text",
    [
        'gpus = [("gpu1", {"a": 1})]\nall = (gpus, {})\n',
        'gpus = [("gpu1", {"a": 1})]\nracks = ["gpu1"]\nold = [("gpu1", {"b": 1})]\n',
        'gpus = [("gpu1", {"a": 1})]\nracks = [("gpu1", {"a": 1})]\n',
    ],
)
def test_a_host_may_stand_in_groups_that_agree(folder: Path, text: str) -> None:
    assert list(read(folder, text).twice()) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('a = ["gpu1", "gpu1"]\n', "a[1]: names gpu1, as a[0] does already (got 'gpu1')"),
        ('a = ["gpu1"]\nb = ["@ssh/gpu1"]\n', "b[0]: names gpu1, as a[0] does already"),
        (
            'a = [("gpu1", {"x": 1})]\nb = [("gpu1", {"x": 2, "y": 3})]\n',
            "b[0].x: is another value in a[0], which names it too",
        ),
    ],
)
def test_a_host_that_is_written_twice_names_both_places(
    folder: Path, text: str, fault: str
) -> None:
    (found,) = read(folder, text).twice()
    assert str(found).startswith(fault)


def test_the_file_on_pyinfras_command_line_is_known_where_that_is_not(folder: Path) -> None:
    """In the threads of a run it is not: a deploy that lost it there took all keys away."""
    path = folder / "inventories/mine.py"
    path.write_text('hosts = ["@local"]\n')
    inventory, line = Inventory((["@local"], {})), click.Context(click.Command("pyinfra"))
    line.params = {"inventory": str(path)}
    with line:
        assert file_faults(inventory) == []
    assert path_of(inventory) == path
    assert path_of(Inventory((["@local"], {}))) is None
