"""Keys added, replaced and taken back; what gateways are told; sums of usage; times in words."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from rackwright.clients import Client, ClientKey, digest, new_key
from rackwright.clients.changes import added, lasting, revoked, rotated, unknown_models
from rackwright.clients.document import keys_json
from rackwright.clients.times import span, until
from rackwright.clients.usage import Usage, summed, usage_of
from rackwright.errors import RefusedError
from rackwright.inventory.reading import load_fleet
from tests.samples.fleet import hosts, service

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def key(digit: str, made: datetime = NOW, expires: datetime | None = None) -> ClientKey:
    return ClientKey(sha256=digit * 64, made=made, expires=expires)


def client(name: str = "alice", *keys: ClientKey) -> Client:
    return Client(name=name, keys=keys or (key("a"),))


def test_a_key_has_256_random_bits_in_the_form_that_gateways_know() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"rw-[A-Za-z0-9_-]{43}", one) for one in keys)
    assert digest("rw-x") == hashlib.sha256(b"rw-x").hexdigest()


def test_a_client_is_added_once() -> None:
    clients = added({}, client())
    assert clients == {"alice": client()}
    with pytest.raises(RefusedError, match="has a key already: `rotate`"):
        added(clients, client())


def test_after_a_rotation_both_are_good_for_a_while() -> None:
    old, soon = key("a"), key("b", expires=NOW + timedelta(hours=1))
    after = rotated({"alice": client("alice", old, soon)}, "alice", key("c"), DAY)
    ends = {one.sha256[0]: one.expires for one in after["alice"].keys}
    assert ends == {"a": NOW + DAY, "b": NOW + timedelta(hours=1), "c": None}


def test_a_rotation_forgets_what_expired_long_ago() -> None:
    gone, just = key("a", expires=NOW - 31 * DAY), key("b", expires=NOW - DAY)
    after = rotated({"alice": client("alice", gone, just)}, "alice", key("c"), DAY)
    assert [one.sha256[0] for one in after["alice"].keys] == ["b", "c"]


def test_a_rotation_lengthens_nothing() -> None:
    end = NOW + 30 * DAY
    assert lasting(client("alice", key("a", expires=end), key("b", expires=NOW + DAY)), NOW) == end
    assert lasting(client("alice", key("a"), key("b", expires=end)), NOW) is None
    with pytest.raises(RefusedError, match="all keys of client 'alice' have expired"):
        lasting(client("alice", key("a", expires=NOW)), NOW)


def test_revoking_takes_all_keys_or_one() -> None:
    clients = {"alice": client("alice", key("a"), key("b")), "bob": client("bob", key("c"))}
    assert revoked(clients, "alice").keys() == {"bob"}
    one = revoked(clients, "alice", "AAAA")
    assert one["alice"].keys == (key("b"),) and one["bob"] == clients["bob"]
    assert revoked(one, "alice", "b" * 8).keys() == {"bob"}


@pytest.mark.parametrize(
    ("name", "key_id", "words"),
    [
        ("alise", None, "client 'alise' is not known, did you mean 'alice'?"),
        ("alice", "c", "key 'c' is none of client 'alice': aaaaaaaa, ab"),
        ("alice", "a", "key 'a' is more than one of client 'alice': aaaaaaaa, ab"),
        ("alice", "", "key '' is none of client 'alice'"),
    ],
)
def test_what_is_not_there_is_refused(name: str, key_id: str | None, words: str) -> None:
    other = ClientKey(sha256="ab" * 32, made=NOW)
    clients = {"alice": client("alice", key("a"), other)}
    with pytest.raises(RefusedError, match=re.escape(words)):
        revoked(clients, name, key_id)


def test_models_are_those_that_somebody_serves() -> None:
    spec = load_fleet(hosts(services={"chat": service(served_model_name="big")}))
    assert dict(unknown_models(("chat", "big", "llama", "caht"), spec)).keys() == {"llama", "caht"}


def test_gateways_are_told_digests_and_limits_in_one_order() -> None:
    end = datetime(2026, 12, 1, tzinfo=UTC)
    alice = Client(
        name="alice", models=("chat",), in_flight=8, keys=(key("b"), key("a", expires=end))
    )
    bob = Client.model_validate({"name": "bob", "class": "batch", "keys": (key("c"),)})
    content = keys_json({"bob": bob, "alice": alice})
    assert content == keys_json({"alice": alice, "bob": bob})
    shared = {"client": "alice", "models": ["chat"], "in_flight": 8, "class": "interactive"}
    assert json.loads(content) == {
        "format": 1,
        "keys": [
            {"sha256": "a" * 64, **shared, "expires_at": 1796083200},
            {"sha256": "b" * 64, **shared},
            {"sha256": "c" * 64, "client": "bob", "class": "batch"},
        ],
    }


def test_usage_is_summed_by_what_it_is_told_apart() -> None:
    days = [
        Usage(client="alice", model="chat", day="2026-11-25", requests=1, prompt_tokens=10),
        Usage(client="alice", model="chat", day="2026-11-26", requests=2, prompt_tokens=5),
        Usage(client="bob", model="sql", day="2026-11-26", requests=4, completion_tokens=7),
    ]
    by_client = summed(days, ("client", "model"))
    assert by_client == [
        Usage(client="alice", model="chat", requests=3, prompt_tokens=15),
        Usage(client="bob", model="sql", requests=4, completion_tokens=7),
    ]
    assert [row.requests for row in summed(days, ("day",))] == [1, 6]
    assert summed(days, ()) == [Usage(requests=7, prompt_tokens=15, completion_tokens=7)]
    with pytest.raises(ValueError, match="valid"):
        usage_of([{"requests": "many"}])


@pytest.mark.parametrize(("text", "seconds"), [("0m", 0), ("90m", 5400), ("24h", 86400)])
def test_a_span_is_read(text: str, seconds: int) -> None:
    assert span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1.5h", "1w", "99999999d", "999999999h"])
def test_what_is_no_span_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="must be minutes, hours or days"):
        span(text)


def test_an_end_is_a_span_from_now_or_the_end_of_a_day() -> None:
    assert until("90d", NOW) == NOW + 90 * DAY
    assert until("2026-11-26", NOW) == datetime(2026, 11, 27, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-11-25", "0d", "2026-02-30", "9999-12-31", "soon"])
def test_what_is_no_end_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        until(text, NOW)
