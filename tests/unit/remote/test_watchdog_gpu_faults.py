"""Which lines of the kernel's log, and which answers of NVML, put a server in quarantine."""

from __future__ import annotations

from pathlib import Path

import pytest

from rackwright.checks.server.xid_codes import BY_TEXT, CODES
from rackwright.desired.watchdog import fatal_codes
from rackwright.remote.guard import kernel, nvml
from rackwright.remote.guard.gpu_faults import Answer, Answers, Codes, Gpu, of_log, of_nvml
from rackwright.remote.guard.kernel import KernelLog

GPUS = (Gpu(0, "GPU-a", "00000000:17:00.0"), Gpu(3, "GPU-b", "00000000:65:00.0"))
CODES_OF_PLAN = Codes(*fatal_codes())


def xid(code: int, text: str = "words", slot: str = "0000:17:00") -> str:
    return f"NVRM: Xid (PCI:{slot}): {code}, {text}"


def whys(*lines: str, gpus: tuple[Gpu, ...] = GPUS) -> list[str]:
    return [fault.why for fault in of_log(lines, gpus, CODES_OF_PLAN)]


def test_every_code_that_a_check_calls_critical_is_fatal_and_no_other() -> None:
    for code, meaning in CODES.items():
        assert bool(whys(xid(code))) == (meaning.status.name == "CRITICAL"), code


@pytest.mark.parametrize("code", BY_TEXT)
def test_of_nvlink_5_the_line_says_whether_it_is(code: int) -> None:
    assert whys(xid(code, "NETIR_LINK_EVT Fatal XC0")) != []
    assert whys(xid(code, "RLW_RXPIPE Nonfatal XC0")) == []


def test_what_the_driver_asks_for_counts_and_that_it_asks_for_nothing_does_not() -> None:
    asks = "GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)"
    assert whys(xid(154, asks)) == [
        f"GPU 0: Xid 154 (the driver asks for GPU Reset Required): {asks}"
    ]
    assert whys(xid(154, "GPU recovery action changed from 0x1 (GPU Reset) to 0x0 (None)")) == []
    assert whys(xid(154, "words of another driver")) == []


def test_only_gpus_that_replicas_run_on_count() -> None:
    (fault,) = of_log([xid(79, slot="0000:65:00")], GPUS, CODES_OF_PLAN)
    assert fault.gpus == ("GPU-b",) and fault.why.startswith("GPU 3: Xid 79")
    assert whys(xid(79, slot="0000:99:00"), "usb 1-1: new device", "NVRM: Xid (PCI:") == []


def test_a_fatal_error_of_a_switch_counts_where_gpus_talk() -> None:
    line = "nvidia-nvswitch0: SXid (PCI:0000:86:00.0): 20034, Fatal, Link 30 LTSSM Fault Up"
    (fault,) = of_log([line], GPUS, CODES_OF_PLAN)
    assert fault.gpus == ("GPU-a", "GPU-b")
    assert whys(line, gpus=GPUS[:1]) == []
    assert whys(line.replace("Fatal", "Non-fatal")) == []
    assert whys(line.replace("Fatal, Link", "Severity 0 Link")) == []


def of(**gpus: dict[str, object] | None) -> Answer:
    fine: dict[str, dict[str, object] | None] = {"a": {"uncorrected": 0}, "b": {"uncorrected": 0}}
    return Answer({f"GPU-{n}": one for n, one in {**fine, **gpus}.items() if one is not None})


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (of(), of(), []),
        (of(), of(a=None), []),  # once is not enough
        (of(a=None), of(a=None), ["GPU 0: lost, NVML does not have it"]),
        (of(a=None), of(), []),
        (of(b={"remapping_failed": True}), of(b={"remapping_failed": True}),
         ["GPU 3: a memory row could not be remapped"]),
        (of(), of(b={"remapping_failed": True}), []),
        (of(), of(a={"uncorrected": 2}), []),
        (of(a={"uncorrected": 2}), of(a={"uncorrected": 3}),
         ["GPU 0: 3 memory errors that were not corrected"]),
        (of(a={"uncorrected": None}), of(a={"uncorrected": 2}), []),
        (Answer({}, "not found"), Answer({}, "not found"), []),  # a driver that is replaced
        (of(a=None), Answer({}, "not found"), []),
    ],
)  # fmt: skip
def test_what_nvml_says(before: Answer, now: Answer, words: list[str]) -> None:
    assert [fault.why for fault in of_nvml(Answers(now, before, of()), GPUS)] == words


