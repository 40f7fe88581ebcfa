from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from rackwright.desired import paths
from rackwright.desired.base import base_items
from rackwright.desired.engines import engines_of, lock_items, release_request
from rackwright.desired.gateway import gateway_items
from rackwright.desired.gateway_places import (
    CHALLENGES,
    CONFIG,
    FLEET,
    KEYS,
    MARK,
    NO_CHALLENGES,
    SOCKET,
    SOCKET_AT_BOOT,
    SOCKET_FOLDER,
    no_gateway,
)
from rackwright.desired.gateway_tls import gateway_tls
from rackwright.desired.items import (
    Absent,
    Certificate,
    Directory,
    File,
    GatewayData,
    Item,
    NginxLimits,
    NoOtherUnits,
    Package,
    Symlink,
    Unit,
    User,
)
from rackwright.desired.replicas import replica_items
from rackwright.desired.weights import weights_request
from rackwright.engines import ENGINES
from rackwright.errors import PlanError
from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan, Replica
from rackwright.planning.placing import plan
from rackwright.spec import FleetSpec, Settings
from tests.samples.fleet import TINY, cluster, hosts, lab_hosts, server, service
from tests.samples.nginx import Directive, directives, named, values

Golden = Callable[[str, bytes], None]
UUIDS = [f"GPU-{index}{index}{index}{index}-aaaa" for index in range(8)]
CPU_LOCK = "lab/vllm-0.32.0-cpu.txt"
KEY = 's3cr$t"key'
SECOND = b"192.0.2.12"


class Sample:
    """A fleet, its plan, and what a test asks of one host of it."""

    def __init__(self, data: dict[str, dict[str, Any]]) -> None:
        self.spec: FleetSpec = load_fleet(data)
        self.plan: FleetPlan = plan(self.spec)

    def settings(self, host: str = "gpu1") -> Settings:
        return self.spec.settings[host]

    def replicas(self, host: str = "gpu1") -> tuple[Replica, ...]:
        return self.plan.on(host)

    def items(
        self, host: str = "gpu1", uuids: list[str] | None = UUIDS, key: str = KEY
    ) -> list[Item]:
        return replica_items(self.replicas(host), self.settings(host), uuids, key)

    def gateway(self) -> list[Item]:
        gateway = self.spec.gateways["gw1"]
        return gateway_items(gateway, self.plan.upstreams, self.settings("gw1"), {})


def big() -> Sample:
    """A 70B model over two GPUs of four, chosen by the operator, on CUDA."""
    chat = service("llama-3.3-70b-instruct", gpus={"gpu1": [2, 3]})
    return Sample(hosts({"gpu1": server(count=4, link="nvswitch")}, {"chat": chat}))


def lab() -> Sample:
    """As the lab: the CPU build over two GPUs of one server and one of another."""
    more = {"vllm_build": "cpu", "vllm_requirements": CPU_LOCK, "stop_timeout_s": 20}
    environment = {"engine_environment": {"TORCHDYNAMO_DISABLE": "1"}}
    return Sample({name: {**each, **more, **environment} for name, each in lab_hosts().items()})


def sees() -> Sample:
    """A model that is served with what sees, over two GPUs."""
    sizes = {"tensor_parallel_size": 2, "max_num_batched_tokens": 4096}
    chat = service("gemma-3-27b-it", images=4, **sizes)
    return Sample(hosts({"gpu1": server()}, {"chat": chat}))


def span() -> Sample:
    """One replica on two servers: ranks inside each, a stage on each."""
    sizes = {"tensor_parallel_size": 8, "pipeline_parallel_size": 2}
    chat = service("llama-3.1-405b-instruct", servers=["gpu1", "gpu2"], **sizes)
    return Sample(hosts(cluster(2), {"chat": chat}))


