"""Why a CA issued no certificate, by what certbot says; see ``desired/acme.py``."""

from __future__ import annotations

import re
from typing import NamedTuple

MOST_CHARACTERS = 300
LOG = "/var/log/letsencrypt/letsencrypt.log"


class Refusal(NamedTuple):
    """What happened, in words of our own and certbot's, and what to do about it."""

    what: str
    remedy: str


class _Known(NamedTuple):
    """``pattern`` in what certbot says; its group ``said`` is quoted."""

    pattern: str
    what: str
    remedy: str


REFUSALS = (
    _Known(
        r"(?P<said>Another instance of Certbot is already running)",
        "certbot is at work already",
        "deploy again once its timer's run is over (systemctl status certbot)",
    ),
    _Known(
        r"rateLimited|too many (?:certificates|failed|new|requests|registrations)|\b429\b",
        "the CA lets nobody ask so often",
        "wait as long as it says (its rate limits), then deploy again; do not ask more often",
    ),
    _Known(
        r"externalAccountRequired|[Ee]xternal [Aa]ccount [Bb]inding",
        "the CA wants an account of its own site",
        "register once on the gateway: certbot register --server URL --eab-kid ID --eab-hmac-key "
        "KEY; deploys go on with that account",
    ),
    _Known(
        r"CERTIFICATE_VERIFY_FAILED",
        "the host does not trust the CA's own server",
        "put the CA's root into /usr/local/share/ca-certificates and run update-ca-certificates; "
        "or correct the clock",
    ),
    _Known(
        r"Domain: (?P<said>[^\n]+(?:\n.*?Detail: [^\n]+))|"
        r":(?:caa|rejectedIdentifier|unauthorized)\b",
        "the CA could not see that the name is this gateway's",
        "let the name lead to this gateway and its port 80 be open to all: the CA asks "
        "http://NAME/.well-known/acme-challenge/; a CAA record must allow the CA",
    ),
    _Known(
        r"(?P<said>Connection refused|Name or service not known|No route to host|timed? ?out|"
        r"Temporary failure in name resolution|Network is unreachable|Connection reset)",
        "the CA cannot be reached",
        "let the gateway out to the CA's directory by https, or correct the URL (acme.directory); "
        "then deploy again",
    ),
    _Known(
        r"Hook '[^']*' (?:reported error|ran with error output)",
        "the certificate is there and Nginx would not take it",
        "nginx -t on the gateway says why; then deploy again",
    ),
)


def refusal_of(words: str) -> Refusal:
    """The first that is known of what certbot said; else how it ended, and where its log is."""
    for known in REFUSALS:
        if found := re.search(known.pattern, words, re.DOTALL):
            said = found.groupdict().get("said") or _problem(words)
            return Refusal(f"{known.what}: {_short(said)}", known.remedy)
    return Refusal(f"certbot failed: {_short(_problem(words))}", f"see {LOG} on the gateway")


def _problem(words: str) -> str:
    """Certbot's own account of it: the line with an error's name, or the last that says much."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    told = [line for line in lines if re.search(r"Error: |\[emerg\]|urn:ietf", line)]
    said = [line for line in lines if not line.startswith(("Ask for help", "Saving debug log"))]
    return (told or said or ["it said nothing"])[-1]


def _short(text: str) -> str:
    return " ".join(text.split())[:MOST_CHARACTERS]