def test_errors_that_were_there_before_do_not_count() -> None:
    two, three = of(a={"uncorrected": 2}), of(a={"uncorrected": 3})
    assert list(of_nvml(Answers(two, two, two), GPUS)) == []
    assert len(list(of_nvml(Answers(three, three, two), GPUS))) == 1


def test_answers_are_judged_once_and_errors_from_the_end_of_a_quarantine_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = [of(), of(a={"uncorrected": 2}), of(a={"uncorrected": 2}), of(a={"uncorrected": 2})]
    monkeypatch.setattr(nvml, "asked_apart", lambda: said.pop(0))
    asked = nvml.Nvml()
    asked._asking.acquire()
    asked._ask()
    assert asked.answered() is None  # one alone
    for _ in range(2):
        asked._asking.acquire()
        asked._ask()
    answers = asked.answered()
    assert answers is not None and len(list(of_nvml(answers, GPUS))) == 1
    assert asked.answered() is None
    asked.begin_anew()
    asked._asking.acquire()
    asked._ask()
    answers = asked.answered()
    assert answers is not None and list(of_nvml(answers, GPUS)) == []


# --- the kernel's log ----------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the form of /dev/kmsg, and a boot id."""
    path = tmp_path / "kmsg"
    path.write_text(f"4,10,1,-;usb\n3,11,2,-;{xid(48)}\n SUBSYSTEM=pci\n")
    (tmp_path / "boot").write_text("one\n")
    monkeypatch.setattr(kernel, "LOG", path)
    monkeypatch.setattr(kernel, "BOOT", tmp_path / "boot")
    return path


def more(log: Path, number: int, text: str) -> None:
    with log.open("a") as file:
        file.write(f"3,{number},9,-;{text}\n")


def test_at_the_very_first_start_what_was_before_is_not_ours(log: Path, tmp_path: Path) -> None:
    read = KernelLog(tmp_path / "cursor")
    assert read.new_errors() == []
    more(log, 12, xid(79))
    assert read.new_errors() == [xid(79)]
    assert read.new_errors() == []


def test_what_was_read_once_never_counts_again_and_what_came_meanwhile_does(
    log: Path, tmp_path: Path
) -> None:
    KernelLog(tmp_path / "cursor")
    more(log, 12, xid(79))
    assert KernelLog(tmp_path / "cursor").new_errors() == [xid(79)]
    second = KernelLog(tmp_path / "cursor")  # it ended before it had dealt with it
    assert second.new_errors() == [xid(79)]
    second.note()
    assert KernelLog(tmp_path / "cursor").new_errors() == []


def test_after_a_boot_all_of_it_counts(log: Path, tmp_path: Path) -> None:
    more(log, 12, xid(79))
    KernelLog(tmp_path / "cursor")
    (tmp_path / "boot").write_text("two\n")
    log.write_text(f"3,1,1,-;{xid(62)}\n")
    assert KernelLog(tmp_path / "cursor").new_errors() == [xid(62)]


def test_what_was_before_the_driver_was_loaded_is_over(log: Path, tmp_path: Path) -> None:
    read = KernelLog(tmp_path / "cursor")
    more(log, 12, xid(79))
    more(log, 13, "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  580.159.04")
    assert read.new_errors() == []


@pytest.mark.parametrize("broken", ["{", "[]", "\0", '{"boot": "one", "sequence": null}'])
def test_a_broken_note_of_how_far_it_was_read_stops_nothing(
    log: Path, tmp_path: Path, broken: str
) -> None:
    (tmp_path / "cursor").write_text(broken)
    read = KernelLog(tmp_path / "cursor")
    read.new_errors()
    more(log, 12, xid(79))
    assert read.new_errors() == [xid(79)]
