"""Progress of downloads: one line on a terminal, few elsewhere, and nothing else is lost."""

from __future__ import annotations

import io
import sys

import click
import pytest
from pyinfra.api import output

from rackwright.remote.downloads.progress import Packages
from rackwright.report.progress import CLEAR, Progress
from rackwright.runner import progress as runner


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_one_line_is_rewritten_and_makes_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "11")
    out = Terminal()
    progress = Progress(out)
    progress.show("1 of 2 and much more")
    progress.show("2 of 2")
    progress.clear()
    progress.clear()
    assert out.getvalue() == f"{CLEAR}1 of 2 and{CLEAR}2 of 2{CLEAR}"


def test_elsewhere_each_source_has_a_line_now_and_then() -> None:
    out, now_s = io.StringIO(), [100.0]
    progress = Progress(out, clock=lambda: now_s[0])
    for second in range(25):
        now_s[0] = 100.0 + second
        for host in ("gpu1", "gpu2"):
            progress.show(f"{host} {second}", host)
    progress.clear()
    assert out.getvalue() == "gpu1 0\ngpu2 0\ngpu1 10\ngpu2 10\ngpu1 20\ngpu2 20\n"


def test_what_pyinfra_prints_of_a_host_is_told_from_its_progress(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(output, "_echo", click.echo)  # as its command line has it
    runner.heard_first.cache_clear()
    with runner.in_one_line():
        output.echo("[gpu1] Resolved", err=True)
        output.echo(f"[gpu1] {click.style(runner.MARK + '  1 of 2', 'red')}", err=True)
        output.echo("[gpu2] \r 10%\r 20%\r 30%", err=True)  # as a program that rewrote its line
        output.echo("[gpu1] Installed", err=True)
        output.echo("[gpu1] \r  2 of 2", err=True)
    words = [f"{CLEAR}[gpu1]   1 of 2", f"{CLEAR}[gpu2]  30%", f"{CLEAR}[gpu1] Installed\n",
             f"{CLEAR}[gpu1]   2 of 2", CLEAR]  # fmt: skip
    assert terminal.getvalue() == "[gpu1] Resolved\n" + "".join(words)
    runner.heard_first.cache_clear()


UV = """Using Python 3.11.2 environment at: /opt
Resolved 148 packages in 419ms
Downloading numpy (16.1MiB)
Downloading triton (272.5MiB)
 Downloaded numpy
 Downloaded triton
Prepared 148 packages in 13.66s
 + numpy==2.3.0
error: no space left"""


def test_of_uvs_words_for_each_package_only_the_progress_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    packages = Packages()
    for line in UV.splitlines():
        packages.hear(line)
    lines = capsys.readouterr().err.split("\n")
    said = [line for line in lines if line and not line.startswith("\r")]
    assert said == [
        "Using Python 3.11.2 environment at: /opt",
        "Resolved 148 packages in 419ms",
        "Prepared 148 packages in 13.66s",
        "error: no space left",
    ]
    assert [line for line in lines if line.startswith("\r")] == [
        "\r  1 of 2 downloads to come: triton (272.5MiB)",
        "\r  0 of 2 downloads to come",
    ]
