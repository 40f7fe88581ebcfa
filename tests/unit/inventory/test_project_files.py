"""Files of this project that settings name: which requirements say what is installed."""

from __future__ import annotations

import pytest

from rackwright.inventory.project_files import project_file_faults, unlocked
from rackwright.inventory.reading import load_fleet
from tests.samples.fleet import DEFAULTS, hosts, server, service
from tests.samples.launches import HEARING

HASH = "--hash=sha256:" + "0" * 64
LOCKED = (
    f"a==1.0 {HASH}",
    f"a==1.0 \\\n    {HASH} \\\n    {HASH}\n    # via b\n",
    f"# a comment\n--index-url https://a.example/simple\n\na[x,y]==1 ; python_version < '4' {HASH}",
    f"a @ https://a.example/a.whl {HASH}",
)
OPEN = {
    "must have requirements with hashes, it has none": ("", "# nothing", "--no-binary :all:"),
    "must have each requirement with its version and --hash (": (
        "a==1.0",
        f"a==1.* {HASH}",
        f"a==1.0* {HASH}",
        f"a>=1.0 {HASH}",
        f"a {HASH}",
        f"a==1.0 {HASH}\nb==2",
        "a==1.0 --hash=sha256:00",
        f"a==1.0 --hash=md5:{'0' * 32}",
        f"a==1.0  # {HASH}",
        "Bare multi-GPU servers in",
    ),
    "must name no other file (": (
        f"a==1 {HASH}\n-r b.txt",
        f"a==1 {HASH}\n-e .",
        f"a==1 {HASH}\n--requirement=b",
    ),
}


@pytest.mark.parametrize("text", LOCKED)
def test_requirements_with_hashes_are_taken(text: str) -> None:
    assert unlocked(text) == ""


@pytest.mark.parametrize(
    ("rule", "text"), [(rule, text) for rule, texts in OPEN.items() for text in texts]
)
def test_requirements_that_name_no_files_are_refused(rule: str, text: str) -> None:
    assert unlocked(text).startswith(rule)


def test_the_requirements_of_this_project_are_locked() -> None:
    named = {key: DEFAULTS[key] for key in DEFAULTS if key.endswith("_requirements")}
    assert len([path for path in named.values() if path]) >= 3
    assert list(project_file_faults(load_fleet(hosts(**named)))) == []


@pytest.mark.parametrize(
    ("key", "path", "rule"),
    [
        ("vllm_requirements", "absent.txt", "is not a file of this project"),
        ("uv_requirements", "docs", "is not a file of this project that can be read (no regular"),
        ("vllm_requirements", "Makefile/y", "is not a file of this project"),
        ("driver_repository_key", "README.md", "must be an armored public key"),
    ],
)
def test_a_file_that_is_none_is_a_fault(key: str, path: str, rule: str) -> None:
    (fault,) = project_file_faults(load_fleet(hosts(**{key: path})))
    assert str(fault).startswith(f"settings[gpu1].{key}: {rule}")


def hearing(requirements: str) -> list[str]:
    models = {"hears": {"path": "/srv/models/hears", "config": HEARING}}
    chat = service("hears", revision=..., audios=1)
    more = {"vllm_requirements": requirements}
    spec = load_fleet(hosts({"gpu1": server()}, {"chat": chat}, models=models, **more))
    return [str(fault) for fault in project_file_faults(spec)]


LOCKS = "rackwright/engines/requirements/"


def test_one_that_transcribes_needs_it_whatever_it_is_told() -> None:
    chat = service("whisper-small", max_model_len=448)
    for lock, said in (("", 1), ("-audio", 0)):
        more = {"vllm_requirements": f"{LOCKS}vllm-0.32.0-cu130{lock}.txt"}
        spec = load_fleet(hosts({"gpu1": server()}, {"chat": chat}, **more))
        found = [str(fault) for fault in project_file_faults(spec)]
        assert len(found) == said
        assert all(
            one.startswith("services[chat].model: must not hear: ") and "no av and soundfile" in one
            for one in found
        )


def test_a_model_that_hears_needs_what_decodes_sound() -> None:
    assert hearing(f"{LOCKS}vllm-0.32.0-cu130-audio.txt") == []
    (fault,) = hearing(f"{LOCKS}vllm-0.32.0-cu130.txt")
    assert fault.startswith(
        "services[chat].audios: must be left out: rackwright/engines/requirements/"
        "vllm-0.32.0-cu130.txt has no av and soundfile, which decode sound"
    )
