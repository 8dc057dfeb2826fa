"""Objects of a job: what its holder may download, and what it has uploaded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.db.models import QuerySet

from web.core import storage
from web.core.problems import Invalid
from web.jobs.fencing import Fenced, Holder, held, writing
from web.jobs.models import ACTIVE, Checkpoint, Job, JobInput, JobKind, JobObject

RESUME_NAME = "resume.ckpt"
CHECKPOINT_NAME = "checkpoint.ckpt"
"""What an export reads."""
SIZES_AT_ONCE = 8
TABLE_NAME = "utterances.ndjson"
SOURCE_FOLDER = "source/"
"""Of the files that an import reads."""
NAME = re.compile(r"[\w][\w .+\-]*(/[\w][\w .+\-]*)*")


@dataclass(frozen=True)
class ManifestEntry:
    name: str
    role: str
    sha256: str
    size: int
    key: str = ""


def newest_checkpoint(job: Job) -> Checkpoint | None:
    """What a new attempt goes on from."""
    return job.checkpoints.order_by("-step").first() or job.resume_checkpoint


def keys_to_export() -> QuerySet[JobInput, str]:
    """Of checkpoints that an export waits for or reads now."""
    return JobInput.objects.filter(
        name=CHECKPOINT_NAME, job__kind=JobKind.EXPORT, job__state__in=ACTIVE
    ).values_list("key", flat=True)


def input_keys(holder: Holder, names: Sequence[str]) -> dict[str, str]:
    """Object keys of a held job's inputs by name. Raises `Fenced`, or `Invalid` for others."""
    job = held(holder).select_related("resume_checkpoint").first()
    if job is None:
        raise Fenced
    found = dict(JobInput.objects.filter(job=job, name__in=names).values_list("name", "key"))
    checkpoint = newest_checkpoint(job) if RESUME_NAME in names else None
    if checkpoint is not None:
        found[RESUME_NAME] = checkpoint.key
    unknown = set(names) - set(found)
    if unknown:
        raise Invalid(f"The job has no input {sorted(unknown)[0]!r}.", code="input")
    return {name: found[name] for name in names}


def create_objects(holder: Holder, files: Sequence[tuple[str, int, str]]) -> list[JobObject]:
    """Note (name, size, sha256) of what the attempt is about to upload, and give each its key."""
    made = []
    with writing(holder):
        for name, size, sha256 in files:
            if not NAME.fullmatch(name) or ".." in name or len(name) > 300:
                raise Invalid(f"{name!r} can't be the name of an object.", code="name")
            if not re.fullmatch(r"[0-9a-f]{64}", sha256) or size < 0:
                raise Invalid(f"{name}: size or sha256 is wrong.", code="sha256")
            key = f"jobs/{holder.job_id}/{holder.attempt}/{sha256}/{name}"
            row, _ = JobObject.objects.get_or_create(
                key=key,
                defaults={
                    "job_id": holder.job_id,
                    "attempt": holder.attempt,
                    "name": name,
                    "sha256": sha256,
                    "size": size,
                },
            )
            made.append(row)
    return made


def stored_entry(holder: Holder, entry: ManifestEntry) -> ManifestEntry:
    return stored_entries(holder, [entry])[0]


def stored_entries(holder: Holder, entries: Sequence[ManifestEntry]) -> list[ManifestEntry]:
    """The entries with their keys, once the objects are known to lie in storage in full."""
    names = {entry.name for entry in entries}
    rows = JobObject.objects.filter(job_id=holder.job_id, attempt=holder.attempt, name__in=names)
    announced = {(row.name, row.sha256): row for row in rows}
    # A check brings thousands of clips, and its agent waits 15 s for the answer.
    with ThreadPoolExecutor(SIZES_AT_ONCE) as pool:
        sizes = dict(zip(announced, pool.map(lambda row: storage.size(row.key), rows), strict=True))
    return [_stored(entry, announced, sizes) for entry in entries]


def _stored(
    entry: ManifestEntry,
    announced: Mapping[tuple[str, str], JobObject],
    sizes: Mapping[tuple[str, str], int | None],
) -> ManifestEntry:
    row = announced.get((entry.name, entry.sha256))
    if row is None:
        raise Invalid(f"{entry.name} was never announced by this attempt.", code="manifest")
    found = sizes[entry.name, entry.sha256]
    if found != row.size:
        raise Invalid(
            f"{entry.name} has {found} bytes in storage and should have {row.size}.",
            code="incomplete",
        )
    return ManifestEntry(row.name, entry.role, row.sha256, row.size, row.key)


def multipart_of(row: JobObject) -> str:
    """The id of the object's multipart upload: the one under way, so that its parts are kept."""
    # Where the object is whole, only the answer was lost, and its id is used up.
    if not row.upload_id or storage.size(row.key) is not None:
        row.upload_id = storage.start_multipart(row.key)
        row.save(update_fields=["upload_id"])
    return row.upload_id