def two_services() -> Sample:
    """Two services, one of them on two servers; certificate by path, other limits."""
    services = {
        "chat": service(servers=["gpu1", "gpu2"], gpus={"gpu1": [0], "gpu2": [0]}),
        "small-talk": service("tiny-llama", max_model_len=1024, revision=..., gpus={"gpu1": [1]}),
    }
    gateway = {
        "server_name": "LLM.example.com",
        "other_names": ["llm.internal.example.com"],
        "port": 8443,
        "certificate": "/etc/tls/llm.pem",
        "certificate_key": "/etc/tls/llm.key",
    }
    servers = {"gpu1": server(11), "gpu2": server(12)}
    more = {"nginx_read_timeout_s": 1900, "client_max_body_size": "64m"}
    return Sample(hosts(servers, services, gateway, models={"tiny-llama": TINY}, **more))


def by_acme() -> Sample:
    """A CA is asked for the certificate of two names."""
    acme = {"email": "ops@example.com", "agree_to_terms": True}
    names = {"server_name": "LLM.example.com", "other_names": ["chat.example.com"]}
    return Sample(hosts(gateway={**names, "acme": acme}))


def text(items: list[Item], ending: str) -> str:
    (content,) = [
        one.content for one in items if isinstance(one, File) and one.key.endswith(ending)
    ]
    return content.decode()


def setting(unit: str, name: str) -> str:
    (value,) = re.findall(rf"^{name}=(.*)$", unit, flags=re.M)
    return str(value)


def settings_of(unit: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit, flags=re.M)


def after_start(unit: str) -> str:
    """What it waits for once it runs; that it was ready is counted last of all."""
    waits, counted = settings_of(unit, "ExecStartPost")
    assert counted == "+/opt/rackwright/bin/starts ready %n"
    return str(waits)


def argv(unit: str) -> list[str]:
    (line,) = re.findall(r"^ExecStart=((?:.*\\\n)*.*)$", unit, flags=re.M)
    return str(line).replace("\\\n", "").split()


def option(unit: str, flag: str) -> str:
    words = argv(unit)
    return words[words.index(flag) + 1]


# --- golden ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sample", "host"),
    [
        ("cuda", big, "gpu1"),
        ("cpu", lab, "gpu1"),
        ("second-server", span, "gpu2"),
        ("sees", sees, "gpu1"),
    ],
)
def test_unit_and_environment_are_as_kept(
    name: str, sample: Callable[[], Sample], host: str, golden: Golden
) -> None:
    items = sample().items(host)
    golden(f"replica-{name}.service", text(items, ".service").encode())
    golden(f"replica-{name}.env", text(items, ".env").encode())


def test_the_count_of_starts_is_as_kept(golden: Golden) -> None:
    golden("starts.sh", text(big().items(), "bin/starts").encode())


@pytest.mark.parametrize(("name", "sample"), [("one", lab), ("two", two_services)])
def test_gateway_is_as_kept(name: str, sample: Callable[[], Sample], golden: Golden) -> None:
    golden(f"gateway-{name}.conf", text(sample().gateway(), CONFIG).encode())


# --- replicas --------------------------------------------------------------------------------


def test_no_secret_is_in_a_file_that_others_may_read() -> None:
    for item in big().items():
        if isinstance(item, File) and b"s3cr" in item.content:
            assert (item.secret, item.mode, item.group) == (True, 0o640, "rackwright")
            assert item.key == "/etc/rackwright/replicas/chat-gpu1-0.env"
        assert "s3cr" not in repr(item)
    assert 'VLLM_API_KEY="s3cr\\$t\\"key"\n' in text(big().items(), ".env")


def test_the_folder_of_environment_files_is_closed_to_others() -> None:
    (folder,) = [one for one in big().items() if one.key == "/etc/rackwright/replicas"]
    assert folder == Directory("/etc/rackwright/replicas", mode=0o750, group="rackwright")


def test_gpus_are_given_by_uuid_in_the_order_of_the_plan() -> None:
    sample = big()
    assert sample.replicas()[0].gpus == (2, 3)
    environment = text(sample.items(), ".env")
    assert f'CUDA_VISIBLE_DEVICES="{UUIDS[2]},{UUIDS[3]}"\n' in environment
    assert 'CUDA_DEVICE_ORDER="PCI_BUS_ID"\n' in environment


