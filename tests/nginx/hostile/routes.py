"""Paths, methods, keys and headers."""

from __future__ import annotations

import hashlib

from tests.nginx.hostile.sent import CHAT, KEY, Sent, head
from tests.samples.stand_in_fleet import secret

GOOD = b'{"model": "gpt-4o", "messages": []}'
SECRET = secret("guest").encode()


def asked(path: str | bytes, method: str = "POST", more: bytes = b"", *, key: bytes = KEY) -> bytes:
    return (
        head(method, path, b"Content-Length: %d\r\n%b" % (len(GOOD), more), key=key)
        + b"\r\n"
        + GOOD
    )


CLOSED = [
    "/metrics",
    "/health",
    "/ping",
    "/version",
    "/load",
    "/docs",
    "/openapi.json",
    "/pause",
    "/sleep",
    "/wake_up",
    "/update_weights",
    "/v1/load_lora_adapter",
    "/v1/unload_lora_adapter",
    "/invocations",
    "/server_info",
    "/inference/v1/generate",
    "/v1/responses/resp_1",
    "/v1/chat/completions/render",
    "/api/pull",
    "/api/delete",
    "/state",
    "/replicas/chat-gpu1-0",
    "/usage",
    "/rackwright/not_found",
    "/@rackwright_failed",
    "/@outside",
    "/.well-known/security.txt",
    "/",
    "/v1",
    "/v1/",
]
TRICKS = [
    "/v1/chat/completions/../../../metrics",
    "/v1/../metrics",
    "/v1/%2e%2e/metrics",
    "/v1/chat/completions/%2e%2e/load_lora_adapter",
    "/v1/chat/completions/",
    "/V1/chat/completions",
    "/v1/chat%2fcompletions%2f..%2f..%2fmetrics",
    "/v1%252fchat/completions",
    "/v1/chat/completions%20",
    "/v1/chat/completions%0a",
    "/v1/chat/completions%0d%0aX-Injected:1",
    "/v1/chat/completions%3f/../../../metrics",
    "/v1/chat/completions;/../../../metrics",
    "/v1/chat/completions/..;/metrics",
    "/v1/chat/completions;a=b",
    "/v1/chat/completions%23",
    "/v1\\chat\\completions",
    "/v1/chat/completions/.%00",
    "/v1/%c0%ae%c0%ae/metrics",
    "/v1/chat/com\u0440letions",
    "/nobody/v1/chat/completions",
    "/chat/chat/v1/chat/completions",
    "/v1/chat/completions/v1/chat/completions",
    "/v1/modelsgpt-4o",
]
SPELLED = [
    "//v1//chat//completions",
    "/v1/./chat/completions",
    "/metrics/../v1/chat/completions",
    "/%76%31/chat/completions",
    "/v1%2fchat%2fcompletions",
    "/v1/chat/completions#/metrics",
    "/v1/chat/completions?model=org/sql",
    "/chat/v1/chat/completions",
    "http://localhost/v1/chat/completions",
    "https://localhost:1/v1/chat/completions",
]

PATHS = [
    *(Sent(path, asked(path), "404 not_found") for path in CLOSED),
    *(
        Sent(path, asked(path), "400 bad_request" if "%00" in path else "404 not_found")
        for path in TRICKS
    ),
    *(Sent(path, asked(path), "200", "chat") for path in SPELLED),
    Sent("above the root", asked("/v1/../../metrics"), "400 bad_request"),
    Sent("above the root, encoded", asked("/%2e%2e/metrics"), "400 bad_request"),
    Sent("bytes that are no UTF-8", asked(b"/v1/chat/\xff\xfe"), "404 not_found"),
    Sent("a line break as it is", asked(b"/v1/chat\n/completions"), "headless"),
    Sent("no slash before it", asked("v1/chat/completions"), "400 bad_request"),
    Sent("a star", asked("*"), "400 bad_request"),
    Sent(
        "another name in the line",
        asked("http://evil.example/v1/chat/completions"),
        "421 misdirected_request",
    ),
    Sent(
        "a user in the line",
        asked("http://localhost@evil.example/v1/chat/completions"),
        "400 bad_request",
    ),
    Sent(
        "an engine's address in the line",
        asked("http://127.0.0.1:8000/metrics"),
        "421 misdirected_request",
    ),
    Sent("60 KB", asked("/" + "a" * 60_000), "414 uri_too_long"),
    Sent("7,000 levels", asked("/a" * 3500), "404 not_found"),
    Sent("another service's path", asked("/pool/v1/chat/completions"), "404 model_not_found"),
    Sent(
        "a path that its engine does not answer",
        head("POST", "/v1/embeddings", b"Content-Length: 35\r\n") + b"\r\n" + GOOD,
        "404 endpoint_not_supported",
    ),
]

