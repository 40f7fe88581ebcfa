"""Each setting has its value in group_data/all.py, and its type in one place."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from rackwright.desired.paths import PROJECT
from rackwright.errors import Fault, InputError, nearest
from rackwright.inventory.group_data import FILE, group_data
from rackwright.inventory.settings import MODELS, composed, host_settings, with_defaults
from rackwright.runner.host_data import pyinfra_keys
from rackwright.schema.fields import Seconds
from rackwright.schema.validation import parse
from rackwright.spec import Settings, SettingsModel
from tests.samples.fleet import DEFAULTS

TYPES = (
    "its model (rackwright/spec/settings.py, or its engine's), or an annotation beside its value"
)


def test_every_setting_has_its_default_in_group_data() -> None:
    absent = set(host_settings().model_fields) - set(group_data().values)
    assert not absent, f"{sorted(absent)}: give it a value in group_data/all.py, with a comment"


@pytest.mark.parametrize("imports", ["", "import os\nfrom pathlib import Path as _Path\n"])
def test_pyinfra_is_given_all_of_it_and_reads_it_once(tmp_path: Path, imports: str) -> None:
    """It would read the file anew for each name, to leave out those that are imported."""
    (tmp_path / "all.py").write_text(
        FILE.read_text().replace("_imported =", f"{imports}_imported =", 1)
    )
    code = (
        "import sys, pyinfra_cli.inventory as own\n"
        "from pyinfra.api.state import State\n"
        "from pyinfra.context import ctx_state\n"
        "own._get_imported_names = None\n"
        "with ctx_state.use(State()):\n"
        "    print(*own._get_group_data(sys.argv[1])['all'])\n"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "all.py")]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(group_data().values)


def test_every_value_in_group_data_has_a_type() -> None:
    untyped = set(group_data().values) - set(host_settings().model_fields) - pyinfra_keys()
    assert not untyped, f"{sorted(untyped)}: give it a type, in {TYPES}"


def test_every_type_stands_in_one_place() -> None:
    own = (field for model in MODELS for field in model.model_fields)
    twice = [key for key, count in Counter([*own, *group_data().types]).items() if count > 1]
    assert not twice, f"{twice}: typed twice, keep one of {TYPES}"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_model_has_a_default(model: type[SettingsModel]) -> None:
    own = [key for key, field in model.model_fields.items() if not field.is_required()]
    assert not own, f"{own}: the default is group_data/all.py's to say"


def read_by_templates() -> dict[str, str]:
    """Each setting that a template reads, and the template."""
    return {
        name: path.name
        for path in sorted((PROJECT / "templates").iterdir())
        for name in re.findall(r"\bsettings\.(\w+)", path.read_text(encoding="utf-8"))
    }


def test_every_setting_of_templates_is_read() -> None:
    unread = sorted(set(group_data().types) - set(read_by_templates()))
    assert not unread, (
        f"group_data/all.py: {unread} is typed there and no template reads it: use it as "
        "settings.NAME, or give its type to who does"
    )


def test_every_setting_that_a_template_reads_is_one() -> None:
    known = host_settings().model_fields
    wrong = [
        f"templates/{template}: settings.{name} {nearest(name, known, 'setting')}"
        for name, template in read_by_templates().items()
        if name not in known
    ]
    assert not wrong, "\n".join(wrong)


def test_defaults_are_what_their_types_allow() -> None:
    faults: list[Fault] = []
    parse(host_settings(), with_defaults({}), "group_data/all.py", faults)
    assert not faults, "\n".join(map(str, faults))
    assert isinstance(host_settings().model_validate(with_defaults({})), Settings)


def test_a_setting_of_templates_takes_group_data_alone(tmp_path: Path) -> None:
    path = tmp_path / "all.py"
    path.write_text(
        "from rackwright.schema import fields as _fields\n"
        "nginx_send_timeout_s: _fields.Seconds = 600\n"
    )
    found = group_data(path)
    assert dict(found.values) == {"nginx_send_timeout_s": 600}
    assert dict(found.types) == {"nginx_send_timeout_s": Seconds}
    model = composed((Settings,), found.types)
    values = {key: DEFAULTS[key] for key in Settings.model_fields}
    assert getattr(model(**values, **found.values), "nginx_send_timeout_s", 0) == 600
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        model(**values, nginx_send_timeout_s=0)


def test_an_engine_may_own_a_model_of_its_settings() -> None:
    class Own(SettingsModel):
        own_version: str

    model = composed((Settings, Own), {})
    values = {key: DEFAULTS[key] for key in Settings.model_fields}
    settings = model(**values, own_version="1")
    assert settings.of(Own).own_version == "1" and settings.base_port == 8000
    with pytest.raises(AssertionError, match="Own is not among the models"):
        host_settings().model_validate(with_defaults({})).of(Own)


@pytest.mark.parametrize(
    ("text", "kind"), [("base_port = 8000 +", "SyntaxError"), ("raise SystemExit(0)", "SystemExit")]
)
def test_group_data_that_does_not_run_is_named(tmp_path: Path, text: str, kind: str) -> None:
    path = tmp_path / "all.py"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"all\.py: {kind}"):
        group_data(path)


def test_a_host_keeps_what_it_says_and_gets_what_it_lacks() -> None:
    data = with_defaults({"base_port": 9000, "server": {}})
    assert (data["base_port"], data["server"]) == (9000, {})
    assert data["report_dir"] == group_data(FILE).values["report_dir"]