def test_a_host_with_too_few_gpus_is_refused() -> None:
    with pytest.raises(PlanError, match="needs GPU 3, the host shows 3 GPUs"):
        big().items(uuids=UUIDS[:3])


@pytest.mark.parametrize("sample", [big, lab])
def test_systemd_waits_longer_than_the_engine(sample: Callable[[], Sample]) -> None:
    unit = text(sample().items(), ".service")
    assert int(setting(unit, "TimeoutStopSec")) > int(option(unit, "--shutdown-timeout")) > 0
    ready_s = int(after_start(unit).split()[-1])
    assert int(setting(unit, "TimeoutStartSec")) > ready_s == sample().settings().start_timeout_s


def test_the_unit_runs_the_plan() -> None:
    sample = big()
    (replica,) = sample.replicas()
    unit = text(sample.items(), ".service")
    assert option(unit, "--tensor-parallel-size") == "2" == str(replica.split.tensor)
    assert option(unit, "--served-model-name") == replica.service.served_as
    assert (option(unit, "--host"), option(unit, "--port")) == ("192.0.2.11", "8000")
    assert option(unit, "--max-model-len") == "8192"
    assert option(unit, "--model") == paths.model_path(replica, sample.settings())
    release = paths.release_dir(ENGINES["vllm"], sample.settings())
    assert argv(unit)[0] == f"{release}/bin/python"
    assert setting(unit, "User") == "rackwright"
    assert setting(unit, "Restart") == "always"


def test_the_cpu_build_gets_no_share_of_gpu_memory() -> None:
    assert "--gpu-memory-utilization" not in argv(text(lab().items(), ".service"))
    assert "--gpu-memory-utilization" in argv(text(big().items(), ".service"))


def test_a_unit_restarts_on_its_own_files() -> None:
    items = big().items()
    (unit,) = [one for one in items if isinstance(one, Unit)]
    assert [one.key for one in unit.restart_on] == [
        "/etc/systemd/system/rackwright-chat-gpu1-0.service",
        "/etc/rackwright/replicas/chat-gpu1-0.env",
    ]
    assert all(one in items[: items.index(unit)] for one in unit.restart_on)
    assert unit.start_timeout_s > big().settings().start_timeout_s


def test_another_lock_is_another_release_and_restarts() -> None:
    data = hosts()
    cpu = {name: {**each, "vllm_requirements": CPU_LOCK} for name, each in data.items()}
    samples = [Sample(one).items() for one in (data, cpu)]
    programs = [argv(text(items, ".service"))[0] for items in samples]
    units = [one for items in samples for one in items if isinstance(one, Unit)]
    assert programs[0] != programs[1]
    assert units[0].stamp["restart"] != units[1].stamp["restart"]


def test_a_changed_secret_or_setting_restarts_and_the_same_again_does_not() -> None:
    chat = service(tensor_parallel_size=1, pipeline_parallel_size=1)
    slow = {**chat, "extra_args": {"seed": 7}}
    stamps = [
        {one.key: one.stamp for one in sample.items(key=key) if isinstance(one, Unit)}
        for sample, key in (
            (Sample(hosts(services={"chat": chat})), ""),
            (Sample(hosts(services={"chat": slow})), ""),
            (Sample(hosts(services={"chat": chat})), KEY),
            (Sample(hosts(services={"chat": chat})), ""),
        )
    ]
    assert len(stamps[0]) == 2
    assert stamps[0] == stamps[3]
    assert all(stamps[0][key] != stamps[1][key] for key in stamps[0])
    assert all(stamps[0][key] != stamps[2][key] for key in stamps[0])


def test_only_replicas_of_ours_that_are_not_planned_are_removed() -> None:
    sample = big()
    first = sample.items()[0]
    assert isinstance(first, NoOtherUnits)
    assert first.keep == ("rackwright-chat-gpu1-0.service",)
    unit = next(i for i in sample.items() if isinstance(i, File) and i.key.endswith(".service"))
    assert any(line.startswith(first.mark) for line in unit.content.decode().splitlines())
    folders = [item.key for item in sample.items() if isinstance(item, (Directory, File))]
    assert {each.replace("{name}", "chat-gpu1-0") for each in first.beside} <= set(folders)


