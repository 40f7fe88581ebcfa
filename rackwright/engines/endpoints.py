"""What clients may ask of a gateway: every path, its method, and where in a request its prompt is.

An engine says which of them it answers (``Engine.paths``). Paths that are not here reach none: an
engine serves more on the same port (metrics, weights, other models).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True)
class Endpoint:
    """One path. ``prompt`` are the keys of the body that its prompt begins with, in this order.

    ``api`` says in whose form errors are told. ``usage_option``: its streams tell their usage where
    ``stream_options`` asks for it (in a form the part ``stream_include_usage``), and not else.
    """

    prompt: tuple[str, ...] = ()
    body: Literal["json", "multipart"] = "json"
    api: Literal["openai", "anthropic"] = "openai"
    method: str = "POST"
    usage_option: bool = False


_RERANK = Endpoint(("query", "documents"))
_SCORE = Endpoint(("queries", "query", "text_1"))
_POOL = Endpoint(("messages", "input"))
_AUDIO = Endpoint(body="multipart", usage_option=True)
_TOKENIZE = Endpoint(("messages", "prompt", "content"))
_DETOKENIZE = Endpoint(("tokens",))
_MESSAGES = Endpoint(("system", "messages"), api="anthropic")

ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType(
    {
        "/v1/chat/completions": Endpoint(("messages",), usage_option=True),
        "/v1/completions": Endpoint(("prompt",), usage_option=True),
        "/v1/responses": Endpoint(("instructions", "input")),
        "/v1/embeddings": Endpoint(("input",)),
        "/classify": _POOL,
        "/pooling": _POOL,
        "/rerank": _RERANK,
        "/v1/rerank": _RERANK,
        "/v2/rerank": _RERANK,
        "/score": _SCORE,
        "/v1/score": _SCORE,
        "/v1/audio/transcriptions": _AUDIO,
        "/v1/audio/translations": _AUDIO,
        "/v1/images/generations": Endpoint(("prompt",)),
        "/tokenize": _TOKENIZE,
        "/v1/tokenize": _TOKENIZE,
        "/detokenize": _DETOKENIZE,
        "/v1/detokenize": _DETOKENIZE,
        "/v1/messages": _MESSAGES,
        "/v1/messages/count_tokens": _MESSAGES,
    }
)
"""By path. The list of models and one of them are the gateway's own."""
