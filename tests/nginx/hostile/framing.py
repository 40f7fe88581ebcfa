"""Requests whose end two readers would see in different places, and heads that are none."""

from __future__ import annotations

from tests.nginx.hostile.sent import KEY, Sent, chunked, head

GOOD = b'{"model": "gpt-4o", "messages": []}'
BEHIND = (
    b"POST /v1/load_lora_adapter HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
    b"Connection: close\r\n" + KEY + b"\r\n{}"
)
"""Another request, which must not reach an engine either, wherever the first one ends."""
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD)


def framed(more: bytes, body: bytes = GOOD) -> bytes:
    return head(more=more) + b"\r\n" + body


def both(more: bytes) -> bytes:
    """Framed by length and by chunks, and another request behind the last chunk."""
    return framed(b"Content-Length: %d\r\n%b" % (len(CHUNKS), more), CHUNKS + BEHIND)


def length(value: bytes) -> bytes:
    return framed(b"Content-Length: %b\r\n" % value, GOOD + BEHIND)


SMUGGLING = [
    Sent("length and chunks", both(b"Transfer-Encoding: chunked\r\n"), "400 bad_request"),
    Sent(
        "chunks and length",
        framed(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", CHUNKS + BEHIND),
        "400 bad_request",
    ),
    *(
        Sent(f"Transfer-Encoding: {name}", both(b"Transfer-Encoding: %b\r\n" % value), answer)
        for name, value, answer in (
            ("xchunked", b"xchunked", "501 not_implemented"),
            ("chunked, chunked", b"chunked, chunked", "501 not_implemented"),
            ("identity", b"identity", "501 not_implemented"),
            ("chunked, identity", b"chunked, identity", "501 not_implemented"),
            ("gzip, chunked", b"gzip, chunked", "501 not_implemented"),
            ("a tab, chunked", b"\tchunked", "501 not_implemented"),
            ("a vertical tab, chunked", b"\x0bchunked", "501 not_implemented"),
            ('"chunked"', b'"chunked"', "501 not_implemented"),
            ("chunked, a NUL", b"chunked\0", "400 bad_request"),
        )
    ),
    Sent(
        "Transfer-Encoding twice",
        both(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        "400 bad_request",
    ),
    Sent("a space before the colon", both(b"Transfer-Encoding : chunked\r\n"), "400 bad_request"),
    Sent(
        "a line that goes on", both(b"X: 1\r\n Transfer-Encoding: chunked\r\n"), "400 bad_request"
    ),
    Sent(
        "an encoding behind a bare CR",
        both(b"X: 1\rTransfer-Encoding: chunked\r\n"),
        "400 bad_request",
    ),
    Sent(
        "an underscore",
        framed(b"Transfer_Encoding: chunked\r\nContent-Length: %d\r\n" % len(GOOD)),
        "200",
        "chat",
    ),
    Sent(
        "chunks in HTTP/1.0",
        both(b"Transfer-Encoding: chunked\r\n").replace(b"HTTP/1.1", b"HTTP/1.0", 1),
        "400 bad_request",
    ),
    *(
        Sent(f"Content-Length: {name}", length(value), "400 bad_request")
        for name, value in (
            ("+35", b"+35"),
            ("-1", b"-1"),
            ("0x23", b"0x23"),
            ("35, 35", b"35, 35"),
            ("35;", b"35;"),
            ("nothing", b""),
            ("35 0", b"35 0"),
            ("10^30", b"1" + b"0" * 30),
        )
    ),
    Sent(
        "the same length twice",
        framed(b"Content-Length: 35\r\nContent-Length: 35\r\n"),
        "400 bad_request",
    ),
    Sent(
        "two lengths",
        framed(b"Content-Length: 35\r\nContent-Length: 2\r\n", GOOD + BEHIND),
        "400 bad_request",
    ),
    Sent(
        "a request behind the body", framed(b"Content-Length: 35\r\n", GOOD + BEHIND), "200", "chat"
    ),
    Sent(
        "a body on a GET, which is a request",
        head("GET", "/v1/models", b"Content-Length: %d\r\n" % len(BEHIND)) + b"\r\n" + BEHIND,
        "200",
    ),
    Sent("a GET, and a request behind it", head("GET", "/v1/models") + b"\r\n" + BEHIND, "200"),
    Sent("no length at all", head() + b"\r\n" + GOOD, "400 invalid_json"),
]

CHUNKED = [
    Sent("in good faith", chunked(CHUNKS), "200", "chat"),
    Sent(
        "with extensions",
        chunked(CHUNKS.replace(b"\r\n", b';a="b\r\n'.replace(b"\r\n", b'"\r\n'), 1)),
        "200",
        "chat",
    ),
    Sent(
        "an extension of 1 MiB",
        chunked(CHUNKS.replace(b"\r\n", b";a=" + b"b" * 2**20 + b"\r\n", 1)),
        "200",
        "chat",
    ),
    Sent("a length of 17 digits", chunked(b"f" * 17 + b"\r\n" + GOOD), "400 bad_request"),
    Sent("a length of 16 digits", chunked(b"f" * 16 + b"\r\n" + GOOD), "400 bad_request"),
    Sent("a negative length", chunked(b"-1\r\n" + GOOD), "400 bad_request"),
    Sent("0x23", chunked(b"0x" + CHUNKS), "400 bad_request"),
    Sent(
        "a length that is too short", chunked(b"5\r\n" + GOOD + b"\r\n0\r\n\r\n"), "400 bad_request"
    ),
    Sent("LF alone", chunked(CHUNKS.replace(b"\r\n", b"\n")), "200", "chat"),
    Sent(
        "a trailer",
        chunked(CHUNKS[:-2] + b"Content-Length: 5\r\nX-Api-Key: a\r\n\r\n"),
        "200",
        "chat",
    ),
    Sent(
        "one byte a chunk",
        chunked(b"".join(b"1\r\n%c\r\n" % byte for byte in GOOD) + b"0\r\n\r\n"),
        "200",
        "chat",
    ),
]

HEADS = [
    Sent("no HTTP", b"nonsense\r\n\r\n", "400 bad_request"),
    Sent(
        "bytes of TLS",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64 + b"\r\n\r\n",
        "400 bad_request",
    ),
    Sent("HTTP/0.9", b"GET /v1/models\r\n", "headless"),
    Sent("HTTP/1.2", head("GET", "/v1/models").replace(b"HTTP/1.1", b"HTTP/1.2") + b"\r\n", "200"),
    Sent(
        "HTTP/2.0 in words",
        head("GET", "/v1/models").replace(b"HTTP/1.1", b"HTTP/2.0") + b"\r\n",
        "505 version_not_supported",
    ),
    Sent(
        "HTTP/9.9",
        head("GET", "/v1/models").replace(b"HTTP/1.1", b"HTTP/9.9") + b"\r\n",
        "505 version_not_supported",
    ),
    Sent("the start of HTTP/2 in words", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 bad_request"),
    Sent(
        "line ends of LF alone",
        framed(b"Content-Length: 35\r\n").replace(b"\r\n", b"\n"),
        "200",
        "chat",
    ),
    Sent(
        "line ends of CR alone",
        head("GET", "/v1/models").replace(b"\r\n", b"\r") + b"\r\r",
        "400 bad_request",
    ),
    Sent(
        "spaces before the method", b"  " + head("GET", "/v1/models") + b"\r\n", "400 bad_request"
    ),
    Sent(
        "no Host",
        head("GET", "/v1/models").replace(b"Host: localhost\r\n", b"") + b"\r\n",
        "400 bad_request",
    ),
    Sent(
        "two Hosts", head("GET", "/v1/models", b"Host: localhost\r\n") + b"\r\n", "400 bad_request"
    ),
    Sent(
        "a NUL in a header", head("GET", "/v1/models", b"X: a\0b\r\n") + b"\r\n", "400 bad_request"
    ),
    Sent("a header without a colon", head("GET", "/v1/models", b"nonsense\r\n") + b"\r\n", "200"),
    Sent(
        "a header without a name",
        head("GET", "/v1/models", b": a\r\n") + b"\r\n",
        "400 bad_request",
    ),
    Sent(
        "1,000 headers",
        head(more=b"".join(b"X-%d: %b\r\n" % (n, b"a" * 50) for n in range(1000))) + b"\r\n",
        "431 headers_too_large",
    ),
    Sent("100,000 headers", head(more=b"X: a\r\n" * 100_000) + b"\r\n", "431 headers_too_large"),
    Sent(
        "90 headers before the key",
        head(
            more=b"".join(b"X-%d: a\r\n" % n for n in range(90)) + KEY + b"Content-Length: 35\r\n",
            key=b"",
        )
        + b"\r\n"
        + GOOD,
        "200",
        "chat",
    ),
    Sent(
        "a header of 1 MiB",
        head(more=b"X: " + b"a" * 2**20 + b"\r\n") + b"\r\n",
        "431 headers_too_large",
    ),
    Sent(
        "a header's name of 9 KB",
        head(more=b"X" * 9000 + b": a\r\n") + b"\r\n",
        "431 headers_too_large",
    ),
    Sent(
        "32 MiB and one byte, announced",
        head(more=b"Content-Length: 33554433\r\n") + b"\r\n",
        "413 request_too_large",
    ),
    Sent(
        "a terabyte, announced",
        head(more=b"Content-Length: 1099511627776\r\n") + b"\r\n",
        "413 request_too_large",
    ),
]

FRAMING = {"Where a request ends": SMUGGLING, "Chunks": CHUNKED, "Heads": HEADS}
