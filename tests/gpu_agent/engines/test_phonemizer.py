# ruff: noqa: RUF001
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gpu_agent.engines.base import JobFailed
from gpu_agent.engines.phonemizer import (
    PiperEspeak,
    PiperPhonemize,
    check_language,
    espeak_voices,
    phoneme_ids,
)

TEXTS = {
    "en-us": "Four horses ran, thirty-two doors were closed. Really?",
    "en": "Four horses ran, thirty-two doors were closed. Really?",
    "de": "Vier Pferde liefen über die Straße, zweiunddreißig Türen waren zu.",
    "fr": "Quatre chevaux couraient, trente-deux portes étaient fermées.",
    "es": "Cuatro caballos corrían; treinta y dos puertas estaban cerradas.",
    "es-419": "Cuatro caballos corrían; treinta y dos puertas estaban cerradas.",
    "it": "Quattro cavalli correvano, trentadue porte erano chiuse.",
    "pl": "Cztery konie biegły, trzydzieści dwoje drzwi było zamkniętych.",
    "nl": "Vier paarden liepen, tweeëndertig deuren waren dicht.",
    "ru": "Четыре лошади бежали, тридцать две двери были закрыты.",
    "pt-br": "Quatro cavalos corriam, trinta e duas portas estavam fechadas.",
    "cs": "Čtyři koně běželi, třicet dva dveří bylo zavřených.",
    "sv": "Fyra hästar sprang, trettiotvå dörrar var stängda.",
    "uk": "Чотири коні бігли, тридцять дві двері були зачинені.",
}


def show(sentences: list[list[str]]) -> str:
    return " | ".join("".join(sentence) for sentence in sentences)


# Language: where piper-tts 1.8 and piper-phonemize 1.1 part,
# as (the runtime's, the older package's) first differing words of TEXTS.
DIFFERENCES = {
    "en-us": ("fˈɔːɹ", "fˈoːɹ"),  # the vowel of four and door
    "de": ("ʃtrˈɑːsə,", "ʃtɾˈɑːsə,"),  # r after t and d
    "es": ("korˈiʲan;", "korˈian;"),  # a glide between i and a vowel
    "es-419": ("korˈiʲan;", "korˈian;"),
    "it": ("kwˈatːɾo", "kwˈatːro"),  # r after t and d
    "pt-br": ("kwˈatɾʊ", "kwˈatrʊ"),  # r, the last a, nasal vowels
    "ru": ("trʲˈitsʌtʲ", "trʲˈittsʌtʲ"),  # the doubled t of numbers
    "sv": ("trˈɛtːiːʲˌɔtvoː", "trˈɛtːiːˌɔtvoː"),  # a glide inside a compound
}
SAME = {"en", "fr", "pl", "nl", "cs", "uk"}


@pytest.mark.skipif(
    not PiperPhonemize.available(), reason="piper-phonemize has no wheel for this Python"
)
def test_the_two_engines_differ_exactly_where_we_know_it() -> None:
    found, lines = {}, []
    for language, text in TEXTS.items():
        runtime = show(PiperEspeak().phonemize(text, language))
        older = show(PiperPhonemize().phonemize(text, language))
        pairs = [(a, b) for a, b in zip(runtime.split(), older.split(), strict=True) if a != b]
        if pairs:
            found[language] = pairs[0]
        lines.append(f"{language:7} {'differ' if pairs else 'agree':6} " + str(pairs))
    print("\n".join(lines))
    assert found == DIFFERENCES
    assert set(TEXTS) - set(found) == SAME


def test_every_language_that_is_listed_can_be_spoken() -> None:
    engine = PiperEspeak()
    silent = [v.language for v in espeak_voices() if not engine.phonemize("hello", v.language)]
    assert len(espeak_voices()) > 130
    assert silent == []


def test_listing_languages_loads_no_machine_learning() -> None:
    code = (
        "import sys; from gpu_agent.engines.phonemizer import espeak_voices; espeak_voices();"
        "print([m for m in ('torch', 'onnxruntime', 'piper') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("asked", "advised"),
    [("en_US", "en-us"), ("german", "de (German)"), ("fr-fr", "fr (French"), ("en-gb", "en (Eng")],
)
def test_an_unknown_language_is_refused_with_near_matches(asked: str, advised: str) -> None:
    with pytest.raises(JobFailed) as refused:
        check_language(asked)
    assert refused.value.code == "language_unknown"
    assert advised in refused.value.message


def test_a_language_of_nonsense_is_refused() -> None:
    with pytest.raises(JobFailed, match="zz"):
        PiperEspeak().phonemize("hello", "zz")


def test_sentences_come_apart_and_silence_gives_none() -> None:
    assert len(PiperEspeak().phonemize("One. Two!", "en-us")) == 2
    assert PiperEspeak().phonemize("  ", "en-us") == []


def test_ids_are_those_of_the_runtime(joe: tuple[Path, Path]) -> None:
    from piper.voice import PiperVoice

    voice = PiperVoice.load(*joe)
    text = "Hello there, 42 times. Why not?"
    sentences = PiperEspeak().phonemize(text, "en-us")
    id_map = json.loads(joe[1].read_text())["phoneme_id_map"]
    assert sentences == voice.phonemize(text)
    ids, unknown = phoneme_ids(sentences, id_map)
    assert ids == [i for sentence in sentences for i in voice.phonemes_to_ids(sentence)]
    assert unknown == []


def test_phonemes_without_an_id_are_left_out_and_named() -> None:
    ids, unknown = phoneme_ids([["a", "☃"]], {"^": [1], "_": [0], "$": [2], "a": [5]})
    assert (ids, unknown) == ([1, 0, 5, 0, 2], ["☃"])


def test_arabic_gets_its_vowel_marks_as_in_the_runtime() -> None:
    from piper.phonemize_espeak import EspeakPhonemizer

    bare = EspeakPhonemizer().phonemize("ar", "مرحبا بالعالم")
    assert PiperEspeak().phonemize("مرحبا بالعالم", "ar") != bare
