"""What the gateway makes of a server's watchdog: who is out by its word, and how it may fail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from lab.local_gateway import LocalGateway, wait_until
from tests.samples.controlled_engine import ControlledEngine, Request
from tests.samples.gateway_data import fleet, service
from tests.samples.watchdog_page import WatchdogPage

CHAT = "/v1/chat/completions"
SERVICES = ("first", "second", "third", "fourth", "fifth")
"""Each has a replica that the watchdog knows, and one that it does not."""
ALONE = "lone-a-0"
ROUND_S = 2
OUT_S = 4 * ROUND_S
"""Within which a word of the watchdog's is heard and done."""
OLD_S = 6
"""After which nothing that it said counts."""
BACK_S = 20
QUEUE_S = 30
OUT = "no token for 90 s"
Engines = tuple[ControlledEngine, ControlledEngine]


def watched(service: str) -> str:
    return f"{service}-a-0"


@pytest.fixture(scope="module")
def watchdog() -> Iterator[WatchdogPage]:
    """Of the server that has the first replica of each service, and the only one of lone."""
    with WatchdogPage().running() as page:
        yield page


@pytest.fixture(scope="module")
def gateway(up: Any, engines: Engines, watchdog: WatchdogPage) -> LocalGateway:
    ports, queue = [engine.port for engine in engines], {"length": 100, "wait_s": QUEUE_S}
    services = {name: service(name, ports, queue=queue) for name in SERVICES}
    services["lone"] = service("lone", ports[:1], queue=queue)
    watch(services.values(), watchdog)
    started: LocalGateway = up(fleet(services), secrets={"engine": "the-engines-key"}, workers=3)
    return started


def watch(services: Any, page: WatchdogPage) -> None:
    for each in services:
        each["replicas"][0]["watch"] = {"host": "127.0.0.1", "port": page.port}


@pytest.fixture(autouse=True)
def all_well(gateway: LocalGateway, watchdog: WatchdogPage) -> None:
    watchdog.quarantine = None
    for name in (*map(watched, SERVICES), ALONE):
        watchdog.says(name, "well")
    wait_until(lambda: {one["watchdog"] for one in replicas(gateway).values()} == {"well", None})
    wait_until(lambda: states(gateway, *replicas(gateway)) == {"in"}, BACK_S)


def replicas(gateway: LocalGateway) -> dict[str, Any]:
    services = gateway.ask("GET", "/state")[1]["services"].values()
    return {name: one for each in services for name, one in each["replicas"].items()}


def states(gateway: LocalGateway, *names: str) -> set[str]:
    known = replicas(gateway)
    return {known[name]["state"] for name in names}


def post(gateway: LocalGateway, model: str) -> httpx.Response:
    with httpx.Client(base_url=gateway.url, verify=False, timeout=60) as one:
        return one.post(CHAT, json={"model": model})


def tried(engine: ControlledEngine, model: str) -> list[Request]:
    """The gateway's own completions."""
    own = (one for one in engine.requests if b"canary" in one.body)
    return [one for one in own if one.json["model"] == model]


def test_it_is_asked_once_for_all_replicas_of_its_server(
    gateway: LocalGateway, watchdog: WatchdogPage
) -> None:
    """By one worker, every two seconds, and without any key."""
    seen, started = len(watchdog.asked), time.monotonic()
    watchdog.asked_again(2)
    rounds = (time.monotonic() - started) / ROUND_S
    assert len(watchdog.asked) - seen <= rounds + 2
    assert "the-engines-key" not in str(watchdog.headers)


def test_what_it_takes_out_is_back_when_both_say_so(
    gateway: LocalGateway, engines: Engines, watchdog: WatchdogPage
) -> None:
    """Neither by the watchdog's word alone, nor by a completion alone."""
    said = dict(zip(SERVICES, ("out", "restarting", "given up"), strict=False))
    names = [watched(name) for name in said]
    for name, word in said.items():
        watchdog.says(watched(name), word, OUT)
    wait_until(lambda: states(gateway, *names) == {"ejected"}, OUT_S)
    for name, word in said.items():
        assert replicas(gateway)[watched(name)]["why"] == f"watchdog: {word}: {OUT}"
        served = {post(gateway, name).headers["x-rackwright-replica"] for _ in range(4)}
        assert served == {f"{name}-b-0"}
    before = {name: len(tried(engines[0], name)) for name in said}
    watchdog.asked_again(2)
    assert before == {name: len(tried(engines[0], name)) for name in said}
    assert states(gateway, *names) == {"ejected"}, "they would complete, and are not tried yet"
    engines[0].mode = "errors"
    for name in said:
        watchdog.says(watched(name), "well")
    wait_until(lambda: all(len(tried(engines[0], one)) > before[one] for one in said), BACK_S)
    assert states(gateway, *names) == {"ejected"}
    engines[0].mode = "well"
    wait_until(lambda: states(gateway, *names) == {"in"}, BACK_S)
    assert {replicas(gateway)[name]["why"] for name in names} == {""}


