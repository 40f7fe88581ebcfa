"""A real Nginx before stand-ins for engines: what it lets through, what it says, whom it asks.

Time-outs are short by settings. The stand-ins are on addresses of the gateway's own loopback.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.fleet import host_named
from tests.samples.commands import rackwright
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh, main_pid, ssh, wait_until
from tests.samples.raw_requests import Answer, context, request, send

INVENTORY = "tests/lab/inventories/gateway.py"
STAND_IN = Path(__file__).with_name("stand_in_replica.py")
HOST = "spare1"
NAME = "llm.lab.example"
WHERE = (host_named(HOST).address, 443)
REPLICAS = {"192.0.2.11": "chat-absent1-0", "192.0.2.12": "chat-absent2-0"}
CHAT = "/v1/chat/completions"
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 1, 20
SILENT_S = 8
"""Longer than connecting may take, and than connections idle (4 s); far from the time-out, for both
clocks go on while the machine stands still."""
SETTINGS = {
    "stages": "base,gateway",
    "nginx_connect_timeout_s": CONNECT_TIMEOUT_S,
    "nginx_read_timeout_s": READ_TIMEOUT_S,
    "client_max_body_size": "2k",
    "hsts_max_age_s": 600,
}
SECRET = "a-key-in-a-query"
SOCKET = "/run/rackwright-gateway/state.sock"


def run(*words: str) -> Run:
    data = [word for name, value in SETTINGS.items() for word in ("--data", f"{name}={value}")]
    return deploy("--limit", HOST, *data, *words, inventory=INVENTORY)


def stand_in(verb: str, address: str) -> None:
    unit = f"stand-in-{address.replace('.', '-')}"
    if verb == "stop":
        ssh(HOST, f"systemctl stop {unit}")
        return
    ssh(HOST, f"systemd-run -q --unit {unit} -p LimitNOFILE=65536 -p TasksMax=infinity "
        f"python3 /run/stand_in.py {address} 8000")  # fmt: skip
    wait_until(lambda: ssh(HOST, f"curl -s {address}:8000/x", check=False) != "")


@pytest.fixture(scope="module")
def first() -> Iterator[Run]:
    """Two replicas that answer, one of them known by name, and the gateway deployed."""
    with fresh(HOST):
        ssh(HOST, f"cat > /run/stand_in.py <<'END'\n{STAND_IN.read_text()}END")
        ssh(HOST, "echo 192.0.2.12 two.lab.example >> /etc/hosts")
        for address in REPLICAS:
            ssh(HOST, f"ip address add {address}/32 dev lo")
            stand_in("start", address)
        yield run()


@pytest.fixture
def gateway(first: Run) -> Run:
    if first.code != 0:
        pytest.fail(first.words[-2000:], pytrace=False)
    return first


def ask(method: str, path: str, host: str | None = NAME, **more: Any) -> Answer:
    return send(WHERE, request(method, path, host, **more), NAME)


def post(**how: Any) -> Answer:
    return ask("POST", f"{CHAT}?key={SECRET}", body=json.dumps(how or {"a": 1}))


def test_a_second_deploy_changes_nothing(gateway: Run) -> None:
    again = run()
    assert (again.code, again.changed()) == (0, {}), again.words


# --- what gets through -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelled",
    [
        CHAT,
        f"/chat{CHAT}",
        f"/metrics%3f/..{CHAT}",
        "/v1%2fchat%2fcompletions",
        "//v1//chat//completions",
        "/v1/./x/../chat/completions",
        f"/metrics/..{CHAT}",
        "/%76%31/chat/completions",
        f"{CHAT}#/metrics",
        f"{CHAT}?key={SECRET}",
    ],
)
def test_an_engine_gets_a_path_as_it_is_called(gateway: Run, spelled: str) -> None:
    """Without the query, which no path takes and engines write into their logs."""
    answer = ask("POST", spelled, body="{}")
    assert (answer.status, answer.body["raw"]) == (200, f"POST {CHAT} HTTP/1.1")
    assert answer.body["host"] == "localhost"  # Ollama on a loopback address knows it


@pytest.mark.parametrize(
    "spelled",
    [
        "/v1/models",
        "/chat/v1/models",
        "/metrics%3f/../v1/models",
        "/v1%2fmodels",
        "//v1//models",
        "/v1/./x/../models",
        "/metrics/../v1/models",
        "/%76%31/models",
        "/v1/models#/metrics",
        f"/v1/models?key={SECRET}",
    ],
)
def test_the_gateway_lists_models_itself(gateway: Run, spelled: str) -> None:
    answer = ask("GET", spelled)
    assert (answer.status, answer.headers["x-rackwright-replica"]) == (200, "-")
    listed = [(one["id"], one["max_model_len"]) for one in answer.body["data"]]
    assert listed == [("tiny-llama", 1024)]
    assert "raw" not in answer.body


@pytest.mark.parametrize(
    "spelled",
    [
        "/v1/../metrics",
        "/v1/models%0a",
        "/v1/models%0d%0aX-Injected:1",
        "/v1/models%3f/../../metrics",
        "/v1/models/",
        "/V1/models",
        "/metrics",
        "/v1%252fmodels",
        "/rackwright/not_found",
        "/nothing/v1/models",
    ],
)
def test_another_path_reaches_no_engine(gateway: Run, spelled: str) -> None:
    answer = ask("GET", spelled)
    assert (answer.status, answer.headers["x-rackwright-replica"]) == (404, "-")
    assert answer.body["error"]["code"] == "not_found"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
@pytest.mark.parametrize(("path", "takes"), [("/v1/models", "GET"), (CHAT, "POST")])
def test_a_path_takes_one_method(gateway: Run, method: str, path: str, takes: str) -> None:
    other = "POST" if takes == "GET" else "GET"
    for refused in (method, other):
        answer = ask(refused, path)
        assert (answer.status, answer.headers["allow"]) == (405, takes)
        assert answer.headers["x-rackwright-replica"] == "-"


@pytest.mark.parametrize("host", [NAME, NAME.upper(), f"{NAME}.", f"{NAME}:443", f"{NAME}.:8443"])
def test_it_answers_to_its_own_name(gateway: Run, host: str) -> None:
    assert ask("GET", "/v1/models", host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "other.example",
        f"{NAME}.evil.example",
        f"x{NAME}",
        NAME.replace(".", "x"),
        WHERE[0],
        "[::1]:443",
        "localhost",
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", "/metrics"])
def test_it_answers_to_no_other(gateway: Run, host: str, path: str) -> None:
    """Nor by a request line that names another; nor without one, as HTTP/1.0 allows."""
    absolute = request("GET", f"https://{host}{path}", NAME)
    nameless = request("GET", path, None, http="1.0")
    for words in (request("GET", path, host), absolute, nameless):
        for server_name in (NAME, None):
            answer = send(WHERE, words, server_name)
            assert answer.status == 421
            assert answer.body["error"]["code"] == "misdirected_request"


def test_a_name_with_more_behind_it_is_another(gateway: Run) -> None:
    assert ask("GET", "/v1/models", f"{NAME}|x").status == 421


def test_an_engine_does_not_speak_for_the_gateway(gateway: Run) -> None:
    answer = post()
    assert answer.headers["x-rackwright-replica"] == REPLICAS[answer.body["by"]]
    assert answer.headers["x-request-id"] != "forged"
    assert answer.headers["strict-transport-security"] == "max-age=600"


def test_an_engine_s_own_error_goes_through(gateway: Run) -> None:
    answer = post(status=503)
    assert (answer.status, answer.body["raw"]) == (503, f"POST {CHAT} HTTP/1.1")
    assert "retry-after" not in answer.headers


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")  # that TLS 1.1 is old is the point
def test_tls_is_new_and_authenticates_what_it_encrypts(gateway: Run) -> None:
    old = ssl.TLSVersion.TLSv1_2
    words = request("GET", "/v1/models", NAME)
    for versions in ((old, old), (ssl.TLSVersion.TLSv1_3,) * 2):
        assert handshake(context(*versions), words)
    plain = context(old, old)
    plain.set_ciphers("ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA:AES256-SHA:@SECLEVEL=0")
    for refused in (plain, context(ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_1)):
        with pytest.raises(ssl.SSLError):
            handshake(refused, words)


def handshake(trust: ssl.SSLContext, words: bytes) -> bytes:

    with (
        socket.create_connection(WHERE) as one,
        trust.wrap_socket(one, server_hostname=NAME) as safe,
    ):
        safe.sendall(words)
        return safe.recv(12)


# --- what it says ------------------------------------------------------------------------------

LONG = "a" * 9000
FAULTY: dict[str, tuple[bytes, int, str]] = {
    "no HTTP": (b"nonsense\r\n\r\n", 400, "bad_request"),
    "no length that is one": (
        request("POST", CHAT, NAME, headers="Content-Length: x\r\n"),
        400,
        "bad_request",
    ),
    "no Host": (request("GET", "/v1/models", None), 400, "bad_request"),
    "a NUL": (request("GET", "/v1/models%00", NAME), 400, "bad_request"),
    "too large": (request("POST", CHAT, NAME, body=LONG), 413, "request_too_large"),
    "too large in pieces": (
        request(
            "POST", CHAT, NAME, headers=f"Transfer-Encoding: chunked\r\n\r\n2328\r\n{LONG}\r\n0\r\n"
        ),
        413,
        "request_too_large",
    ),
    "a long path": (request("GET", f"/{LONG}", NAME), 414, "uri_too_long"),
    "a long path, by another name": (request("GET", f"/{LONG}", "x"), 414, "uri_too_long"),
    "long headers": (
        request("GET", "/v1/models", NAME, headers=f"X: {LONG}\r\n"),
        431,
        "headers_too_large",
    ),
    "a transfer encoding": (
        request("POST", CHAT, NAME, headers="Transfer-Encoding: gzip\r\n"),
        501,
        "not_implemented",
    ),
    "another HTTP": (request("GET", "/v1/models", NAME, http="3.0"), 505, "version_not_supported"),
}


def is_openai_s(answer: Answer, status: int, code: str) -> None:
    assert answer.status == status, answer.text
    error = answer.body["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, None)
    assert error["type"] == ("server_error" if status >= 500 else "invalid_request_error")
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("words", "status", "code"), FAULTY.values(), ids=FAULTY)
def test_a_faulty_request_is_told_in_openai_s_form(
    gateway: Run, words: bytes, status: int, code: str
) -> None:
    is_openai_s(send(WHERE, words, NAME), status, code)


@pytest.mark.parametrize("host", [NAME, "other.example"])
def test_plain_http_on_the_tls_port_is_told_so(gateway: Run, host: str) -> None:
    words = request("GET", f"/v1/models?key={SECRET}", host)
    is_openai_s(send(WHERE, words, None, tls=False), 400, "plain_http")


def test_over_http_2_it_is_the_same(gateway: Run) -> None:
    with httpx.Client(http2=True, verify=False, base_url=f"https://{WHERE[0]}") as client:
        said = {
            (path, host): client.request(method, path, headers={"Host": host})
            for method, path, host in (
                ("GET", "/v1/models", NAME),
                ("GET", "/v1/models", "other.example"),
                ("DELETE", "/v1/models", f"{NAME}:443"),
            )
        }
        large = client.post(CHAT, headers={"Host": NAME}, content=LONG)
    assert {one.http_version for one in said.values()} == {"HTTP/2"}
    assert [one.status_code for one in said.values()] == [200, 421, 405]
    assert (large.status_code, large.json()["error"]["code"]) == (413, "request_too_large")


# --- whom it asks ------------------------------------------------------------------------------


def answering(times: int) -> Counter[str]:
    """Which replicas answered so many requests, all of which must be."""
    answers = [post() for _ in range(times)]
    assert [one.status for one in answers] == [200] * times
    return Counter(one.headers["x-rackwright-replica"] for one in answers)


def test_slow_answers_take_no_replica_out(gateway: Run) -> None:
    with ThreadPoolExecutor(8) as pool:
        late = list(pool.map(lambda _: post(silent_s=2 * READ_TIMEOUT_S), range(8)))
    for answer in late:
        is_openai_s(answer, 504, "replica_late")
        assert answer.headers["x-rackwright-replica"] in REPLICAS.values()
        assert answer.headers["x-should-retry"] == "false" and "retry-after" not in answer.headers
    assert states() == {"in"}
    assert answering(12).keys() == set(REPLICAS.values())


def test_an_answer_that_is_silent_for_long_arrives(gateway: Run) -> None:
    """Longer than every other time-out of the gateway."""
    assert post(silent_s=SILENT_S).status == 200
    with httpx.Client(http2=True, verify=False, timeout=60) as client:
        body, headers = {"silent_s": SILENT_S}, {"Host": NAME}
        answer = client.post(f"https://{WHERE[0]}{CHAT}", json=body, headers=headers)
    assert (answer.status_code, answer.http_version) == (200, "HTTP/2")


def test_a_replica_that_dies_is_told_and_asked_once(gateway: Run) -> None:
    before = asked()
    answer = post(die=True)
    is_openai_s(answer, 502, "replica_lost")
    assert answer.headers["x-rackwright-replica"] in REPLICAS.values()
    assert answer.headers["x-should-retry"] == "false" and "retry-after" not in answer.headers
    assert asked() == before + 1


def asked() -> int:
    """POSTs of clients that reached the stand-ins."""
    counts = [ssh(HOST, f"curl -s {one}:8000/x | grep -o 'posts.: [0-9]*'") for one in REPLICAS]
    return sum(int(one.split()[-1]) for one in counts)


def test_a_replica_that_is_down_is_passed_over_and_none_at_all_is_said(gateway: Run) -> None:
    one, other = REPLICAS
    stand_in("stop", one)
    try:
        assert answering(6) == {REPLICAS[other]: 6}
        stand_in("stop", other)
        answer = post()
        is_openai_s(answer, 503, "no_replica")
        assert answer.headers["retry-after"] == "5" and "x-should-retry" not in answer.headers
        stand_in("start", other)
        assert answering(1) == {REPLICAS[other]: 1}  # at once: nothing waits for it
    finally:
        stand_in("start", one)
    wait_until(lambda: states() == {"in"})  # it has completed the gateway's own request
    assert answering(6).keys() == set(REPLICAS.values())


def states() -> set[str]:
    """Of the replicas, as the gateway has them."""
    said = json.loads(ssh(HOST, f"curl -s --unix-socket {SOCKET} http://localhost/state"))
    return {one["state"] for one in said["services"]["chat"]["replicas"].values()}


def test_a_host_that_is_gone_costs_a_second(gateway: Run) -> None:
    one, other = REPLICAS
    wait_until(lambda: ssh(HOST, f"ss -Htn state established dst {one}:8000") == "")  # none is idle
    gone = f"ip neighbour replace {one} lladdr 02:00:00:00:00:01 dev host0 nud permanent"
    ssh(HOST, f"ip address del {one}/32 dev lo; {gone}; ip route add {one}/32 dev host0")
    try:
        started = time.monotonic()
        assert answering(4) == {REPLICAS[other]: 4}
        assert time.monotonic() - started < 4 * (CONNECT_TIMEOUT_S + 2)
    finally:
        ssh(HOST, f"ip route del {one}/32 dev host0; ip address add {one}/32 dev lo")
    wait_until(lambda: states() == {"in"})


def test_as_many_requests_as_are_planned_run_at_once(gateway: Run) -> None:
    """Each has two connections; more than Debian's Nginx holds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65536, hard), hard))
    try:
        assert asyncio.run(at_once(1024)) == {b"HTTP/1.1 200": 1024}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def at_once(requests: int) -> Counter[bytes]:
    """All are sent before the first is answered."""
    trust, body = context(), json.dumps({"silent_s": SILENT_S})
    dials = asyncio.Semaphore(64)

    async def one() -> bytes:
        async with dials:
            reader, writer = await asyncio.open_connection(*WHERE, ssl=trust, server_hostname=NAME)
        writer.write(request("POST", CHAT, NAME, body=body))
        said = await reader.read(12)
        writer.close()
        return said

    return Counter(await asyncio.gather(*(one() for _ in range(requests))))


