"""The matrix of ``nvidia-smi topo -m``: real texts, documented layouts, and what the probe saw."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rackwright.catalog import gpu_types
from rackwright.cli import main
from rackwright.errors import SpecError
from rackwright.inventory.entry import topo_text
from rackwright.inventory.gpu_keys import gpu_keys, groups_of, joined_by_matrix
from rackwright.planning.matrix_rows import gpu_rows
from rackwright.planning.topology import Topology, observed
from rackwright.planning.topology_text import differences, matrix_text, topology_of
from rackwright.spec import ServerSpec
from tests.samples.commands import run
from tests.samples.probes import lost, pairs, seen


def read_matrix(text: str) -> Topology:
    return topology_of(gpu_rows(text))


DATA = Path(__file__).parents[2] / "data"
PASTED = {path.stem: path.read_text() for path in sorted((DATA / "topology").glob("*.txt"))}
EIGHT_SWITCHED = "\n".join(
    [
        f"{' '.join(f'GPU{i}' for i in range(8))} CPU Affinity NUMA Affinity",
        *(
            f"GPU{i} {' '.join('X' if i == j else 'NV18' for j in range(8))} 0-31 0"
            for i in range(8)
        ),
    ]
)
ONE_NODE = ((0, 1, 2, 3),)
SINGLES = ((0,), (1,), (2,), (3,))
BRIDGES = """\
\tGPU0\tGPU1\tGPU2\tGPU3\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID
GPU0\t X \tNV12\tSYS\tSYS\t0-15,32-47\t0\t\tN/A
GPU1\tNV12\t X \tSYS\tSYS\t0-15,32-47\t0\t\tN/A
GPU2\tSYS\tSYS\t X \tNV12\t16-31,48-63\t1\t\tN/A
GPU3\tSYS\tSYS\tNV12\t X \t16-31,48-63\t1\t\tN/A
"""
# As people paste it: columns of spaces, network cards, a card between, no GPU NUMA ID.
PCIE = """\
Driver 580
        GPU0    GPU1    NIC0    GPU2    GPU3    CPU Affinity    NUMA Affinity
GPU0     X      PIX     NODE    SYS     SYS     0-7,16-23       0
GPU1    PIX      X      NODE    SYS     SYS     0-7,16-23       0
NIC0    NODE    NODE     X      SYS     SYS
GPU2    SYS     SYS     SYS      X      PHB     8-15,24-31      1
GPU3    SYS     SYS     SYS     PHB      X      8-15,24-31      1

Legend:

  NV#  = Connection traversing a bonded set of # NVLinks
"""
SUB_NUMA = """\
        GPU0    GPU1    GPU2    GPU3    CPU Affinity    NUMA Affinity
GPU0     X      NV4     NV4     NV4     0       0-1
GPU1    NV4      X      NV4     NV4     0       0-1
GPU2    NV4     NV4      X      NV4     0       0-1
GPU3    NV4     NV4     NV4      X      0       0-1
"""
SCATTERED = """\
        GPU0    GPU1    GPU2    GPU3    CPU Affinity    NUMA Affinity   GPU NUMA ID
