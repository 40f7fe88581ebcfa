"""Errors of the driver: what each means, and when one is over."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.checks.results import CheckResult, Status
from rackwright.checks.server.xid_codes import BY_TEXT, CODES, LOOK, RESET, UNKNOWN_CODE, is_fatal
from tests.samples.probes import Probe, results, seen

OK, WARN, CRITICAL = Status.OK, Status.WARN, Status.CRITICAL
FIRST, SECOND = "0000:00:00", "0000:01:00"
"""The slots of the sample's GPUs, as the kernel writes them."""
TO_RESET = "GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)"
TO_REBOOT = "GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)"
TO_NONE = "GPU recovery action changed from 0x1 (GPU Reset Required) to 0x0 (None)"


def one(code: int, text: str = "", slot: str = FIRST) -> dict[str, Any]:
    return {"pci_bus_id": slot, "code": code, "text": text}


def found(*xids: dict[str, Any], asks: str | None = None, **more: Any) -> CheckResult:
    """The check's result with these errors in the log; ``asks`` is what NVML says of the first."""
    probe: Probe = {**seen(), "xids": list(xids), **more}
    if asks is not None:
        probe["gpus"][0]["recovery_action"] = asks
    (result,) = [each for each in results(probe).values() if each.check == "Xid errors"]
    return result


SEVERITIES = {
    "Nonfatal": (145, "RLW_RXPIPE Nonfatal XC0 i0 Link 13 (0x0409a0c2 0x00000008)", WARN),
    "Fatal": (145, "RLW_REMAP Fatal XC0 i0 Link 13 (0x0409a0c2 0x00000040)", CRITICAL),
    "NETIR": (149, "NETIR_LINK_EVT Fatal XC0 i0 Link 00 (0x026001c6 0x00000000)", CRITICAL),
    "NETIR Nonfatal": (149, "NETIR_BER_EVENT Nonfatal XC0 i0 Link 00 (0x1)", WARN),
    "Non-fatal": (144, "SAW_MVB Non-fatal XC0 i0 Link 0", WARN),
    "Link Fatal": (149, "NETIR Link Fatal XC0 i0", CRITICAL),
    "both": (149, "Nonfatal first, then Fatal", CRITICAL),
    "not told": (150, "MSE_WATCHDOG", CRITICAL),
    "reset required": (154, TO_RESET, CRITICAL),
    "reboot required": (154, TO_REBOOT, CRITICAL),
    "reboot in other words": (154, "GPU recovery action changed from 0x0 (None) to 0x2 (OS Reboot)",
                              CRITICAL),
    "a function's reset": (154, "GPU recovery action changed from 0x0 (None) to 0x1 (PF FLR)",
                           CRITICAL),
    "drain": (154, "GPU recovery action changed from 0x0 (None) to 0x3 (Drain P2P)", CRITICAL),
    "no words": (154, "GPU recovery action changed from 0x0 to 0x2", CRITICAL),
    "garbled": (154, "GPU recovery", CRITICAL),
    "privilege": (137, "RLW_RXPIPE interrupt hit on link 11 on GPU0: PRIV Error", WARN),
    "initialisation": (143, "GPU initialization failed", CRITICAL),
    "DRAM": (171, "Uncorrectable DRAM error", CRITICAL),
    "SRAM": (172, "GSP-RISCV, Uncorrectable SRAM error", CRITICAL),
}  # fmt: skip


@pytest.mark.parametrize(("code", "text", "status"), SEVERITIES.values(), ids=SEVERITIES)
def test_how_bad_it_is_and_the_kernels_own_words(code: int, text: str, status: Status) -> None:
    result = found(one(code, text))
    assert result.status is status
    assert f"{FIRST}: Xid {code} (" in result.evidence and text in result.evidence
    assert result.remedy


@pytest.mark.parametrize("code", [137, 143, *range(144, 151), 171, 172])
def test_codes_have_words_of_their_own(code: int) -> None:
    words = {**{c: m.words for c, m in CODES.items()}, **BY_TEXT}
    assert list(words.values()).count(words[code]) == 1
    assert words[code] != UNKNOWN_CODE.words


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (TO_RESET, "nvidia-smi -r"),
        (TO_REBOOT, "reboot it"),
        ("changed from 0x0 (None) to 0x2 (OS Reboot)", "reboot it"),
        ("changed from 0x0 (None) to 0x7", "reboot it"),
    ],
)
def test_the_remedy_is_what_the_driver_asks_for(text: str, remedy: str) -> None:
    assert remedy in found(one(154, text)).remedy


def test_what_the_driver_asked_last_is_the_remedy() -> None:
    drain = "GPU recovery action changed from 0x0 (None) to 0x3 (Drain P2P)"
    result = found(one(48), one(154, drain), one(154, TO_REBOOT), one(95))
    assert "reboot it" in result.remedy
    assert "Drain" not in result.evidence and "Xid 48" in result.evidence
    assert "reboot it" in found(one(48), asks="node_reboot").remedy


