from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from rackwright import catalog
from rackwright.catalog import GpuType, Interconnect, Link

GPUS = catalog.gpu_types()
MEASURED = Path(__file__).parents[2] / "data/h200x2/p2p.txt"
PER_LINK_GB_PER_S = {
    2: 50,
    3: 50,
    4: 50,
    5: 100,
}  # both directions, at most: GeForce links are slower
EXPECTED = {
    (6, 0): {"fp16"},
    (7, 5): {"fp16", "int8"},
    (8, 0): {"bf16", "int8"},
    (8, 9): {"bf16", "int8", "fp8"},
    (10, 0): {"bf16", "int8", "fp8", "fp4"},
}
"""Formats of the tensor cores (before them, of all arithmetic) by the capability that brought them.
"""
WITHOUT_PEERS = ("GeForce", "TITAN")
SCARCE = ("h20-", "p40-")
"""Cards with much memory bandwidth for their arithmetic: made so for export, or without tensor
cores."""
POSSIBLE: list[tuple[str, Interconnect]] = [
    (key, kind) for key, gpu in GPUS.items() for kind in sorted(gpu.interconnects - {"none"})
]
IMPOSSIBLE: list[tuple[str, Interconnect]] = [
    (key, kind)
    for key, gpu in GPUS.items()
    for kind in ("none", "pcie", "nvlink", "nvswitch")
    if kind == "none" or kind not in gpu.interconnects
]
SPEEDS = (1, 10, 25, 40, 100, 200, 400, 800)


def handle(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "").removeprefix("nvidia")


def names(gpu: GpuType) -> set[str]:
    return {handle(name) for name in (gpu.key, gpu.name, *gpu.aliases)}


@pytest.mark.parametrize("key", GPUS)
def test_figures_are_sourced(key: str) -> None:
    gpu = GPUS[key]
    assert all(source.strip() for source in gpu.sources.values()), f"{key}: fill in its sources"
    brands = ("NVIDIA ", "Tesla ", "Quadro ")
    assert gpu.name.startswith(brands), f"{key}: give the name that NVML gives it"


@pytest.mark.parametrize("key", GPUS)
def test_the_formats_are_those_of_the_architecture(key: str) -> None:
    gpu = GPUS[key]
    expected = EXPECTED[max(each for each in EXPECTED if each <= gpu.compute_capability)]
    assert set(gpu.dense_tflops) == expected, (
        f"catalog/gpus.yaml: {key}.dense_tflops must have {sorted(expected)}, as compute "
        f"capability {gpu.compute_capability} has"
    )


@pytest.mark.parametrize("key", GPUS)
def test_tensor_cores_double_with_half_the_bits(key: str) -> None:
    """Which also tells dense figures from those with sparsity."""
    gpu, tflops = GPUS[key], GPUS[key].dense_tflops
    half = tflops[gpu.half]
    wrong = f"catalog/gpus.yaml: {key}.dense_tflops: give the dense figure, without sparsity, of"
    if "fp8" in tflops:
        assert tflops["fp8"] == pytest.approx(2 * half, rel=0.02), f"{wrong} fp8 or bf16"
    if "fp4" in tflops:
        assert 1.98 <= tflops["fp4"] / tflops["fp8"] <= 4.01, f"{wrong} fp4"
    most = 4.01 if "GeForce" in GPUS[key].name else 2.03  # those sum bf16 at half their speed
    if "int8" in tflops and gpu.compute_capability != (10, 3):  # which has next to no int8
        assert 1.98 <= tflops["int8"] / half <= most, f"{wrong} int8 or bf16"
    least = 30 if key.startswith(SCARCE) else 50
    assert least < half * 1000 / gpu.memory_bandwidth_gb_per_s < 500


@pytest.mark.parametrize("key", GPUS)
def test_nvlink_carries_what_its_links_can(key: str) -> None:
    nvlink = GPUS[key].nvlink
    if nvlink:
        most = nvlink.links * PER_LINK_GB_PER_S[nvlink.generation]
        assert most / 2 <= nvlink.bandwidth_gb_per_s <= most, (
            f"catalog/gpus.yaml: {key}.nvlink: {nvlink.links} links of generation "
            f"{nvlink.generation} carry {most / 2:g} to {most} GB/s, both directions together"
        )
    else:
        assert not GPUS[key].interconnects & {"nvlink", "nvswitch"}, (
            f"catalog/gpus.yaml: {key} claims NVLink: give its nvlink, or correct interconnects"
        )


@pytest.mark.parametrize("key", GPUS)
def test_pcie_is_of_a_known_width(key: str) -> None:
    gpu = GPUS[key]
    assert gpu.pcie_generation in (3, 4, 5, 6)
    assert gpu.pcie_lanes in (8, 16)
    assert gpu.pcie_peer_access == (not any(brand in gpu.name for brand in WITHOUT_PEERS))


