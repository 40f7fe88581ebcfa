"""What vLLM 0.32 answers to each path, plain and as a stream, as far as clients look.

Nothing thinks here: the words are one word over and over, and the tokens of every prompt are the
same number. Which fields a form has, and in which event a stream says its usage, is vLLM's.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

PROMPT_TOKENS, CACHED_TOKENS, WORD = 12, 4, "blue "
LENGTH = 1024
CREATED = 1_790_000_000
USAGE_OF_IMAGE = {"input_tokens": PROMPT_TOKENS, "output_tokens": 9, "total_tokens": 21}

Asked = dict[str, Any]
Events = list[str]


@dataclass(frozen=True)
class Said:
    """An answer: a page, or the events of a stream, each as it goes over the wire."""

    status: int
    page: Any = None
    events: Events = field(default_factory=list)


def fault(status: int, message: str, kind: str, param: str | None = None) -> Said:
    """As vLLM has errors: its own names of types, and the status as ``code``."""
    return Said(
        status, {"error": {"message": message, "type": kind, "param": param, "code": status}}
    )


def answer(path: str, asked: Asked, models: tuple[str, ...]) -> Said:
    """What an engine says that serves these models; the first is what it does by default."""
    if path == "/v1/models":
        return Said(200, {"object": "list", "data": [_card(one) for one in models]})
    if path not in ANSWERS:
        return fault(404, "Not Found", "NotFoundError")
    name = asked.get("model") or models[0]
    if name not in models:
        return fault(404, f"The model `{name}` does not exist.", "NotFoundError", "model")
    if asked.get("max_tokens", 1) < 1:
        return fault(400, "max_tokens must be at least 1", "BadRequestError", "max_tokens")
    plain, streamed = ANSWERS[path]
    asked = {**asked, "model": name}
    if asked.get("stream") in (True, "true") and streamed:
        return Said(200, events=list(streamed(asked)))
    return Said(200, plain(asked))


def _card(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": CREATED,
        "owned_by": "vllm",
        "root": name,
        "parent": None,
        "max_model_len": LENGTH,
        "permission": [],
    }


def words(asked: Asked) -> list[str]:
    limit = asked.get("max_tokens") or asked.get("max_completion_tokens")
    return [WORD] * int(limit or asked.get("max_output_tokens") or 3)


def usage(completion: int) -> dict[str, Any]:
    """``prompt_tokens_details`` is there where ``--enable-prompt-tokens-details`` was given."""
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "total_tokens": PROMPT_TOKENS + completion,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
    }


def data(value: Any) -> str:
    return f"data: {json.dumps(value)}\n\n"


def named(value: dict[str, Any]) -> str:
    return f"event: {value['type']}\n{data(value)}"


# --- chat and completions ----------------------------------------------------------------------


def _call(asked: Asked) -> dict[str, Any]:
    function = {"name": asked["tools"][0]["function"]["name"], "arguments": '{"city": "Paris"}'}
    return {"id": "chatcmpl-tool-1", "type": "function", "function": function}


def chat(asked: Asked) -> Any:
    calls = [_call(asked)] if asked.get("tools") else []
    said = None if calls else "".join(words(asked))
    message = {"role": "assistant", "content": said, "refusal": None, "tool_calls": calls}
    reason = "tool_calls" if calls else "stop"
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return {
        **_head(asked, "chatcmpl-1", "chat.completion"),
        "choices": [choice],
        "usage": usage(len(words(asked))),
    }


def chat_events(asked: Asked) -> Iterator[str]:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if asked.get("tools"):
        call = _call(asked)
        arguments = call["function"].pop("arguments")
        call["function"]["arguments"] = ""
        later = (
            {"index": 0, "function": {"arguments": part}} for part in (arguments[:5], arguments[5:])
        )
        deltas += [{"tool_calls": [one]} for one in ({"index": 0, **call}, *later)]
    else:
        deltas += [{"content": word} for word in words(asked)]
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": one, "logprobs": None, "finish_reason": None} for one in deltas
    ]
    choices[-1]["finish_reason"] = "tool_calls" if asked.get("tools") else "stop"
    yield from _chunks(asked, _head(asked, "chatcmpl-1", "chat.completion.chunk"), choices)


def completion(asked: Asked) -> Any:
    choice = {
        "index": 0,
        "text": "".join(words(asked)),
        "logprobs": None,
        "finish_reason": "length",
    }
    return {
        **_head(asked, "cmpl-1", "text_completion"),
        "choices": [choice],
        "usage": usage(len(words(asked))),
    }


def completion_events(asked: Asked) -> Iterator[str]:
    said = words(asked)
    choices = [{"index": 0, "text": one, "logprobs": None, "finish_reason": None} for one in said]
    choices[-1]["finish_reason"] = "length"
    yield from _chunks(asked, _head(asked, "cmpl-1", "text_completion"), choices)


def _head(asked: Asked, name: str, kind: str) -> dict[str, Any]:
    return {"id": name, "object": kind, "created": CREATED, "model": asked["model"]}


def _chunks(asked: Asked, head: dict[str, Any], choices: list[dict[str, Any]]) -> Iterator[str]:
    """A last event of its own says the usage, where it was asked for, and has no choices."""
    options = asked.get("stream_options") or {}
    for count, one in enumerate(choices):
        each = {"usage": usage(count)} if options.get("continuous_usage_stats") else {}
        yield data({**head, "choices": [one], **each})
    if options.get("include_usage"):
        yield data({**head, "choices": [], "usage": usage(len(words(asked)))})
    yield "data: [DONE]\n\n"


# --- responses ---------------------------------------------------------------------------------


def response(asked: Asked) -> Any:
    count = len(words(asked))
    text = {"type": "output_text", "text": "".join(words(asked)), "annotations": []}
    item = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [text],
    }
    tokens = {
        "input_tokens": PROMPT_TOKENS,
        "input_tokens_details": {"cached_tokens": CACHED_TOKENS},
        "output_tokens": count,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": PROMPT_TOKENS + count,
    }
    return {**_response(asked, "completed", [item]), "usage": tokens}


def _response(asked: Asked, status: str, output: list[Any]) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": CREATED,
        "model": asked["model"],
        "status": status,
        "output": output,
        "parallel_tool_calls": True,
        "tools": [],
        "tool_choice": "auto",
        "usage": None,
    }


def response_events(asked: Asked) -> Iterator[str]:
    begun, whole = _response(asked, "in_progress", []), response(asked)
    (item,) = whole["output"]
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "content": [], "status": "in_progress"},
        },
        {"type": "response.content_part.added", **where, "part": part},
        *(
            {"type": "response.output_text.delta", **where, "delta": word, "logprobs": []}
            for word in words(asked)
        ),
        {
            "type": "response.output_text.done",
            **where,
            "text": item["content"][0]["text"],
            "logprobs": [],
        },
        {"type": "response.content_part.done", **where, "part": item["content"][0]},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    for number, event in enumerate(events):
        yield named({**event, "sequence_number": number})


# --- embeddings, rerank, score, tokens, audio, images ------------------------------------------


def embeddings(asked: Asked) -> Any:
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    numbers: Any = [0.5, -0.25]
    if asked.get("encoding_format") == "base64":
        numbers = base64.b64encode(struct.pack("<2f", *numbers)).decode()
    rows = [{"index": i, "object": "embedding", "embedding": numbers} for i in range(len(texts))]
    return {**_head(asked, "embd-1", "list"), "data": rows, "usage": _of_prompts()}


def _of_prompts() -> dict[str, Any]:
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "total_tokens": PROMPT_TOKENS,
        "completion_tokens": 0,
        "prompt_tokens_details": None,
    }


def rerank(asked: Asked) -> Any:
    rows = [
        {"index": i, "document": {"text": text, "multi_modal": None}, "relevance_score": 0.5}
        for i, text in enumerate(asked["documents"])
    ]
    tokens = {"prompt_tokens": PROMPT_TOKENS, "total_tokens": PROMPT_TOKENS}
    return {"id": "rerank-1", "model": asked["model"], "usage": tokens, "results": rows}


def score(asked: Asked) -> Any:
    row = {"index": 0, "object": "score", "score": 0.5}
    return {**_head(asked, "embd-1", "list"), "data": [row], "usage": _of_prompts()}


def transcription(asked: Asked) -> Any:
    return {"text": "".join(words(asked)), "usage": {"type": "duration", "seconds": 3}}


def transcription_events(asked: Asked) -> Iterator[str]:
    """A form has no ``stream_options``: vLLM has a part of it for that."""
    choices = [{"delta": {"content": word}, "finish_reason": None} for word in words(asked)]
    tells = asked.get("stream_include_usage") == "true"
    asked = {**asked, "stream_options": {"include_usage": tells}}
    yield from _chunks(asked, _head(asked, "trsc-1", "transcription.chunk"), choices)


def tokenize(asked: Asked) -> Any:
    return {"count": 2, "max_model_len": LENGTH, "tokens": [1, 2], "token_strs": None}


def detokenize(asked: Asked) -> Any:
    return {"prompt": WORD * len(asked["tokens"])}


def image(asked: Asked) -> Any:
    return {"created": CREATED, "data": [{"b64_json": "aGk="}], "usage": USAGE_OF_IMAGE}


# --- Anthropic's messages ----------------------------------------------------------------------


def _anthropic_usage(output: int, cached: bool = True) -> dict[str, Any]:
    """What was read from the cache is not among ``input_tokens``; a stream's start knows it not."""
    if not cached:
        return {"input_tokens": PROMPT_TOKENS, "output_tokens": output}
    return {
        "output_tokens": output,
        "cache_read_input_tokens": CACHED_TOKENS,
        "input_tokens": PROMPT_TOKENS - CACHED_TOKENS,
    }


