"""The NVML stand-in answers, through nvidia-ml-py, what the captured host answered."""

from __future__ import annotations

import ctypes
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pynvml
import pytest

from lab import nvml
from lab.errors import LabError
from lab.nvml.capture import affinity, read_capture, smi_query
from lab.nvml.compose import write_profile
from lab.nvml.profile import PROFILES, profile_text, salted

DATA = Path(__file__).parents[2] / "data" / "h200x2"
RAW = json.loads((DATA / "nvml.json").read_text())
CAPTURE = read_capture(DATA)
WHOLE = profile_text(CAPTURE)
BOTH = (0, 1)

Answer = Callable[..., Any]
ASKED_OTHERWISE: dict[str, Answer] = {
    "MemoryInfo_v2": lambda gpu: pynvml.nvmlDeviceGetMemoryInfo(gpu, pynvml.nvmlMemory_v2),
    "Temperature": lambda gpu: pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU),
    "ClockSM": lambda gpu: pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM),
    "ClockMaxSM": lambda gpu: pynvml.nvmlDeviceGetMaxClockInfo(gpu, pynvml.NVML_CLOCK_SM),
    "processes": lambda gpu: pynvml.nvmlDeviceGetComputeRunningProcesses(gpu),
}
TESTED_ALONE = {
    "GpuFabricInfo",
    "CpuAffinity",
    "MemoryAffinity",
    "nvlinks",
    "nvlink_fields",
    "topology_common_ancestor",
    "p2p",
}


def plain(value: Any) -> Any:
    """A ctypes struct, a tuple or bytes as the capture wrote it."""
    if isinstance(value, ctypes.Structure):
        return {field[0]: getattr(value, field[0]) for field in value._fields_}
    if isinstance(value, bytes):
        return value.decode()
    return list(value) if isinstance(value, tuple) else value


def answer(question: Answer, *at: Any) -> Any:
    """The answer, or the error in the capture's words."""
    try:
        return plain(question(*at))
    except pynvml.NVMLError as error:
        return {"error": f"{type(error).__name__}: {error}"}


NOT_SUPPORTED = {"error": "NVMLError_NotSupported: Not Supported"}
INVALID = {"error": "NVMLError_InvalidArgument: Invalid Argument"}


Start = Callable[[str], list[Any]]