GPU0     X      SYS     SYS     SYS     8-15,24-31      1               N/A
GPU1    SYS      X      PXB     NODE    0-7,16-23       0               N/A
GPU2    SYS     PXB      X      NODE    0-7,16-23       0               N/A
GPU3    SYS     NODE    NODE     X      N/A             N/A             N/A
"""
OLD = """\
\tGPU0\tGPU1\tCPU Affinity
GPU0\t X \tNV2\t0-19
GPU1\tNV2\t X \t0-19
"""
HALVES = ((0, 1), (2, 3))
PAIR, PAIR_APART, EIGHT = ((0, 1),), ((0,), (1,)), tuple(range(8))
TWELVE = "\n".join(
    [
        f"{' '.join(f'GPU{i}' for i in range(10))} GPU10GPU11 CPU Affinity NUMA Affinity",
        *(
            f"GPU{i} {' '.join('X' if i == j else 'NV18' for j in range(12))} 0-31 0"
            for i in range(12)
        ),
    ]
)
TEXTS: dict[str, tuple[str, Topology]] = {
    "two H200": ((DATA / "h200x2/topo.txt").read_text(), Topology(((0, 1),), ((0, 1),))),
    "one H200": ((DATA / "h200x1/topo.txt").read_text(), Topology(((0,),), ((0,),))),
    "bridge pairs": (BRIDGES, Topology(HALVES, HALVES)),
    "PCIe on two nodes": (PCIE, Topology(SINGLES, HALVES)),
    "two nodes near each": (SUB_NUMA, Topology(ONE_NODE, ONE_NODE)),
    "the second node first": (SCATTERED, Topology(SINGLES, ((1, 2, 3), (0,)))),
    "before NUMA was told": (OLD, Topology(((0, 1),), ((0, 1),))),
    "two H100, underlined": ((DATA / "h100x2/topo.txt").read_text(), Topology(PAIR, PAIR)),
    "underlined": (PASTED["topo-ansi-2"], Topology(PAIR, PAIR)),
    "underlined, escapes lost": (PASTED["topo-ansi-pasted"], Topology(PAIR, PAIR)),
    "a node that is blank": (PASTED["topo-blank-affinity"], Topology(PAIR_APART, PAIR_APART)),
    "names of cards that are glued": (PASTED["topo-glued"], Topology(PAIR, PAIR)),
    "four joined directly": (PASTED["topo-plain-4xnv6"], Topology(ONE_NODE, HALVES)),
    "a cube of eight": (PASTED["topo-v100-cube"], Topology((EIGHT,), (EIGHT[:4], EIGHT[4:]))),
    "twelve, glued from the tenth": (TWELVE, Topology((tuple(range(12)),), (tuple(range(12)),))),
    "nodes by their CPUs": (
        OLD.replace("NV2", "SYS").replace("X \t0-19", "X \t20-39"),
        Topology(PAIR_APART, PAIR_APART),
    ),
    "no CPUs told, in spaces": (
        "GPU0 GPU1 CPU Affinity NUMA Affinity GPU NUMA ID\nGPU0 X SYS 1 N/A\nGPU1 SYS X 1 N/A\n",
        Topology(PAIR_APART, PAIR),
    ),
    "no CPUs told, in columns": (
        BRIDGES.replace("0-15,32-47", "").replace("16-31,48-63", ""),
        Topology(HALVES, HALVES),
    ),
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=TEXTS)
def test_a_matrix_is_read(text: str, expected: Topology) -> None:
    assert read_matrix(text) == expected
    assert read_matrix(text.replace("\n", "\r\n")) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "topo: must have a line with GPU0"),
        ("Failed to initialize NVML", "topo: must have a line with GPU0"),
        (BRIDGES.partition("GPU3\tSYS")[0], "topo[GPU3]: must be a row with 4 cells"),
        (BRIDGES.replace("\tSYS\t X \tNV12\t16-31", "\n"), "topo[GPU2]: must be a row"),
        (BRIDGES.replace("\tGPU0\t", "\t", 1), "topo: must be columns GPU0, GPU1, GPU2, in"),
        (BRIDGES.replace("\tGPU0\t", "\t", 1), "topo[GPU0]: is a row without a column"),
        (BRIDGES.replace("\tGPU3\t", "\t", 1), "topo[GPU3]: is a row without a column"),
        (BRIDGES.replace("GPU3\tCPU", "CPU"), "topo[GPU0]: must be a row with 3 cells"),
        (
            BRIDGES.replace("GPU3\tCPU", "CPU").partition("GPU3")[0],
            "topo[GPU2]: must be a row with 3 cells",
        ),
        (BRIDGES.replace("\tGPU0\t", "\tFOO\t", 1), "topo: must be columns GPU0"),
        (BRIDGES.replace("GPU3", "GPU3000"), "topo: must be columns by the names GPU0"),
        (BRIDGES.replace("GPU3", "GPU3\u202e"), "topo: must be columns by the names GPU0"),
        (BRIDGES.replace("GPU3", "GPU-3"), "topo: must be columns by the names GPU0"),
        (BRIDGES.replace("\t", "|"), "topo: must be columns by the names GPU0"),
        (BRIDGES.replace("\tGPU0\t", "\tMIG 1g\t", 1), "topo: must be columns GPU0"),
        (BRIDGES + OLD, "topo: must be one matrix, another begins in line 6"),
        (BRIDGES + BRIDGES.partition("\n")[2], "topo[GPU0]: must be one row, there are 2"),
        (BRIDGES.replace("GPU1\tNV12\t X ", "GPU1\t X \tNV12"), "topo[GPU1]: must have its X in"),
        (BRIDGES.replace("\n", " "), "topo[GPU0]: must be a row with 4 cells"),
    ],
)
def test_a_text_that_is_no_matrix_says_so(text: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_matrix(text)
    assert words in str(caught.value)


def lose(text: str) -> Iterator[str]:
    """A text that lost a word, a line or the gap between two words, wherever that is."""
    lines = text.splitlines(keepends=True)
    yield from ("".join(lines[:at] + lines[at + 1 :]) for at in range(len(lines)))
    for word in re.finditer(r"\S+", text):
        yield text[: word.start()] + text[word.end() :]
        yield text[: word.end()] + text[word.end() :].lstrip(" \t")
        yield text[: word.end()]


@pytest.mark.parametrize("name", TEXTS)
def test_no_gpu_is_lost_without_a_word(name: str) -> None:
    """Whatever a paste lost: all GPUs are read, or it is refused; never fewer, or others' links."""
    text, expected = TEXTS[name]
    refused = 0
    for damaged in lose(text.partition("\n\nLegend")[0]):
        try:
            found = read_matrix(damaged)
        except SpecError:
            refused += 1
            continue
        assert found.islands == expected.islands, damaged
    assert refused


