"""Have an agent say something with a voice: a NATS request that any of them answers."""

from __future__ import annotations

import json
from dataclasses import dataclass

from web.core import storage
from web.core.bus import NoAnswer, bus
from web.core.problems import Invalid, Unavailable
from web.voices.models import Voice
from web.voices.queries import file_of

SUBJECT = "syrinx.speak"
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Manner:
    """How to say it; None leaves the voice's own value."""

    speaker: int | None = None
    length_scale: float | None = None
    """Above 1 is slower."""
    noise_scale: float | None = None
    """Expressiveness."""
    noise_w_scale: float | None = None
    """Variation of rhythm."""


def speak(voice: Voice, text: str, manner: Manner) -> bytes:
    """The text as a WAV file. Raises `Invalid` for what can't be said, `Unavailable` otherwise."""
    text = text.replace("\x00", "").strip()
    if not text:
        raise Invalid("Write something for the voice to say.", code="text_empty")
    if manner.speaker is not None and not 0 <= manner.speaker < voice.num_speakers:
        raise Invalid(
            f"This voice has {voice.num_speakers} speakers, numbered from 0.", code="speaker"
        )
    model, config = file_of(voice, "onnx"), file_of(voice, "config")
    request = {
        "model_sha256": model.sha256,
        "model_url": storage.presigned_get(model.key),
        "config_url": storage.presigned_get(config.key),
        "text": text,
        **manner.__dict__,
    }
    try:
        status, body = bus().ask(SUBJECT, request, TIMEOUT_SECONDS)
    except NoAnswer:
        raise Unavailable(
            "No host answered. Voices speak on the agents: see on the Fleet page whether one is "
            "running, then try again.",
            code="no_agent",
        ) from None
    if status == 200:
        return body
    reason = _reason(body)
    if status < 500:
        raise Invalid(reason, code="speech")
    raise Unavailable(reason, code="speech")


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return "The host could not speak the text. Try again; its log says why."
