"""vLLM's router, the real one, between the lab's gateway and its two replicas of real vLLM.

In the order of the tests; the last takes it away again.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import openai
import pytest

from lab import ask
from tests.samples.commands import rackwright
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import UNITS, main_pid, ssh, wait_until

INVENTORY = "tests/lab/inventories/router.py"
UNIT = "rackwright-router-chat.service"
REPLICAS = {"gpu1": "198.18.0.11:8000", "gpu2": "198.18.0.12:8000"}
ENDED = "vllm:request_params_max_tokens"
OF_A_CLIENT = 4
"""Tokens that each request here asks for; watchdogs and gateways ask engines for one."""
READINESS = "curl -s http://127.0.0.1:8700/readiness"


class Resolved(httpx2.HTTPTransport):
    """To the gateway's address, as DNS would lead; TLS asks for its name."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.extensions["sni_hostname"] = ask.NAME
        request.url = request.url.copy_with(host=ask.GATEWAY.address)
        return super().handle_request(request)


@pytest.fixture(scope="module")
def routed(first_deploy: Run) -> Run:
    if first_deploy.code != 0:
        pytest.fail("the first deploy failed, see test_1_journey", pytrace=False)
    return deploy(inventory=INVENTORY)


@pytest.fixture
def router(routed: Run) -> None:
    if routed.code != 0:
        pytest.fail(routed.words[-3000:], pytrace=False)


@pytest.fixture
def chat(router: None) -> Iterator[openai.OpenAI]:
    """The library as people have it, which asks once."""
    trust = ssl.create_default_context(cadata=ask.trusted_certificate())
    with openai.DefaultHttpxClient(transport=Resolved(verify=trust)) as http:
        yield openai.OpenAI(
            api_key="none", base_url=f"https://{ask.NAME}/v1", http_client=http, max_retries=0
        )


def complete(client: openai.OpenAI, text: str) -> None:
    said = client.chat.completions.with_raw_response.create(
        model="tiny-llama", messages=[{"role": "user", "content": text}], max_tokens=OF_A_CLIENT
    )
    assert said.headers["x-rackwright-replica"] == "router-chat"
    assert said.parse().choices[0].message.content


def answered() -> dict[str, int]:
    """Clients' requests that each replica has completed, as its engine counts them."""
    return {host: _count(ssh("gw1", f"curl -s {at}/metrics")) for host, at in REPLICAS.items()}


def _count(metrics: str) -> int:
    """All that have ended, without those that asked for two tokens at most."""
    return _sum(metrics, f"{ENDED}_count") - _sum(metrics, f"{ENDED}_bucket", 'le="2.0"')


def _sum(metrics: str, name: str, label: str = "") -> int:
    lines = [one for one in metrics.splitlines() if one.startswith(name) and label in one]
    assert lines, f"no {name}: {metrics[:500]}"
    return sum(round(float(line.rpartition(" ")[2])) for line in lines)


def well() -> int:
    """Replicas that are well, as the router sees them."""
    said: int = json.loads(ssh("gw1", READINESS)).get("healthy_workers", 0)
    return said


def verified() -> dict[tuple[str, str], str]:
    rows = json.loads(rackwright("verify", INVENTORY, "--json", "--no-load").stdout)["results"]
    return {(row["subject"], row["check"]): row["status"] for row in rows}


def test_a_deploy_puts_it_between(router: None, routed: Run) -> None:
    asked = {("chat", check) for check in ("router", "upstream", "gateway completion")}
    assert routed.of("OK") >= asked
    assert not routed.of("CRITICAL") | routed.of("UNKNOWN")
    assert set(routed.changed()) == {"Base system", "Gateway"}


def test_it_is_hardened_unprivileged_and_on_loopback(router: None) -> None:
    pid = main_pid("gw1", UNIT)
    assert ssh("gw1", f"stat -c %U /proc/{pid}") == "rackwright"
    listening = ssh("gw1", f"ss -Hltnp | grep pid={pid},").splitlines()
    assert {line.split()[3] for line in listening} == {"127.0.0.1:8700", "127.0.0.1:8701"}
    verdict = ssh("gw1", f"systemd-analyze security --no-pager {UNIT} | tail -1")
    assert float(verdict.split("level for ")[1].split()[1]) <= 3.0, verdict


