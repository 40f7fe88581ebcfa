"""Half a second of silence, as a form that stands in JSON as it is sent."""

from __future__ import annotations

import json
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from struct import unpack

from rackwright.engines.silence import BOUNDARY, MU_LAW, RATE_HZ, SAMPLES, form, wave


def test_it_is_a_wave_of_telephones_with_nothing_in_it() -> None:
    said = wave()
    riff, size, kind, fmt, length, *head = unpack("<4sI4s4sIHHIIHH", said[:36])
    assert (riff, size, kind) == (b"RIFF", len(said) - 8, b"WAVE")
    assert (fmt, length, head) == (b"fmt ", 16, [MU_LAW, 1, RATE_HZ, RATE_HZ, 1, 8])
    assert unpack("<4sI", said[36:44]) == (b"data", SAMPLES)
    assert set(said[44:]) == {0x7F} and len(said) == 44 + SAMPLES


def test_it_is_a_form_that_json_leaves_as_it_is() -> None:
    body = form({"model": "ear", "language": "en"})
    assert json.loads(json.dumps(body)) == body and body.isascii()
    head = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode()
    whole = BytesParser(policy=HTTP).parsebytes(head + body.encode())
    assert not whole.defects
    model, language, file = [one for one in whole.iter_parts() if isinstance(one, EmailMessage)]
    assert (model.get_content(), language.get_content()) == ("ear", "en")
    assert (file.get_filename(), file.get_content()) == ("silence.wav", wave())
    assert body.startswith(f"--{BOUNDARY}\r\n"), "whoever sends it reads its boundary there"
