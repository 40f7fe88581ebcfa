"""Bodies: what is no JSON, what two readers read differently, names of models, encodings."""

# ruff: noqa: UP031 - what is JSON has braces of its own

from __future__ import annotations

import gzip
import json

from tests.nginx.hostile.sent import OTHER, Sent, whole

GOOD = '{"model": "gpt-4o", "messages": []}'
MIB = 2**20
MANY = 10**6


def asked(model: str) -> bytes:
    """A body whose model is this text of JSON."""
    return whole('{"messages": [], "model": %s}' % model)


def twice(second: str, between: str = "") -> bytes:
    return whole('{"model": "gpt-4o", %s%s: "%s", "messages": []}' % (between, second, OTHER))


MALFORMED = [
    Sent("no body", whole(""), "400 invalid_json"),
    Sent("words", whole("hello"), "400 invalid_json"),
    Sent("an array", whole("[]"), "400 invalid_json"),
    Sent("a text", whole('"gpt-4o"'), "400 invalid_json"),
    Sent("null", whole("null"), "400 invalid_json"),
    Sent("no end", whole('{"model": "gpt-4o"'), "400 invalid_json"),
    Sent("a text without its end", whole('{"model": "gpt-4o'), "400 invalid_json"),
    Sent("a backslash at the end", whole('{"model": "gpt-4o", "a": "\\'), "400 invalid_json"),
    Sent("a comma too many", whole('{"model": "gpt-4o",}'), "400 invalid_json"),
    Sent("single quotes", whole("{'model': 'gpt-4o'}"), "400 invalid_json"),
    Sent("a comment", whole('{/* */ "model": "gpt-4o"}'), "400 invalid_json"),
    Sent("two objects", whole(GOOD + '{"model": "%s"}' % OTHER), "400 invalid_json"),
    Sent("two lines of JSON", whole(GOOD + '\n{"model": "%s"}' % OTHER), "400 invalid_json"),
    Sent("a NUL before it", whole("\0" + GOOD), "400 invalid_json"),
    Sent("a NUL behind it", whole(GOOD + "\0"), "400 invalid_json"),
    Sent("a NUL in a text", whole('{"model": "gpt-4o", "a": "\0"}'), "400 invalid_json"),
    Sent("a NUL in the model", whole('{"model": "gpt-4o\0"}'), "400 invalid_json"),
    Sent("a million open brackets", whole("[" * MANY), "400 invalid_json"),
    Sent("a million open objects", whole('{"a":' * MANY), "400 invalid_json"),
    Sent(
        "a million brackets, closed",
        whole('{"model": "gpt-4o", "messages": %s%s}' % ("[" * MANY, "]" * MANY)),
        "400 invalid_json",
    ),
    Sent(
        "a million members",
        whole('{"model": "gpt-4o"%s}' % "".join(f', "{n}": 1' for n in range(MANY))),
        "400 invalid_json",
    ),
    Sent(
        "a million backslashes",
        whole('{"model": "gpt-4o", "a": "%s"}' % ("\\" * MANY)),
        "200",
        "chat",
    ),
    Sent(
        "NaN beside it",
        whole('{"model": "gpt-4o", "temperature": NaN, "messages": []}'),
        "200",
        "chat",
    ),
]

DOUBLED = [
    Sent("twice", twice('"model"'), "400 duplicate_key"),
    Sent("twice, once escaped", twice('"mod\\u0065l"'), "400 duplicate_key"),
    Sent("twice, all escaped", twice('"\\u006d\\u006F\\u0064\\u0065\\u006c"'), "400 duplicate_key"),
    Sent(
        "twice, 4 MiB apart", twice('"model"', '"a": "%s", ' % ("a" * 4 * MIB)), "400 duplicate_key"
    ),
    Sent(
        "twice, behind 100,000 brackets",
        twice('"model"', '"a": %s1%s, ' % ("[" * 500, "]" * 500)),
        "400 duplicate_key",
    ),
    Sent("also as Model", twice('"Model"'), "400 duplicate_key"),
    Sent("also as MODEL, escaped", twice('"\\u004dODEL"'), "400 duplicate_key"),
    Sent("as MODEL alone", whole('{"MODEL": "%s", "messages": []}' % OTHER), "400 duplicate_key"),
    Sent(
        "inside a text",
        whole('{"a": "\\", \\"model\\": \\"%s\\", \\"", "model": "gpt-4o"}' % OTHER),
        "200",
        "chat",
    ),
    Sent(
        "inside another member",
        whole('{"metadata": {"model": "%s"}, "model": "gpt-4o"}' % OTHER),
        "200",
        "chat",
    ),
    Sent(
        "a surrogate alone in a name",
        whole('{"\\ud800": "%s", "model": "gpt-4o"}' % OTHER),
        "200",
        "chat",
    ),
    Sent(
        "stream twice",
        whole('{"model": "gpt-4o", "stream": true, "stream": false}'),
        "400 duplicate_key",
    ),
]

