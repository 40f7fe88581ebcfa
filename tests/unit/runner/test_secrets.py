"""Keys and tokens of the operator's environment: there, fit to be sent, and never shown."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rackwright.errors import SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.runner.secrets import require_secrets
from rackwright.spec import FleetSpec, Settings
from tests.samples.commands import BIN, ROOT
from tests.samples.fleet import hosts, service, settings

INVENTORY = """
from inventories.lab import all as _lab
_hosts, _shared = _lab
_more = {"engine_api_key_env": "RW_TEST_KEY", "hf_token_env": "RW_TEST_TOKEN"}
_more |= {"ssh_connect_retries": 0}
for _number, (_, _data) in enumerate(_hosts, start=1):
    _data |= {"ssh_hostname": f"192.0.2.{_number}", **_more}
all = (_hosts, _shared)
"""
DEPLOY = ("pyinfra", "{}", "deploy.py", "-y")
VERIFY = ("rackwright", "verify", "{}")
HOSTS = "settings[gpu1, gpu2, gw1]"
PRINTABLE = "must be one line of printable ASCII without spaces, nothing before or after it"
BROKEN = [
    *("sk-abc\n", "\nsk-abc", "sk\r\nX-Evil: 1", "sk-abc\r", "sk\tabc", "sk abc", " sk-abc"),
    *(
        "sk\x1b[31mabc",
        "sk\x7fabc",
        "sk-é-abc",
        "sk\udc80abc",
        "sk\u2028abc",
        "sk-abc" + "x" * 4096,
    ),
]


def fleet(**own: Settings) -> FleetSpec:
    """Hosts of which only the settings are asked."""
    return load_fleet(hosts()).model_copy(update={"settings": own})


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "secrets.py"
    path.write_text(INVENTORY)
    return path


def run(
    argv: tuple[str, ...], inventory: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A command with these variables alone of those that the inventory names."""
    known = {k: v for k, v in os.environ.items() if not k.startswith("RW_TEST_")}
    program, *words = (word.replace("{}", str(inventory)) for word in argv)
    return subprocess.run(
        [str(BIN / program), *words],
        cwd=ROOT,
        env={**known, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


def is_refused(done: subprocess.CompletedProcess[str], code: int, *lines: str) -> None:
    assert done.returncode == code, done.stderr
    noun = "fault" if len(lines) == 1 else "faults"
    heading = f"{len(lines)} {noun} in this machine's environment; no host was touched\n"
    assert heading + "".join(f"  {line}\n" for line in lines) in done.stderr
    assert "Connect" not in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(("argv", "code"), [(DEPLOY, 1), (VERIFY, 65)], ids=["deploy", "verify"])
@pytest.mark.parametrize(
    ("variables", "words"),
    [({}, "names RW_TEST_KEY, which is not set here"), ({"RW_TEST_KEY": ""}, "is empty here")],
)
def test_a_key_that_is_not_there_is_refused_before_a_host_is_touched(
    argv: tuple[str, ...], code: int, variables: dict[str, str], words: str, inventory: Path
) -> None:
    done = run(argv, inventory, **variables)
    assert words in done.stderr
    state = "is empty" if variables else "is not set"
    line = f"{HOSTS}.engine_api_key_env: names RW_TEST_KEY, which {state} here: export it"
    is_refused(done, code, line)


def test_one_stage_alone_needs_it_too(inventory: Path) -> None:
    """Whichever stage: what is decided once is not decided anew where it matters."""
    done = run((*DEPLOY, "--data", "stages=base"), inventory)
    assert "names RW_TEST_KEY, which is not set here" in done.stderr
    assert done.returncode == 1 and "Connect" not in done.stderr


def test_a_token_that_is_not_there_is_for_those_who_need_none(inventory: Path) -> None:
    done = run(VERIFY, inventory, RW_TEST_KEY="sk-abc")
    assert "RW_TEST" not in done.stderr and "environment" not in done.stderr


@pytest.mark.parametrize("value", BROKEN, ids=range(len(BROKEN)))
def test_what_would_not_stay_in_its_line_is_refused_and_not_shown(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RW_TEST_KEY", value)
    monkeypatch.setenv("RW_TEST_TOKEN", value)
    own = settings(engine_api_key_env="RW_TEST_KEY", hf_token_env="RW_TEST_TOKEN")
    with pytest.raises(SpecError) as caught:
        require_secrets(fleet(gpu1=own, gpu2=own))
    rule = "must have at most 4096 characters" if len(value) > 4096 else PRINTABLE
    assert [str(fault) for fault in caught.value.faults] == [
        f"settings[gpu1, gpu2].engine_api_key_env: names RW_TEST_KEY, whose value {rule}",
        f"settings[gpu1, gpu2].hf_token_env: names RW_TEST_TOKEN, whose value {rule}",
    ]
    assert "abc" not in str(caught.value)


def test_an_operator_is_told_of_both_and_shown_neither(inventory: Path) -> None:
    done = run(VERIFY, inventory, RW_TEST_KEY="sk-abc\n", RW_TEST_TOKEN="hf-\udc80abc")
    is_refused(
        done,
        65,
        f"{HOSTS}.engine_api_key_env: names RW_TEST_KEY, whose value {PRINTABLE}",
        f"{HOSTS}.hf_token_env: names RW_TEST_TOKEN, whose value {PRINTABLE}",
    )
    assert "abc" not in done.stderr + done.stdout


@pytest.mark.parametrize("value", ["sk-abc", "hf_Ab0", "a.b_c~d+e/f=", 's3cr$t"key', "x" * 4096])
def test_keys_as_people_have_them_are_taken(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RW_TEST_KEY", value)
    require_secrets(fleet(gpu1=settings(engine_api_key_env="RW_TEST_KEY")))


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (None, "names RW_TEST_OUTSIDE, which is not set here: export it"),
        ("", "names RW_TEST_OUTSIDE, which is empty here: export it"),
        ("sk abc", f"names RW_TEST_OUTSIDE, whose value {PRINTABLE}"),
    ],
)
def test_the_key_of_an_outside_api_is_there_too(
    value: str | None, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RW_TEST_OUTSIDE", raising=False)
    if value is not None:
        monkeypatch.setenv("RW_TEST_OUTSIDE", value)
    outside = {"url": "https://api.example.com", "model": "m", "key_env": "RW_TEST_OUTSIDE"}
    chat = service(overflow=outside | {"tokens_a_day": 1})
    spec = load_fleet(hosts(services={"chat": chat}))
    with pytest.raises(SpecError) as caught:
        require_secrets(spec)
    assert [str(fault) for fault in caught.value.faults] == [
        f"services[chat].overflow.key_env: {rule}"
    ]


def test_a_plan_without_secrets_is_asked_for_and_says_which_a_deploy_wants(
    inventory: Path,
) -> None:
    refused = run(("rackwright", "plan", "{}"), inventory)
    assert refused.returncode == 65 and "names RW_TEST_KEY, which is not set" in refused.stderr
    argv = ("rackwright", "plan", "--without-secrets", "{}")
    done = run(argv, inventory, RW_TEST_TOKEN="hf\nabc")
    assert done.returncode == 0 and "chat-gpu1-0" in done.stdout
    warned = done.stderr.splitlines()
    assert warned == [
        f"warning: {HOSTS}.engine_api_key_env: names RW_TEST_KEY, which is not set here: "
        "export it; a deploy is refused until then",
        f"warning: {HOSTS}.hf_token_env: names RW_TEST_TOKEN, whose value {PRINTABLE}; "
        "a deploy is refused until then",
    ]


@pytest.mark.parametrize("words", [("why", "{}", "chat-gpu1-0"), ("preflight", "{}")])
def test_what_takes_no_secret_to_a_host_needs_none(words: tuple[str, ...], inventory: Path) -> None:
    done = run(("rackwright", *words), inventory)
    assert "RW_TEST" not in done.stderr + done.stdout and "Traceback" not in done.stderr
