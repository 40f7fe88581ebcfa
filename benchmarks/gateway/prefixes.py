"""`python -m benchmarks.gateway.prefixes`: do prompts find their beginnings in real vLLM's caches?

Conversations about documents that several share go through the gateway to real vLLM replicas (the
CPU build, a tiny model), once sticky and once to the least busy, in turns. Each replica's cache
holds its share of all documents, and not all of them, as with models and documents of real size.
Hits are what vLLM counts itself.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import ssl
import statistics
import string
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.gateway import doors
from benchmarks.gateway.environments import VLLM, programs
from benchmarks.gateway.processes import running, wait_for_port
from lab.fleet import ROOT
from lab.local_gateway import LocalGateway
from lab.ports import free_port
from lab.tiny_model import make
from rackwright.remote.served.metrics import samples

RESULTS = ROOT / "benchmarks/data/gateway_prefixes.json"
REPLICAS, SLOTS = 4, 8
CACHE_BLOCKS, BLOCK_TOKENS = 512, 32
"""Of each replica: 16,384 tokens, a third of what all conversations have."""
DOCUMENTS, DOCUMENT_BYTES = 24, 1400
CONVERSATIONS, TURNS = 48, 4
AT_ONCE = 8
START_S = 600
LEAST_TIMES, MOST_LOAD = 2.0, 1.25
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "TORCHDYNAMO_DISABLE": "1",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_KVCACHE_SPACE": "1",
}
"""As in the lab: replicas that share a few cores do not spin."""


@contextmanager
def replicas(folder: Path) -> Iterator[list[int]]:
    """Real ones, up; their ports."""
    make(folder / "model")
    ports = [free_port() for _ in range(REPLICAS)]
    with ExitStack() as stack:
        for port in ports:
            own = folder / f"vllm-{port}"
            own.mkdir()
            argv = [
                str(programs(VLLM) / "python"), "-m", "vllm.entrypoints.openai.api_server",
                *("--model", str(folder / "model"), "--served-model-name", "chat"),
                *("--host", "127.0.0.1", "--port", str(port), "--max-model-len", "2048"),
                *("--enforce-eager", "--max-num-seqs", str(SLOTS)),
                *("--block-size", str(BLOCK_TOKENS)),
                *("--num-gpu-blocks-override", str(CACHE_BLOCKS)),
            ]  # fmt: skip
            stack.enter_context(running(argv, own, port % 2, ENVIRONMENT))
        for port in ports:
            wait_for_port(port, START_S, folder / f"vllm-{port}/log")
        yield ports


def conversations(seed: int) -> list[list[dict[str, str]]]:
    """Each begins with a document that others have too; no document is of another seed."""
    chance = random.Random(seed)
    texts = [
        "".join(chance.choices(string.ascii_letters, k=DOCUMENT_BYTES)) for _ in range(DOCUMENTS)
    ]
    return [
        [{"role": "system", "content": texts[n % DOCUMENTS]}] for n in range(CONVERSATIONS)
    ]  # fmt: skip


def talk(gateway: LocalGateway, seed: int) -> None:
    """All conversations to their end, so many at once, in another order at each turn."""
    chance, spoken = random.Random(seed), conversations(seed)
    context = ssl.create_default_context(cafile=str(gateway.certificate))
    headers = {"Authorization": f"Bearer {doors.KEY}"}
    with (
        httpx.Client(base_url=gateway.url, headers=headers, verify=context, timeout=300) as http,
        ThreadPoolExecutor(AT_ONCE) as at_once,
    ):
        for turn in range(TURNS):
            chance.shuffle(spoken)
            for messages in spoken:
                text = f"Question {turn} of many: {chance.random()}"
                messages.append({"role": "user", "content": text})
            for messages, words in zip(
                spoken, at_once.map(lambda messages: _answer(http, messages), spoken), strict=True
            ):
                messages.append({"role": "assistant", "content": words})


def _answer(http: httpx.Client, messages: Sequence[dict[str, str]]) -> str:
    body = {"model": "chat", "messages": list(messages), "max_tokens": 8, "temperature": 0}
    answer = http.post("/v1/chat/completions", json=body).raise_for_status()
    return str(answer.json()["choices"][0]["message"]["content"])


def counts(ports: Sequence[int]) -> list[dict[str, float]]:
    """Of each replica, as vLLM says: tokens looked up in its cache, found there, and requests."""
    names = {
        "vllm:prefix_cache_queries_total": "queries",
        "vllm:prefix_cache_hits_total": "hits",
        "vllm:request_success_total": "requests",
    }
    found = []
    for port in ports:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        sums = dict.fromkeys(names.values(), 0.0)
        for name, _, value in samples(text):
            if name in names:
                sums[names[name]] += float(value)
        found.append(sums)
    return found


def measured(
    gateway: LocalGateway, ports: Sequence[int], sticky: bool, seed: int
) -> dict[str, Any]:
    """One way of choosing replicas, over all conversations: a row."""
    fleet: dict[str, Any] = json.loads(json.dumps(gateway.fleet))
    fleet["services"]["chat"]["sticky"] = sticky
    gateway.fleet = fleet
    gateway.write_data()
    status, said = gateway.ask("POST", "/load")
    assert status == 200, said
    before = counts(ports)
    talk(gateway, seed)
    pairs = list(zip(before, counts(ports), strict=True))
    totals = {name: sum(new[name] - old[name] for old, new in pairs) for name in before[0]}
    loads = [new["requests"] - old["requests"] for old, new in pairs]
    return {
        "sticky": sticky,
        "hit_tokens": totals["hits"],
        "looked_up_tokens": totals["queries"],
        "requests_of_each": loads,
        "busiest_to_mean": round(max(loads) / statistics.mean(loads), 3),
    }


def benchmark(rounds: int) -> list[dict[str, Any]]:
    """Both ways in each round, with documents of its own each."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="rackwright-prefixes-") as folder:
        Path(folder).chmod(0o755)
        with replicas(Path(folder)) as ports:
            data = doors.fleet(ports)
            for replica in data["services"]["chat"]["replicas"]:
                replica["slots"] = SLOTS
            own = Path(folder) / "gateway"
            own.mkdir()
            with LocalGateway(own, free_port(), data, doors.keys()).running() as gateway:
                for number in range(2 * rounds):
                    sticky = number % 2 == 1
                    rows.append(measured(gateway, ports, sticky, number))
                    print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows


def main() -> int:
    """Entry point; returns the exit code: 1 where a goal is missed too."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway.prefixes")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows = benchmark(arguments.rounds)
    arguments.results.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    sticky, least_busy = (
        statistics.median(
            row["hit_tokens"] / row["looked_up_tokens"] for row in rows if row["sticky"] is which
        )
        for which in (True, False)
    )
    busiest = max(row["busiest_to_mean"] for row in rows if row["sticky"])
    times = sticky / least_busy if least_busy else float("inf")
    print(f"prefix hits: sticky {sticky:.0%}, least busy {least_busy:.0%}: {times:.2f} times")
    print(f"the busiest replica has {busiest:.2f} times the mean load")
    return 0 if times >= LEAST_TIMES and busiest <= MOST_LOAD else 1


if __name__ == "__main__":
    sys.exit(main())