MODELS = [
    Sent(
        "none, and the default is not the client's",
        whole('{"messages": []}'),
        "403 model_not_allowed",
    ),
    Sent("null, the same", asked("null"), "403 model_not_allowed"),
    Sent("another of the same engine", asked(json.dumps(OTHER)), "403 model_not_allowed"),
    Sent("what the engine calls it", asked('"chat"'), "403 model_not_allowed"),
    Sent("of another engine", asked('"pool"'), "403 model_not_allowed"),
    Sent("unknown", asked('"nobody"'), "404 model_not_found"),
    Sent("a number", asked("3"), "400 model_required"),
    Sent("true", asked("true"), "400 model_required"),
    Sent("an array", asked('["gpt-4o"]'), "400 model_required"),
    Sent("an object", asked('{"a": "gpt-4o"}'), "400 model_required"),
    Sent("empty", asked('""'), "404 model_not_found"),
    Sent("1 MiB", asked('"%s"' % ("m" * MIB)), "400 model_required"),
    Sent("a space behind it", asked('"gpt-4o "'), "404 model_not_found"),
    Sent("in capitals", asked('"GPT-4O"'), "404 model_not_found"),
    Sent("a look-alike letter", asked('"gpt-4\u043e"'), "404 model_not_found"),
    Sent("an escaped NUL behind it", asked('"gpt-4o\\u0000"'), "404 model_not_found"),
    Sent("an escaped line break", asked('"gpt-4o\\r\\nX-Injected: 1"'), "404 model_not_found"),
    Sent("bytes that are no UTF-8", whole(b'{"model": "\xff\xfe"}'), "404 model_not_found"),
    Sent("half a surrogate pair", asked('"\\ud800"'), "400 model_required"),
    Sent("a path", asked('"../../metrics"'), "404 model_not_found"),
    Sent("spelled by escapes", asked('"\\u0067pt-4o"'), "200", "chat"),
]

STREAMS = [
    Sent("stream as 1", whole('{"model": "gpt-4o", "stream": 1}'), "400 invalid_json"),
    Sent('stream as "true"', whole('{"model": "gpt-4o", "stream": "true"}'), "400 invalid_json"),
    Sent("stream as an array", whole('{"model": "gpt-4o", "stream": [true]}'), "400 invalid_json"),
]


def encoded(name: str) -> bytes:
    return whole(GOOD.encode(name))


def compressed(value: bytes) -> bytes:
    return whole(gzip.compress(GOOD.encode()), b"Content-Encoding: %b\r\n" % value)


ENCODINGS = [
    *(
        Sent(name, encoded(name), "400 invalid_json")
        for name in (
            "utf-8-sig",
            "utf-16",
            "utf-16-le",
            "utf-16-be",
            "utf-32",
            "utf-32-le",
            "utf-32-be",
        )
    ),
    *(
        Sent(f"Content-Encoding: {name}", compressed(name.encode()), "415 encoding_not_supported")
        for name in ("gzip", "GZIP", "deflate", "br", "zstd", "identity, gzip", "x")
    ),
    Sent("gzip without saying so", whole(gzip.compress(GOOD.encode())), "400 invalid_json"),
    Sent(
        "Content-Encoding: identity, and gzip in another header",
        whole(GOOD, b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n"),
        "415 encoding_not_supported",
    ),
    Sent(
        "Content-Encoding: identity", whole(GOOD, b"Content-Encoding: identity\r\n"), "200", "chat"
    ),
]

TYPES = [
    *(
        Sent(f"JSON as {kind or 'nothing'}", whole(GOOD, kind=kind.encode()), "200", "chat")
        for kind in (
            "application/json; charset=utf-8",
            "text/plain",
            "application/xml",
            "",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "a" * 4000,
        )
    ),
    Sent(
        "a form on a path of JSON",
        whole("model=gpt-4o", kind=b"application/x-www-form-urlencoded"),
        "400 invalid_json",
    ),
]

BODIES = {
    "Bodies that are no JSON": MALFORMED,
    "A model, more than once": DOUBLED,
    "Names of models": MODELS,
    "Streams that would hide their usage": STREAMS,
    "Encodings of bodies": ENCODINGS,
    "Types of content": TYPES,
}
