"""Both ends of a PCIe link, read from trees as the kernel shows them below /sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from rackwright.remote.host.pci_link import bridge_end, card_end

FILES = ("current_link_speed", "current_link_width", "max_link_speed", "max_link_width")
KEYS = ("generation", "width", "max_generation", "max_width")
X16_GEN4 = ("16.0 GT/s PCIe", "16", "16.0 GT/s PCIe", "16")
NOTHING = dict.fromkeys(KEYS)
Words = tuple[str, ...]


def device(root: Path, *above: str, card: Words = X16_GEN4, bridge: Words | None = None) -> Path:
    """A card below some bridges, by its link among the devices, as the kernel has it."""
    place = root.joinpath("devices", "pci0000:00", *above, "0000:c1:00.0")
    place.mkdir(parents=True)
    write(place, card)
    if bridge:
        write(place.parent, bridge)
    link = root / "bus/pci/devices/0000:c1:00.0"
    link.parent.mkdir(parents=True)
    link.symlink_to(place)
    return link


def write(place: Path, words: Words) -> None:
    for name, text in zip(FILES, words, strict=False):
        (place / name).write_text(f"{text}\n")


def test_a_card_of_sixteen_lanes_in_a_slot_of_eight(tmp_path: Path) -> None:
    # As lspci shows an L4 or the second card of a desktop board: the port above has eight lanes.
    slot = ("8.0 GT/s PCIe", "8", "8.0 GT/s PCIe", "8")
    card = ("8.0 GT/s PCIe", "8", "16.0 GT/s PCIe", "16")
    link = device(tmp_path, "0000:00:01.1", card=card, bridge=slot)
    assert card_end(link) == dict(zip(KEYS, (3, 8, 4, 16), strict=True))
    assert bridge_end(link) == dict(zip(KEYS, (3, 8, 3, 8), strict=True))


def test_of_several_bridges_the_nearest_is_the_slot(tmp_path: Path) -> None:
    link = device(tmp_path, "0000:00:01.1", "0000:c0:00.0", bridge=X16_GEN4)
    write(tmp_path / "devices/pci0000:00/0000:00:01.1", ("2.5 GT/s PCIe", "1") * 2)
    assert bridge_end(link)["max_width"] == 16


@pytest.mark.parametrize(
    ("speed", "generation"),
    [
        ("2.5 GT/s PCIe", 1),
        ("2.5 GT/s", 1),
        ("5.0 GT/s PCIe", 2),
        ("5 GT/s", 2),
        ("8 GT/s", 3),
        ("16 GT/s", 4),
        ("32.0 GT/s PCIe", 5),
        ("64.0 GT/s PCIe", 6),
        ("Unknown", None),
        ("Unknown speed", None),
        ("3.0 GT/s PCIe", None),
        ("", None),
    ],
)
def test_speeds_of_every_kernel(tmp_path: Path, speed: str, generation: int | None) -> None:
    link = device(tmp_path, card=(speed, "16", speed, "16"))
    assert (card_end(link)["generation"], card_end(link)["max_generation"]) == (generation,) * 2


@pytest.mark.parametrize("lanes", ["0", "255", "63", "-1", "x16", "", "²"])
def test_a_width_that_is_none_is_not_told(tmp_path: Path, lanes: str) -> None:
    link = device(tmp_path, "0000:00:1e.0", bridge=("Unknown", lanes, "Unknown", lanes))
    assert bridge_end(link) == NOTHING


def test_a_device_that_is_no_pci_express_tells_nothing(tmp_path: Path) -> None:
    assert card_end(device(tmp_path, card=())) == NOTHING


def test_a_virtual_machine_hides_the_bridge(tmp_path: Path) -> None:
    link = device(tmp_path)
    assert card_end(link)["width"] == 16
    with pytest.raises(LookupError, match="no bridge is seen"):
        bridge_end(link)


def test_a_device_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    for end in (card_end, bridge_end):
        with pytest.raises(FileNotFoundError):
            end(tmp_path / "0000:c1:00.0")
