"""Rackwright's folders: its own, each for itself, and nothing of the operator's inside."""

from __future__ import annotations

import pytest

from rackwright.inventory.reading import load_fleet
from rackwright.remote.host.reserved import ACCOUNTS, FOLDERS, TREES
from tests.samples.faulty import Cases, Hosts, faults
from tests.samples.fleet import TINY, hosts, service

DIRS = ("root_dir", "config_dir", "state_dir", "cache_dir")
SYSTEMS = "must be a folder of Rackwright's own, this is one of the system's"
DETOUR = "must be a path without . and .. in it"
PLAIN = "must be an absolute path of letters, digits and ._@+-"
GATEWAY = {"server_name": "llm.example.com", "certificate_key": "/etc/tls/llm.key"}


CASES: Cases = {
    "one in another": (
        hosts(root_dir="/srv/x", cache_dir="/srv/x/cache"),
        "settings[gpu1, gw1].cache_dir: must not be inside root_dir, nor around it "
        "(got '/srv/x/cache')",
    ),
    "one around another": (
        hosts(root_dir="/srv/x/root", state_dir="/srv/x"),
        "settings[gpu1, gw1].state_dir: must not be inside root_dir, nor around it (got '/srv/x')",
    ),
    "one the same as another": (
        hosts(config_dir="/srv/x", cache_dir="/srv/x"),
        "settings[gpu1, gw1].cache_dir: must be another folder than config_dir (got '/srv/x')",
    ),
    "weights of a service in the cache": (
        hosts(
            services={"chat": service(revision=..., path="/var/cache/rackwright/chat-gpu1-0/m")},
        ),
        "services[chat].path: must not be inside cache_dir (/var/cache/rackwright), what is there "
        "is removed (got '/var/cache/rackwright/chat-gpu1-0/m')",
    ),
    "weights of a model among the releases": (
        hosts(
            services={"chat": service("own", revision=..., max_model_len=1024)},
            models={"own": {**TINY, "path": "/opt/rackwright/models"}},
        ),
        "models[own].path: must not be inside root_dir (/opt/rackwright), what is there is removed "
        "(got '/opt/rackwright/models')",
    ),
    "a certificate among the releases": (
        hosts(gateway={**GATEWAY, "certificate": "/opt/rackwright/llm.pem"}),
        "gateways[gw1].certificate: must not be inside root_dir (/opt/rackwright), what is there "
        "is removed (got '/opt/rackwright/llm.pem')",
    ),
}


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_a_fault_is_named_with_path_rule_and_value(data: Hosts, expected: str) -> None:
    assert expected in faults(data)


@pytest.mark.parametrize("key", DIRS)
@pytest.mark.parametrize("folder", [*sorted(FOLDERS | TREES), "/home/alice", "/run/user/1000/x"])
def test_a_folder_of_the_system_is_none_of_ours(key: str, folder: str) -> None:
    rule = PLAIN if folder == "/" else SYSTEMS
    assert faults(hosts(**{key: folder})) == [f"settings[gpu1, gw1].{key}: {rule} (got {folder!r})"]


@pytest.mark.parametrize("key", DIRS)
@pytest.mark.parametrize(
    ("folder", "rule"),
    [
        ("/opt/..", DETOUR),
        ("/opt/rackwright/../../etc", DETOUR),
        ("/opt/./rackwright", DETOUR),
        ("/srv/.", DETOUR),
        ("relative", PLAIN),
        ("../opt", PLAIN),
        ("/srv/x/", PLAIN),
        ("//srv/x", PLAIN),
        ("/srv//x", PLAIN),
        ("/srv/a b", PLAIN),
        ("/srv/a\n", PLAIN),
        ("/srv/a\x00b", PLAIN),
        ("/srv/%n", PLAIN),
        ("/srv/$HOME", PLAIN),
        ("~/x", PLAIN),
        ("", PLAIN),
        ("/srv/" + "x" * 251, "must have at most 255 characters"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(key: str, folder: str, rule: str) -> None:
    (line,) = faults(hosts(**{key: folder}))
    assert line.startswith(f"settings[gpu1, gw1].{key}: {rule} (got ")


@pytest.mark.parametrize("key", DIRS)
@pytest.mark.parametrize(
    "folder", ["/data", "/models", "/srv/llm", "/usr/local/rackwright", "/etc/llm", "/mnt/nvme/x"]
)
def test_a_folder_of_ones_own_may_be_anywhere_else(key: str, folder: str) -> None:
    assert getattr(load_fleet(hosts(**{key: folder})).settings["gpu1"], key) == folder


def test_weights_beside_ours_are_fine() -> None:
    """In the folder of the state nothing is removed."""
    for path in ("/srv/models/m", "/var/lib/rackwright/models/mine", "/opt/rackwright-models"):
        load_fleet(hosts(services={"chat": service(revision=..., path=path)}))


@pytest.mark.parametrize("name", [*sorted(ACCOUNTS), "_chrony", "systemd-network"])
def test_an_account_of_the_system_runs_no_engine(name: str) -> None:
    rule = "must be a user of Rackwright's own, this is one of the system's names"
    (line,) = faults(hosts(engine_user=name))
    assert line == f"settings[gpu1, gw1].engine_user: {rule} (got {name!r})"


@pytest.mark.parametrize("name", ["rackwright", "llm", "vllm", "engines-1"])
def test_an_account_of_ones_own_does(name: str) -> None:
    assert load_fleet(hosts(engine_user=name)).settings["gpu1"].engine_user == name