@pytest.mark.parametrize("key", GPUS)
def test_a_gpu_is_found_by_any_of_its_names(key: str) -> None:
    gpu = GPUS[key]
    size = gpu.memory_mib * 1024**2
    for name in (gpu.key, gpu.name, gpu.name.removeprefix("NVIDIA "), *gpu.aliases):
        for written in (name, name.upper(), name.replace("-", " "), name.replace("-", "_")):
            assert catalog.find_gpu(written, size) is gpu
            assert gpu.is_named(written)
    assert gpu.aliases == tuple(alias.lower() for alias in gpu.aliases)


@pytest.mark.parametrize("key", GPUS)
def test_no_two_gpus_share_a_name(key: str) -> None:
    """But for what NVML calls alike, whose memory tells them apart."""
    others = [gpu for other, gpu in GPUS.items() if other != key]
    assert not list(catalog.alike(GPUS[key], others))
    own = names(GPUS[key]) - {handle(GPUS[key].name)}
    assert not own & set().union(*map(names, others))


@pytest.mark.parametrize("key", GPUS)
def test_no_figure_of_a_gpu_excludes_another(key: str) -> None:
    assert not list(catalog.contradictions(GPUS[key]))


def test_every_link_that_a_type_may_claim_has_figures() -> None:
    limits = catalog.gpus.NvLink.model_fields["generation"].metadata
    generations = {each for each in range(10) if all(_holds(limit, each) for limit in limits)}
    assert generations == set(catalog.links().nvlink)
    limits = GpuType.model_fields["pcie_generation"].metadata
    generations = {each for each in range(10) if all(_holds(limit, each) for limit in limits)}
    assert generations <= set(catalog.links().pcie.gb_per_s_per_lane)


def _holds(limit: object, value: int) -> bool:
    least, most = getattr(limit, "ge", value), getattr(limit, "le", value)
    return bool(least <= value <= most)


def test_memory_tells_cards_apart_that_nvml_calls_alike() -> None:
    name = "NVIDIA GeForce RTX 5060 Ti"
    found = [catalog.find_gpu(name, mib * 1024**2) for mib in (8151, 16311)]
    assert [gpu and gpu.key for gpu in found] == ["rtx-5060-ti-8gb", "rtx-5060-ti-16gb"]
    assert catalog.find_gpu(name) is None


PEOPLE_HAVE = """
NVIDIA A10G, NVIDIA A10, Tesla T4, Tesla V100-SXM2-16GB, Tesla V100-SXM2-32GB, Tesla V100-PCIE-16GB,
Tesla V100-PCIE-32GB, NVIDIA A40, NVIDIA A30, NVIDIA A16, NVIDIA A2, NVIDIA RTX A5000,
NVIDIA RTX A4000, NVIDIA RTX A6000, NVIDIA H20, NVIDIA H20-3e, NVIDIA H800, NVIDIA H800 PCIe,
NVIDIA A800-SXM4-80GB, NVIDIA A800 80GB PCIe, NVIDIA L20, NVIDIA L4, NVIDIA L40S, NVIDIA GB200,
NVIDIA GB300, NVIDIA GB10, NVIDIA RTX PRO 4000 Blackwell, NVIDIA RTX PRO 4500 Blackwell,
NVIDIA RTX PRO 5000 Blackwell, NVIDIA RTX PRO 5000 72GB Blackwell, NVIDIA RTX 5000 Ada Generation,
NVIDIA RTX 6000 Ada Generation, NVIDIA GeForce RTX 3090 Ti, NVIDIA GeForce RTX 4080,
NVIDIA GeForce RTX 4080 SUPER, NVIDIA GeForce RTX 4070 Ti SUPER, NVIDIA GeForce RTX 4090 D,
NVIDIA GeForce RTX 2080 Ti, GeForce RTX 2080 Ti, NVIDIA GeForce RTX 5070,
NVIDIA GeForce RTX 5070 Ti, NVIDIA GeForce RTX 5080, Quadro RTX 8000, NVIDIA TITAN RTX, Tesla P40,
NVIDIA GeForce RTX 3060
"""


@pytest.mark.parametrize("name", re.split(r",\s+", PEOPLE_HAVE.strip()))
def test_what_people_have_is_there_by_its_nvml_name(name: str) -> None:
    assert catalog.find_gpu(name)


@pytest.mark.parametrize("name", ["", "nvidia", "h100", "a100", "a100-80gb", "rtx", "mi300x"])
def test_what_is_no_gpu_or_several_is_not_found(name: str) -> None:
    assert catalog.find_gpu(name) is None


