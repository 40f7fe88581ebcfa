"""The main job: from bare hosts to a served, verified model; and again, changing nothing."""

from __future__ import annotations

import re
import subprocess
from collections import Counter

from lab.ask import client, question, tokens
from lab.fleet import ROOT
from lab.tiny_model import ANSWER
from rackwright.checks import ALWAYS, checks_about
from rackwright.checks.planned import PlannedHost, PlannedReplica, PlannedServer, PlannedService
from rackwright.checks.replica.when import ANSWERS, WRITES
from tests.samples.commands import BIN, PATIENCE_S, rackwright
from tests.samples.deploys import LAB_INVENTORY, Run, deploy
from tests.samples.gateway import ask_many
from tests.samples.lab_hosts import UNITS, main_pid, ssh

MAX_COMMANDS = 2
"""One for all that the stages look at, one for what is verified in the end."""
WORST_EXPOSURE = 3.0


def sessions(host: str) -> int:
    """Commands that sshd has started on the host so far, by its own log: all of it (``--sync``)."""
    log = "journalctl --sync && journalctl -u ssh --no-pager"
    return int(ssh(host, f"{log} | grep -c 'Starting session: command'"))


def test_first_deploy_ends_with_every_check_ok(first_deploy: Run) -> None:
    assert first_deploy.code == 0, first_deploy.words
    assert set(first_deploy.statuses().values()) == {"OK"}, first_deploy.report["results"]
    asked = (ALWAYS, ANSWERS, WRITES)
    replica = sum(check.applies in asked for check in checks_about(PlannedReplica))
    server, host, service = (
        len(checks_about(kind)) for kind in (PlannedServer, PlannedHost, PlannedService)
    )
    of_engines = 2  # firewall and watchdog, which the gateway without engines does not have
    of_routers = 1  # no service here has one
    rows = 2 * (server + replica) + 3 * host - of_engines + service - of_routers
    assert len(first_deploy.statuses()) == rows


def test_second_run_changes_nothing_in_few_commands(deployed: Run) -> None:
    before = {host: sessions(host) for host in ("gw1", "gpu1", "gpu2")}
    pids = {host: main_pid(host, unit) for host, unit in UNITS.items()}
    second = deploy()
    assert second.code == 0, second.words
    assert second.changed() == {}
    used = {host: sessions(host) - before[host] for host in before}
    # Of these, two are the pair of journalctl (the second counts itself) and systemctl questions.
    own = {"gw1": 1, "gpu1": 2, "gpu2": 2}
    counted = {host: used[host] - own[host] for host in used}
    assert counted == second.report["ssh_commands"]
    assert max(counted.values()) <= MAX_COMMANDS
    assert pids == {host: main_pid(host, unit) for host, unit in UNITS.items()}


def test_what_was_deployed_has_no_drift(deployed: Run) -> None:
    done = rackwright("drift", LAB_INVENTORY)
    assert (done.returncode, done.stdout) == (0, "no drift on 3 of 3 hosts\n"), done.stdout


def test_dry_run_shows_the_difference_and_changes_nothing(deployed: Run) -> None:
    config = "sha256sum /etc/nginx/conf.d/rackwright.conf"
    before = ssh("gw1", config)
    dry = deploy_dry("--diff", "--data", "nginx_read_timeout_s=611")
    assert re.search(r"-\s+proxy_read_timeout 1800s;", dry)
    assert re.search(r"\+\s+proxy_read_timeout 611s;", dry)
    assert ssh("gw1", config) == before


def deploy_dry(*words: str) -> str:
    argv = [str(BIN / "pyinfra"), "inventories/lab.py", "deploy.py", "--dry", *words]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_one_stage_on_one_host(deployed: Run) -> None:
    run = deploy("--limit", "gw1", "--data", "stages=gateway,verify")
    assert run.code == 0, run.words
    assert {host for host, _ in hosts_and_checks(run)} == {"gw1"}
    assert "Base system" not in run.words


def hosts_and_checks(run: Run) -> set[tuple[str, str]]:
    return {(row["host"], row["check"]) for row in run.report["results"]}


def test_tensor_parallel_two_runs_two_workers(deployed: Run) -> None:
    processes = ssh("gpu1", "ps -e -o args")
    assert set(re.findall(r"Worker_TP(\d)", processes)) == {"0", "1"}
    assert "Worker_TP" not in ssh("gpu2", "ps -e -o args")
    assert "--tensor-parallel-size 2" in " ".join(unit_argv("gpu1").split())


def unit_argv(host: str) -> str:
    pid = main_pid(host, UNITS[host])
    return ssh(host, f"tr '\\0' ' ' < /proc/{pid}/cmdline")


def test_gpus_are_given_by_uuid_and_the_environment_is_private(deployed: Run) -> None:
    path = "/etc/rackwright/replicas/chat-gpu1-0.env"
    assert ssh("gpu1", f"stat -c '%a %U:%G' {path}") == "640 root:rackwright"
    given = re.search(r'CUDA_VISIBLE_DEVICES="(.*)"', ssh("gpu1", f"cat {path}"))
    assert given is not None
    uuids = given.group(1).split(",")
    shown = re.findall(r"UUID=(GPU-\S+)", ssh("gpu1", "cat /etc/rackwright-lab/nvml.profile"))
    assert uuids == shown and len(uuids) == 2
    assert ssh("gpu1", f"su -s /bin/sh nobody -c 'cat {path}' || true") == ""


def test_units_are_hardened_and_stop_gracefully(deployed: Run) -> None:
    for host, unit in UNITS.items():
        analysis = ssh(host, f"systemd-analyze security {unit} --no-pager | tail -1")
        exposure = re.search(r"([\d.]+) \w+", analysis)
        assert exposure is not None
        assert float(exposure.group(1)) <= WORST_EXPOSURE
        assert "--shutdown-timeout 120" in unit_argv(host)
        assert ssh(host, f"systemctl show -P TimeoutStopUSec {unit}") == "2min 30s"
        assert ssh(host, f"systemctl show -P User {unit}") == "rackwright"


def test_gateway_speaks_http2_and_streams(deployed: Run) -> None:
    body = question("hello", stream=True)
    with client() as http, http.stream("POST", "/v1/chat/completions", json=body) as response:
        assert response.http_version == "HTTP/2"
        assert "".join(tokens(response)) == ANSWER


def test_only_the_openai_paths_get_through(deployed: Run) -> None:
    with client() as http:
        assert http.get("/v1/models").status_code == 200
        for path in ("/metrics", "/health", "/version", "/docs", "/v1/load_lora_adapter", "/"):
            answer = http.get(path)
            assert answer.status_code == 404, path
            error = answer.json()["error"]
            assert (error["type"], error["code"]) == ("invalid_request_error", "not_found")
        for path in ("/pooling", "/invocations", "/v1/load_lora_adapter"):  # vLLM answers them
            assert http.post(path, json={}).status_code == 404, path
        assert http.post("/tokenize", json={"prompt": "Hi"}).json()["count"] > 0


def test_both_replicas_serve_under_concurrent_requests(deployed: Run) -> None:
    answered = Counter(ask_many(12, at_once=4))
    assert set(answered) == {"chat-gpu1-0", "chat-gpu2-0"}, answered