def test_both_replicas_get_requests_each_once(chat: openai.OpenAI) -> None:
    before = answered()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: complete(chat, f"{n} is a number, say one more"), range(24)))
    counts = {host: count - before[host] for host, count in answered().items()}
    assert sum(counts.values()) == 24 and min(counts.values()) > 0, counts


def test_prompts_that_begin_alike_go_to_one(chat: openai.OpenAI) -> None:
    before = answered()
    document = " ".join(f"line {n} of a document." for n in range(30))
    for question in range(6):
        complete(chat, f"{document} Question {question}?")
    assert sorted(count - before[host] for host, count in answered().items()) == [0, 6]


def test_its_replicas_are_its_own_to_choose(router: None) -> None:
    said = rackwright("gateway", INVENTORY, "status").stdout
    assert re.search(r"gw1 +chat +2 of 2 ", said)
    for name in ("router-chat", "chat-gpu1-0", "chat-gpu2-0"):
        assert re.search(rf"gw1 +{name} +in ", said)
    refused = rackwright("gateway", INVENTORY, "weight", "chat-gpu1-0", "0.5")
    assert refused.returncode == 67 and "is behind router-chat" in refused.stderr


def sends_to() -> set[str]:
    urls = json.loads(ssh("gw1", "curl -s http://127.0.0.1:8700/list_workers"))["urls"]
    return {url.removeprefix("http://") for url in urls}


def test_one_that_is_drained_gets_no_more_from_it(chat: openai.OpenAI) -> None:
    drained = rackwright("drain", INVENTORY, "gpu1", "--why", "a new disk", "--wait")
    assert drained.returncode == 0, drained.stderr
    try:
        assert sends_to() == {REPLICAS["gpu2"]}
        before = answered()
        for number in range(8):
            complete(chat, f"{number} of eight more")
        assert {host: count - before[host] for host, count in answered().items()} == {
            "gpu1": 0,
            "gpu2": 8,
        }
        refused = rackwright("drain", INVENTORY, "gpu2")
        assert refused.returncode == 67
        assert "chat would have no replica in at gw1 (chat-gpu1-0 is drained)" in refused.stderr
        assert verified()["chat", "router"] == "WARN"
    finally:
        rackwright("undrain", INVENTORY, "gpu1")
    wait_until(lambda: sends_to() == set(REPLICAS.values()))
    assert verified()["chat", "router"] == "OK"


def test_a_second_deploy_changes_nothing(router: None) -> None:
    again = deploy(inventory=INVENTORY)
    assert (again.code, again.changed()) == (0, {}), again.words


def test_requests_go_on_when_a_replica_stops(chat: openai.OpenAI) -> None:
    ssh("gpu2", f"systemctl stop {UNITS['gpu2']}")
    try:
        wait_until(lambda: well() == 1)
        before = answered_by_first()
        for number in range(8):
            complete(chat, f"{number} of eight")
        assert answered_by_first() - before == 8
        assert verified()["chat", "router"] == "WARN"
    finally:
        ssh("gpu2", f"systemctl start {UNITS['gpu2']}")
    wait_until(lambda: well() == 2)


def answered_by_first() -> int:
    return _count(ssh("gw1", f"curl -s {REPLICAS['gpu1']}/metrics"))


def test_a_router_that_is_down_is_critical(router: None) -> None:
    ssh("gw1", f"systemctl stop {UNIT}")
    said = verified()
    ssh("gw1", f"systemctl start {UNIT}")
    assert (said["chat", "router"], said["chat", "gateway completion"]) == ("CRITICAL", "CRITICAL")
    assert {verified()["chat", check] for check in ("router", "gateway completion")} == {"OK"}


def test_without_the_key_it_goes_and_leaves_nothing(router: None) -> None:
    back = deploy()
    assert back.code == 0, back.words[-3000:]
    assert back.changed() == {"Gateway": ["gw1"]}
    left = f"ls -d /etc/systemd/system/{UNIT} /opt/rackwright/vllm-router 2>/dev/null"
    assert ssh("gw1", left, check=False) == ""
    assert back.of("OK") >= {("chat", "upstream"), ("chat", "gateway completion")}
    assert ("chat", "router") not in back.statuses()