def test_limits_are_raised_in_the_distribution_s_file_and_nothing_else(gateway: Run) -> None:
    package = "cd /tmp && apt-get download -q nginx-common >/dev/null && dpkg-deb --fsys-tarfile "
    package += "nginx-common*.deb | tar xO ./etc/nginx/nginx.conf"
    differ = ssh(HOST, f"({package}) | diff - /etc/nginx/nginx.conf | grep '^[<>]'", check=False)
    assert [line.split()[1] for line in differ.splitlines()] == [
        "worker_rlimit_nofile",
        "worker_connections",
        "worker_connections",
    ]
    worker = f"$(pgrep -P {main_pid(HOST, 'nginx')} | head -1)"
    soft = ssh(HOST, f"grep 'Max open files' /proc/{worker}/limits").split()[3]
    assert int(soft) >= 4 * 2048


# --- names, the log, and what verify says ------------------------------------------------------


def said_of_nginx() -> dict[str, tuple[str, str]]:
    done = rackwright("verify", INVENTORY, "--json")
    rows = json.loads(done.stdout)["results"]
    return {r["check"]: (r["status"], r["evidence"]) for r in rows if r["subject"] == "chat"}


def test_a_server_with_a_name_is_verified(gateway: Run) -> None:
    said = said_of_nginx()
    for check in ("nginx", "upstream", "connections", "closed paths"):
        assert said[check][0] == "OK", said