@pytest.mark.parametrize("code", ["\x1b[4m", "[4m", "^[[4m", "\ufffd[0;1m", "\x1b[m"])
@pytest.mark.parametrize("name", TEXTS)
def test_terminal_codes_do_not_matter(name: str, code: str) -> None:
    text, expected = TEXTS[name]
    assert (
        read_matrix(text.replace("GPU", f"{code}GPU").replace("NUMA ID", "NUMA ID[0m")) == expected
    )


@pytest.mark.parametrize("mark", ["> ", ">", ">> ", "  > > ", "| "])
@pytest.mark.parametrize("name", TEXTS)
def test_a_matrix_that_a_mail_quotes_is_read(name: str, mark: str) -> None:
    text, expected = TEXTS[name]
    assert read_matrix("".join(f"{mark}{line}\n" for line in text.splitlines())) == expected


def test_what_the_probe_saw_is_printed_as_nvidia_smi_did() -> None:
    probe = json.loads((DATA / "h200x1/probe.json").read_text())
    assert [line.split() for line in matrix_text(probe).splitlines()] == [
        ["GPU0", "CPU", "Affinity", "NUMA", "Affinity"],
        ["GPU0", "X", "0-15", "0"],
    ]
    real = (DATA / "h200x2/topo.txt").read_text().splitlines()
    printed = matrix_text(seen(2)).splitlines()
    assert [row.split()[1:3] for row in printed[1:]] == [row.split()[1:3] for row in real[1:3]]


@pytest.mark.parametrize("probe", [seen(1), seen(8), pairs(4), pairs(8)])
def test_what_was_printed_is_read_as_it_was_seen(probe: dict[str, Any]) -> None:
    assert read_matrix(matrix_text(probe)) == observed(probe)


def test_links_that_are_down_and_gpus_that_are_lost_are_seen() -> None:
    probe = seen(3)
    for link in probe["gpus"][1]["nvlinks"][:3]:
        link["active"] = False
    probe["gpus"][2]["nvlinks"] = []
    lost(probe)
    rows = [line.split() for line in matrix_text(probe).splitlines()[1:]]
    assert rows[0] == ["GPU0", "X", "?", "?", "?", "?"]
    assert rows[1][:4] == ["GPU1", "?", "X", "?"]
    probe["gpus"][0] = seen(1)["gpus"][0]
    assert matrix_text(probe).splitlines()[1].split()[1:4] == ["X", "NV15", "?"]
    assert matrix_text({"gpus": []}) == ""


def test_differences_are_said() -> None:
    pairs, halves = read_matrix(BRIDGES), read_matrix(PCIE)
    assert list(differences(pairs, pairs)) == []
    assert list(differences(pairs, halves)) == [
        "NVLink is declared to join 0-1, 2-3, it joins none"
    ]
    one = Topology(pairs.islands, ONE_NODE)
    assert list(differences(one, pairs)) == [
        "NUMA nodes are declared as 0-1-2-3, they are 0-1, 2-3"
    ]
    assert list(differences(read_matrix(OLD), pairs)) == ["GPUs: 2 declared, 4 there"]


def topo(*words: str, text: str = BRIDGES) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["topo", "-", *words], input=text)
    return done.exit_code, done.output


def test_the_command_says_what_to_paste() -> None:
    assert topo() == (0, "4 GPUs; NVLink joins 0-1, 2-3; NUMA nodes 0-1, 2-3\n")
    code, said = topo("--gpu", "a100-pcie-80gb")
    assert code == 0
    assert "'interconnect': 'nvlink'" in said and "'nvlink_islands': [[0, 1], [2, 3]]" in said
    code, said = topo("--gpu", "a100-pcie")
    assert code == 65 and "gpu: is not a known GPU type, did you mean 'a100-pcie-" in said