def test_what_it_only_tells_changes_nothing(gateway: LocalGateway, watchdog: WatchdogPage) -> None:
    said = dict(zip(SERVICES, ("well", "suspected", "in turn", "something new"), strict=False))
    for name, word in said.items():
        watchdog.says(watched(name), word, "a reason")
    watchdog.asked_again(2)
    known = replicas(gateway)
    for name, word in said.items():
        told = known[watched(name)]
        assert (told["state"], told["why"], told["watchdog"]) == ("in", "", f"{word}: a reason")


def test_suspected_again_it_is_not_back_yet(gateway: LocalGateway, watchdog: WatchdogPage) -> None:
    name = watched("first")
    watchdog.says(name, "out", OUT)
    wait_until(lambda: states(gateway, name) == {"ejected"}, OUT_S)
    watchdog.says(name, "suspected")
    watchdog.asked_again(2)
    assert states(gateway, name) == {"ejected"}
    watchdog.says(name, "in turn")  # whoever has it there; here a completion says enough
    wait_until(lambda: states(gateway, name) == {"in"}, BACK_S)


def test_a_quarantine_takes_out_all_of_the_server(
    gateway: LocalGateway, watchdog: WatchdogPage
) -> None:
    """Nobody is about to bring it back: who asks for its only replica is told so at once."""
    names = [*map(watched, SERVICES), ALONE]
    watchdog.quarantine = {"why": "GPU 3: Xid 79", "since": 1790000000}
    wait_until(lambda: states(gateway, *names) == {"ejected"}, OUT_S)
    known = replicas(gateway)
    assert {known[name]["why"] for name in names} == {"watchdog: quarantine: GPU 3: Xid 79"}
    assert states(gateway, *(f"{name}-b-0" for name in SERVICES)) == {"in"}
    refused = post(gateway, "lone")
    assert refused.json()["error"]["code"] == "no_replica"
    assert gateway.line_of(refused.headers)["request_s"] < QUEUE_S / 2


def test_the_last_of_a_service_goes_out_and_requests_wait_for_its_restart(
    gateway: LocalGateway, watchdog: WatchdogPage
) -> None:
    watchdog.says(ALONE, "restarting", OUT)
    wait_until(lambda: states(gateway, ALONE) == {"ejected"}, OUT_S)
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(post, gateway, "lone") for _ in range(3)]
        wait_until(lambda: gateway.ask("GET", "/state")[1]["services"]["lone"]["waiting"] == 3)
        watchdog.says(ALONE, "well")
        assert [one.result().status_code for one in asked] == [200] * 3


def test_who_has_a_turn_is_not_put_out_by_it(gateway: LocalGateway, watchdog: WatchdogPage) -> None:
    name = watched("first")
    turn = {"owner": "me", "for_s": 60, "alone": True}
    assert gateway.ask("PUT", f"/replicas/{name}", {"turn": turn, "why": "a rollout"})[0] == 200
    watchdog.says(name, "out", OUT)
    watchdog.asked_again(2)
    told = replicas(gateway)[name]
    assert (told["state"], told["why"]) == ("drained", "a rollout")
    watchdog.says(name, "well")
    watchdog.asked_again(2)
    back = gateway.ask("PUT", f"/replicas/{name}", {"turn": None, "owner": "me"})[1]
    assert back["state"] == "in"


WORDS = (
    ("two\nlines\x1b[31m", ": two lines [31m"),
    ("x" * 500, ": " + "x" * 150),
    ("ä" * 200, ": " + "ä" * 74),
    (7, ""),
    ({"a": 1}, ""),
)


def test_its_words_are_harmless_to_who_reads_them(
    gateway: LocalGateway, watchdog: WatchdogPage
) -> None:
    """Control characters, pages of text, text that is cut within a letter, and no text at all."""
    names = [watched(name) for name in SERVICES]
    for name, (said, _) in zip(names, WORDS, strict=True):
        watchdog.says(name, "out", said)  # type: ignore[arg-type]
    wait_until(lambda: states(gateway, *names) == {"ejected"}, OUT_S)
    known = replicas(gateway)
    told = [known[name]["why"] for name in names]
    assert told == [f"watchdog: out{words}" for _, words in WORDS]