def _block(asked: Asked) -> dict[str, Any]:
    if asked.get("tools"):
        name = asked["tools"][0]["name"]
        return {
            "type": "tool_use",
            "id": "chatcmpl-tool-1",
            "name": name,
            "input": {"city": "Paris"},
        }
    return {"type": "text", "text": "".join(words(asked))}


def messages(asked: Asked) -> Any:
    reason = "tool_use" if asked.get("tools") else "end_turn"
    return {
        **_message(asked),
        "content": [_block(asked)],
        "stop_reason": reason,
        "usage": _anthropic_usage(len(words(asked))),
    }


def _message(asked: Asked) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": asked["model"],
        "stop_reason": None,
        "stop_sequence": None,
    }


def messages_events(asked: Asked) -> Iterator[str]:
    block = _block(asked)
    if block["type"] == "text":
        deltas = [{"type": "text_delta", "text": word} for word in words(asked)]
        start: dict[str, Any] = {"type": "text", "text": ""}
    else:
        deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
        start = {**block, "input": {}}
    reason = "end_turn" if block["type"] == "text" else "tool_use"
    begun = {**_message(asked), "usage": _anthropic_usage(0, cached=False)}
    yield named({"type": "message_start", "message": begun})
    yield named({"type": "content_block_start", "index": 0, "content_block": start})
    for one in deltas:
        yield named({"type": "content_block_delta", "index": 0, "delta": one})
    yield named({"type": "content_block_stop", "index": 0})
    delta = {"stop_reason": reason, "stop_sequence": None}
    used = _anthropic_usage(len(words(asked)))
    yield named({"type": "message_delta", "delta": delta, "usage": used})
    yield named({"type": "message_stop"})


def count_tokens(asked: Asked) -> Any:
    return {"input_tokens": PROMPT_TOKENS}


Plain = Callable[[Asked], Any]
Streamed = Callable[[Asked], Iterator[str]] | None

ANSWERS: dict[str, tuple[Plain, Streamed]] = {
    "/v1/chat/completions": (chat, chat_events),
    "/v1/completions": (completion, completion_events),
    "/v1/responses": (response, response_events),
    "/v1/embeddings": (embeddings, None),
    "/v1/rerank": (rerank, None),
    "/rerank": (rerank, None),
    "/v2/rerank": (rerank, None),
    "/v1/score": (score, None),
    "/score": (score, None),
    "/v1/audio/transcriptions": (transcription, transcription_events),
    "/v1/audio/translations": (transcription, transcription_events),
    "/tokenize": (tokenize, None),
    "/detokenize": (detokenize, None),
    "/v1/images/generations": (image, None),
    "/v1/messages": (messages, messages_events),
    "/v1/messages/count_tokens": (count_tokens, None),
}
