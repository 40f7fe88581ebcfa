"""vLLM with a model that hears what is said: transcripts of sounds, as of vLLM 0.32.

Which paths it answers: register_speech_to_text_api_routers in
vllm/entrypoints/speech_to_text/factories.py, by ``supports_transcription`` of the model's class;
one of ``supports_transcription_only`` answers no others. A realtime connection is a websocket,
which no gateway passes on here. Tried with the CPU build and a Whisper of random weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rackwright.engines.answers import Canary
from rackwright.engines.silence import form

if TYPE_CHECKING:
    from rackwright.models import Shape
    from rackwright.spec import ServiceSpec

TRANSCRIPTS = ("/v1/audio/transcriptions", "/v1/audio/translations")
TOKENS = ("/tokenize", "/detokenize")
PATHS = (*TRANSCRIPTS, *TOKENS)
"""Of a model that does nothing else."""
_USELESS = {
    "enable-prefix-caching": "keeps nothing of a sound for the next",
    "enable-chunked-prefill": "hears a sound in one step",
    **dict.fromkeys(
        (
            *("enable-auto-tool-choice", "tool-call-parser", "tool-parser-plugin", "tool-server"),
            *("reasoning-parser", "reasoning-parser-plugin", "reasoning-config"),
            *("structured-outputs-config", "chat-template", "mm-processor-cache-gb"),
        ),
        "answers no chats",
    ),
}
"""Flags that a model with an encoder and a decoder is not served with, and why."""
_SAYS = {"runner": ("auto", "generate"), "convert": ("auto", "none")}
"""What flags that say what a model is for may be: what it is anyway."""


def not_of(shape: Shape) -> tuple[str, ...]:
    """Paths of sound that a model which also chats does not answer: served so it hears nothing."""
    return () if shape.transcribes and shape.audios else TRANSCRIPTS


def canary(service: ServiceSpec) -> Canary:
    """Half a second of silence, of which one token is asked for; no language is looked for."""
    asked = {"model": service.served_as, "language": "en", "max_completion_tokens": "1"}
    return Canary(TRANSCRIPTS[0], form(asked))


def flag_faults(service: ServiceSpec) -> Iterator[tuple[str, str]]:
    """Flag and rule for each extra flag that such a model has no use for."""
    for given, value in service.extra_args.items():
        flag = given.replace("_", "-").partition(".")[0]
        if flag in _USELESS and value is not False:
            yield given, f"must be left out, the model {_USELESS[flag]}"
        elif flag in _SAYS and value not in _SAYS[flag]:
            yield given, "must be left out, the model answers with transcripts"
