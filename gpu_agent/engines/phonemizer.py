"""Text to phonemes: one protocol, two engines.

`PiperEspeak` is the espeak-ng inside piper-tts, the very one that the voice's
runtime will use, and the default: a voice trained on other phonemes than it is
played with mispronounces (piper issues 536 and 344). `PiperPhonemize` is the older
package piper-phonemize, with wheels up to Python 3.11; published voices were
trained with it. A test shows where the two differ.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gpu_agent.engines.base import JobFailed


class Phonemizer(Protocol):
    """Raises `JobFailed('language_unknown')` for a language that it does not have."""

    def phonemize(self, text: str, language: str) -> list[list[str]]:
        """Phonemes of each sentence, one Unicode code point each (NFD)."""


class PiperEspeak:
    """espeak-ng as the Piper runtime calls it."""

    _lock = threading.Lock()  # espeak-ng keeps its voice in a global
    _bridge: Any = None
    _diacritizer: Any = None

    def phonemize(self, text: str, language: str) -> list[list[str]]:
        check_language(language)
        with self._lock:
            if PiperEspeak._bridge is None:
                from piper.phonemize_espeak import EspeakPhonemizer

                PiperEspeak._bridge = EspeakPhonemizer()
            if language == "ar":
                text = self._diacritized(text)
            sentences = PiperEspeak._bridge.phonemize(language, text)
        return [sentence for sentence in sentences if sentence]

    @classmethod
    def _diacritized(cls, text: str) -> str:
        # The runtime adds the vowel marks to Arabic (`PiperVoice.phonemize`), with this
        # threshold; piper.train doesn't, and so trains on other phonemes.
        if cls._diacritizer is None:
            from piper.tashkeel import TashkeelDiacritizer

            cls._diacritizer = TashkeelDiacritizer()
        return str(cls._diacritizer(text, taskeen_threshold=0.8))


class PiperPhonemize:
    """The package piper-phonemize, where it is installed."""

    @staticmethod
    def available() -> bool:
        return importlib.util.find_spec("piper_phonemize") is not None

    def phonemize(self, text: str, language: str) -> list[list[str]]:
        from piper_phonemize import phonemize_espeak

        check_language(language)
        return [list(sentence) for sentence in phonemize_espeak(text, language) if sentence]


def phoneme_ids(
    sentences: Sequence[Sequence[str]], id_map: Mapping[str, Sequence[int]]
) -> tuple[list[int], list[str]]:
    """Ids of all sentences in a row, and the phonemes that have none.

    As piper-tts 1.8's trainer does it (`piper.train.vits.dataset`): each sentence is
    `^ _ p _ p _ … $`; phonemes without an id are left out.
    """
    from piper.const import BOS, EOS, PAD

    ids: list[int] = []
    unknown: list[str] = []
    for sentence in sentences:
        ids += [*id_map[BOS], *id_map[PAD]]
        for phoneme in sentence:
            if phoneme in id_map:
                ids += [*id_map[phoneme], *id_map[PAD]]
            else:
                unknown.append(phoneme)
        ids += id_map[EOS]
    return ids, unknown


@dataclass(frozen=True)
class EspeakVoice:
    language: str
    """What a dataset's language is called, such as `en-us`."""
    name: str
    """In English, such as `English (America)`."""
    aliases: tuple[str, ...] = ()
    dictionary: str = ""


@functools.cache
def espeak_voices() -> tuple[EspeakVoice, ...]:
    """All languages of the espeak-ng inside piper-tts, read from its data, sorted."""
    spec = importlib.util.find_spec("piper")  # finds the folder without importing onnxruntime
    if spec is None or spec.origin is None:
        raise JobFailed(
            "piper_missing", "The package piper-tts is not installed on this agent; install it."
        )
    data = Path(spec.origin).parent / "espeak-ng-data"
    voices = [_read_voice(path) for path in (data / "lang").rglob("*") if path.is_file()]
    # The wheel names a few languages whose dictionary it doesn't carry.
    usable = [voice for voice in voices if (data / f"{voice.dictionary}_dict").exists()]
    return tuple(sorted(usable, key=lambda voice: voice.language))


def _read_voice(path: Path) -> EspeakVoice:
    """A voice is set by its file's name; the `language` lines inside are aliases,
    of which many (`fr-fr`, `en-gb`) are refused by espeak-ng's `SetVoiceByName`."""
    name, dictionary, aliases = path.name, path.name.lower().split("-")[0], []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split("//")[0].split()
        if len(words) < 2:
            continue
        if words[0] == "name":
            name = " ".join(words[1:])
        elif words[0] == "dictionary":
            dictionary = words[1]
        elif words[0] == "language":
            aliases.append(words[1].lower())
    return EspeakVoice(path.name.lower(), name, tuple(aliases), dictionary)


def check_language(language: str) -> None:
    """Raises `JobFailed('language_unknown')`, naming near matches."""
    known = {voice.language: voice for voice in espeak_voices()}
    if language in known:
        return
    wanted = language.lower().replace("_", "-")
    near = [name for name, voice in known.items() if wanted == name or wanted in voice.aliases]
    near += [name for name, voice in known.items() if len(wanted) > 2 and _means(wanted, voice)]
    near += difflib.get_close_matches(wanted, known, n=3)
    near += [name for name in known if name.split("-")[0] == wanted.split("-")[0]]
    hint = ", ".join(f"{name} ({known[name].name})" for name in list(dict.fromkeys(near))[:5])
    raise JobFailed(
        "language_unknown",
        f"espeak-ng has no language “{language}”. "
        + (f"Did you mean {hint}?" if hint else "Use a code such as en-us, de or fr."),
    )


def _means(wanted: str, voice: EspeakVoice) -> bool:
    return wanted in voice.name.lower()
