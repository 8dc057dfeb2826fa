"""Files are judged by their first bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.web.datasets.samples import tarred, tone, zipped
from web.datasets.sniff import Found, Refused, look_at


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (tone(0.01), "wav"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "wav"),
        (b"fLaC\0\0\0\x22", "flac"),
        (b"OggS\0\x02", "ogg"),
        (b"\0\0\0\x20ftypM4A ", "m4a"),
        (b"\x1a\x45\xdf\xa3\x9f", "webm"),
        (b"ID3\x04\0\0", "mp3"),
        (b"\xff\xfb\x90\x64\0\0", "mp3"),
    ],
)
def test_recordings_whatever_their_name(head: bytes, kind: str) -> None:
    assert look_at("a.wav", head) == Found("audio", kind)
    assert look_at("noname", head) == Found("audio", kind)


@pytest.mark.parametrize(
    ("name", "head", "code"),
    [
        ("a.wav", b"", "empty"),
        ("metadata.csv", b"", "empty"),
        ("a.wav", b"This is a text.", "not_audio"),
        ("a.mp3", b"#EXTM3U\n#EXT-X-VERSION:3\nfile:///etc/passwd\n", "not_audio"),
        ("a.m3u8", b"#EXTM3U\nhttp://example.org/a.ts\n", "not_audio"),
        ("a.wav", b"ffconcat version 1.0\nfile /etc/passwd\n", "not_audio"),
        ("a.wav", b"RIFF\0\0\0\0AVI LIST", "not_audio"),
        ("a.mp3", b"\xff\xfe#\0E\0X\0T\0", "not_audio"),
        ("a.mp3", b"\xff\xff\xff\xff\xff\xff", "not_audio"),
        ("metadata.csv", tone(0.01), "mislabelled"),
        ("README.txt", b"Thanks for all the fish.", "not_transcripts"),
        ("page.html", b"<html>", "unknown_type"),
        ("LICENSE", b"text", "unknown_type"),
        ("a.rar", b"Rar!\x1a\x07", "archive_type"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c", "archive_type"),
        ("a.tar.xz", b"\xfd7zXZ\0", "archive_type"),
    ],
)
def test_what_is_refused(name: str, head: bytes, code: str) -> None:
    found = look_at(name, head)
    assert isinstance(found, Refused)
    assert found.code == code
    assert found.reason.endswith(".") and " " in found.reason


def test_transcripts_by_name_and_text_files_by_their_bars() -> None:
    for name in ("metadata.csv", "METADATA.CSV", "list.tsv", "train.txt"):
        assert look_at(name, b"0001|Good morning.\n") == Found("metadata")


def test_archives() -> None:
    files = {"a.wav": tone(0.01)}
    assert look_at("a.zip", zipped(files)) == Found("zip")
    assert look_at("a.zip", zipped({})) == Found("zip")
    assert look_at("a.tgz", tarred(files)) == Found("tar.gz")
    assert look_at("a.tar", tarred(files, "w")) == Found("tar")
    assert look_at("a.wav", zipped(files)) == Found("zip")


@given(st.text(max_size=20), st.binary(max_size=64))
def test_no_bytes_make_it_raise(name: str, head: bytes) -> None:
    assert isinstance(look_at(name, head), Found | Refused)