def test_a_name_that_is_not_known_ends_the_deploy_and_nginx_goes_on(gateway: Run) -> None:
    nginx, config = main_pid(HOST, "nginx"), "sha256sum /etc/nginx/conf.d/rackwright.conf"
    before = ssh(HOST, config)
    ssh(HOST, "cp /etc/hosts /run/hosts; sed '/two.lab/d' /run/hosts > /etc/hosts")
    try:
        refused = run("--data", "nginx_read_timeout_s=9")
        assert refused.code != 0
        assert "servers[absent2].address: is a name that spare1 cannot look up" in refused.words
        assert "Nginx goes on as it was" in refused.words and "Traceback" not in refused.words
        assert (main_pid(HOST, "nginx"), ssh(HOST, config)) == (nginx, before)
        ssh(HOST, "systemctl restart nginx")  # as at a boot without a name server
        assert answering(6).keys() == set(REPLICAS.values())
        status, evidence = said_of_nginx()["upstream"]
        assert status == "WARN" and "chat-absent2-0" in evidence
    finally:
        ssh(HOST, "cat /run/hosts > /etc/hosts")
    assert run().changed() == {}


def test_a_system_without_the_lua_module_is_refused_before_anything_is_changed(
    gateway: Run,
) -> None:
    older = r"s/^ID=.*/ID=ubuntu/; s/^VERSION_ID=.*/VERSION_ID=22.04/; s/^PRETTY_NAME=.*//"
    data, release = "/etc/nginx/rackwright/fleet.json", "/etc/os-release"
    ssh(HOST, f"cp {release} /run/release; sed '{older}' /run/release > {release}; rm {data}")
    try:
        refused = run()
        assert refused.code != 0
        assert "ubuntu 22.04 has no Lua module for Nginx" in refused.words
        assert "make a host with Debian 12 or newer, or Ubuntu 24.04 or newer" in refused.words
        assert ssh(HOST, f"ls {data} 2>&1 || true").startswith("ls: cannot access")
    finally:
        ssh(HOST, f"cat /run/release > {release}")
    assert run().code == 0
    assert ssh(HOST, f"stat -c '%a %U:%G' {data}") == "640 root:www-data"


def test_no_query_is_in_a_log(gateway: Run) -> None:
    """After all that went wrong above, some of it with a key in its query."""
    ask("GET", f"https://{NAME}/v1/models?key={SECRET}")
    ask("GET", f"/metrics?key={SECRET}", "other.example")
    ask("GET", f"https://user:{SECRET}@{NAME}/v1/models")
    ask("GET", f"/v1/models#{SECRET}")
    ask("POST", f"{CHAT}#{SECRET}", body="nonsense")
    ask("GET", f"/{LONG}?key={SECRET}")
    ask("GET", f"/v1/models?key={SECRET}", http="3.0")
    found = ssh(
        HOST, f"grep -rl {SECRET} /var/log/nginx; journalctl -u nginx | grep {SECRET}", check=False
    )
    assert found == ""
    log = ssh(HOST, "cat /var/log/nginx/rackwright.log")
    lines = [json.loads(line) for line in log.splitlines()]
    served = {(one["method"], one["path"], one["status"], one["replica"]) for one in lines}
    assert ("POST", CHAT, 200, "chat-absent2-0") in served
    assert not [one["path"] for one in lines if set("?#@") & set(one["path"])]