@pytest.mark.parametrize(("key", "kind"), POSSIBLE)
def test_every_interconnect_of_a_gpu_has_a_link(key: str, kind: Interconnect) -> None:
    gpu = GPUS[key]
    link = catalog.link(kind, gpu)
    check_link(link)
    if kind == "pcie":
        nominal = 2 ** (gpu.pcie_generation - 3) * gpu.pcie_lanes
        through_host = catalog.link(kind, gpu, peer_access=False)
        assert link == through_host or gpu.pcie_peer_access
        assert through_host.bandwidth_gb_per_s <= link.bandwidth_gb_per_s < nominal
    elif gpu.nvlink:
        assert link.bandwidth_gb_per_s < gpu.nvlink.bandwidth_gb_per_s / 2


@pytest.mark.parametrize(("key", "kind"), IMPOSSIBLE)
def test_a_gpu_has_no_other_link(key: str, kind: Interconnect) -> None:
    with pytest.raises(ValueError, match=f"no link of kind '{kind}'"):
        catalog.link(kind, GPUS[key])


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_network_carries_less_than_its_speed(speed: int) -> None:
    link = catalog.network(speed)
    check_link(link)
    assert 0.3 < link.bandwidth_gb_per_s * 8 / speed < 1


def test_a_faster_network_is_faster() -> None:
    sent = [catalog.network(speed).send_us(2**20) for speed in SPEEDS]
    assert all(slow > fast for slow, fast in pairwise(sent))
    with pytest.raises(ValueError, match="1 Gbit/s or more"):
        catalog.network(0)


def test_all_reduce_takes_the_figures_of_its_ranks() -> None:
    link = catalog.link("nvswitch", GPUS["h200-sxm-141gb"])
    assert link.all_reduce_us(2**20, 1) == 0
    assert link.all_reduce_us(0, 2) == link.all_reduce_latency_us[2]
    assert link.all_reduce_us(0, 3) == link.all_reduce_latency_us[4]
    assert link.all_reduce_us(0, 16) == 2 * link.all_reduce_latency_us[8]
    # 1.75 bytes cross the bus for each byte of eight ranks; a GB/s is 1000 bytes a microsecond.
    seconds = 1.75 * 2**30 / (link.all_reduce_gb_per_s[8] * 1e9)
    assert link.all_reduce_us(2**30, 8) == pytest.approx(seconds * 1e6, rel=0.01)
    assert link.send_us(2**30) == pytest.approx(2**30 / link.bandwidth_gb_per_s / 1e3, rel=0.01)


@pytest.mark.parametrize("generation", catalog.links().nvlink)
def test_outside_cuda_graphs_an_all_reduce_over_nvlink_is_slower(generation: int) -> None:
    link = catalog.links().nvlink[generation].of(450)
    for ranks in (2, 4, 8):
        eager, graph = (link.all_reduce_us(2**26, ranks, each) for each in (False, True))
        assert graph < eager < 2 * graph


def test_over_pcie_and_networks_it_is_no_slower() -> None:
    for link in (catalog.link("pcie", GPUS["l40s-48gb"]), catalog.network(200)):
        assert link.all_reduce_us(2**26, 4, False) == link.all_reduce_us(2**26, 4, True)


def test_nvlink_of_the_h200_matches_what_was_measured() -> None:
    link = catalog.link("nvlink", GPUS["h200-sxm-141gb"])
    rows = re.findall(r"allreduce (\d+) MiB: (\d+) us", MEASURED.read_text(encoding="utf-8"))
    large = {int(mib): int(us) for mib, us in rows if int(mib) >= 256}
    assert len(large) == 2
    for mib, measured_us in large.items():
        assert link.all_reduce_us(mib * 2**20, 2) == pytest.approx(measured_us, rel=0.25)
    copied = re.search(r"copy 0->1 ([\d.]+) GB/s", MEASURED.read_text(encoding="utf-8"))
    assert copied
    assert 0.7 < link.bandwidth_gb_per_s / float(copied[1]) < 1


def check_link(link: Link) -> None:
    assert set(link.all_reduce_gb_per_s) == set(link.all_reduce_latency_us) == {2, 4, 8}
    latencies = [link.all_reduce_latency_us[ranks] for ranks in (2, 4, 8)]
    assert latencies == sorted(latencies)
    assert link.bandwidth_gb_per_s == link.all_reduce_gb_per_s[2]
    assert link.source.strip()
    assert link.send_us(2**20) > link.send_us(2**10) > link.send_latency_us
    assert link.all_reduce_us(2**20, 2) > link.all_reduce_latency_us[2]
