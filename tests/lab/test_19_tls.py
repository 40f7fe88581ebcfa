"""The gateway's certificate by ACME, from a stand-in authority that really asks port 80 for it.

In order: an authority that cannot be reached, one that refuses, the first certificate, its renewal
under open streams, other names, an authority that is gone again; then TLS itself, by sslyze; then a
certificate of the operator's instead.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import authority
from lab.fleet import host_named
from lab.sslyze import scan
from rackwright.desired.gateway_places import CHALLENGES
from rackwright.desired.render import render
from tests.samples.commands import rackwright
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh, main_pid, ssh, wait_until
from tests.samples.raw_requests import PATIENCE_S, context, request, send

INVENTORY = "tests/lab/inventories/tls.py"
STAND_IN = Path(__file__).with_name("stand_in_replica.py")
HOST, CA = "spare3", "spare4"
ADDRESS = host_named(HOST).address
NAME, OTHER, MORE = "llm.example.org", "chat.example.org", "more.example.org"
CLOSED = f"https://{authority.NAME}:9/dir"
SETTINGS = ("--data", "stages=base,gateway", "--data", "hsts_max_age_s=63072000")
BODY = '{"model": "tiny-llama", "messages": [{"role": "user", "content": "Hi"}], "pieces": 80}'


def run(*words: str) -> Run:
    return deploy("--limit", HOST, *SETTINGS, *words, inventory=INVENTORY)


def shown() -> dict[str, str]:
    """Serial, issuer and names of the certificate that clients are shown."""
    look = f"openssl s_client -connect 127.0.0.1:443 -servername {NAME} </dev/null 2>/dev/null"
    asked = "openssl x509 -noout -serial -issuer -ext subjectAltName"
    serial, issuer, _, names = ssh(HOST, f"{look} | {asked}").splitlines()
    return {"serial": serial, "issuer": issuer, "names": names.strip()}


def plain(path: str, host: str = NAME) -> tuple[int, str]:
    """What port 80 answers."""
    answer = send((ADDRESS, 80), request("GET", path, host), None, tls=False)
    return answer.status, answer.text


def certificate_row() -> tuple[str, str]:
    rows = json.loads(rackwright("verify", INVENTORY, "--json").stdout)["results"]
    ((status, evidence),) = (
        (row["status"], row["evidence"]) for row in rows if row["check"] == "certificate"
    )
    return status, evidence


@pytest.fixture(scope="module")
def hosts() -> Iterator[None]:
    """A gateway to be, with a stand-in for an engine on its loopback, and the authority."""
    with fresh(HOST, CA):
        ssh(HOST, f"cat > /run/stand_in.py <<'END'\n{STAND_IN.read_text()}END")
        ssh(HOST, "ip address add 192.0.2.11/32 dev lo")
        ssh(HOST, "systemd-run -q --unit stand-in python3 /run/stand_in.py 192.0.2.11 8000")
        authority.start(CA)
        authority.trust(HOST, CA)
        yield


@pytest.fixture(scope="module")
def unreachable(hosts: None) -> Run:
    """The first deploy ever, while nobody is where the authority should be."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LAB_DIRECTORY", CLOSED)
        return run()


@pytest.fixture(scope="module")
def refused(unreachable: Run) -> Run:
    """The authority is there, and finds one of the two names nowhere."""
    authority.knows(CA, {NAME: ADDRESS})
    return run()


@pytest.fixture(scope="module")
def first(refused: Run) -> Run:
    authority.knows(CA, {NAME: ADDRESS, OTHER: ADDRESS})
    return run()


@pytest.fixture
def issued(first: Run) -> Run:
    if first.code != 0:
        pytest.fail(first.words[-3000:], pytrace=False)
    return first


def test_an_authority_that_cannot_be_reached_is_one_clear_error(unreachable: Run) -> None:
    assert unreachable.code != 0
    words = " ".join(unreachable.words.split())
    assert "the CA cannot be reached: Connection refused" in words, unreachable.words
    assert "let the gateway out to the CA's directory" in words and "Traceback" not in words


