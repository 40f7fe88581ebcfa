"""The host's half of asking a CA: certificates of openssl; certbot and systemd are stood in for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rackwright.desired.render import render
from rackwright.remote import acme
from tests.samples.commands import Command

NAMES = "llm.example.com", "chat.example.com"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what was issued for two names, and what certbot keeps of it."""
    live, renewals = tmp_path / "live", tmp_path / "renewal"
    for folder in (live, renewals, tmp_path / "until"):
        folder.mkdir()
    issue(live)
    (tmp_path / "served").symlink_to(live)
    (renewals / "rackwright.conf").write_text(
        "# server = no\nversion = 2.1.0\n[renewalparams]\nserver = https://ca.example.com/dir\n"
        "webroot_path = /var/lib/rackwright/acme,\nrenew_hook = /opt/hook\n"
    )
    monkeypatch.setattr(acme, "RENEWALS", renewals)
    return tmp_path


def issue(folder: Path) -> None:
    names = ",".join(f"DNS:{name}" for name in NAMES)
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    make += ["-nodes", "-days", "20", "-subj", "/", "-addext", f"subjectAltName={names}"]
    make += ["-keyout", f"{folder}/privkey.pem", "-out", f"{folder}/fullchain.pem"]
    subprocess.run(make, check=True, capture_output=True)


def request(host: Path, *command: str) -> dict[str, Any]:
    folders = {"folder": f"{host}/live", "served": f"{host}/served"}
    return {"do": "ask", "lineage": "rackwright", **folders, "command": command}


def observed(host: Path) -> dict[str, Any]:
    return acme.main({**request(host), "do": "observe"})


def test_what_was_issued_is_read(host: Path) -> None:
    seen = observed(host)
    assert seen["names"] == [*NAMES] and seen["is_served"] is True
    assert 19 * 86400 < seen["ends_in_s"] <= 20 * 86400
    assert seen["renewal"]["server"] == "https://ca.example.com/dir"
    assert seen["renewal"]["webroot_path"] == "/var/lib/rackwright/acme"
    assert seen["renewal"]["renew_hook"] == "/opt/hook"


@pytest.mark.parametrize("gone", ["live/fullchain.pem", "live/privkey.pem"])
def test_half_a_certificate_is_none(host: Path, gone: str) -> None:
    (host / gone).unlink()
    assert observed(host) == {}


def test_what_is_no_certificate_is_none(host: Path) -> None:
    (host / "live/fullchain.pem").write_text("nonsense")
    assert observed(host) == {}


def test_a_certificate_that_certbot_forgot_has_no_renewal(host: Path) -> None:
    (host / "renewal/rackwright.conf").unlink()
    assert observed(host)["renewal"] == {}


def test_certbot_that_says_no_is_quoted(host: Path, command: Command) -> None:
    command("certbot", "echo before; echo 'Some challenges have failed.' >&2; exit 1")
    words = acme.main(request(host, "certbot", "certonly"))["words"]
    assert words.splitlines() == ["before", "", "Some challenges have failed."]


def test_a_hook_that_changed_nothing_is_a_failure(host: Path, command: Command) -> None:
    """Certbot ends well where its hook did not."""
    (host / "served").unlink()
    (host / "served").symlink_to(host / "until")
    command("certbot", "echo \"Hook 'deploy-hook' ran with error output\"; exit 0")
    assert "ran with error output" in acme.main(request(host, "certbot"))["words"]


def test_success_says_nothing(host: Path, command: Command) -> None:
    command("certbot", "exit 0")
    assert acme.main(request(host, "certbot")) == {}


def test_certbot_that_is_not_there_or_never_ends_is_told(
    host: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no-such-program" in acme.main(request(host, "no-such-program"))["words"]
    monkeypatch.setattr(acme, "LIMIT_S", 0.1)
    command("certbot", "exec sleep 60")
    assert "certbot timed out" in acme.main(request(host, "certbot"))["words"]


# --- what certbot runs once one was issued -------------------------------------------------------


def issued(host: Path) -> subprocess.CompletedProcess[str]:
    hook = host / "hook"
    hook.write_bytes(render("certificate-issued.sh.j2", {"served": f"{host}/served"}))
    env = {**os.environ, "RENEWED_LINEAGE": f"{host}/live"}
    return subprocess.run(["sh", str(hook)], env=env, capture_output=True, text=True)


def test_nginx_goes_over_to_what_was_issued(host: Path, command: Command) -> None:
    (host / "served").unlink()
    (host / "served").symlink_to(host / "until")
    command("nginx", f"readlink {host}/served >> {host}/told")
    command("systemctl", f'echo "$@" >> {host}/told')
    assert issued(host).returncode == 0
    told = [f"{host}/live", "try-reload-or-restart nginx.service"]
    assert (host / "told").read_text().splitlines() == told
    assert not (host / "served.new").is_symlink()


def test_what_nginx_refuses_is_not_served(host: Path, command: Command) -> None:
    (host / "served").unlink()
    (host / "served").symlink_to(host / "until")
    command("nginx", "exit 1")
    command("systemctl", f"touch {host}/told")
    assert issued(host).returncode == 1
    assert (host / "served").readlink() == host / "until"
    assert not (host / "told").exists()
