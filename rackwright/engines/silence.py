"""The smallest sound there is: half a second of silence, as a form that asks for its transcript.

All of it is ASCII, so that it stands in JSON as it is sent, and whatever asks needs to know of no
format: eight bits a sample as telephones have them (mu-law, format 7 of RIFF WAVE), in which 0x7F
is nothing, and lengths of which no byte is above 0x7F.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack

MU_LAW, RATE_HZ, SAMPLES = 7, 8000, 4096
NOTHING = b"\x7f"
BOUNDARY = "rackwright-silence"


def wave() -> bytes:
    """A WAV file."""
    head = pack("<4sIHHIIHH", b"fmt ", 16, MU_LAW, 1, RATE_HZ, RATE_HZ, 1, 8)
    body = b"WAVE" + head + pack("<4sI", b"data", SAMPLES) + NOTHING * SAMPLES
    return pack("<4sI", b"RIFF", len(body)) + body


def form(fields: Mapping[str, str]) -> str:
    """A body of multipart/form-data with these fields and the file; it begins with its boundary."""
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}' for name in fields
    ]
    file = 'Content-Disposition: form-data; name="file"; filename="silence.wav"\r\n'
    parts.append(f"{file}Content-Type: audio/wav\r\n\r\n{wave().decode('ascii')}")
    lines = "".join(f"--{BOUNDARY}\r\n{part}\r\n" for part in parts)
    return f"{lines}--{BOUNDARY}--\r\n"