def test_until_there_is_one_nginx_serves_its_own(unreachable: Run) -> None:
    one = shown()
    assert one["issuer"].endswith(NAME) and NAME in one["names"] and OTHER in one["names"]
    status, evidence = certificate_row()
    assert status == "CRITICAL" and "no CA has issued one yet" in evidence


def test_a_refusal_is_told_with_the_name_and_what_to_do(refused: Run) -> None:
    assert refused.code != 0
    words = " ".join(refused.words.split())
    assert "could not see that the name is this gateway's" in words, refused.words
    assert OTHER in words and "port 80" in words and "Traceback" not in words


def test_the_certificate_is_for_every_name_and_verified(issued: Run) -> None:
    wait_until(lambda: "Pebble" in shown()["issuer"])
    trust = ssl.create_default_context(cadata=authority.root(CA))
    for name in (NAME, OTHER):
        with (
            socket.create_connection((ADDRESS, 443)) as raw,
            trust.wrap_socket(raw, server_hostname=name) as safe,
        ):
            assert safe.version() == "TLSv1.3"
    assert certificate_row() == ("OK", "20 days left, renewed by certbot's timer")


def test_a_second_deploy_asks_and_changes_nothing(issued: Run) -> None:
    before = authority.orders(CA)
    assert before > 0
    again = run()
    assert (again.code, again.changed()) == (0, {}), again.words
    assert authority.orders(CA) == before


def test_port_80_answers_the_authority_and_leaves_others_theirs(issued: Run) -> None:
    """Debian's own site is on port 80 too."""
    assert plain("/.well-known/acme-challenge/nothing")[0] == 404
    status, text = plain("/v1/models")
    assert (status, json.loads(text)["error"]["code"]) == (403, "https_required")
    status, text = plain("/", "other.example")
    assert status == 200 and "Welcome to nginx" in text
    ssh(HOST, "mkdir -p /srv/site && echo theirs > /srv/site/index.html")
    site = f"server {{ listen 80; server_name {OTHER}; root /srv/site; }}"
    ssh(HOST, f"echo '{site}' > /etc/nginx/sites-enabled/theirs && systemctl reload nginx")
    try:
        wait_until(lambda: plain("/", OTHER) == (200, "theirs\n"))
    finally:
        ssh(HOST, "rm /etc/nginx/sites-enabled/theirs && systemctl reload nginx")
        wait_until(lambda: plain("/", OTHER)[0] == 403)


def test_the_timer_renews_and_open_streams_go_on(issued: Run) -> None:
    """Its own service, as the timer starts it: the authority's certificates always end soon."""
    before, master = shown()["serial"], main_pid(HOST, "nginx")
    assert ssh(HOST, "systemctl is-active certbot.timer") == "active"
    with (
        socket.create_connection((ADDRESS, 443), 60) as raw,
        context().wrap_socket(raw, server_hostname=NAME) as stream,
    ):
        stream.sendall(request("POST", "/v1/chat/completions", NAME, body=BODY))
        said = stream.recv(65536)
        assert said.startswith(b"HTTP/1.1 200")
        ssh(HOST, "systemctl start certbot.service")
        wait_until(lambda: shown()["serial"] != before)
        assert b"data: 79" not in said, "the stream was over before the renewal"
        while more := stream.recv(65536):
            said += more
    assert said.count(b"data: ") == 80 and said.endswith(b"0\r\n\r\n")
    assert main_pid(HOST, "nginx") == master
    again = run()
    assert (again.code, again.changed()) == (0, {}), again.words


def test_a_timer_that_is_stopped_is_told(issued: Run) -> None:
    ssh(HOST, "systemctl stop certbot.timer")
    status, evidence = certificate_row()
    assert status == "WARN" and "nobody renews it" in evidence
    assert run().code == 0
    assert certificate_row()[0] == "OK"


