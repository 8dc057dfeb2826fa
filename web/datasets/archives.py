"""Zip and tar files from strangers, read member by member.

Nothing is ever written under a member's name; a member is a stream that the caller
reads before asking for the next one. A bad member is refused by itself, the rest
goes in; what threatens the machine ends the whole archive.
"""

from __future__ import annotations

import gzip
import os
import stat
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, BinaryIO, cast

from web.datasets.names import cleaned, is_junk, refusal, shown
from web.datasets.sniff import Refused

MIB = 2**20
MOST_ENTRIES = 100_000
# Speech packs to a half, text to a fifth, and digital silence to a thousandth; below
# BOMB_FLOOR bytes nothing can hurt, so short silent recordings pass.
MOST_RATIO = 100
BOMB_FLOOR = 64 * MIB
UNPACK_SECONDS = 900.0
LONGEST_HEADER = MIB  # bytes of a tar's extended header, which tarfile reads into memory
BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    OSError,
    struct.error,
)
"""What the standard library raises for damaged archives. `ArchiveRefused` is none of them."""


class ArchiveRefused(Exception):
    """The archive can't be read on."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Member:
    name: str
    size: int
    """Bytes, as the archive says."""
    stream: IO[bytes]


@dataclass(frozen=True)
class BadMember:
    name: str
    refused: Refused


@dataclass
class Budget:
    """What unpacking one archive may cost."""

    packed: int
    """Bytes of the archive itself."""
    most_bytes: int
    most_entries: int = MOST_ENTRIES
    deadline: float = field(default_factory=lambda: time.monotonic() + UNPACK_SECONDS)
    unpacked: int = 0

    def spend(self, count: int) -> None:
        self.unpacked += count
        if self.unpacked > self.most_bytes:
            raise ArchiveRefused(
                "too_large",
                f"Unpacked it is larger than the {self.most_bytes:,} bytes allowed. Split it.",
            )
        if self.is_bomb(self.unpacked, self.packed):
            raise _bomb()
        if time.monotonic() > self.deadline:
            raise ArchiveRefused("too_slow", "Unpacking it took too long. Split it.")

    @staticmethod
    def is_bomb(unpacked: int, packed: int) -> bool:
        return unpacked > BOMB_FLOOR and unpacked > MOST_RATIO * max(packed, 1)


class _Metered:
    """A stream whose bytes count against the budget."""

    def __init__(self, stream: IO[bytes], budget: Budget) -> None:
        self._stream = stream
        self._budget = budget

    def read(self, amount: int = -1) -> bytes:
        data = self._stream.read(MIB if amount < 0 else min(amount, MIB))
        self._budget.spend(len(data))
        return data


def members(file: BinaryIO, content: str, budget: Budget) -> Iterator[Member | BadMember]:
    """The files of an archive, in its order; folders and systems' litter are left out.

    Raises `ArchiveRefused` when it has to stop, also in the middle: what came before is good.
    """
    read = _zip_members if content == "zip" else _tar_members
    taken: set[str] = set()
    try:
        for member in read(file, content, budget):
            if isinstance(member, Member):
                if member.name in taken:
                    again = Refused(
                        "duplicate_name",
                        "The archive holds a file of this name twice; the first was taken.",
                    )
                    yield BadMember(member.name, again)
                    continue
                taken.add(member.name)
            yield member
    except BROKEN as error:
        raise ArchiveRefused(
            "damaged_archive",
            "The archive is damaged or breaks off, so what follows the files named here could "
            "not be read. Pack it again and upload it again; what is here already is skipped.",
        ) from error


def _judge(raw_name: str) -> tuple[str, Refused | None]:
    name = cleaned(raw_name)
    refused = refusal(name)
    return (shown(name), refused) if refused else (name, None)


def _zip_members(file: BinaryIO, content: str, budget: Budget) -> Iterator[Member | BadMember]:
    _count_zip_entries(file, budget.most_entries)
    with zipfile.ZipFile(file) as archive:
        judged = [
            (entry, *_judge_zip_entry(entry))
            for entry in archive.infolist()
            if not entry.is_dir() and not is_junk(_zip_name(entry))
        ]
        if sum(entry.file_size for entry, _, refused in judged if not refused) > budget.most_bytes:
            budget.spend(budget.most_bytes + 1)
        for entry, name, refused in judged:
            if refused:
                yield BadMember(name, refused)
                continue
            try:
                stream = archive.open(entry)
            except BROKEN:
                yield BadMember(name, Refused("damaged", "It is damaged inside the archive."))
                continue
            with stream:
                yield Member(name, entry.file_size, cast("IO[bytes]", _Metered(stream, budget)))


def _judge_zip_entry(entry: zipfile.ZipInfo) -> tuple[str, Refused | None]:
    name, refused = _judge(_zip_name(entry))
    return name, refused or _zip_entry_refusal(entry)


def _zip_entry_refusal(entry: zipfile.ZipInfo) -> Refused | None:
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return _not_a_file()
    if entry.flag_bits & 0x1:
        return Refused("encrypted", "It is locked with a password. Pack it without one.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return Refused("compression", "Its compression is not read. Pack it as an ordinary zip.")
    if Budget.is_bomb(entry.file_size, entry.compress_size):
        return Refused("zip_bomb", "It unpacks to far more than a recording would. Pack it again.")
    return None


def _zip_name(entry: zipfile.ZipInfo) -> str:
    """As written in the archive: `ZipInfo.filename` is cut at a NUL."""
    name = entry.orig_filename
    if not entry.flag_bits & 0x800:
        # Without the flag a name is said to be CP437, but macOS writes UTF-8.
        try:
            return name.encode("cp437").decode()
        except UnicodeError:
            return name
    return name


_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY_BYTES = 46  # of a central directory entry, without its name, extra field and comment


def _count_zip_entries(file: BinaryIO, most: int) -> None:
    """Walk the central directory before `zipfile` reads all of it into memory.

    The count at its end may lie, so the entries are counted. Finds the end as
    `zipfile` does: the last 22 bytes, else the last signature within a comment's reach.
    """
    total = file.seek(0, os.SEEK_END)
    start = max(0, total - _END.size - 65535)
    file.seek(start)
    tail = file.read()
    at = len(tail) - _END.size
    if not (at >= 0 and tail[at:].startswith(b"PK\x05\x06") and tail.endswith(b"\0\0")):
        at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise zipfile.BadZipFile("no end of central directory")
    size = _END.unpack_from(tail, at)[5]
    end = start + at
    locator = at - _END64_LOCATOR.size
    if locator >= 0 and tail[locator:].startswith(b"PK\x06\x07"):
        record = locator - _END64.size
        if record >= 0 and tail[record:].startswith(b"PK\x06\x06"):
            size = _END64.unpack_from(tail, record)[8]
            end = start + record
    begin = end - size
    if begin < 0:
        raise zipfile.BadZipFile("bad size of central directory")
    count = 0
    while begin + _ENTRY_BYTES <= end:
        file.seek(begin)
        head = file.read(_ENTRY_BYTES)
        if head[:4] != b"PK\x01\x02":
            break
        begin += _ENTRY_BYTES + sum(struct.unpack_from("<3H", head, 28))
        count += 1
        if count > most:
            raise _too_many(most)


class _TarInfo(tarfile.TarInfo):
    """Refuses extended headers that `tarfile` would read into memory whole."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        extended = (
            tarfile.GNUTYPE_LONGNAME,
            tarfile.GNUTYPE_LONGLINK,
            tarfile.XHDTYPE,
            tarfile.XGLTYPE,
            tarfile.SOLARIS_XHDTYPE,
        )
        if self.type in extended and self.size > LONGEST_HEADER:
            raise ArchiveRefused("damaged_archive", "A header in the archive is absurdly long.")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]


