"""Multipart forms that two readers would read differently."""

from __future__ import annotations

from tests.nginx.hostile.sent import HEAR, Sent, whole

EAR = b"org/ear"
"""What the client may not use."""


def part(head: bytes, value: bytes = b"RIFF") -> bytes:
    return b"--x\r\n%b\r\n\r\n%b\r\n" % (head, value)


def named(name: bytes, value: bytes, more: bytes = b"") -> bytes:
    return part(b'Content-Disposition: form-data; name="%b"%b' % (name, more), value)


FILE = named(b"file", b"RIFF", b'; filename="a.wav"\r\nContent-Type: audio/wav')
MODEL, OTHER = named(b"model", b"whisper-1"), named(b"model", EAR)
END = b"--x--\r\n"
KIND = b"multipart/form-data; boundary=x"


def form(*parts: bytes, kind: bytes = KIND, end: bytes = END, more: bytes = b"") -> bytes:
    return whole(b"".join(parts) + end, more, HEAR, kind)


def hidden(head: bytes) -> bytes:
    """The model in good faith, and a part that another reader may take for the model."""
    return form(MODEL, FILE, part(head, EAR))


PARTS = [
    Sent("in good faith", form(MODEL, FILE), "200", "voice"),
    Sent("two models", form(MODEL, FILE, OTHER), "400 duplicate_key"),
    Sent(
        "the model a file too",
        form(MODEL, FILE, named(b"model", EAR, b'; filename="m"')),
        "400 duplicate_key",
    ),
    Sent("no model", form(FILE), "403 model_not_allowed"),
    Sent("another model", form(OTHER, FILE), "403 model_not_allowed"),
    Sent(
        "a name by name*",
        hidden(b"Content-Disposition: form-data; name*=utf-8''model"),
        "400 invalid_form",
    ),
    Sent(
        "a name in pieces",
        hidden(b'Content-Disposition: form-data; name="a"; name*0=mo; name*1=del'),
        "400 invalid_form",
    ),
    Sent(
        "two names",
        hidden(b'Content-Disposition: form-data; name="a"; name="model"'),
        "400 invalid_form",
    ),
    Sent(
        "a name without quotes",
        hidden(b"Content-Disposition: form-data; name=model"),
        "400 invalid_form",
    ),
    Sent(
        "a quote in a name",
        hidden(b'Content-Disposition: form-data; name="mo\\"; name=\\"model"'),
        "400 invalid_form",
    ),
    Sent(
        "a percent in a name",
        hidden(b'Content-Disposition: form-data; name="%6dodel"'),
        "200",
        "voice",
    ),
    Sent("MODEL", hidden(b'Content-Disposition: form-data; name="MODEL"'), "200", "voice"),
    Sent(
        "a space in the name",
        hidden(b'Content-Disposition: form-data; name=" model"'),
        "200",
        "voice",
    ),
    Sent(
        "two dispositions",
        hidden(
            b'Content-Disposition: form-data; name="a"\r\n'
            b'Content-Disposition: form-data; name="model"'
        ),
        "400 invalid_form",
    ),
    Sent(
        "a disposition on two lines",
        hidden(b'Content-Disposition: form-data;\r\n name="model"'),
        "400 duplicate_key",
    ),
    Sent(
        "lines that end in LF",
        hidden(
            b'Content-Disposition: form-data; name="a"\n'
            b'Content-Disposition: form-data; name="model"'
        ),
        "400 invalid_form",
    ),
    Sent(
        "a name in a file's name",
        form(MODEL, named(b"file", b"RIFF", b'; filename="a; name=\\"model\\""')),
        "400 invalid_form",
    ),
    Sent(
        "a file's name by filename*",
        form(MODEL, named(b"file", b"RIFF", b"; filename*=utf-8''%22%3B%20name%3Dmodel")),
        "200",
        "voice",
    ),
    Sent(
        "base64",
        form(
            part(
                b'Content-Disposition: form-data; name="model"\r\n'
                b"Content-Transfer-Encoding: base64",
                b"b3JnL2Vhcg==",
            ),
            FILE,
        ),
        "404 model_not_found",
    ),
    Sent(
        "no disposition",
        form(MODEL, FILE, part(b"Content-Type: text/plain", EAR)),
        "400 invalid_form",
    ),
    Sent(
        "another disposition",
        hidden(b'Content-Disposition: attachment; name="model"'),
        "400 invalid_form",
    ),
    Sent(
        "a form in a form",
        form(
            MODEL,
            FILE,
            part(
                b'Content-Disposition: form-data; name="a"\r\n'
                b"Content-Type: multipart/mixed; boundary=y",
                b'--y\r\nContent-Disposition: form-data; name="model"\r\n\r\norg/ear\r\n--y--',
            ),
        ),
        "200",
        "voice",
    ),
    Sent("a model of 1 MiB", form(named(b"model", b"m" * 2**20), FILE), "404 model_not_found"),
    Sent(
        "a line break in the model",
        form(named(b"model", b"whisper-1\r\n"), FILE),
        "404 model_not_found",
    ),
    Sent("100,000 parts", form(MODEL, named(b"a", b"1") * 100_000), "400 invalid_form"),
    Sent(
        "a head of 1 MiB",
        form(MODEL, part(b'Content-Disposition: form-data; name="a"\r\nX: ' + b"a" * 2**20)),
        "200",
        "voice",
    ),
]