def test_another_name_is_another_certificate(issued: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.knows(CA, dict.fromkeys((NAME, OTHER, MORE), ADDRESS))
    monkeypatch.setenv("LAB_OTHER_NAMES", f"{OTHER} {MORE}")
    assert run().code == 0
    wait_until(lambda: f"DNS:{MORE}" in shown()["names"])
    assert all(f"DNS:{name}" in shown()["names"] for name in (NAME, OTHER))
    assert run().changed() == {}
    monkeypatch.delenv("LAB_OTHER_NAMES")
    assert run().code == 0
    wait_until(lambda: MORE not in shown()["names"])


def test_with_an_authority_that_is_gone_all_stays_as_it_was(
    issued: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, folder = shown(), ssh(HOST, "ls -lR --time-style=full-iso /etc/letsencrypt/live")
    monkeypatch.setenv("LAB_DIRECTORY", CLOSED)
    failed = run()
    assert failed.code != 0 and "Nginx goes on with the one it has" in failed.words
    assert shown() == before
    assert ssh(HOST, "ls -lR --time-style=full-iso /etc/letsencrypt/live") == folder
    monkeypatch.delenv("LAB_DIRECTORY")
    again = run()
    assert (again.code, again.changed()) == (0, {}), again.words


def test_the_key_is_root_s_alone_and_the_webroot_is_left_empty(issued: Run) -> None:
    key = "/etc/rackwright/tls/served/privkey.pem"
    assert ssh(HOST, f"stat -Lc '%U %a' {key}") == "root 600"
    assert ssh(HOST, "find /var/lib/rackwright/acme -type f") == ""


def test_a_challenge_that_another_gateway_has_is_found(issued: Run) -> None:
    """The authority's host stands in for the other: its answer is in a folder."""
    served, token = "/run/other", ".well-known/acme-challenge/token"
    ssh(CA, f"mkdir -p {served}/.well-known/acme-challenge && echo theirs > {served}/{token}")
    ssh(CA, f"systemd-run -q --unit other -p WorkingDirectory={served} python3 -m http.server 80")
    values = {"host_names": [NAME], "webroot": "/var/lib/rackwright/acme"}
    conf = render("acme.conf.j2", {**values, "peers": [ADDRESS, host_named(CA).address]}).decode()
    ssh(HOST, f"cat > {CHALLENGES} <<'END'\n{conf}END\nnginx -t -q && systemctl reload nginx")
    try:
        wait_until(lambda: plain(f"/{token}") == (200, "theirs\n"))
        assert plain("/.well-known/acme-challenge/nothing")[0] == 404
    finally:
        ssh(CA, "systemctl stop other")
        assert run().code == 0
    wait_until(lambda: plain(f"/{token}")[0] == 404)


def test_sslyze_finds_mozilla_s_intermediate_profile(issued: Run, tmp_path: Path) -> None:
    """All but two curves: OpenSSL's own choice also has X448 and P-521, which are stronger."""
    (tmp_path / "root.pem").write_text(authority.root(CA))
    scanned = scan(ADDRESS, NAME, tmp_path / "root.pem")
    assert scanned.faults.keys() == {"tls_curves"}
    assert "{'X448', 'secp521r1'}" in scanned.faults["tls_curves"].replace(
        "{'secp521r1', 'X448'}", "{'X448', 'secp521r1'}"
    )
    for old in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
        assert scanned.suites(old) == [], old
    assert len(scanned.suites("tls_1_2")) == len(scanned.suites("tls_1_3")) == 3
    assert all("_GCM_" in one or "_POLY1305_" in one for one in scanned.suites("tls_1_2"))
    assert not scanned.of("tls_compression")["supports_compression"]
    renegotiation = scanned.of("session_renegotiation")
    assert renegotiation["supports_secure_renegotiation"]
    assert not renegotiation["is_vulnerable_to_client_renegotiation_dos"]
    hsts = scanned.of("http_headers")["strict_transport_security_header"]
    assert hsts["max_age"] == 63072000


def test_a_session_goes_on_in_each_later_connection(issued: Run) -> None:
    """By any worker. OpenSSL keeps a session after its last word of the handshake, and a client
    may come back before that (sslyze does): an answer proves that it is kept.
    """
    client = context(ssl.TLSVersion.TLSv1_2)
    session, resumed = None, []
    for _ in range(6):
        with (
            socket.create_connection((ADDRESS, 443), PATIENCE_S) as plain_one,
            client.wrap_socket(plain_one, server_hostname=NAME, session=session) as safe,
        ):
            safe.sendall(request("GET", "/v1/models", NAME))
            assert safe.recv(65536).startswith(b"HTTP/1.1 ")
            resumed.append(safe.session_reused)
            session = session or safe.session
    assert resumed == [False, *[True] * 5]


# --- the operator's own files --------------------------------------------------------------------

FILES = "/etc/ssl/gateway"
RESPONDER = "http://127.0.0.1:8888"
MAKE_FILES = f"""set -e
mkdir -p {FILES} && cd {FILES}
new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $new -days 30 -subj "/CN=Lab root" -keyout ca.key -out ca.crt 2>/dev/null
printf "subjectAltName=DNS:{NAME},DNS:*.example.org\nauthorityInfoAccess=OCSP;URI:{RESPONDER}\n" > x
openssl req $new -subj /CN={NAME} -keyout own.key -out own.csr 2>/dev/null
openssl x509 -req -in own.csr -CA ca.crt -CAkey ca.key -set_serial 0x1234 -days 20 -extfile x \
    -out own.crt 2>/dev/null
cat own.crt ca.crt > full.pem
printf "V\t351231235959Z\t\t1234\tunknown\t/CN={NAME}\n" > index.txt
systemd-run -q --unit responder openssl ocsp -port 8888 -index {FILES}/index.txt \
    -rsigner {FILES}/ca.crt -rkey {FILES}/ca.key -CA {FILES}/ca.crt
"""


@pytest.fixture
def files(issued: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The operator has a certificate of another CA instead, which names a responder (OCSP)."""
    ssh(HOST, MAKE_FILES)
    monkeypatch.setenv("LAB_CERTIFICATE", f"{FILES}/full.pem")
    monkeypatch.setenv("LAB_CERTIFICATE_KEY", f"{FILES}/own.key")
    return run()


def test_the_operator_s_files_are_served_and_stapled(files: Run) -> None:
    assert files.code == 0, files.words
    wait_until(lambda: shown()["issuer"] == "issuer=CN = Lab root")
    assert plain("/v1/models")[0] == 404, "the site of the distribution has port 80 for itself"
    look = f"openssl s_client -connect 127.0.0.1:443 -servername {NAME} -status </dev/null 2>&1"
    wait_until(lambda: "OCSP Response Status: successful" in ssh(HOST, look))
    assert certificate_row() == ("OK", "20 days left, renewed by whoever puts the files there")
    assert run().changed() == {}


def test_files_that_were_renewed_without_a_reload_are_told(issued: Run) -> None:
    again = f"openssl x509 -req -in {FILES}/own.csr -CA {FILES}/ca.crt -CAkey {FILES}/ca.key"
    ssh(HOST, f"{again} -days 20 -extfile {FILES}/x 2>/dev/null > {FILES}/new.crt; "
        f"cat {FILES}/new.crt {FILES}/ca.crt > {FILES}/full.pem")  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LAB_CERTIFICATE", f"{FILES}/full.pem")
        patched.setenv("LAB_CERTIFICATE_KEY", f"{FILES}/own.key")
        assert certificate_row() == ("WARN", "another one is on disk than Nginx serves")
        ssh(HOST, "systemctl reload nginx")
        wait_until(lambda: certificate_row()[0] == "OK")
