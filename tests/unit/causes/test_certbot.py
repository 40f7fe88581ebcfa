"""What certbot says, and what an operator is told of it. The words are certbot's of Debian 12."""

from __future__ import annotations

import pytest

from rackwright.causes.certbot import REFUSALS, refusal_of

LOG = "Saving debug log to /var/log/letsencrypt/letsencrypt.log\n"
HELP = (
    "Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile "
    "/var/log/letsencrypt/letsencrypt.log or re-run Certbot with -v for more details.\n"
)
CHALLENGE = """
Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority \
reported these problems:
  Domain: chat.example.org
  Type:   {kind}
  Detail: {detail}

Hint: The Certificate Authority failed to download the temporary challenge files created by Certbot.

Some challenges have failed.
"""
SAID = {
    "another": (
        "Another instance of Certbot is already running.\n",
        "certbot is at work already: Another instance of Certbot is already running",
    ),
    "limits": (
        "An unexpected error occurred:\nThere were too many requests of a given type :: Error "
        "creating new order :: too many certificates already issued for: example.org: see "
        "https://letsencrypt.org/docs/rate-limits/\n",
        "the CA lets nobody ask so often: There were too many requests of a given type :: Error "
        "creating new order :: too many certificates already issued for: example.org",
    ),
    "an account": (
        "An unexpected error occurred:\nThe server requires external account binding.\n",
        "the CA wants an account of its own site: The server requires external account binding.",
    ),
    "trust": (
        "An unexpected error occurred:\nrequests.exceptions.SSLError: HTTPSConnectionPool(host="
        "'ca.example.com', port=443): Max retries exceeded with url: /dir (Caused by SSLError("
        "SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
        "self-signed certificate (_ssl.c:992)')))\n",
        "the host does not trust the CA's own server: requests.exceptions.SSLError",
    ),
    "nobody there": (
        "An unexpected error occurred:\nrequests.exceptions.ConnectionError: HTTPSConnectionPool("
        "host='ca.example.com', port=443): Max retries exceeded with url: /dir (Caused by "
        "NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x7f>: Failed to "
        "establish a new connection: [Errno 111] Connection refused'))\n",
        "the CA cannot be reached: Connection refused",
    ),
    "silence": (
        "certbot timed out: it did not end in 300 s",
        "the CA cannot be reached: timed out",
    ),
    "a hook": (
        "Hook 'deploy-hook' reported error code 1\nHook 'deploy-hook' ran with error output:\n"
        " nginx: [emerg] no\n",
        "the certificate is there and Nginx would not take it: nginx: [emerg] no",
    ),
    "a name that leads nowhere": (
        CHALLENGE.format(kind="dns", detail="DNS problem: NXDOMAIN looking up A for chat"),
        "the CA could not see that the name is this gateway's: chat.example.org Type: dns Detail: "
        "DNS problem: NXDOMAIN looking up A for chat",
    ),
    "a name whose port 80 is closed": (
        CHALLENGE.format(kind="connection", detail="192.0.2.1: Connection refused"),
        "the CA could not see that the name is this gateway's: chat.example.org Type: connection "
        "Detail: 192.0.2.1: Connection refused",
    ),
    "CAA": (
        "An unexpected error occurred:\nError finalizing order :: CAA record for example.org "
        "prevents issuance (urn:ietf:params:acme:error:caa)\n",
        "the CA could not see that the name is this gateway's: Error finalizing order :: CAA",
    ),
}


@pytest.mark.parametrize(("words", "what"), SAID.values(), ids=SAID)
def test_a_refusal_is_told_in_words_with_a_remedy(words: str, what: str) -> None:
    refusal = refusal_of(f"{LOG}{words}{HELP}")
    assert refusal.what.startswith(what)
    assert refusal.remedy


def test_every_known_refusal_is_shown() -> None:
    shown = {refusal_of(words).remedy for words, _ in SAID.values()}
    assert shown == {known.remedy for known in REFUSALS}


def test_what_is_not_known_is_quoted_with_where_to_look() -> None:
    refusal = refusal_of(f"{LOG}An unexpected error occurred:\nAttributeError: x\n{HELP}")
    assert refusal.what == "certbot failed: AttributeError: x"
    assert "letsencrypt.log" in refusal.remedy
    assert refusal_of("").what == "certbot failed: it said nothing"
