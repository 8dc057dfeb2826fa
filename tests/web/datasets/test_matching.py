"""Rows find their recordings, however people write names."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.datasets.matching import Recordings


def find(row_id: str, *names: str) -> list[str]:
    return Recordings((name, name) for name in names).find(row_id)


@pytest.mark.parametrize(
    "row_id",
    [
        *("0001", "0001.wav", "0001.mp3", "wavs/0001.wav", "wavs/0001", "./wavs/0001.wav"),
        *("WAVS\\0001.WAV", "/home/me/wavs/0001.wav"),
    ],
)
def test_with_or_without_folder_extension_and_case(row_id: str) -> None:
    assert find(row_id, "wavs/0001.wav", "wavs/0002.wav") == ["wavs/0001.wav"]


def test_composed_and_decomposed_unicode_are_the_same() -> None:
    stored = unicodedata.normalize("NFC", "grüße.wav")
    assert find(unicodedata.normalize("NFD", "grüße"), stored) == [stored]


def test_another_folder_is_another_recording() -> None:
    assert find("a/0001", "b/0001.wav") == []
    assert find("a/0001", "b/0001.wav", "a/0001.wav") == ["a/0001.wav"]


def test_two_that_fit_equally_well_are_both_named() -> None:
    assert find("0001", "a/0001.wav", "b/0001.wav") == ["a/0001.wav", "b/0001.wav"]
    assert find("0001", "0001.wav", "0001.mp3") == ["0001.wav", "0001.mp3"]


def test_the_extension_decides_between_two() -> None:
    assert find("0001.mp3", "0001.wav", "0001.mp3") == ["0001.mp3"]


def test_the_exact_case_decides_between_two() -> None:
    assert find("Take", "take.wav", "Take.wav") == ["Take.wav"]


def test_a_file_on_top_is_preferred_to_one_in_a_folder() -> None:
    assert find("0001", "0001.wav", "old/0001.wav") == ["0001.wav"]


def test_a_dot_in_an_id_is_no_extension() -> None:
    assert find("LJ.001", "LJ.001.wav") == ["LJ.001.wav"]
    assert find("LJ.001", "LJ.wav") == []


@pytest.mark.parametrize("row_id", ["", "/", ".", ".wav", "\\"])
def test_an_id_without_a_name_finds_nothing(row_id: str) -> None:
    assert find(row_id, "0001.wav") == []


@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=5))
def test_no_name_makes_it_raise(row_id: str, names: list[str]) -> None:
    assert set(find(row_id, *names)) <= set(names)