# --- when it is over ---------------------------------------------------------------------------


def test_the_driver_says_that_nothing_is_to_be_done_any_more() -> None:
    before = [one(48, "DBE"), one(154, TO_RESET), one(45)]
    assert found(*before).status is CRITICAL
    assert found(*before, one(154, TO_NONE)).status is OK
    assert found(*before, one(154, TO_NONE), one(31)).status is WARN
    again = found(*before, one(154, TO_NONE), one(154, TO_REBOOT))
    assert again.status is CRITICAL and "48" not in again.evidence


def test_it_says_so_of_one_gpu_alone() -> None:
    result = found(one(48), one(154, TO_NONE, SECOND))
    assert result.status is CRITICAL and FIRST in result.evidence
    assert found(one(48, slot=SECOND), one(154, TO_NONE, SECOND)).status is OK


@pytest.mark.parametrize("slot", ["0000:00:00", "00000000:00:00.0", "0000:00:00.0"])
def test_a_gpu_is_the_same_however_its_slot_is_written(slot: str) -> None:
    assert found(one(48), one(154, TO_NONE, slot)).status is OK


def test_nvml_says_that_the_reset_which_was_asked_for_is_done() -> None:
    """`nvidia-smi -r` need not leave a line."""
    asked = [one(48), one(154, TO_RESET)]
    assert found(*asked, asks="none").status is OK
    assert found(*asked, one(79), asks="none").status is CRITICAL
    assert found(*asked, asks="gpu_reset").status is CRITICAL


def test_nvml_clears_nothing_that_the_driver_never_asked_about() -> None:
    """A row that could not be remapped, a link: the driver asks for nothing, and it is broken."""
    assert found(one(64), asks="none").status is CRITICAL
    assert found(one(74), asks="none").status is CRITICAL
    assert found(one(154, TO_RESET), one(64), asks="none").status is CRITICAL


@pytest.mark.parametrize("asks", ["gpu_reset", "node_reboot", "drain_p2p", "unknown (9)"])
def test_what_the_driver_asks_for_now_alarms_by_itself(asks: str) -> None:
    """The kernel's log is a ring: the line may be gone."""
    result = found(asks=asks)
    assert result.status is CRITICAL
    assert "asks for" in result.evidence and result.remedy


@pytest.mark.parametrize("action", [None, "none", 7, ["none"]])
def test_a_driver_that_does_not_tell_is_no_alarm(action: Any) -> None:
    assert found(asks=action).status is OK


# --- NVSwitches --------------------------------------------------------------------------------

FATAL = one(20034, "Fatal, Link 30 LTSSM Fault Up", "0000:05:00.0")
MILD = one(12028, "Non-fatal, Link 32 egress non-posted PRIV error (First)", "0000:06:00.0")
NUMBERS = [
    one(12028, "Severity 0 Engine instance 32 Sub-engine instance 00", "0000:06:00.0"),
    one(12028, "Data {0x00000000, 0x00000000}", "0000:06:00.0"),
]


def test_a_switch_says_itself_how_bad_it_is() -> None:
    fatal, mild = found(sxids=[FATAL]), found(sxids=[MILD, *NUMBERS])
    assert (fatal.status, mild.status) == (CRITICAL, WARN)
    assert "0000:05:00: SXid 20034 (fatal" in fatal.evidence
    assert "Link 30 LTSSM Fault Up" in fatal.evidence
    assert "Link 32 egress" in mild.evidence and "Severity" not in mild.evidence
    assert found(sxids=[one(11001, "ingress invalid command")]).status is CRITICAL
    assert found(sxids=[]).status is OK


def test_a_probe_that_knew_no_switches_is_no_alarm() -> None:
    probe = seen()
    del probe["sxids"]
    assert results(probe)["Xid errors"].status is OK


def test_a_flood_is_one_finding_with_its_last_line() -> None:
    result = found(*[one(13, f"Graphics Exception {number}") for number in range(5000)])
    assert result.status is WARN and "5000 times" in result.evidence
    assert "Graphics Exception 4999" in result.evidence and "4998" not in result.evidence
    assert len(result.evidence) < 300
    assert len(found(one(13, "x" * 100_000)).evidence) < 400


@pytest.mark.parametrize(
    ("text", "fatal"),
    [("Fatal", True), ("Nonfatal", False), ("NON-FATAL x", False), ("non fatal", False),
     ("", True), ("fatality", True), ("Link Fatal?", True), ("NonFatal, fatal", True)],
)  # fmt: skip
def test_words_for_fatal(text: str, fatal: bool) -> None:
    assert is_fatal(text) is fatal


def test_remedies_are_told_apart() -> None:
    assert found(one(31)).remedy == LOOK
    assert found(one(95)).remedy == RESET
