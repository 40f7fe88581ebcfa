"""A layout in words."""

from __future__ import annotations

from rackwright.planning.layouts import Layout, split_names
from rackwright.sizing import Split


def test_splits_are_named_as_people_write_them() -> None:
    splits = [Split(1), Split(2), Split(4), Split(2, 2), Split(8, 1, True), Split(4, 2, True)]
    names = split_names([Layout(split) for split in splits])
    assert names == "TP 1, 2, 4; TP 2 PP 2; TP 8 EP; TP 4 PP 2 EP"
