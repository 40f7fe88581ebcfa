"""Two gateways that share an address, before stand-ins for engines on a third host.

In the order of the tests: what a later one needs, an earlier one has proven.
"""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from rackwright.desired.failover import config_test
from tests.samples.commands import PATIENCE_S, rackwright
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh, lab, main_pid, ssh, wait_until

INVENTORY = "tests/lab/inventories/pair.py"
STAND_IN = Path(__file__).with_name("stand_in_stream.py")
GATEWAYS, ENGINES = ("spare1", "spare2"), "spare3"
SHARED, SHARED_V6 = "198.18.0.100", "fd00:198:18::100"
NAME = "llm.lab.example"
REPLICAS = ("198.18.0.111", "198.18.0.112")
CONFIG, UNIT = "/etc/nginx/conf.d/rackwright.conf", "keepalived-rackwright"
END = "/run/stand-in-ends"


def run(*words: str, stages: str = "base,gateway") -> Run:
    limits = [word for name in GATEWAYS for word in ("--limit", name)]
    return deploy(*limits, "--data", f"stages={stages}", *words, inventory=INVENTORY)


@pytest.fixture(scope="module")
def hosts() -> Iterator[None]:
    with fresh(*GATEWAYS, ENGINES):
        for name in GATEWAYS:
            furnish(name)
        ssh(ENGINES, f"cat > /run/stand_in.py <<'END'\n{STAND_IN.read_text()}END")
        ssh(ENGINES, "ip address add fd00:198:18::3/64 dev host0 nodad")
        for number, address in enumerate(REPLICAS):
            ssh(ENGINES, f"ip address add {address}/24 dev host0; systemd-run -q --unit engine"
                f"{number} python3 /run/stand_in.py {address} 8000")  # fmt: skip
            ssh(ENGINES, f"until curl -s {address}:8000/x; do sleep 0.1; done")
        yield


def furnish(name: str) -> None:
    """A network of IPv6 too, and the name that DNS would have."""
    ssh(name, f"ip address replace fd00:198:18::{name[-1]}/64 dev host0 nodad")
    for address in (SHARED, SHARED_V6):
        ssh(name, f"echo '{address} {NAME}' >> /etc/hosts")


@pytest.fixture(scope="module")
def first(hosts: None) -> Run:
    return run()


@pytest.fixture
def pair(first: Run) -> None:
    if first.code != 0:
        pytest.fail(first.words[-3000:], pytrace=False)


def holders(address: str = SHARED) -> list[str]:
    said = {name: ssh(name, "ip -brief address show host0", check=False) for name in GATEWAYS}
    return [name for name, words in said.items() if f" {address}/" in words]


def holder() -> str:
    wait_until(lambda: len(holders()) == 1)
    return holders()[0]


def other_than(name: str) -> str:
    return next(one for one in GATEWAYS if one != name)


def answers(address: str = SHARED) -> bool:
    """A completion of a client that has no connection yet."""
    url = f"https://{address}/v1/chat/completions"
    body = {"model": "tiny-llama", "messages": [{"role": "user", "content": "Hi"}]}
    try:
        with httpx.Client(verify=False, timeout=1, trust_env=False) as client:
            answer = client.post(url, json=body, headers={"Host": NAME})
    except httpx.TransportError:
        return False
    return answer.status_code == 200


def seconds_until_answered() -> float:
    started = time.monotonic()
    while not answers():
        assert time.monotonic() - started < PATIENCE_S
    return time.monotonic() - started


@contextmanager
def a_stream() -> Iterator[Future[str]]:
    """An answer that goes on until the stand-ins are told to end; its text, whole or cut."""
    ssh(ENGINES, f"rm -f {END}")
    with ThreadPoolExecutor(1) as pool:
        whole = pool.submit(streamed)
        try:
            yield whole
        finally:
            ssh(ENGINES, f"touch {END}")