@pytest.mark.parametrize(
    ("name", "gpu", "server"),
    [
        (
            "topo-plain-4xnv6",
            "h100-sxm-80gb",
            {
                "interconnect": "nvlink",
                "nvlink_islands": [[0, 1, 2, 3]],
                "numa_nodes": [[0, 1], [2, 3]],
            },
        ),
        (
            "topo-v100-cube",  # six links, as many as a V100 has
            "v100-like",
            {
                "interconnect": "nvlink",
                "nvlink_islands": [[*range(8)]],
                "numa_nodes": [[*range(4)], [*range(4, 8)]],
            },
        ),
        ("topo-glued", "h100-sxm-80gb", {"interconnect": "nvswitch", "fabric_manager": "host"}),
        ("topo-glued", "h200-nvl-141gb", {"interconnect": "nvlink", "nvlink_islands": [[0, 1]]}),
        ("topo-glued", "b200-sxm-180gb", {"interconnect": "nvswitch", "fabric_manager": "host"}),
        ("topo-ansi-2", "a100-sxm-80gb", {"interconnect": "nvlink", "nvlink_islands": [[0, 1]]}),
        ("topo-blank-affinity", "l40s-48gb", {"interconnect": "pcie", "numa_nodes": [[0], [1]]}),
        ("eight", "h100-sxm-80gb", {"interconnect": "nvswitch"}),
    ],
)
def test_links_lead_to_a_switch_only_where_a_gpu_has_too_few_for_the_others(
    name: str, gpu: str, server: dict[str, Any]
) -> None:
    rows = gpu_rows(EIGHT_SWITCHED if name == "eight" else PASTED[name])
    a100 = gpu_types()["a100-sxm-80gb"]
    assert a100.nvlink
    own = a100.model_copy(update={"nvlink": a100.nvlink.model_copy(update={"links": 6})})
    kind = own if gpu == "v100-like" else gpu_types()[gpu]
    seen = joined_by_matrix(rows, kind)
    found = gpu_keys(groups_of({kind: range(len(rows))}, seen), seen, len(rows))
    assert found == {"gpus": {"type": kind.key, "count": len(rows)}, **server}


def test_the_command_says_why_a_guest_needs_no_fabric_manager() -> None:
    code, said = topo("--gpu", "h100-sxm-80gb", text=(DATA / "h100x2/topo.txt").read_text())
    assert code == 0 and "'fabric_manager': 'host'" in said
    assert "# links lead to an NVSwitch that is not this machine's own (boards with one" in said


def test_a_board_whose_switch_is_not_up_yet_is_told_of() -> None:
    head = f"{' '.join(f'GPU{i}' for i in range(8))} CPU Affinity"
    rows = [f"GPU{i} {' '.join('X' if i == j else 'SYS' for j in range(8))} 0-31" for i in range(8)]
    words = "# 8 x NVIDIA H100 80GB HBM3 without a link: where their board has an NVSwitch"
    assert words in topo_text("\n".join([head, *rows]), "h100-sxm-80gb", None)[0]
    assert "without a link" not in topo_text("\n".join([head, *rows]), "l40s-48gb", None)[0]


def test_declared_gpus_are_compared_and_others_are_not() -> None:
    spec: dict[str, Any] = {
        "name": "gpu1",
        "address": "192.0.2.11",
        "gpus": {"type": "a100-pcie-80gb", "count": 2, "indexes": [2, 3]},
        "interconnect": "nvlink",
        "nvlink_islands": [[2, 3]],
    }
    assert topo_text(BRIDGES, None, ServerSpec(**spec))[1]
    other = {**spec, "gpus": {**spec["gpus"], "indexes": [1, 2]}, "nvlink_islands": [[1, 2]]}
    said, agrees = topo_text(BRIDGES, None, ServerSpec(**other))
    assert not agrees and "NVLink is declared to join 1-2, it joins none" in said
    beyond = {**spec, "gpus": {**spec["gpus"], "indexes": [2, 9]}, "nvlink_islands": []}
    assert "GPUs: 2 declared, 1 there" in topo_text(BRIDGES, None, ServerSpec(**beyond))[0]
    kinds = {**spec, "other_gpus": [{"type": "l4-24gb", "count": 2, "indexes": [0, 1]}]}
    said, agrees = topo_text(PASTED["topo-blank-affinity"], None, ServerSpec(**kinds))
    assert not agrees and "GPUs: 4 declared, 2 there" in said


def test_the_command_compares_with_an_inventory() -> None:
    text = str(DATA / "h200x2/topo.txt")

    def compared(server: str) -> tuple[int, str]:
        done = run(
            "rackwright", "topo", text, "--inventory", "inventories/lab.py", "--server", server
        )
        return done.returncode, done.stdout + done.stderr

    assert compared("gpu1") == (
        0,
        "2 GPUs; NVLink joins 0-1; NUMA nodes 0-1\nas gpu1 is declared\n",
    )
    code, said = compared("gpu2")
    assert code == 2 and "GPUs: 1 declared, 2 there" in said
    code, said = compared("gpu9")
    assert (code, said) == (67, "Error: --server 'gpu9' is not known, did you mean 'gpu2'?\n")
    assert topo("--server", "gpu1")[0] == 67
