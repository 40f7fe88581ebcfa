"""Limits in Nginx's main file: raised where they are lower, and nothing else of it touched."""

from __future__ import annotations

import difflib
import json
import os
from pathlib import Path

import pytest

from rackwright.desired.items import NginxLimits, Unit, payload, query
from rackwright.desired.items.comparing import differences
from rackwright.remote import state
from rackwright.remote.host import nginx
from rackwright.remote.items import stamps
from tests.samples.commands import Command

DEBIAN = """user www-data;
worker_processes auto; # worker_connections 5;
error_log /var/log/nginx/error.log;
include /etc/nginx/modules-enabled/*.conf;

events {
\tworker_connections 768;
\t# multi_accept on;
}

http { log_format x 'worker_connections 9;'; include /etc/nginx/conf.d/*.conf; }
"""
WANTED = {"worker_connections": 4096, "worker_rlimit_nofile": 8192}


def changed(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[:1] in "+-"]


@pytest.mark.parametrize(
    ("before", "lines"),
    [
        (
            DEBIAN,
            [
                "+ worker_rlimit_nofile 8192;",
                "- \tworker_connections 768;",
                "+ \tworker_connections 4096;",
            ],
        ),
        (
            "events{use epoll;worker_connections 1;}",
            [
                "+ worker_rlimit_nofile 8192;",
                "- events{use epoll;worker_connections 1;}",
                "+ events{use epoll;worker_connections 4096;}",
            ],
        ),
        (
            "worker_rlimit_nofile '9';\nevents {\n}",
            [
                "- worker_rlimit_nofile '9';",
                "+ worker_rlimit_nofile 8192;",
                "+     worker_connections 4096;",
            ],
        ),
    ],
)
def test_two_numbers_are_other_and_no_more(before: str, lines: list[str]) -> None:
    after = nginx.with_limits(before, WANTED)
    assert changed(before, after) == lines
    assert nginx.limits(after) == WANTED
    assert nginx.with_limits(after, WANTED) == after


def test_without_a_place_for_it_it_says_so() -> None:
    with pytest.raises(ValueError, match="no block `events`"):
        nginx.with_limits("include /etc/nginx/events.conf;\nhttp { events {} }", WANTED)


@pytest.fixture
def main_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command) -> Path:
    """Nginx's, of a host whose `nginx -T` shows it and what it includes (``more``)."""
    monkeypatch.setattr(state, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(stamps, "FOLDER", tmp_path / "stamps")
    path = tmp_path / "nginx.conf"
    path.write_text(DEBIAN)
    path.chmod(0o640)
    command("nginx", f"cat {path} {tmp_path}/more 2>/dev/null; test ! -e {tmp_path}/refused")
    shown = "LoadState=loaded ActiveState=active UnitFileState=static NeedDaemonReload=no"
    command("systemctl", f"printf '%s\\n' {shown}")
    return path


def converge(*items: NginxLimits | Unit) -> tuple[list[str], str]:
    seen = state.main({"do": "observe", "items": query(items)})
    changes = differences(items, seen)
    request = json.loads(json.dumps({"do": "apply", "items": payload(changes)}))
    return [str(change) for change in changes], state.main(request).get("error", "")


def of(path: Path) -> NginxLimits:
    return NginxLimits(**WANTED, key=str(path))


def test_they_are_raised_once_and_the_file_stays_whose_it_is(main_file: Path) -> None:
    differed, error = converge(of(main_file))
    assert error == "" and "worker_connections is 768, not 4096" in differed[0]
    assert nginx.limits(main_file.read_text()) == WANTED
    assert main_file.stat().st_mode & 0o777 == 0o640
    assert converge(of(main_file)) == ([], "")


def test_a_limit_that_is_higher_is_kept(main_file: Path) -> None:
    text = DEBIAN.replace("768", "65536").replace("user", "worker_rlimit_nofile 99999;\nuser")
    main_file.write_text(text)
    assert converge(of(main_file)) == ([], "")
    assert main_file.read_text() == text


def test_a_link_stays_one(main_file: Path) -> None:
    real = main_file.rename(main_file.with_name("real.conf"))
    main_file.symlink_to(real)
    assert converge(of(main_file))[1] == ""
    assert main_file.is_symlink() and nginx.limits(real.read_text()) == WANTED


def test_a_limit_of_another_file_is_the_operator_s(main_file: Path) -> None:
    """Said twice, Nginx would not start; high enough there, nothing is to be done."""
    more = main_file.with_name("more")
    more.write_text("worker_rlimit_nofile 100;\n")
    words = f"worker_rlimit_nofile is 100 in a file that {main_file} includes: raise it to 8192"
    assert words in converge(of(main_file))[1]
    assert main_file.read_text() == DEBIAN
    more.write_text("worker_rlimit_nofile 100000;\n")
    assert converge(of(main_file))[1] == ""
    assert nginx.limits(main_file.read_text()) == {"worker_connections": 4096}


def test_without_nginx_it_is_not_there_yet(main_file: Path) -> None:
    main_file.unlink()
    differed, error = converge(of(main_file))
    assert "is not set" in differed[0] and "run stage base" in error


def test_a_file_that_nginx_refuses_is_put_back(main_file: Path) -> None:
    os.utime(main_file, (1000, 1000))
    main_file.with_name("refused").touch()
    unit = Unit("nginx.service", reload_on=(of(main_file),), validate=("nginx", "-t", "-q"))
    assert "exit code 1" in converge(of(main_file), unit)[1]
    assert main_file.read_text() == DEBIAN
    assert main_file.stat().st_mtime == 1000


def test_a_main_file_that_was_written_anew_is_loaded_again(main_file: Path) -> None:
    """As a package's upgrade does: the file is other, though what is wanted of it is the same."""
    unit = Unit("nginx.service", reload_on=(of(main_file),))
    assert len(converge(of(main_file), unit)[0]) == 2
    assert converge(of(main_file), unit) == ([], "")
    main_file.write_text(DEBIAN)
    differed, error = converge(of(main_file), unit)
    assert error == "" and "has older configuration loaded: reload" in differed[1]
    assert converge(of(main_file), unit) == ([], "")
