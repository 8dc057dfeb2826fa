"""Speaking with an exported voice through the real Piper runtime, on the CPU."""

from __future__ import annotations

import io
import threading
import wave
from collections import OrderedDict
from pathlib import Path
from typing import Any

from gpu_agent.engines.base import JobFailed

# A page of text; the player shows it as one clip, and a request holds a CPU meanwhile.
MAX_TEXT_LENGTH = 5000  # characters


class Speaker:
    """Keeps the last few voices loaded; safe to call from several threads."""

    def __init__(self, capacity: int = 4) -> None:
        self._capacity = capacity
        self._voices: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._lock = threading.Lock()

    def speak(
        self,
        model_path: Path,
        config_path: Path,
        text: str,
        speaker: int | None = None,
        length_scale: float | None = None,
        noise_scale: float | None = None,
        noise_w_scale: float | None = None,
    ) -> bytes:
        """A 16-bit mono WAV of `text`.

        A scale that is None takes the voice's own value. Raises `JobFailed` with
        `text_empty`, `text_too_long`, `speaker_unknown` or `voice_unreadable`.
        """
        from piper.config import SynthesisConfig

        check_text(text)
        voice = self._load(model_path, config_path)
        last = max(1, voice.config.num_speakers) - 1
        if speaker is not None and not 0 <= speaker <= last:
            raise JobFailed(
                "speaker_unknown",
                f"This voice has no speaker {speaker}; choose one from 0 to {last}.",
            )
        config = SynthesisConfig(
            speaker_id=speaker,
            length_scale=length_scale,
            noise_scale=noise_scale,
            noise_w_scale=noise_w_scale,
        )
        chunks = [chunk.audio_int16_bytes for chunk in voice.synthesize(text, config)]
        if not any(chunks):
            raise JobFailed(
                "text_empty", "There is nothing to say in this text; write at least one word."
            )
        return wav_bytes(b"".join(chunks), voice.config.sample_rate)

    def _load(self, model_path: Path, config_path: Path) -> Any:
        key = (str(model_path), str(config_path))
        with self._lock:
            if key in self._voices:
                self._voices.move_to_end(key)
                return self._voices[key]
        voice = load_voice(model_path, config_path)
        with self._lock:
            self._voices[key] = voice
            while len(self._voices) > self._capacity:
                self._voices.popitem(last=False)
        return voice


def check_text(text: str) -> None:
    if not any(character.isalnum() for character in text):
        raise JobFailed(
            "text_empty", "There is nothing to say in this text; write at least one word."
        )
    if len(text) > MAX_TEXT_LENGTH:
        raise JobFailed(
            "text_too_long",
            f"The text has {len(text)} characters; at most {MAX_TEXT_LENGTH} can be spoken "
            "at once. Split it.",
        )


def load_voice(model_path: Path, config_path: Path) -> Any:
    """A `PiperVoice`. Raises `JobFailed('voice_unreadable')`."""
    from piper.voice import PiperVoice

    try:
        return PiperVoice.load(model_path, config_path)
    except Exception as error:
        raise JobFailed(
            "voice_unreadable",
            f"The Piper runtime cannot load this voice ({error}). Export it again.",
        ) from error


def wav_bytes(pcm: bytes, sample_rate: int) -> bytes:
    """A WAV file around 16-bit mono samples; `sample_rate` in Hz."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(pcm)
    return buffer.getvalue()
