"""Archives from strangers: the good members come out, the bad ones are named, nothing explodes."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.web.datasets.samples import tarred, tone, zipped
from web.datasets.archives import BROKEN, MIB, ArchiveRefused, BadMember, Budget, members

GOOD = {"wavs/0001.wav": tone(0.05), "metadata.csv": b"0001|Hi.\n"}


def unpack(
    data: bytes, content: str, most_bytes: int = 100 * MIB, **limits: Any
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Contents by name, and codes of what was refused by name ('' for the archive)."""
    good: dict[str, bytes] = {}
    bad: dict[str, str] = {}
    budget = Budget(packed=len(data), most_bytes=most_bytes, **limits)
    try:
        for member in members(io.BytesIO(data), content, budget):
            if isinstance(member, BadMember):
                assert member.refused.reason.endswith(".")
                bad[member.name] = member.refused.code
                continue
            try:
                good[member.name] = b"".join(iter(partial(member.stream.read, 4096), b""))
            except BROKEN:
                bad[member.name] = "damaged"
    except ArchiveRefused as refused:
        bad[""] = refused.code
    return good, bad


def packed(name: str, data: bytes = b"x") -> list[tuple[bytes, str]]:
    """GOOD and one more file, as zip and as tar."""
    return [
        (zipped({**GOOD, name: data}), "zip"),
        (tarred({**GOOD, name: data}), "tar.gz"),
    ]


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (zipped(GOOD), "zip"),
        (zipped(GOOD, zipfile.ZIP_STORED), "zip"),
        (tarred(GOOD), "tar.gz"),
        (tarred(GOOD, "w"), "tar"),
    ],
)
def test_good_members_come_out_whole(data: bytes, content: str) -> None:
    assert unpack(data, content) == (GOOD, {})


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../escape.wav", "path_escape"),
        ("wavs/../../escape.wav", "path_escape"),
        ("/etc/passwd", "absolute_name"),
        ("C:/autoexec.bat", "absolute_name"),
        ("wavs\\0002.wav", "backslash"),
        ("CON.wav", "device_name"),
        ("wavs/aux", "device_name"),
        ("evil\u202evaw.exe", "control_character"),
        ("bell\x07.wav", "control_character"),
        ("new\nline.wav", "control_character"),
        ("a" * 300 + ".wav", "name_length"),
    ],
)
def test_a_hostile_name_is_refused_and_the_rest_goes_in(name: str, code: str) -> None:
    for data, content in packed(name):
        good, bad = unpack(data, content)
        assert good == GOOD
        assert list(bad.values()) == [code], content
        assert all(character.isprintable() for character in next(iter(bad)))


def test_a_nul_in_a_zip_name_is_seen_though_python_cuts_it() -> None:
    data = zipped({**GOOD, "a_b.wav": b"x"}).replace(b"a_b.wav", b"a\0b.wav")
    assert unpack(data, "zip") == (GOOD, {"a\ufffdb.wav": "control_character"})


@pytest.mark.parametrize(
    "name", ["__MACOSX/._0001.wav", ".DS_Store", "wavs/.hidden/a.wav", "Thumbs.db", "._a.wav"]
)
def test_litter_of_systems_is_left_out_silently(name: str) -> None:
    for data, content in packed(name):
        assert unpack(data, content) == (GOOD, {})