BOUNDARIES = [
    Sent("none", form(MODEL, FILE, kind=b"multipart/form-data"), "400 invalid_form"),
    Sent("empty", form(MODEL, FILE, kind=b"multipart/form-data; boundary="), "400 invalid_form"),
    Sent(
        "71 characters",
        form(MODEL, FILE, kind=b"multipart/form-data; boundary=" + b"x" * 71),
        "400 invalid_form",
    ),
    Sent("in quotes", form(MODEL, FILE, kind=b'multipart/form-data; boundary="x"'), "200", "voice"),
    Sent("two", form(MODEL, FILE, kind=KIND + b"; boundary=y"), "400 invalid_form"),
    Sent(
        "two, the first in quotes",
        form(MODEL, FILE, kind=b'multipart/form-data; boundary="x"; boundary=y'),
        "400 invalid_form",
    ),
    Sent(
        "another parameter that ends so",
        form(MODEL, FILE, kind=b'multipart/form-data; xboundary="x"; boundary=y'),
        "400 invalid_form",
    ),
    Sent("boundary*", form(MODEL, FILE, kind=KIND + b"; boundary*=utf-8''y"), "400 invalid_form"),
    Sent("in pieces", form(MODEL, FILE, kind=KIND + b"; boundary*0=y"), "400 invalid_form"),
    Sent(
        "charset=utf-7",
        form(MODEL, FILE, named(b"+AG0AbwBkAGUAbA-", EAR), kind=KIND + b"; charset=utf-7"),
        "400 invalid_form",
    ),
    Sent("charset=utf-16", form(MODEL, FILE, kind=KIND + b"; charset=utf-16"), "400 invalid_form"),
    Sent("charset=utf-8", form(MODEL, FILE, kind=KIND + b"; charset=utf-8"), "200", "voice"),
    Sent(
        "another kind of multipart",
        form(MODEL, FILE, kind=b"multipart/mixed; boundary=x"),
        "400 invalid_form",
    ),
    Sent(
        "a form of the other kind, which another reader takes it for",
        form(
            MODEL,
            FILE,
            end=b"--x--\r\n&model=org/ear",
            kind=b"application/x-www-form-urlencoded; boundary=x",
        ),
        "400 invalid_form",
    ),
    Sent(
        "JSON, with a boundary",
        whole('{"model": "org/ear"}', b"", HEAR, b"application/json; boundary=x"),
        "400 invalid_form",
    ),
    Sent(
        "two types",
        form(MODEL, FILE, more=b"Content-Type: multipart/form-data; boundary=y\r\n"),
        "400 invalid_json",
    ),
    Sent(
        "words before the first",
        whole(b"words\r\n" + MODEL + FILE + END, b"", HEAR, KIND),
        "400 invalid_form",
    ),
    Sent("a part behind the last", form(MODEL, FILE, end=END + OTHER + END), "400 invalid_form"),
    Sent("no last", form(MODEL, FILE, end=b""), "400 invalid_form"),
    Sent("a longer one between", form(MODEL, FILE, b"--xy\r\n" + OTHER[5:]), "400 invalid_form"),
    Sent("spaces behind it", form(MODEL, FILE, OTHER.replace(b"--x", b"--x ")), "400 invalid_form"),
    Sent(
        "with LF alone",
        form(MODEL.replace(b"\r\n", b"\n"), FILE.replace(b"\r\n", b"\n")),
        "400 invalid_form",
    ),
    Sent(
        "with a NUL",
        form(MODEL, FILE, kind=b"multipart/form-data; boundary=x%00"),
        "400 invalid_form",
    ),
]

FORMS = {"Forms": PARTS, "Boundaries of forms": BOUNDARIES}
