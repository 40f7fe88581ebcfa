"""What a host offers: apt's words read, and the real apt of this machine where it has one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rackwright.remote import offered
from rackwright.remote.host.closure import closure, dates
from rackwright.remote.host.running import Failed
from tests.samples.commands import Command

A, B = "a" * 64, "b" * 64
BASE = f"'http://m/libc6.deb' libc6_2.36-9+deb12u14_amd64.deb 10 SHA256:{A}"
NGINX = f"'http://m/p/nginx_1%2b2.deb' nginx_1%3a1.22.1-9~x+b1_amd64.deb 532468 SHA256:{B}"


def test_files_are_known_by_version_size_and_digest(command: Command) -> None:
    command("apt-get", f"cat <<'END'\n{BASE}\n{NGINX}\nEND")
    assert closure([], ["nginx"]) == {
        "libc6": {"version": "2.36-9+deb12u14", "size_bytes": 10, "sha256": A},
        "nginx": {"version": "1:1.22.1-9~x+b1", "size_bytes": 532468, "sha256": B},
    }


def test_nothing_is_asked_for_nothing(command: Command) -> None:
    command("apt-get", "exit 9")
    assert closure([], []) == {}


def test_a_package_that_is_not_there_is_said_in_apts_words(command: Command) -> None:
    words = "E: Unable to locate package nginxx\\nE: Unable to locate package b"
    command("apt-get", f'printf "{words}\\n" >&2; exit 100')
    with pytest.raises(Failed, match=r"^Unable to locate package nginxx; Unable to locate"):
        closure([], ["nginxx", "b"])


def test_archives_are_dated_as_snapshots_are(tmp_path: Path) -> None:
    text = (
        "Origin: Debian\nLabel: Debian\nCodename: bookworm\nDate: Sat, 11 Jul 2026 10:16:37 UTC\n"
    )
    (tmp_path / "m_dists_bookworm_InRelease").write_text(f"-----BEGIN\nHash: x\n\n{text}")
    ubuntu = "Label: Ubuntu\nSuite: noble-updates\nCodename: noble\n"
    (tmp_path / "m_dists_noble-updates_InRelease").write_text(
        f"{ubuntu}Date: Thu, 26 Nov 2026 01:02:03 UTC\n"
    )
    moving = "Label: Debian\nSuite: oldstable-updates\nCodename: bookworm-updates\n"
    (tmp_path / "m_dists_bookworm-updates_InRelease").write_text(
        f"{moving}Date: Wed, 25 Nov 2026 02:10:59 UTC\n"
    )
    (tmp_path / "nvidia_Release").write_text("Label: CUDA\nDate: Fri, 01 May 2026 00:00:00 +0200\n")
    (tmp_path / "garbled_InRelease").write_text("Label: G\nCodename: g\nDate: tomorrow\n")
    assert dates(tmp_path) == {
        "Debian bookworm": "20260711T101637Z",
        "Debian bookworm-updates": "20261125T021059Z",
        "Ubuntu noble-updates": "20261126T010203Z",
        "CUDA": "20260430T220000Z",
        "G g": "tomorrow",
    }


@pytest.mark.skipif(not shutil.which("apt-get"), reason="there is no apt here")
def test_this_machine_says_what_it_is() -> None:
    seen = offered.system()
    assert seen["architecture"] in ("amd64", "arm64") and seen["id"]
    assert seen["glibc"].startswith("2.") and seen["python"].startswith("3.")
