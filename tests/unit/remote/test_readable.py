"""Weights that the engine's user cannot read, in all the ways there are."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rackwright.remote.host import readable
from rackwright.remote.host.readable import why_closed

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="changes user, which only root can")


@pytest.fixture
def model() -> Iterator[Path]:
    """A folder of two files, below one that anybody may enter."""
    with tempfile.TemporaryDirectory(prefix="rackwright-test-") as name:
        Path(name).chmod(0o755)
        folder = Path(name) / "models" / "a"
        folder.mkdir(parents=True)
        for file in ("config.json", "model.safetensors"):
            (folder / file).write_text("{}")
        (folder / ".cache").mkdir(mode=0o700)
        yield folder


CLOSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a file": (
        lambda model: (model / "model.safetensors").chmod(0o600),
        "nobody cannot read {}/model.safetensors: {}/model.safetensors is -rw------- of root "
        "(chmod o+r {}/model.safetensors)",
    ),
    "the folder": (
        lambda model: model.chmod(0o700),
        "nobody cannot read {}: {} is drwx------ of root (chmod o+rx {})",
    ),
    "a folder that is not listed": (
        lambda model: model.chmod(0o711),
        "nobody cannot read {}: {} is drwx--x--x of root (chmod o+rx {})",
    ),
    "a folder above it": (
        lambda model: model.parent.chmod(0o750),
        "nobody cannot read {}: {above} is drwxr-x--- of root (chmod o+x {above})",
    ),
}


@pytest.mark.parametrize("name", CLOSED)
def test_what_is_closed_is_named_with_what_opens_it(model: Path, name: str) -> None:
    assert why_closed(model, "nobody") == ""
    close, words = CLOSED[name]
    close(model)
    assert why_closed(model, "nobody") == words.replace("{}", str(model)).format(above=model.parent)
    assert why_closed(model, "root") == ""


def test_a_link_does_not_lead_around_a_closed_folder(model: Path) -> None:
    closed = model.parent.parent / "closed"
    closed.mkdir(mode=0o700)
    (closed / "a").symlink_to(model)
    assert f"{closed} is drwx------ of root" in why_closed(closed / "a", "nobody")


def test_one_file_is_tried_alone(model: Path) -> None:
    (model / "config.json").chmod(0o600)
    assert why_closed(model / "model.safetensors", "nobody") == ""
    assert "config.json is -rw-------" in why_closed(model / "config.json", "nobody")


def test_a_link_is_judged_where_it_leads(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = model.parent.parent / "home"
    home.mkdir()
    (model / "model.safetensors").rename(home / "blob")
    (model / "model.safetensors").symlink_to(home / "blob")
    assert why_closed(model, "nobody") == ""
    monkeypatch.setattr(readable, "HIDDEN", (str(home),))
    said = why_closed(model, "nobody")
    assert said.startswith(f"{model}/model.safetensors is below {home}, which engines do not see")


def test_nothing_is_said_where_there_is_nothing(model: Path) -> None:
    assert why_closed(model / "absent", "nobody") == ""
    assert why_closed(model, "no-such-user") == ""