METHODS = [
    *(
        Sent(method, asked(CHAT, method), "405 method_not_allowed")
        for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "BREW", "PRI")
    ),
    Sent("HEAD", asked(CHAT, "HEAD"), "405"),
    Sent("TRACE", asked(CHAT, "TRACE"), "405 method_not_allowed"),
    Sent("CONNECT", asked(CHAT, "CONNECT"), "405 method_not_allowed"),
    Sent("post", asked(CHAT, "post"), "400 bad_request"),
    Sent("10,000 letters", asked(CHAT, "A" * 10_000), "414 uri_too_long"),
    Sent(
        "X-HTTP-Method-Override on a GET",
        asked(CHAT, "GET", b"X-HTTP-Method-Override: POST\r\n"),
        "405 method_not_allowed",
    ),
    Sent("POST on /v1/models", asked("/v1/models"), "405 method_not_allowed"),
    Sent("DELETE on a model", asked("/v1/models/gpt-4o", "DELETE"), "405 method_not_allowed"),
]


def by(value: bytes, name: bytes = b"Authorization") -> bytes:
    return asked(CHAT, key=b"%b: %b\r\n" % (name, value))


REFUSED = "401 invalid_api_key"
KEYS = [
    Sent("none", asked(CHAT, key=b""), REFUSED),
    Sent("none, on a path that is not served", asked("/metrics", key=b""), "404 not_found"),
    Sent("none, for the models", head("GET", "/v1/models", key=b"") + b"\r\n", REFUSED),
    Sent("empty", by(b""), REFUSED),
    Sent("Bearer alone", by(b"Bearer"), REFUSED),
    Sent("Bearer and spaces", by(b"Bearer " + b" " * 5000), REFUSED),
    Sent("unknown", by(b"Bearer rw-" + b"A" * 43), REFUSED),
    Sent("one letter short", by(b"Bearer " + SECRET[:-1]), REFUSED),
    Sent("in capitals", by(b"Bearer " + SECRET.upper()), REFUSED),
    Sent("its hash", by(b"Bearer " + hashlib.sha256(SECRET).hexdigest().encode()), REFUSED),
    Sent("the engine's own", by(b"Bearer the-engine-s-own-key"), REFUSED),
    Sent("7 KB", by(b"Bearer " + b"A" * 7000), REFUSED),
    Sent("bytes that are no UTF-8", by(b"Bearer \xff\xfe\x80" + SECRET), REFUSED),
    Sent("a NUL behind it", by(b"Bearer " + SECRET + b"\0"), "400 bad_request"),
    Sent("a word behind it", by(b"Bearer " + SECRET + b" x"), REFUSED),
    Sent("Basic", by(b"Basic " + SECRET), REFUSED),
    Sent("no scheme", by(SECRET), REFUSED),
    Sent("in the query", asked(CHAT + "?api_key=" + SECRET.decode(), key=b""), REFUSED),
    Sent("in a cookie", by(b"api_key=" + SECRET, b"Cookie"), REFUSED),
    Sent("Proxy-Authorization", by(b"Bearer " + SECRET, b"Proxy-Authorization"), REFUSED),
    Sent("X_Api_Key", by(SECRET, b"X_Api_Key"), REFUSED),
    Sent("two, both known", asked(CHAT, key=KEY * 2), "400 bad_request"),
    Sent(
        "expired",
        asked(CHAT, key=b"Authorization: Bearer " + secret("expired").encode() + b"\r\n"),
        "401 key_expired",
    ),
    Sent("by x-api-key", by(SECRET, b"x-api-key"), "200", "chat"),
    Sent("by both, and they differ", asked(CHAT, more=b"x-api-key: unknown\r\n"), "200", "chat"),
    Sent("bearer, in small letters", by(b"bearer " + SECRET), "200", "chat"),
    Sent("BEARER", by(b"BEARER " + SECRET), "200", "chat"),
]


