"""How an attempt ends its job, and how what it made becomes visible."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from web.core import storage
from web.core.problems import Invalid
from web.datasets import actions as datasets
from web.jobs.actions import undo_targets
from web.jobs.deletion import free_import
from web.jobs.fencing import Fenced, Holder, clean, close_attempt, held, tell
from web.jobs.models import Job, JobKind, JobState
from web.jobs.objects import ManifestEntry, stored_entries
from web.voices import actions as voices


def finish_succeeded(
    holder: Holder, manifest: Sequence[ManifestEntry], result: dict[str, Any]
) -> None:
    """End a job well, and make what it made visible, in one transaction.

    Called again after the answer was lost, it changes nothing. Raises `Fenced`.
    """
    if _ended_alike(holder, JobState.SUCCEEDED):
        return
    entries = stored_entries(holder, manifest)
    with transaction.atomic():
        job = _end(holder, JobState.SUCCEEDED, "succeeded", progress=1.0, result=result)
        if job.kind == JobKind.PREPARE and job.dataset is not None:
            _apply_prepared(job, entries)
        elif job.kind in (JobKind.TRAIN, JobKind.EXPORT) and job.team is not None:
            _publish(job, result, entries)
        elif job.kind == JobKind.IMPORT_BASE and job.base_voice is not None:
            voices.finish_import(job.base_voice, result, entries)
            free_import(job.base_voice)
        tell(job.pk, job.team_id)


def _apply_prepared(job: Job, entries: Sequence[ManifestEntry]) -> None:
    assert job.dataset is not None
    clips = {entry.name: entry for entry in entries if entry.role == "clip"}
    table = next((entry for entry in entries if entry.role == "utterances"), None)
    if table is None:
        raise Invalid("The agent's manifest lacks the table of utterances.", code="manifest")
    datasets.apply_prepared(job.dataset, _rows(table.key), clips)


def _rows(key: str) -> Iterator[dict[str, Any]]:
    """The lines of an NDJSON object, one at a time."""
    rest = b""
    for chunk in storage.read(key):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (json.loads(line) for line in lines if line.strip())
    if rest.strip():
        yield json.loads(rest)


def _publish(job: Job, result: dict[str, Any], entries: Sequence[ManifestEntry]) -> None:
    assert job.team is not None
    spec = job.spec
    quality = spec["params"]["quality"] if "params" in spec else spec["quality"]
    voice = voices.publish_voice(
        job.team, job.name, spec["language"], quality, result, spec["lineage"], entries
    )
    Job.objects.filter(pk=job.pk).update(voice=voice)


def finish_failed(holder: Holder, code: str, message: str) -> None:
    """End a job that no host could do. Raises `Fenced`."""
    if _ended_alike(holder, JobState.FAILED):
        return
    with transaction.atomic():
        job = _end(
            holder,
            JobState.FAILED,
            "failed",
            error_code=code[:60] or "failed",
            error_message=clean(message)[:2000] or "The agent gave no reason.",
        )
        undo_targets(job, clean(message))
        tell(job.pk, job.team_id)


def _end(holder: Holder, state: JobState, outcome: str, **fields: Any) -> Job:
    now = timezone.now()
    if not held(holder).update(
        state=state, ended=now, lease_until=None, eta_seconds=None, note="", **fields
    ):
        raise Fenced
    close_attempt(holder.job_id, holder.attempt, outcome)
    return Job.objects.select_related("team", "dataset", "base_voice").get(pk=holder.job_id)


def _ended_alike(holder: Holder, state: JobState) -> bool:
    return Job.objects.filter(
        pk=holder.job_id, attempt=holder.attempt, agent_id=holder.agent_id, state=state
    ).exists()