def streamed() -> str:
    body = {"model": "tiny-llama", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    url, text = f"https://{SHARED}/v1/chat/completions", ""
    with (
        httpx.Client(verify=False, timeout=60, trust_env=False) as client,
        client.stream("POST", url, json=body, headers={"Host": NAME}) as answer,
    ):
        assert answer.status_code == 200
        for part in answer.iter_text():
            text += part
    return text


def started_on(name: str) -> None:
    """Wait until that gateway has an answer under way."""
    port = "established '( sport = :443 )'"
    wait_until(lambda: ssh(name, f"ss -Htn state {port} dst 198.18.0.1") != "")


def said_by_verify() -> dict[tuple[str, str], tuple[str, str]]:
    rows = json.loads(rackwright("verify", INVENTORY, "--json", "--no-load").stdout)["results"]
    return {(row["subject"], row["check"]): (row["status"], row["evidence"]) for row in rows}


# --- deployed ----------------------------------------------------------------------------------


def test_an_address_of_another_network_is_refused(
    hosts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAIR_ADDRESSES", "203.0.113.9")
    refused = run()
    assert refused.code != 0 and "Traceback" not in refused.words
    assert "failover.addresses: is in no network of host0 on spare1" in refused.words
    assert "(got '203.0.113.9')" in refused.words
    for name in GATEWAYS:
        assert ssh(name, f"ls {CONFIG} /etc/systemd/system/{UNIT}.service", check=False) == ""


def test_one_of_them_holds_the_addresses(pair: None) -> None:
    name = holder()
    assert holders(SHARED_V6) == [name]
    wait_until(answers)
    url = f"--resolve '{NAME}:443:[{SHARED_V6}]' https://{NAME}/v1/models"
    assert "tiny-llama" in ssh(ENGINES, f"curl --silent --insecure {url}")


def test_a_second_deploy_changes_nothing(pair: None) -> None:
    again = run()
    assert (again.code, again.changed()) == (0, {}), again.words


def test_the_distribution_s_keepalived_is_left_to_the_operator(pair: None) -> None:
    for name in GATEWAYS:
        said = ssh(name, "systemctl is-active keepalived; ls /etc/keepalived/*.conf", check=False)
        assert said == "inactive"


def test_what_asks_nginx_is_nobody(pair: None) -> None:
    log = ssh("spare1", f"journalctl -u {UNIT} -o cat")
    assert "SECURITY VIOLATION" not in log and "VRRP_Script(gateway) succeeded" in log
    assert "script_user nobody" in ssh("spare1", "cat /etc/rackwright/keepalived.conf")


def test_both_have_the_same(pair: None) -> None:
    """All that requests are judged by; a gateway's own name aside."""
    files = f"cat {CONFIG}; cd /etc/nginx/rackwright 2>/dev/null && cat *.json *.lua"
    one, other = (
        re.sub(rf'"gateway": ?"{name}"', "", ssh(name, files, check=False)) for name in GATEWAYS
    )
    assert one == other and "chat" in one


def test_verify_says_so(pair: None) -> None:
    said, name = said_by_verify(), holder()
    for subject in GATEWAYS:
        for check in ("keepalived", "shared address answers", "gateway name"):
            assert said[subject, check][0] == "OK", said
        assert said[subject, "shared address"] == (
            "OK", f"{SHARED} on {name}; {SHARED_V6} on {name}")  # fmt: skip


# --- one of them fails -------------------------------------------------------------------------


def test_an_nginx_that_stops_is_taken_over_from_and_its_return_cuts_no_stream(pair: None) -> None:
    before = holder()
    ssh(before, "systemctl stop nginx")
    print(f"\nNginx of the holder stopped: {seconds_until_answered():.1f} s until an answer")
    after = holder()
    assert after == other_than(before)
    with a_stream() as stream:
        started_on(after)
        ssh(before, "systemctl start nginx")
        wait_until(lambda: "Entering BACKUP" in newest_state(before))
        assert holder() == after
        wait_until(answers)
    assert stream.result(PATIENCE_S).endswith("data: [DONE]\n\n")


def newest_state(name: str) -> str:
    return ssh(name, f"journalctl -u {UNIT} -o cat | grep 'Entering' | tail -1", check=False)


def test_replicas_that_are_all_down_move_nothing(pair: None) -> None:
    """Both gateways have the same ones: the other could do no better."""
    name, states = holder(), [newest_count(one) for one in GATEWAYS]
    ssh(ENGINES, "systemctl stop engine0 engine1")
    assert not answers()
    for _ in range(4):
        before = ended_scripts(name)
        wait_until(lambda seen=before: ended_scripts(name) != seen)  # type: ignore[misc]
    assert (holder(), [newest_count(one) for one in GATEWAYS]) == (name, states)
    for number, address in enumerate(REPLICAS):
        ssh(
            ENGINES, f"systemd-run -q --unit engine{number} python3 /run/stand_in.py {address} 8000"
        )
    wait_until(answers)


def newest_count(name: str) -> int:
    return int(ssh(name, f"journalctl -u {UNIT} -o cat | grep -c 'Entering'"))


def ended_scripts(name: str) -> str:
    """What grows with each script that keepalived ran: page faults of children that ended."""
    return ssh(name, f"cut -d' ' -f11 /proc/$(pgrep -P {main_pid(name, UNIT)})/stat")


def test_a_host_that_dies_is_taken_over_from_and_a_new_one_in_its_place_waits(pair: None) -> None:
    before = holder()
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(lab, "down", before)
        started = time.monotonic()
        wait_until(lambda: holders() == [other_than(before)])
        seconds_until_answered()
        print(f"\nthe holder's host killed: {time.monotonic() - started:.1f} s until an answer")
        assert ending.result().returncode == 0
    after = other_than(before)
    with a_stream() as stream:
        started_on(after)
        assert lab("up", before).returncode == 0
        furnish(before)
        again = run()
        assert again.code == 0, again.words[-3000:]
        wait_until(lambda: "Entering BACKUP" in newest_state(before))
        assert holder() == after
        wait_until(answers)
    assert stream.result(PATIENCE_S).endswith("data: [DONE]\n\n")


def test_two_that_do_not_hear_each_other_are_told(pair: None) -> None:
    for name, peer in (("spare1", "198.18.0.22"), ("spare2", "198.18.0.21")):
        ssh(name, f"ip neighbour replace {peer} lladdr 02:00:00:00:00:01 dev host0 nud permanent")
    try:
        wait_until(lambda: len(holders()) == 2)
        said = said_by_verify()
        for name in GATEWAYS:
            status, evidence = said[name, "shared address"]
            assert status == "CRITICAL" and "on spare1 and spare2 at once" in evidence
    finally:
        for name, peer in (("spare1", "198.18.0.22"), ("spare2", "198.18.0.21")):
            ssh(name, f"ip neighbour del {peer} dev host0")
    assert holder()
    wait_until(answers)


def test_a_keepalived_that_is_dead_is_told(pair: None) -> None:
    name = other_than(holder())
    ssh(name, f"systemctl stop {UNIT}")
    assert said_by_verify()[name, "keepalived"][0] == "CRITICAL"
    assert run().changed() == {"Gateway": [name]}
    assert said_by_verify()[name, "keepalived"][0] == "OK"


# --- what the deploy breaks --------------------------------------------------------------------


def test_a_change_that_one_does_not_take_reaches_no_other(pair: None) -> None:
    masters = [main_pid(name, "nginx") for name in GATEWAYS]
    sums = [ssh(name, f"sha256sum {CONFIG}") for name in GATEWAYS]
    for name in GATEWAYS:
        ssh(name, "echo nonsense > /etc/nginx/conf.d/own.conf")
    try:
        refused = run("--data", "nginx_read_timeout_s=99", stages="gateway")
    finally:
        for name in GATEWAYS:
            ssh(name, "rm /etc/nginx/conf.d/own.conf")
    assert refused.code != 0 and refused.words.count("`nginx -t -q` exit code 1") == 1
    assert re.search(r"(spare\d) was not changed: spare\d failed before it", refused.words)
    assert [main_pid(name, "nginx") for name in GATEWAYS] == masters
    assert [ssh(name, f"sha256sum {CONFIG}") for name in GATEWAYS] == sums
    wait_until(answers)


def test_a_configuration_that_keepalived_would_refuse_is_refused_before(pair: None) -> None:
    """Debian 12's own test of a configuration is ended by a signal of its own."""
    config, wrong = "/etc/rackwright/keepalived.conf", "/run/wrong.conf"
    ssh("spare1", shlex.join(config_test(config)))
    ssh("spare1", f"sed 's/virtual_router_id .*/virtual_router_id 300/' {config} > {wrong}")
    refused = f"{shlex.join(config_test(wrong))} || echo refused"
    assert ssh("spare1", refused, check=False) == "refused"


# --- by DNS instead ----------------------------------------------------------------------------


def test_without_an_address_dns_names_both_and_keepalived_goes(
    pair: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAIR_ADDRESSES", "")
    plan = rackwright("plan", INVENTORY).stdout
    assert f"{NAME}  must lead clients to 198.18.0.21 and 198.18.0.22 (DNS)" in plan
    changed = run()
    assert changed.code == 0, changed.words[-3000:]
    assert holders() == [] and not answers()
    for name in GATEWAYS:
        left = f"ls /etc/systemd/system/{UNIT}.service /etc/rackwright/keepalived.conf"
        assert ssh(name, left, check=False) == ""
        assert answers(f"198.18.0.2{name[-1]}")
    said = said_by_verify()
    for name in GATEWAYS:
        status, evidence = said[name, "gateway name"]
        assert status == "WARN" and SHARED in evidence
        ssh(name, f"sed -i '/{NAME}/d' /etc/hosts; echo 198.18.0.21 {NAME} >> /etc/hosts; "
            f"echo 198.18.0.22 {NAME} >> /etc/hosts")  # fmt: skip
    assert said_by_verify()["spare1", "gateway name"][0] == "OK"
    assert run().changed() == {}