def _tar_members(file: BinaryIO, content: str, budget: Budget) -> Iterator[Member | BadMember]:
    file.seek(0)
    packed = gzip.GzipFile(fileobj=file) if content == "tar.gz" else file
    metered = cast("BinaryIO", _Metered(cast("IO[bytes]", packed), budget))
    with tarfile.open(fileobj=metered, mode="r|", tarinfo=_TarInfo) as archive:
        for count, entry in enumerate(archive, start=1):
            if count > budget.most_entries:
                raise _too_many(budget.most_entries)
            # A stream is read once; what tarfile remembers would only grow.
            archive.members.clear()  # type: ignore[attr-defined]
            if entry.isdir() or is_junk(entry.name):
                continue
            name, refused = _judge(entry.name)
            if not entry.isfile() or entry.issparse():
                refused = refused or _not_a_file()
            stream = None if refused else archive.extractfile(entry)
            if refused or stream is None:
                yield BadMember(name, refused or _not_a_file())
                continue
            yield Member(name, entry.size, stream)


def _not_a_file() -> Refused:
    return Refused("not_a_file", "It is a link or a device, not a file. Pack the file itself.")


def _bomb() -> ArchiveRefused:
    return ArchiveRefused(
        "zip_bomb", "It unpacks to far more than recordings would, so we stopped. Pack it again."
    )


def _too_many(most: int) -> ArchiveRefused:
    return ArchiveRefused("too_many_entries", f"It holds more than {most:,} files. Split it.")
