"""The file of clients: strictly read, written whole, by one run at a time."""

from __future__ import annotations

import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from rackwright.clients import Client, Clients
from rackwright.clients.keys_file import alone, file_text, keys_path, read_clients, written
from rackwright.errors import InputError, SpecError

INVENTORY = Path("inventories/prod.py")
SHA = "a1b2c3d4" * 8
MADE = "2026-11-26T11:20:00Z"


def client(name: str, *digests: str, **more: Any) -> Client:
    keys = [{"sha256": one, "made": MADE} for one in digests or (SHA,)]
    return Client.model_validate({"name": name, "keys": keys, **more})


def text(**entries: str) -> str:
    return "format: 1\nclients:\n" + "".join(f"  {k}: {v}\n" for k, v in entries.items())


def entry(**more: str) -> str:
    own = {"keys": f"[{{sha256: {SHA}, made: {MADE}}}]"} | more
    return "{" + ", ".join(f"{key}: {value}" for key, value in own.items()) + "}"


def faults(tmp_path: Path, content: str) -> list[str]:
    path = tmp_path / "prod.keys.yaml"
    path.write_text(content)
    with pytest.raises(SpecError) as error:
        read_clients(path)
    return [str(fault) for fault in error.value.faults]


def test_it_lies_beside_its_inventory() -> None:
    assert keys_path(INVENTORY) == Path("inventories/prod.keys.yaml")


def test_no_file_is_no_client(tmp_path: Path) -> None:
    assert read_clients(tmp_path / "prod.keys.yaml") == {}


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    limits = {"requests_a_minute": 60, "tokens_a_minute": 10**5, "in_flight": 8}
    all_ = {"models": ["chat", "sql"], "class": "batch", "tokens_a_month": 10**7, **limits}
    clients: Clients = {
        "no": client("no", "1" * 64),
        "alice@example.com": client("alice@example.com", "2" * 64, "3" * 64, **all_),
        "1e5": client("1e5", "4" * 64),
    }
    path = tmp_path / "prod.keys.yaml"
    with written(path, file_text(clients, INVENTORY)):
        assert not path.exists()
    assert read_clients(path) == clients
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


def test_its_order_is_no_matter_of_who_was_first() -> None:
    one, two = client("alice", "1" * 64), client("bob", "2" * 64)
    said = file_text({"bob": two, "alice": one}, INVENTORY)
    assert said == file_text({"alice": one, "bob": two}, INVENTORY)
    assert said.startswith("# Who may come in by the gateways of prod.py")


def test_a_block_that_fails_leaves_it_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "prod.keys.yaml"
    path.write_text("as it was")
    with pytest.raises(RuntimeError), written(path, "other"):
        raise RuntimeError
    assert path.read_text() == "as it was"
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


def test_a_link_to_it_stays_one(tmp_path: Path) -> None:
    link, file = tmp_path / "prod.keys.yaml", tmp_path / "elsewhere.yaml"
    link.symlink_to(file)
    with written(link, "x"):
        pass
    assert link.is_symlink() and file.read_text() == "x"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    path = tmp_path / "none" / "prod.keys.yaml"
    with pytest.raises(InputError, match="cannot be written"), written(path, "x"):
        pass
    with pytest.raises(InputError, match="cannot be written"), alone(path):
        pass


def test_every_fault_at_once(tmp_path: Path) -> None:
    content = text(
        bob=entry(modles="1", **{"class": "fast"}, in_flight="0", name="bob"),
        al="{keys: [{sha256: abc, made: 2026-01-01}], models: [], tokens_a_minute: 1.5}",
        **{"'b c'": entry(keys="[]"), "no": entry(), "dan": "3"},
    )
    assert faults(tmp_path, content + "extra: 1\n") == [
        "clients[False]: must be a text, put the name into quotes",
        "clients[al].keys[0].made: must be a moment in UTC such as 2026-12-31T00:00:00Z "
        "(got '2026-01-01')",
        "clients[al].keys[0].sha256: must be a SHA-256 digest, 64 hex digits (got 'abc')",
        "clients[al].models: must not be empty (got [])",
        "clients[al].tokens_a_minute: must be a whole number (got 1.5)",
        "clients[b c].keys: must have a key (got [])",
        "clients[b c].name: must be letters, digits and ._@- only, and start with a letter or "
        "digit (got 'b c')",
        "clients[bob].class: must be one of interactive, batch (got 'fast')",
        "clients[bob].in_flight: must be at least 1 (got 0)",
        "clients[bob].modles: is not a known key, did you mean 'models'?",
        "clients[bob].name: is the entry's own key, leave it out",
        "clients[dan]: must be a dict (got 3)",
        "keys.extra: is not a known key, expected one of clients, format",
    ]


def test_a_key_is_one_clients_and_once(tmp_path: Path) -> None:
    other = f"[{{sha256: {SHA}, made: {MADE}}}, {{sha256: {SHA}, made: {MADE}}}]"
    assert [line.partition(" (got")[0] for line in faults(
        tmp_path, text(alice=entry(), bob=entry(keys=other))
    )] == [
        "clients[bob].keys[0].sha256: is a key of alice already",
        "clients[bob].keys[1].sha256: is a key of alice already",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "keys: must be a dict"),
        ("clients: {}", "keys.format: is required"),
        ("format: 2", "keys.format: must be 1 (got 2)"),
        ("format: [", "line 1: must be YAML: "),
        ("format: 1\nformat: 1", "line 2: is there twice (got 'format')"),
        (f"format: 1\nclients:\n a: {entry()}\n a: {entry()}", "line 4: is there twice (got 'a')"),
        ("!!python/object:os.system {}", "line 1: must be YAML: could not determine"),
        ("&a [*a]", "keys: must be nested 64 levels deep at most"),
        ("[" * 10**5, "keys: must be nested 64 levels deep at most"),
        (f"format: {'9' * 5000}", "keys: must be YAML whose numbers and dates can be read"),
        ("format: 1\nclients: [a]", "keys.clients: must be a dict (got ['a'])"),
    ],
)
def test_what_is_no_such_file_is_said(tmp_path: Path, content: str, fault: str) -> None:
    (said,) = faults(tmp_path, content)
    assert said.startswith(fault)


@pytest.mark.parametrize("content", [b"\xff", b"\xef\xbb\xbfformat: 1"])
def test_what_is_no_text_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "prod.keys.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        read_clients(path)


def test_one_run_waits_for_another(tmp_path: Path) -> None:
    """What the second reads is what the first has written."""
    path = tmp_path / "prod.keys.yaml"
    waits, ended = threading.Event(), []

    def other() -> None:
        with alone(path, waits.set):
            ended.append(path.read_text())

    with alone(path):
        second = threading.Thread(target=other)
        second.start()
        assert waits.wait(60) and not ended
        path.write_text("of the first")
    second.join(60)
    assert ended == ["of the first"]