def test_folders_are_no_files_and_leading_dots_are_cut() -> None:
    assert unpack(tarred({"./a.wav": b"x"}), "tar.gz") == ({"a.wav": b"x"}, {})
    assert unpack(zipped({"wavs/": b"", "./a.wav": b"x"}), "zip") == ({"a.wav": b"x"}, {})


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_link_or_device_in_a_zip_is_refused(kind: int) -> None:
    body = io.BytesIO(zipped(GOOD))
    with zipfile.ZipFile(body, "a") as archive:
        entry = zipfile.ZipInfo("link.wav")
        entry.external_attr = (kind | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    assert unpack(body.getvalue(), "zip") == (GOOD, {"link.wav": "not_a_file"})


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_a_link_or_device_in_a_tar_is_refused(kind: bytes) -> None:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        entry = tarfile.TarInfo("link.wav")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
        after = tarfile.TarInfo("a.wav")
        after.size = 1
        archive.addfile(after, io.BytesIO(b"x"))
    assert unpack(body.getvalue(), "tar") == ({"a.wav": b"x"}, {"link.wav": "not_a_file"})


def test_a_member_with_a_password_is_refused() -> None:
    data = bytearray(zipped({"secret.wav": b"x" * 20}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert unpack(bytes(data), "zip") == ({}, {"secret.wav": "encrypted"})


def test_an_unusual_compression_is_refused() -> None:
    data = zipped({"a.wav": b"x" * 100}, zipfile.ZIP_LZMA)
    assert unpack(data, "zip") == ({}, {"a.wav": "compression"})


def test_a_second_file_of_a_name_is_refused() -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("a.wav", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.wav", b"2")
    assert unpack(body.getvalue(), "zip") == ({"a.wav": b"1"}, {"a.wav": "duplicate_name"})


def test_names_are_composed_and_utf_8_is_seen_without_its_flag() -> None:
    assert unpack(tarred({"u\u0308.wav": b"x"}), "tar.gz")[0] == {"\u00fc.wav": b"x"}
    data = zipped({"\u00fc.wav": b"x"})
    unflagged = bytearray(data)
    unflagged[7] &= ~0x08
    unflagged[unflagged.index(b"PK\x01\x02") + 9] &= ~0x08
    assert unpack(bytes(unflagged), "zip")[0] == {"\u00fc.wav": b"x"}


def zeros(count: int) -> bytes:
    return bytes(count)


def test_a_bomb_in_a_zip_is_refused_by_itself() -> None:
    data = zipped({**GOOD, "bomb.wav": zeros(80 * MIB)})
    assert len(data) < MIB
    started = time.monotonic()
    assert unpack(data, "zip", 1000 * MIB) == (GOOD, {"bomb.wav": "zip_bomb"})
    assert time.monotonic() - started < 2


def test_a_zip_larger_than_allowed_is_refused_before_unpacking() -> None:
    data = zipped({"a.wav": zeros(3 * MIB), "b.wav": zeros(3 * MIB)})
    assert unpack(data, "zip", 5 * MIB) == ({}, {"": "too_large"})


def test_a_bomb_in_a_tar_is_stopped_while_unpacking() -> None:
    data = tarred({"metadata.csv": b"a|b\n", "bomb.wav": zeros(80 * MIB)})
    good, bad = unpack(data, "tar.gz", 1000 * MIB)
    assert (list(good), bad) == (["metadata.csv"], {"": "zip_bomb"})
    assert unpack(data, "tar.gz", 10 * MIB)[1] == {"": "too_large"}


def test_unpacking_stops_after_its_time() -> None:
    assert unpack(zipped(GOOD), "zip", deadline=time.monotonic() - 1)[1] == {"": "too_slow"}


def test_short_silence_that_packs_well_is_no_bomb() -> None:
    silence = {"silence.wav": zeros(10 * MIB)}
    assert unpack(zipped(silence), "zip") == (silence, {})


def test_entries_are_counted_before_anything_is_unpacked() -> None:
    many = {f"{index}.wav": b"" for index in range(30)}
    assert unpack(zipped(many), "zip", most_entries=29) == ({}, {"": "too_many_entries"})
    assert unpack(zipped(many), "zip", most_entries=30)[1] == {}
    assert unpack(tarred(many), "tar.gz", most_entries=29)[1] == {"": "too_many_entries"}


def test_a_million_entries_are_refused_in_bounded_time_and_memory() -> None:
    """The count at the end lies; the directory is walked."""
    name = b"a.wav"
    fields = (*(20, 3, 20, 0), *(0,) * 7, len(name), *(0,) * 6)
    directory = (b"PK\x01\x02" + struct.pack("<4B4H3L5H2L", *fields) + name) * 1_000_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), 0, 0)
    data = directory + end
    tracemalloc.start()
    try:
        started = time.monotonic()
        assert unpack(data, "zip") == ({}, {"": "too_many_entries"})
        assert time.monotonic() - started < 10
        assert tracemalloc.get_traced_memory()[1] < 80 * MIB  # io.BytesIO(data) is 51 of it
    finally:
        tracemalloc.stop()


def test_an_endless_tar_header_is_refused_unread() -> None:
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 200 * MIB
    data = gzip.compress(entry.tobuf() + zeros(20 * MIB), 1)
    tracemalloc.start()
    try:
        assert unpack(data, "tar.gz", 1000 * MIB)[1] == {"": "damaged_archive"}
        assert tracemalloc.get_traced_memory()[1] < 10 * MIB
    finally:
        tracemalloc.stop()


def test_a_sparse_tar_member_is_refused() -> None:
    entry = tarfile.TarInfo("sparse.wav")
    entry.type = tarfile.GNUTYPE_SPARSE
    data = entry.tobuf(tarfile.GNU_FORMAT) + zeros(1024)
    assert unpack(data, "tar")[1] in ({"sparse.wav": "not_a_file"}, {"": "damaged_archive"})


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


NOISE = {f"{index}.wav": tone(0.2, 100 + index) for index in range(5)}


def test_a_truncated_zip_is_refused() -> None:
    assert unpack(cut(zipped(NOISE)), "zip") == ({}, {"": "damaged_archive"})


@pytest.mark.parametrize(("mode", "content"), [("w", "tar"), ("w:gz", "tar.gz")])
def test_of_a_truncated_tar_the_beginning_is_good(mode: str, content: str) -> None:
    good, bad = unpack(cut(tarred(NOISE, mode)), content)
    assert bad[""] == "damaged_archive"
    assert 0 < len(good) < 5
    assert all(NOISE[name] == data for name, data in good.items())


def test_a_gzip_file_that_is_no_tar_is_refused() -> None:
    assert unpack(gzip.compress(b"0001|Hi.\n" * 1000), "tar.gz") == ({}, {"": "damaged_archive"})


def test_a_damaged_member_is_refused_and_the_rest_goes_in() -> None:
    data = bytearray(zipped(NOISE, zipfile.ZIP_STORED))
    data[100] ^= 0xFF
    good, bad = unpack(bytes(data), "zip")
    assert bad == {"0.wav": "damaged"}
    assert len(good) == 4


@pytest.mark.parametrize(
    ("make", "content"), [(zipped, "zip"), (tarred, "tar.gz")], ids=["zip", "tar.gz"]
)
@settings(deadline=None, max_examples=60)
@given(at=st.integers(0, 10**6), flip=st.binary(min_size=1, max_size=8))
def test_no_damage_makes_it_raise(
    make: Callable[[dict[str, bytes]], bytes], content: str, at: int, flip: bytes
) -> None:
    data = bytearray(make(GOOD))
    at %= len(data)
    data[at : at + len(flip)] = flip
    unpack(bytes(data), content)
