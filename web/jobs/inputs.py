"""What the holder of a job downloads: its table of utterances, clips, a base voice."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

from web.core import storage
from web.datasets.models import VersionItem
from web.jobs.models import Job, JobInput
from web.jobs.objects import TABLE_NAME
from web.voices.models import BaseVoice


def attach_table(job: Job, rows: Iterable[dict[str, Any]]) -> None:
    """Store `utterances.ndjson` as an input of the job."""
    job.save()
    body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    reader = storage.HashingReader(io.BytesIO(body))
    key = f"jobs/{job.pk}/0/{TABLE_NAME}"
    storage.put(key, reader, len(body), "application/x-ndjson")  # type: ignore[arg-type]
    JobInput.objects.create(job=job, name=TABLE_NAME, key=key, sha256=reader.sha256, size=len(body))


def training_row(item: VersionItem) -> dict[str, Any]:
    return {
        "id": str(item.pk),
        "name": item.name,
        "text": item.text,
        "audio": f"clips/{item.clip_sha256}.wav",
        "seconds": item.seconds,
    }


def attach_clips(job: Job, items: Iterable[VersionItem]) -> None:
    unique = {item.clip_sha256: item for item in items}
    JobInput.objects.bulk_create(
        JobInput(
            job=job,
            name=f"clips/{sha256}.wav",
            key=item.clip_key,
            sha256=sha256,
            size=item.clip_size,
        )
        for sha256, item in unique.items()
    )


def attach_base(job: Job, base: BaseVoice) -> None:
    for name, part in (("weights.safetensors", "weights"), ("config.json", "config")):
        JobInput.objects.create(
            job=job,
            name=f"base/{name}",
            key=getattr(base, f"{part}_key"),
            sha256=getattr(base, f"{part}_sha256"),
            size=getattr(base, f"{part}_size"),
        )