def saying(*lines: bytes) -> bytes:
    return asked(CHAT, more=b"".join(line + b"\r\n" for line in lines))


HEADERS = [
    Sent(
        "X-Forwarded-For, -Host, -Proto",
        saying(b"X-Forwarded-For: 10.0.0.1", b"X-Forwarded-Host: evil", b"X-Forwarded-Proto: http"),
        "200",
        "chat",
    ),
    Sent("X-Rackwright-Replica", saying(b"X-Rackwright-Replica: chat-gpu2-0"), "200", "chat"),
    Sent("X-Request-ID", saying(b"X-Request-ID: forged"), "200", "chat"),
    Sent("X-Accel-Redirect", saying(b"X-Accel-Redirect: /@outside"), "200", "chat"),
    Sent(
        "Connection: authorization",
        asked(CHAT).replace(
            b"Connection: close", b"Connection: close, authorization, content-length, host"
        ),
        "200",
        "chat",
    ),
    Sent(
        "Upgrade: websocket",
        asked(CHAT, more=b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n").replace(
            b"Connection: close", b"Connection: close, upgrade"
        ),
        "200",
        "chat",
    ),
    Sent(
        "Upgrade: h2c", saying(b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"), "200", "chat"
    ),
    Sent("Expect: 100-continue", saying(b"Expect: 100-continue"), "100 200", "chat"),
    Sent("Expect: something else", saying(b"Expect: nonsense"), "200", "chat"),
    Sent("Range", saying(b"Range: bytes=0-1"), "200", "chat"),
    Sent("If-None-Match, If-Range", saying(b"If-None-Match: *", b'If-Range: "a"'), "200", "chat"),
    Sent("TE: trailers", saying(b"TE: trailers, deflate"), "200", "chat"),
    Sent("Accept-Encoding: gzip", saying(b"Accept-Encoding: gzip, br"), "200", "chat"),
    Sent(
        "Host of another",
        asked(CHAT).replace(b"Host: localhost", b"Host: evil.example"),
        "421 misdirected_request",
    ),
    Sent(
        "Host with a user",
        asked(CHAT).replace(b"Host: localhost", b"Host: a@localhost"),
        "421 misdirected_request",
    ),
    Sent(
        "Host with a path",
        asked(CHAT).replace(b"Host: localhost", b"Host: localhost/metrics"),
        "400 bad_request",
    ),
    Sent(
        "Host with a port and a dot",
        asked(CHAT).replace(b"Host: localhost", b"Host: LOCALHOST.:1"),
        "200",
        "chat",
    ),
    Sent("Origin of nobody's", saying(b"Origin: https://evil.example"), "200", "chat"),
    Sent("Origin: null", saying(b"Origin: null"), "200", "chat"),
    Sent(
        "two Origins",
        saying(b"Origin: https://app.example", b"Origin: https://evil.example"),
        "200",
        "chat",
    ),
    Sent("a session of 7 KB", saying(b"X-Session-ID: " + b"a" * 7000), "200", "chat"),
]

ROUTES = {"Paths": PATHS, "Methods": METHODS, "Keys": KEYS, "Headers": HEADERS}
