"""Files and archives on their way from a request to object storage.

Nothing is held in memory whole: uploads lie in temporary files, members of archives
pass through one each. Files are stored in batches: put first, then named by rows in
one short transaction, so a reader never sees a row without its object.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, cast
from uuid import uuid4

import structlog
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from minio.error import MinioException
from urllib3.exceptions import HTTPError

from web.accounts.actions import release_storage, reserve_storage
from web.accounts.models import User
from web.accounts.queries import require_editor
from web.core import storage
from web.core.problems import Conflict, QuotaExceeded, Unavailable
from web.datasets import names
from web.datasets.archives import BROKEN, MIB, ArchiveRefused, BadMember, Budget, members
from web.datasets.models import Dataset, DatasetState, SourceKind
from web.datasets.shelving import Arrival, Unshelved, shelve
from web.datasets.sniff import AUDIO_TYPES, HEAD_BYTES, Found, Refused, look_at

METADATA_BYTES = 32 * MIB
"""Of one file of transcripts: it is read whole. 10,000 rows are about 2 MB."""
BATCH_FILES = 64
BATCH_BYTES = 64 * MIB
"""About as much of an archive lies unpacked on disk at once."""
SPOOL_BYTES = 256 * 1024
"""A member of an archive up to this size waits in memory, a larger one on disk."""
PUTS_AT_ONCE = 4
BEING_CHECKED = (
    "The recordings are being checked, and files can't change meanwhile. "
    "Wait until it is done, or cancel the check."
)

log = structlog.get_logger(__name__)


@dataclass
class Outcome:
    accepted: list[str] = field(default_factory=list)
    rejected: list[dict[str, str]] = field(default_factory=list)
    """[{name, reason, code}]"""


def add_files(user: User, dataset: Dataset, files: Iterable[UploadedFile[Any]]) -> Outcome:
    """Take recordings, transcripts and archives of both; says what was taken and what not.

    Raises `Conflict` while the dataset is being checked, `QuotaExceeded` when there was no
    room for any of the files, `Unavailable` when the object storage does not answer.
    """
    require_editor(user, dataset.team)
    if Dataset.objects.filter(pk=dataset.pk, state=DatasetState.PREPARING).exists():
        raise Conflict(BEING_CHECKED, code="preparing")
    intake = Intake(dataset)
    try:
        for file in files:
            intake.take(file)
        intake.flush()
    finally:
        intake.close()
    outcome = intake.outcome
    if not outcome.accepted and outcome.rejected:
        codes = {entry["code"] for entry in outcome.rejected}
        if codes == {"storage_quota"}:
            raise QuotaExceeded(outcome.rejected[0]["reason"], code="storage_quota")
        if codes == {"preparing"}:
            raise Conflict(BEING_CHECKED, code="preparing")
    return outcome


class Intake:
    """Takes files for one dataset, in batches."""

    def __init__(self, dataset: Dataset) -> None:
        self.outcome = Outcome()
        self._dataset = dataset
        self._batch: dict[str, Arrival] = {}

    def take(self, upload: UploadedFile[Any]) -> None:
        """One file of a request, or all that is in it where it is an archive."""
        name = names.cleaned(upload.name or "")
        file = cast("BinaryIO", upload.file)
        refused = names.refusal(name) or _size_refusal(upload.size or 0)
        if refused:
            self._reject(names.shown(name), refused)
            return
        file.seek(0)
        found = look_at(name, file.read(HEAD_BYTES))
        if isinstance(found, Refused):
            self._reject(name, found)
        elif found.content in ("audio", "metadata"):
            file.seek(0)
            self._keep(name, found, file, _digest(file), upload.size or 0)
        else:
            self._unpack(name, found.content, file, upload.size or 0)

    def _unpack(self, name: str, content: str, file: BinaryIO, size: int) -> None:
        budget = Budget(packed=size, most_bytes=settings.SYRINX_UPLOAD_BYTES)
        is_empty = True
        try:
            for member in members(file, content, budget):
                is_empty = False
                if isinstance(member, BadMember):
                    self._reject(member.name, member.refused)
                else:
                    self._take_member(member.name, member.stream)
        except ArchiveRefused as refused:
            self._reject(name, Refused(refused.code, refused.reason))
        else:
            if is_empty:
                self._reject(name, Refused("empty_archive", "There is no file in it."))

    def _take_member(self, name: str, stream: IO[bytes]) -> None:
        # Closed by the flush that stores it.
        spool = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115
        kept = False
        try:
            head = _read_some(stream, HEAD_BYTES)
            found = look_at(name, head)
            if isinstance(found, Found) and found.content not in ("audio", "metadata"):
                found = Refused(
                    "nested_archive", "It is an archive inside an archive. Upload it by itself."
                )
            if isinstance(found, Refused):
                self._reject(name, found)
                return
            digest, size = hashlib.sha256(head), len(head)
            spool.write(head)
            while chunk := stream.read(MIB):
                digest.update(chunk)
                size += len(chunk)
                spool.write(chunk)
            file = cast("BinaryIO", spool)
            kept = self._keep(name, found, file, digest.hexdigest(), size, owned=True)
        except BROKEN:
            self._reject(name, Refused("damaged", "It is damaged inside the archive."))
        finally:
            if not kept:
                spool.close()

    def _keep(
        self, name: str, found: Found, file: BinaryIO, sha256: str, size: int, owned: bool = False
    ) -> bool:
        if found.content == "metadata" and size > METADATA_BYTES:
            reason = f"Transcripts may have {METADATA_BYTES // MIB} MiB. Split the file."
            self._reject(name, Refused("too_large", reason))
            return False
        waiting = sum(arrival.size for arrival in self._batch.values())
        if name in self._batch or len(self._batch) >= BATCH_FILES or waiting >= BATCH_BYTES:
            self.flush()
        dataset = self._dataset
        folder = f"uploads/{dataset.team_id}/{dataset.pk}/{uuid4()}"
        self._batch[name] = Arrival(
            name=name,
            kind=SourceKind.AUDIO if found.content == "audio" else SourceKind.METADATA,
            format=found.format,
            size=size,
            sha256=sha256,
            key=f"{folder}/{names.key_part(name)}",
            file=file,
            owned=owned,
        )
        return True

    def _reject(self, name: str, refused: Refused) -> None:
        entry = {"name": name, "reason": refused.reason, "code": refused.code}
        self.outcome.rejected.append(entry)

    def flush(self) -> None:
        """Store the batch. Raises `NotFound` when the dataset is gone, `Unavailable`."""
        batch, self._batch = list(self._batch.values()), {}
        try:
            self._store(batch)
        finally:
            for arrival in batch:
                arrival.close()

    def _store(self, batch: list[Arrival]) -> None:
        same = self._already_here(batch)
        paid = self._reserve([arrival for arrival in batch if arrival.name not in same])
        put: list[Arrival] = []
        try:
            _put_all(paid, put)
            shelve(self._dataset.pk, put)
        except BaseException as error:
            release_storage(self._dataset.team, sum(arrival.size for arrival in paid))
            _discard(put)
            if isinstance(error, Unshelved):
                for arrival in paid:
                    self._reject(arrival.name, Refused("preparing", BEING_CHECKED))
                paid = []
            elif isinstance(error, (MinioException, HTTPError, OSError)):
                log.warning("could not store uploads", error=str(error))
                raise Unavailable(
                    "The object storage did not take the files. Upload them again in a moment; "
                    "those that are stored already are skipped.",
                    code="storage",
                ) from error
            else:
                raise
        taken = same | {arrival.name for arrival in paid}
        self.outcome.accepted += [each.name for each in batch if each.name in taken]

    def _already_here(self, batch: list[Arrival]) -> set[str]:
        """Names under which the same content is stored already: no new object is needed."""
        stored = dict(
            self._dataset.sources.filter(name__in=[each.name for each in batch]).values_list(
                "name", "sha256"
            )
        )
        return {each.name for each in batch if stored.get(each.name) == each.sha256}

    def _reserve(self, batch: list[Arrival]) -> list[Arrival]:
        """Those for which the quota has room; the others are rejected."""
        team = self._dataset.team
        try:
            reserve_storage(team, sum(arrival.size for arrival in batch))
        except QuotaExceeded:
            paid = []
            for arrival in batch:
                try:
                    reserve_storage(team, arrival.size)
                except QuotaExceeded as refusal:
                    self._reject(arrival.name, Refused("storage_quota", refusal.detail))
                else:
                    paid.append(arrival)
            return paid
        return batch

    def close(self) -> None:
        """Drop what was not stored."""
        for arrival in self._batch.values():
            arrival.close()
        self._batch.clear()


def _put_all(batch: list[Arrival], done: list[Arrival]) -> None:
    """Put the objects, a few at once; `done` gets those that are in the store."""

    def put(arrival: Arrival) -> None:
        arrival.file.seek(0)
        kind = AUDIO_TYPES.get(arrival.format, "text/plain")
        storage.put(arrival.key, arrival.file, arrival.size, kind)
        done.append(arrival)

    with ThreadPoolExecutor(PUTS_AT_ONCE) as pool:
        list(pool.map(put, batch))


def _discard(batch: list[Arrival]) -> None:
    try:
        storage.delete(arrival.key for arrival in batch)
    except (MinioException, HTTPError, OSError, RuntimeError) as error:
        log.warning("could not delete uploads that were not taken", error=str(error))


def _size_refusal(size: int) -> Refused | None:
    most = settings.SYRINX_UPLOAD_BYTES
    if size > most:
        return Refused("too_large", f"It is larger than the {most:,} bytes allowed. Split it.")
    return None


def _read_some(stream: IO[bytes], amount: int) -> bytes:
    """`amount` bytes, fewer only at the end."""
    data = b""
    while len(data) < amount and (chunk := stream.read(amount - len(data))):
        data += chunk
    return data


def _digest(file: IO[Any]) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(MIB):
        digest.update(chunk)
    return digest.hexdigest()