@pytest.fixture
def unstarted(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Nvidia-ml-py on the stand-in, before nvmlInit; the path where the profile is to be."""
    profile = tmp_path / "profile"
    monkeypatch.setattr(pynvml, "nvmlLib", ctypes.CDLL(str(library)))
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    monkeypatch.setenv("RACKWRIGHT_NVML_PROFILE", str(profile))
    yield profile
    while not isinstance(answer(lambda _: pynvml.nvmlShutdown(), None), dict):
        pass


@pytest.fixture
def start(unstarted: Path) -> Start:
    """Start NVML on a profile's text; gives the devices' handles."""

    def started(text: str) -> list[Any]:
        unstarted.write_text(text)
        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]

    return started


@pytest.fixture
def gpus(start: Start) -> list[Any]:
    return start(WHOLE)


def test_versions_and_count(gpus: list[Any]) -> None:
    assert len(gpus) == len(RAW["gpus"]) == 2
    assert pynvml.nvmlSystemGetDriverVersion() == RAW["driver"]
    assert pynvml.nvmlSystemGetNVMLVersion() == RAW["nvml"]
    assert pynvml.nvmlSystemGetCudaDriverVersion() == RAW["cuda"]
    assert pynvml.nvmlSystemGetCudaDriverVersion_v2() == RAW["cuda"]


@pytest.mark.parametrize("key", sorted(set(RAW["gpus"][0]) - TESTED_ALONE))
def test_answers_as_the_host_did(gpus: list[Any], key: str) -> None:
    question = ASKED_OTHERWISE.get(key) or getattr(pynvml, f"nvmlDeviceGet{key}")
    for gpu, captured in zip(gpus, RAW["gpus"], strict=True):
        assert answer(question, gpu) == captured[key]


LINK_QUESTIONS: dict[str, Callable[[Any, int], Any]] = {
    "state": pynvml.nvmlDeviceGetNvLinkState,
    "version": pynvml.nvmlDeviceGetNvLinkVersion,
    "remote_pci": pynvml.nvmlDeviceGetNvLinkRemotePciInfo,
    "remote_type": pynvml.nvmlDeviceGetNvLinkRemoteDeviceType,
    "cap_p2p": lambda gpu, link: pynvml.nvmlDeviceGetNvLinkCapability(
        gpu, link, pynvml.NVML_NVLINK_CAP_P2P_SUPPORTED
    ),
    "crc": lambda gpu, link: pynvml.nvmlDeviceGetNvLinkErrorCounter(
        gpu, link, pynvml.NVML_NVLINK_ERROR_DL_CRC_FLIT
    ),
    "replay": lambda gpu, link: pynvml.nvmlDeviceGetNvLinkErrorCounter(
        gpu, link, pynvml.NVML_NVLINK_ERROR_DL_REPLAY
    ),
}


@pytest.mark.parametrize("key", LINK_QUESTIONS)
def test_links_answer_as_the_host_did(gpus: list[Any], key: str) -> None:
    for gpu, captured in zip(gpus, RAW["gpus"], strict=True):
        links = captured["nvlinks"]
        found = [answer(LINK_QUESTIONS[key], gpu, link["link"]) for link in links]
        assert found == [link[key] for link in links]
        assert answer(LINK_QUESTIONS[key], gpu, len(links)) == INVALID


def test_link_keys_of_the_capture_are_all_asked() -> None:
    assert set(RAW["gpus"][0]["nvlinks"][0]) == {"link", *LINK_QUESTIONS}


def test_link_speed_is_a_field_value(gpus: list[Any]) -> None:
    speed, unknown = pynvml.nvmlDeviceGetFieldValues(gpus[1], [(164, 17), 999])
    assert (speed.nvmlReturn, speed.value.uiVal) == (0, 26562)
    assert unknown.nvmlReturn == pynvml.NVML_ERROR_NOT_SUPPORTED


def test_pairs_answer_as_the_host_did(gpus: list[Any]) -> None:
    ancestor, status = pynvml.nvmlDeviceGetTopologyCommonAncestor, pynvml.nvmlDeviceGetP2PStatus
    for row in BOTH:
        captured = RAW["gpus"][row]
        found = [answer(ancestor, gpus[row], peer) for peer in gpus]
        assert found == captured["topology_common_ancestor"]
        for code, name in enumerate(("read", "write", "nvlink", "atomics", "pcie")):
            found = [status(gpus[row], peer, code) for peer in gpus]
            assert found == captured["p2p"][name]


@pytest.mark.parametrize("version", [2, 3])
def test_fabric_is_as_nvidia_smi_said(gpus: list[Any], version: int) -> None:
    info = getattr(pynvml, f"c_nvmlGpuFabricInfo_v{version}_t")()
    pynvml.nvmlDeviceGetGpuFabricInfoV(gpus[1], ctypes.byref(info))
    smi = smi_query((DATA / "query.txt").read_text())[1]["Fabric"]
    assert (smi["State"], info.state) == ("Completed", pynvml.NVML_GPU_FABRIC_STATE_COMPLETED)
    assert (smi["Status"], info.status) == ("Success", 0)
    assert info.cliqueId == int(smi["CliqueId"])
    assert bytes(info.clusterUuid).hex() == smi["ClusterUUID"].replace("-", "")
    old = pynvml.c_nvmlGpuFabricInfo_t()
    pynvml.nvmlDeviceGetGpuFabricInfo(gpus[1], ctypes.byref(old))
    assert old.state == info.state


def test_affinities_are_as_nvidia_smi_said(gpus: list[Any]) -> None:
    assert list(pynvml.nvmlDeviceGetCpuAffinity(gpus[0], 4)) == [0xFFFFFFFF, 0, 0, 0]
    assert list(pynvml.nvmlDeviceGetMemoryAffinity(gpus[0], 1, 0)) == [1]


def test_wide_affinities_read_from_topo_text() -> None:
    text = "\tGPU0\tCPU Affinity\tNUMA Affinity\nGPU0\t X \t0-1,64,127\t1\n"
    assert affinity(text, 0) == {"CpuAffinity": [3, 1 | 1 << 63], "MemoryAffinity": [2]}


def test_newer_spellings_agree_with_the_older(gpus: list[Any]) -> None:
    assert pynvml.nvmlDeviceGetTemperatureV(gpus[0], 0) == RAW["gpus"][0]["Temperature"]
    reasons = RAW["gpus"][0]["CurrentClocksThrottleReasons"]
    assert pynvml.nvmlDeviceGetCurrentClocksEventReasons(gpus[0]) == reasons
    totals = [pynvml.nvmlDeviceGetTotalEccErrors(gpus[0], k, s) for k in BOTH for s in BOTH]
    assert totals == [0, 0, 0, 0]


def test_handles_by_every_name(gpus: list[Any]) -> None:
    uuid = RAW["gpus"][1]["UUID"]
    names = ["00000000:00:07.0", "0000:00:07.0", "0:0:7.0"]
    found = [pynvml.nvmlDeviceGetHandleByPciBusId(name) for name in names]
    found.append(pynvml.nvmlDeviceGetHandleByUUID(uuid))
    assert [pynvml.nvmlDeviceGetIndex(handle) for handle in found] == [1, 1, 1, 1]
    missing = {"error": "NVMLError_NotFound: Not Found"}
    assert answer(pynvml.nvmlDeviceGetHandleByPciBusId, "0000:00:08.0") == missing
    assert answer(pynvml.nvmlDeviceGetHandleByUUID, "GPU-no") == missing


def test_a_bad_index_or_handle_is_an_invalid_argument(gpus: list[Any]) -> None:
    assert answer(pynvml.nvmlDeviceGetHandleByIndex, 2) == INVALID
    assert answer(pynvml.nvmlDeviceGetName, pynvml.c_nvmlDevice_t()) == INVALID


def test_a_struct_of_another_version_is_refused(gpus: list[Any]) -> None:
    mismatch = pynvml.NVMLError_ArgumentVersionMismatch
    with pytest.raises(mismatch):
        pynvml.nvmlDeviceGetMemoryInfo(gpus[0], 0x01000028)


def test_uninitialised(unstarted: Path) -> None:
    error = {"error": "NVMLError_Uninitialized: Uninitialized"}
    assert answer(lambda _: pynvml.nvmlDeviceGetCount(), None) == error
    assert answer(lambda _: pynvml.nvmlSystemGetDriverVersion(), None) == error
    assert answer(lambda _: pynvml.nvmlShutdown(), None) == error


@pytest.mark.parametrize("text", [None, "[gpu 1]\n", "no equals sign\n", "[switch 0]\n"])
def test_no_readable_profile_is_no_driver(unstarted: Path, text: str | None) -> None:
    if text is not None:
        unstarted.write_text(text)
    with pytest.raises(pynvml.NVMLError_DriverNotLoaded, match="Driver Not Loaded"):
        pynvml.nvmlInit()


def test_users_are_counted_and_a_new_start_reads_the_profile_anew(start: Start) -> None:
    start(WHOLE)
    assert len(start("")) == 2, "still the first start's profile"
    pynvml.nvmlShutdown()
    assert pynvml.nvmlDeviceGetCount() == 2
    pynvml.nvmlShutdown()
    assert start("DriverVersion=1\n") == []


def edited(old: str, new: str) -> str:
    assert old in WHOLE
    return WHOLE.replace(old, new, 1)


def test_a_key_that_is_missing_is_not_supported(start: Start) -> None:
    gpus = start(edited("PowerUsage=113884\n", ""))
    assert answer(pynvml.nvmlDeviceGetPowerUsage, gpus[0]) == NOT_SUPPORTED
    assert pynvml.nvmlDeviceGetPowerUsage(gpus[1]) == 112606


def test_a_profile_can_make_any_answer_an_error(start: Start) -> None:
    lost = {"error": "NVMLError_GpuIsLost: GPU is lost"}
    gpus = start(edited("Temperature=39", "Temperature=!15"))
    assert answer(pynvml.nvmlDeviceGetTemperature, gpus[0], 0) == lost
    pynvml.nvmlShutdown()
    gpus = start(edited("NvLinkState=1,1,1", "NvLinkState=1,-,!15"))
    found = [answer(pynvml.nvmlDeviceGetNvLinkState, gpus[0], link) for link in range(4)]
    assert found == [1, NOT_SUPPORTED, lost, 1]


def test_a_profile_can_fail_the_start_and_a_handle(start: Start) -> None:
    with pytest.raises(pynvml.NVMLError_LibRmVersionMismatch):
        start(f"Init=!18\n{WHOLE}")
    with pytest.raises(pynvml.NVMLError_GpuIsLost):
        start(edited("[gpu 1]\n", "[gpu 1]\nHandle=!15\n"))


def test_processes(start: Start) -> None:
    gpus = start(edited("[gpu 1]\n", "[gpu 1]\nprocess=4711,1073741824\nprocess=4712,2\n"))
    found = pynvml.nvmlDeviceGetComputeRunningProcesses(gpus[1])
    assert [(each.pid, each.usedGpuMemory) for each in found] == [(4711, 1 << 30), (4712, 2)]
    assert pynvml.nvmlDeviceGetComputeRunningProcesses(gpus[0]) == []


@pytest.mark.parametrize(("name", "indices"), [("h200x2", [0, 1]), ("h200x1", [0])])
def test_shipped_profiles_come_from_the_capture(name: str, indices: list[int]) -> None:
    assert (PROFILES / f"{name}.profile").read_text() == profile_text(CAPTURE, indices)


def test_a_profile_of_some_gpus_renumbers_peers(start: Start) -> None:
    (gpu,) = start(profile_text(CAPTURE, [1]))
    assert pynvml.nvmlDeviceGetUUID(gpu) == RAW["gpus"][1]["UUID"]
    assert answer(pynvml.nvmlDeviceGetTopologyCommonAncestor, gpu, gpu) == NOT_SUPPORTED


def uuids(text: str) -> set[str]:
    return {line for line in text.splitlines() if line.startswith("UUID=")}


def test_each_host_has_gpus_of_its_own(tmp_path: Path) -> None:
    write_profile("h200x2", "gpu1", tmp_path / "one")
    one, two = (tmp_path / "one").read_text(), profile_text(CAPTURE, salt="gpu2")
    assert one == salted(WHOLE, "gpu1")
    assert len(uuids(one) | uuids(two) | uuids(WHOLE)) == 6
    with pytest.raises(LabError, match="did you mean 'h200x2'"):
        write_profile("h200-x2", "gpu1", tmp_path / "none")


def test_it_says_that_it_is_a_stand_in(library: Path) -> None:
    assert b"Rackwright lab stand-in" in library.read_bytes()


def test_a_failed_build_says_why_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / nvml.SONAME
    output.write_text("old")
    broken = tmp_path / "broken.c"
    broken.write_text("int f(void) { return nonsense; }\n")
    monkeypatch.setattr(nvml, "SOURCES", [broken])
    with pytest.raises(LabError, match="nonsense"):
        nvml.build(output)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="gcc is needed"):
        nvml.build(output)
    assert output.read_text() == "old"


def test_the_sources_compile_without_warnings(tmp_path: Path) -> None:
    argv = ["gcc", *nvml.FLAGS, "-Werror", "-Wpedantic", "-o", str(tmp_path / "so")]
    subprocess.run([*argv, *map(str, nvml.SOURCES)], check=True)