def test_it_is_heard_after_a_reload_and_a_restart(
    gateway: LocalGateway, engines: Engines, watchdog: WatchdogPage
) -> None:
    """And one that it holds out is not tried before it has been asked anew."""
    name = watched("first")
    watchdog.says(name, "out", OUT)
    wait_until(lambda: states(gateway, name) == {"ejected"}, OUT_S)
    for again in (gateway.reload, gateway.restart):
        before = len(tried(engines[0], "first"))
        again()
        watchdog.asked_again(2)
        assert states(gateway, name) == {"ejected"}
        assert len(tried(engines[0], "first")) == before


SILENCED = ("told", "undrained", "unwatched")
"""By what the quarantine of a silent watchdog ends."""


def test_a_quarantine_holds_when_its_watchdog_falls_silent(up: Any, engines: Engines) -> None:
    """Over a reload and a restart too, and a completion is not asked for.

    It ends where the watchdog says so, where an operator undrains, or where nobody is to be asked.
    """
    names, page = [watched(one) for one in SILENCED], WatchdogPage()
    services = {one: service(one, [engines[0].port]) for one in SILENCED}
    page.quarantine = {"why": "GPU 3: Xid 79", "since": 1790000000}
    with page.running():
        watch(services.values(), page)
        gateway = up(fleet(services))
        wait_until(lambda: states(gateway, *names) == {"ejected"}, OUT_S)
        page.mode = "silent"
        for again in (lambda: None, gateway.reload, gateway.restart):
            again()
            wait_until(lambda: words(gateway) == {"silent"}, OLD_S + 4 * ROUND_S)
            page.asked_again(2)
            known = replicas(gateway)
            found = {(known[name]["state"], known[name]["why"]) for name in names}
            assert found == {("ejected", "watchdog: quarantine: GPU 3: Xid 79")}
        assert not [one for name in SILENCED for one in tried(engines[0], name)]
        told, undrained, unwatched = names
        ask_in_vain(gateway, told)
        assert gateway.ask("PUT", f"/replicas/{undrained}", {"drained": False})[0] == 200
        wait_until(lambda: states(gateway, undrained) == {"in"}, BACK_S)
        page.asked_again(2)
        assert states(gateway, undrained) == {"in"}, "what was ended by hand is heard no more"
        assert states(gateway, told, unwatched) == {"ejected"}
        del services["unwatched"]["replicas"][0]["watch"]
        gateway.fleet = fleet(services)
        gateway.write_data()
        assert gateway.ask("POST", "/load")[0] == 200
        wait_until(lambda: states(gateway, unwatched) == {"in"}, BACK_S)
        assert states(gateway, told) == {"ejected"}
        page.mode, page.quarantine = "well", None
        wait_until(lambda: states(gateway, told) == {"in"}, BACK_S)


def ask_in_vain(gateway: LocalGateway, name: str) -> None:
    """An undrain of what was drained by hand as well takes no more than that back."""
    for drained, state in ((True, "drained"), (False, "ejected")):
        assert gateway.ask("PUT", f"/replicas/{name}", {"drained": drained})[1]["state"] == state


FAULTS = ("silent", "slow", "dripping", "endless", "garbled", "deep", "status", "other", "list")
MODES = (*FAULTS, "odd", "old", "gone")


def test_without_an_answer_that_counts_it_is_as_if_there_were_none(
    up: Any, engines: Engines
) -> None:
    """What it said before counts for some seconds; its replicas are back by a completion then.

    A watchdog that fails in one way for each service; the last of them is gone altogether.
    """
    names, pages = [watched(mode) for mode in MODES], {mode: WatchdogPage() for mode in MODES}
    services = {mode: service(mode, [engines[0].port]) for mode in MODES}
    with ExitStack() as stack:
        gone = ExitStack()
        for mode, page in pages.items():
            (gone if mode == "gone" else stack).enter_context(page.running())
            page.says(watched(mode), "out", OUT)
            watch([services[mode]], page)
        gateway = up(fleet(services))
        wait_until(lambda: states(gateway, *names) == {"ejected"}, OUT_S)
        for mode, page in pages.items():
            page.mode = mode
        gone.close()
        wait_until(lambda: words(gateway) == {"silent"}, OLD_S + 4 * ROUND_S)
        wait_until(lambda: states(gateway, *names) == {"in"}, BACK_S)
        pages["silent"].asked_again(2)
        assert states(gateway, *names) == {"in"}, "nor does it take any out again"
        assert {post(gateway, mode).status_code for mode in MODES} == {200}
        assert not [one for one in gateway.error_log.read_text().splitlines() if "[error]" in one]


def words(gateway: LocalGateway) -> set[str]:
    return {one["watchdog"] for one in replicas(gateway).values()}
