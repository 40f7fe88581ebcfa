"""The matrix of nvidia-smi, cut off and mistyped: read, or refused with our own words."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from rackwright.errors import SpecError
from rackwright.inventory.entry import topo_text
from tests.samples.mutated import cut

MATRIX = """\
\tGPU0\tGPU1\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID
GPU0\t X \tNV6\tPIX\t0-31\t0\t\tN/A
GPU1\tNV6\t X \tPIX\t0-31\t1\t\tN/A
NIC0\tPIX\tPIX\t X \t\t\t\t
"""
SIGNS = ("GPU0", "GPU99", "NV6", "X", "\t", "\n", "CPU Affinity", "9" * 5000, "\x1b[4m", "N/A", "é")


def test_a_matrix_that_is_cut_off_is_read_or_refused() -> None:
    for text in (MATRIX, *cut(MATRIX)):
        for place in range(0, len(text), 9):
            for sign in SIGNS:
                with suppress(SpecError):
                    topo_text(text[:place] + sign + text[place:], "h100-sxm-80gb", None)


def test_a_number_without_end_is_read_or_refused() -> None:
    for place in ("0-31", "\t0", "\t1", "NV6", "GPU1"):
        for text in (MATRIX.replace(place, place + "9" * 5000), MATRIX.replace(place, "9" * 5000)):
            with suppress(SpecError):
                topo_text(text, None, None)


@given(st.lists(st.sampled_from(SIGNS)).map("".join) | st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(SpecError):
        topo_text(text, None, None)