def test_a_host_without_replicas_needs_only_to_have_none() -> None:
    first, *others = replica_items((), big().settings(), None)
    assert isinstance(first, NoOtherUnits) and first.keep == ()
    assert [item.key for item in others] == [f"/opt/rackwright/{name}" for name in ENGINES]
    assert all(isinstance(item, Absent) and item.mark == "*/.complete" for item in others)


def test_an_engine_that_runs_is_kept_and_the_others_are_not() -> None:
    *gone, link = [item for item in big().items() if isinstance(item, Absent)]
    others = [f"/opt/rackwright/{name}" for name in ENGINES if name != "vllm"]
    assert [item.key for item in gone] == others
    assert link == Absent("/opt/rackwright/vllm/current", "/opt/rackwright/vllm/")


def test_the_former_link_goes_after_all_units_that_ran_from_it() -> None:
    assert isinstance(big().items()[-1], Absent)
    assert "/current" not in text(big().items(), ".service") + text(big().items(), ".env")


# --- a replica over two servers ----------------------------------------------------------------


def test_each_server_waits_for_the_replica_which_answers_on_the_first() -> None:
    first, second = (text(span().items(host), ".service") for host in ("gpu1", "gpu2"))
    waits = "/opt/rackwright/bin/await-ready 192.0.2.11 8000 /health 1800"
    assert (after_start(first), after_start(second)) == (waits, f"{waits} elsewhere")
    assert "--headless" in argv(second) and "--headless" not in argv(first)


def test_units_of_one_replica_have_one_name_on_both_servers() -> None:
    for host in ("gpu1", "gpu2"):
        (unit,) = [one for one in span().items(host) if isinstance(one, Unit)]
        assert unit.key == "rackwright-chat-gpu1-0.service"


def test_the_second_server_restarts_like_any_other() -> None:
    first, second = (text(span().items(host), ".service") for host in ("gpu1", "gpu2"))
    for name in ("Restart", "RestartSec", "User", "KillMode", "TimeoutStopSec", "ExecStartPre"):
        assert settings_of(first, name) == settings_of(second, name)


def test_the_gateway_asks_the_first_server_of_a_replica_alone() -> None:
    (replica,) = fleet(span)["services"]["chat"]["replicas"]
    assert (replica["host"], replica["port"]) == ("192.0.2.11", 8000)
    assert not [one for one in span().gateway() if isinstance(one, File) and SECOND in one.content]


# --- gateway ---------------------------------------------------------------------------------


def config(sample: Callable[[], Sample]) -> list[Directive]:
    return directives(text(sample().gateway(), CONFIG))


def fleet(sample: Callable[[], Sample]) -> dict[str, Any]:
    """What the gateway decides by."""
    found: dict[str, Any] = json.loads(text(sample().gateway(), FLEET))
    return found


def open_locations(conf: list[Directive]) -> dict[str, list[Directive]]:
    """What a client reaches by its path: not what Nginx goes to by itself."""
    (clients, _) = (one["block"] for one in named(conf, "server") if "block" in one)
    found = {one["args"][-1]: one["block"] for one in named(clients, "location")}
    return {
        path: block
        for path, block in found.items()
        if not path.startswith("@") and not values(block, "internal")
    }


@pytest.mark.parametrize("sample", [lab, two_services])
def test_nothing_reaches_a_replica_that_was_not_decided_on(sample: Callable[[], Sample]) -> None:
    """A request by another name is told so before that; which paths there are, is data."""
    (block,) = open_locations(config(sample)).values()
    named_first, *others = values(block, "if")
    assert named_first == ["$rackwright_is_named", "=", "0"] and not others
    assert values(block, "return") == [["421"]]
    words = [one["directive"] for one in block]
    assert words.index("access_by_lua_block") < words.index("proxy_pass")
    to_replicas = values(config(sample), "proxy_pass")
    assert values(block, "proxy_pass") == [["http://rackwright_replica"]]
    # The other one is a named location: no request leads there, only the Lua does.
    named_ones = [args for args in values(config(sample), "location") if args[0] == "@replica"]
    assert to_replicas == 2 * [["http://rackwright_replica"]] and len(named_ones) == 1


