"""Seeds of a fleet as people read them."""

from __future__ import annotations

from rackwright.report.seeds import seeds_text

DIGEST = "3f2a91bc" + "0" * 24
SEED = {
    "digest": DIGEST,
    "files": 1200,
    "bytes": 50 << 20,
    "size": 11 << 20,
    "of": "chat-gpu1-0",
    "facts": {"engine": "vllm", "release": "0.32.0-cuda-abc", "gpu": "h200-sxm-141gb"},
}


def test_replicas_and_seeds_are_told_apart_by_server() -> None:
    taken = {"digest": DIGEST, "how": "taken", "of": "chat-gpu1-0"}
    answers = {
        "gpu1": {"seeds": [SEED], "replicas": {"chat-gpu1-0": {"digest": DIGEST, "how": "made"}}},
        "gpu2": {"seeds": [SEED], "replicas": {"chat-gpu2-0": taken, "gone-gpu2-0": taken}},
        "gpu3": {"error": "no answer"},
        "gpu4": {"seeds": [], "replicas": {}},
    }
    planned = {f"gpu{number}": [f"chat-gpu{number}-0"] for number in (1, 2, 3, 4)}
    assert seeds_text(answers, planned).splitlines() == [
        "SERVER  REPLICA      SEED      HOW",
        "gpu1    chat-gpu1-0  3f2a91bc  made",
        "gpu2    chat-gpu2-0  3f2a91bc  taken, of chat-gpu1-0",
        "gpu3    -            -         no answer",
        "gpu4    chat-gpu4-0  -         none yet: made once it is started and proven",
        "",
        "SERVER  SEED      FILES   MIB  PACKED  OF           GPU             RELEASE",
        "gpu1    3f2a91bc  1,200  50.0    11.0  chat-gpu1-0  h200-sxm-141gb  vllm 0.32.0-cuda-abc",
        "gpu2    3f2a91bc  1,200  50.0    11.0  chat-gpu1-0  h200-sxm-141gb  vllm 0.32.0-cuda-abc",
    ]


def test_a_fleet_without_such_engines_says_so() -> None:
    assert seeds_text({}, {}) == "no replica whose engine compiles when it starts"