def test_the_data_are_put_beside_the_lua_and_read_by_nobody_else() -> None:
    for item in two_services().gateway():
        if isinstance(item, File) and item.key.endswith(".json"):
            assert not item.mode & 0o007, item.key


def test_every_error_of_the_gateway_is_one_of_openai() -> None:
    """Each that Nginx makes has an answer; each answer is what OpenAI's clients read."""
    conf = config(lab)
    (server_block, _) = (one["block"] for one in named(conf, "server") if "block" in one)
    pages = values(server_block, "error_page")
    listed = {code for args in pages for code in args if code.isdigit()}
    by_request = {"400", "403", "404", "405", "411", "413", "414", "421", "494", "497"}
    assert listed == by_request | {"500", "501", "502", "503", "504", "505", "507"}
    by_lua = [
        args for args in pages if args[-1].startswith("@")
    ]  # what became of a replica, it knows
    assert by_lua == [
        ["502", "503", "504", "@rackwright_failed"],
        ["413", "@rackwright_too_large"],
        ["405", "@rackwright_wrong_method"],
    ]
    answers = [
        (args, headers)
        for one in named(conf, "location")
        for args in values(one["block"], "return")
        for headers in [{args[0]: args[1] for args in values(one["block"], "add_header")}]
        if len(args) == 2
    ]
    for (status, text), headers in answers:
        error = json.loads(text.removesuffix("\\n"))["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        assert error["type"] == ("server_error" if status >= "500" else "invalid_request_error")
        # OpenAI's clients send again what ended with 5xx: only what reached no replica may be.
        assert ("Retry-After" in headers) == (status == "503")
        assert (headers.get("X-Should-Retry") == "false") == (status >= "500" and status != "503")


def test_it_knows_its_own_names_and_no_other() -> None:
    conf = config(two_services)
    assert values(conf, "server_name") == [
        [r"~^llm\.example\.com$"],
        [r"~^llm\.internal\.example\.com$"],
    ]
    (names,) = [one["block"] for one in named(conf, "map") if one["args"][0].startswith("$host")]
    assert {one["directive"]: one["args"] for one in names} == {
        "default": ["0"],
        r"~^llm\.example\.com/.": ["1"],
        r"~^llm\.internal\.example\.com/.": ["1"],
    }


def test_the_gateway_speaks_for_itself() -> None:
    conf = config(lab)
    own = {"X-Rackwright-Replica", "X-Request-ID", "Strict-Transport-Security", "Vary"}
    own |= {"Access-Control-Allow-Origin", "Access-Control-Expose-Headers"}
    assert {args[0] for args in values(conf, "proxy_hide_header")} == own
    steering = {f"X-Accel-{what}" for what in ("Redirect", "Buffering", "Limit-Rate", "Charset")}
    assert [set(names) for names in values(conf, "proxy_ignore_headers")] == [steering]
    assert ["Host", "localhost"] in values(conf, "proxy_set_header")


def test_an_answer_of_its_own_has_no_limit_that_would_answer_for_it() -> None:
    """Nginx looks at a request's length in each location; over HTTP/2 also in that of a 413."""
    internal = [
        one for one in named(config(lab), "location") if values(one["block"], "internal") == [[]]
    ]
    large = [
        one for one in named(config(lab), "location") if one["args"] == ["@rackwright_too_large"]
    ]
    assert (len(internal) > 5, len(large)) == (True, 1)
    for one in (*internal, *large):
        assert values(one["block"], "client_max_body_size") == [["0"]]


def test_tls_is_of_ciphers_that_authenticate_what_they_encrypt() -> None:
    ((ciphers,),) = values(config(lab), "ssl_ciphers")
    assert all(
        re.search("-(AES(128|256)-GCM-SHA|CHACHA20-POLY1305)", c) for c in ciphers.split(":")
    )
    assert values(config(lab), "ssl_protocols") == [["TLSv1.2", "TLSv1.3"]]


@pytest.mark.parametrize(("setting", "header"), [(None, None), (0, "0"), (31536000, "31536000")])
def test_hsts_is_said_only_where_it_is_wanted(setting: int | None, header: str | None) -> None:
    gateway, settings = lab().spec.gateways["gw1"], lab().settings("gw1")
    changed = settings.model_copy(update={"hsts_max_age_s": setting})
    items = gateway_items(gateway, lab().plan.upstreams, changed, {})
    said = {a[1] for a in values(directives(text(items, CONFIG)), "add_header") if "Strict" in a[0]}
    assert said == ({f"max-age={header}"} if header else set())


def test_workers_share_what_they_count_and_hold_what_is_planned() -> None:
    sample = two_services()
    shared = [args[0] for args in values(config(two_services), "lua_shared_dict")]
    assert "rackwright_live" in shared
    (limits,) = [one for one in sample.gateway() if isinstance(one, NginxLimits)]
    slots = sum(one.limits.max_num_seqs for one in sample.plan.replicas)
    assert limits.worker_connections >= 4 * slots  # client and engine; one waits for each that runs
    assert limits.worker_rlimit_nofile >= 1.5 * limits.worker_connections  # a body may be a file


@pytest.mark.parametrize("sample", [lab, two_services])
def test_requests_are_shared_out_and_never_sent_twice(sample: Callable[[], Sample]) -> None:
    conf = config(sample)
    (upstream,) = [one["block"] for one in named(conf, "upstream")]
    assert [one["directive"] for one in upstream if "lua" in one["directive"]] == [
        "balancer_by_lua_block"
    ]
    assert list(fleet(sample)["services"]) == [u.service.name for u in sample().plan.upstreams]
    assert values(conf, "proxy_next_upstream") == [["error", "timeout"]]  # no non_idempotent


@pytest.mark.parametrize("sample", [lab, two_services])
def test_streaming_is_not_held_up(sample: Callable[[], Sample]) -> None:
    conf = config(sample)
    assert values(conf, "proxy_buffering") == values(conf, "gzip") == [["off"]]
    ((timeout,),) = values(conf, "proxy_read_timeout")
    assert timeout.endswith("s") and int(timeout[:-1]) > 640  # a long answer, not streamed


@pytest.mark.parametrize("sample", [lab, two_services])
def test_every_replica_is_told_by_its_name(sample: Callable[[], Sample]) -> None:
    services = fleet(sample)["services"].values()
    told = {
        one["name"]: (one["host"], one["port"]) for each in services for one in each["replicas"]
    }
    assert told == {one.name: (one.server.address, one.port) for one in sample().plan.replicas}


def test_a_host_that_is_no_gateway_any_more_loses_what_it_had_as_one() -> None:
    gone = no_gateway(lab().settings())
    assert gone[0] == Absent(CONFIG, "# Written by Rackwright", reload="nginx.service")
    gone.remove(NO_CHALLENGES)  # of one that asked a CA
    made = [one for one in lab().gateway() if isinstance(one, File | Directory)]
    kept = ("/etc/rackwright", "/etc/rackwright/tls", "/var/lib/rackwright", SOCKET_FOLDER)
    for one in made:
        if one.key not in kept:  # others' too, or gone with the next boot
            assert any(one.key == each.key or one.key.startswith(f"{each.key}/") for each in gone)
    for item in gone:
        ours = [one for one in made if one.key == item.key]
        assert isinstance(item, Absent) and ours
        (one,) = ours
        if isinstance(one, Directory):
            assert one.inside and item.mark == ".rackwright"  # the mark that is left in it
        else:
            assert one.content.startswith(item.mark.encode())


def test_a_certificate_is_made_only_where_none_is_given() -> None:
    made = [one for one in lab().gateway() if isinstance(one, Certificate)]
    assert [one.names for one in made] == [("llm.example.com",)]
    assert not [one for one in two_services().gateway() if isinstance(one, Certificate)]
    assert values(config(two_services), "ssl_certificate_key") == [["/etc/tls/llm.key"]]
    assert values(config(lab), "ssl_certificate") == [[made[0].key]]


@pytest.mark.parametrize("sample", [lab, two_services])
def test_who_asks_no_ca_has_no_port_for_its_challenges(sample: Callable[[], Sample]) -> None:
    gone = Absent(CHALLENGES, MARK, "nginx.service")
    assert gone in sample().gateway()
    assert gone in no_gateway(sample().settings("gw1"))


def test_until_a_ca_has_issued_one_nginx_serves_its_own() -> None:
    items = by_acme().gateway()
    (made,) = (one for one in items if isinstance(one, Certificate))
    (link,) = (one for one in items if isinstance(one, Symlink))
    assert made.names == ("llm.example.com", "chat.example.com")
    assert (made.key, link.target) == (
        f"{link.target}/fullchain.pem",
        "/etc/rackwright/tls/until-issued",
    )
    assert link.only_first and items.index(made) < items.index(link)
    assert values(config(by_acme), "ssl_certificate") == [[f"{link.key}/fullchain.pem"]]
    assert values(config(by_acme), "ssl_certificate_key") == [[f"{link.key}/privkey.pem"]]
    timer, nginx = (one for one in items if isinstance(one, Unit))
    assert (timer.key, timer.reload_on) == ("certbot.timer", ())
    challenges = next(one for one in items if one.key == CHALLENGES)
    assert {made, challenges} < {*nginx.reload_on}
    assert Package("certbot") in items


def test_the_challenges_of_a_ca_are_as_kept(golden: Golden) -> None:
    items = by_acme().gateway()
    golden("gateway-acme.conf", text(items, CHALLENGES).encode())
    golden("certificate-issued.sh", text(items, "certificate-issued").encode())


def test_a_challenge_that_another_gateway_has_is_asked_of_it() -> None:
    sample = by_acme()
    gateway, settings = sample.spec.gateways["gw1"], sample.settings("gw1")
    tls = gateway_tls(gateway, settings, ("llm.example.com",), ("192.0.2.2", "2001:db8::2"))
    conf = directives(text(tls.items, CHALLENGES))
    (upstream,) = named(conf, "upstream")
    servers = [args[0] for args in values(upstream["block"], "server")]
    assert servers == ["192.0.2.2:80", "[2001:db8::2]:80"]
    assert values(conf, "try_files") == [["$uri", "@others"]]


@pytest.mark.parametrize(
    ("sample", "staples"), [(lab, []), (two_services, [["on"]]), (by_acme, [["on"]])]
)
def test_what_a_ca_may_have_given_a_responder_is_stapled(
    sample: Callable[[], Sample], staples: list[list[str]]
) -> None:
    assert values(config(sample), "ssl_stapling") == staples


@pytest.mark.parametrize("sample", [lab, two_services])
def test_nginx_is_tested_then_reloaded(sample: Callable[[], Sample]) -> None:
    *before, unit, data = sample().gateway()
    assert isinstance(unit, Unit)
    assert (unit.key, unit.validate) == ("nginx.service", ("nginx", "-t", "-q"))
    assert unit.restart_on == ()
    watched = [one for one in before if isinstance(one, File | Certificate | NginxLimits)]
    unread = {one.key: one for one in watched if one.key in (FLEET, KEYS, SOCKET_AT_BOOT)}
    assert sorted(unit.reload_on, key=str) == sorted(
        (one for one in watched if one.key not in unread), key=str
    )
    fleet = unread[FLEET]
    assert isinstance(fleet, File) and data == GatewayData(SOCKET, fleet, KEYS)


def test_the_plan_is_data_that_nginx_and_root_alone_read() -> None:
    items = {one.key: one for one in two_services().gateway()}
    fleet = items[FLEET]
    assert isinstance(fleet, File)
    assert (fleet.mode, fleet.owner, fleet.group) == (0o640, "root", "www-data")
    assert items[SOCKET_FOLDER] == Directory(SOCKET_FOLDER, mode=0o700)
    live = items["/var/lib/rackwright/gateway"]
    assert isinstance(live, Directory)
    assert (live.mode, live.owner, live.group) == (0o750, "www-data", "www-data")
    for way in ("/etc/nginx/rackwright", "/var/lib/rackwright"):
        folder = items[way]
        assert isinstance(folder, Directory) and folder.mode == 0o755  # workers go through it


# --- base, engine, weights -------------------------------------------------------------------


def packages(items: list[Item]) -> set[str]:
    return {item.key for item in items if isinstance(item, Package)}


def test_base_of_each_role() -> None:
    settings = lab().settings()
    gateway = base_items(settings, server=False, gateway=True)
    gpu = base_items(settings, server=True, gateway=False)
    assert "libnuma1" not in packages(gpu)  # no replica, no engine
    both = base_items(settings, server=True, gateway=True)
    lua = {"libnginx-mod-http-lua", "lua-resty-core", "lua-resty-lrucache", "lua-cjson"}
    assert packages(gateway) == {"ca-certificates", "curl", "nginx", "openssl", *lua}
    assert "python3-venv" in packages(gpu) and "nginx" not in packages(gpu)
    assert packages(both) == packages(gateway) | packages(gpu)
    assert not [one for one in gateway if isinstance(one, User)]
    assert [one for one in gpu if isinstance(one, User)] == [
        User("rackwright", home="/var/lib/rackwright", groups=("render", "video"))
    ]
    folders = ["/opt/rackwright", "/etc/rackwright", "/var/lib/rackwright"]
    assert [one.key for one in gateway if isinstance(one, Directory)] == folders


@pytest.mark.parametrize(("build", "needed"), [("cuda", "gcc"), ("cpu", "libnuma1")])
def test_an_engine_build_brings_what_it_links(build: str, needed: str) -> None:
    settings = lab().settings().model_copy(update={"vllm_build": build})
    used = engines_of(lab().replicas())
    assert needed in packages(base_items(settings, server=True, gateway=False, engines=used))


def test_a_release_is_installed_from_the_files_that_are_put_there() -> None:
    settings, (vllm,) = big().settings(), engines_of(big().replicas())
    files = {one.key: one.content for one in lock_items([vllm], settings) if isinstance(one, File)}
    request = release_request([vllm], settings)
    assert request is not None
    (release,) = request["releases"]
    assert set(files) == {release["requirements"], request["uv_requirements"]}
    assert all(b"--hash=sha256:" in content for content in files.values())
    folder = release["folder"]
    assert folder == paths.release_dir(vllm, settings)
    assert re.fullmatch(r"/opt/rackwright/vllm/0\.32\.0-cuda-[0-9a-f]{12}", folder)
    assert (request["user"], request["python"]) == ("rackwright", ">=3.11,<3.15")


def test_weights_are_asked_for_once_a_folder() -> None:
    alone = service(tensor_parallel_size=1, pipeline_parallel_size=1)
    sample = Sample(hosts(services={"chat": alone}))
    replicas = sample.replicas()
    assert len(replicas) == 2
    request = weights_request(replicas, sample.settings(), {"HF_TOKEN": "hf_abc"})
    assert request is not None
    assert request["models"] == [
        {
            "kind": "folder",
            "hub": "https://huggingface.co",
            "path": "/var/lib/rackwright/models/meta-llama--Llama-3.1-8B-Instruct/"
            "0e9e39f249a16976918f6564b8830bc894c89659",
            "repo": "meta-llama/Llama-3.1-8B-Instruct",
            "revision": "0e9e39f249a16976918f6564b8830bc894c89659",
            "files": {},
        }
    ]
    assert request["environment"] == {"HF_TOKEN": "hf_abc"}


def test_weights_of_the_operator_are_looked_at_where_they_are() -> None:
    request = weights_request(lab().replicas(), lab().settings(), {})
    assert request is not None
    (wanted,) = request["models"]
    assert (wanted["path"], wanted["repo"]) == ("/srv/models/tiny-llama", None)


def test_no_replica_needs_no_weights() -> None:
    assert weights_request((), lab().settings(), {}) is None
