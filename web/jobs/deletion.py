"""Deleting jobs, and what they leave in storage."""

from __future__ import annotations

from django.db import transaction

from web.accounts.actions import release_storage
from web.accounts.models import User
from web.accounts.queries import require_editor
from web.core import audit, storage
from web.core.problems import Conflict
from web.datasets.models import Dataset
from web.jobs.models import (
    ACTIVE,
    Checkpoint,
    Job,
    JobInput,
    JobKind,
    Sample,
)
from web.voices import actions as voices
from web.voices.models import BaseVoice


def forget_jobs(sender: object, dataset: Dataset, **signal: object) -> None:
    """A dataset that is deleted takes its ended jobs along; one that is needed stays."""
    jobs = list(Job.objects.select_related("team", "version").filter(dataset=dataset))
    active = next((job for job in jobs if job.state in ACTIVE), None)
    if active is not None:
        raise Conflict(
            f"{active} needs this dataset. Wait for it to end, or cancel it first.", code="in_use"
        )
    for job in jobs:
        _delete(job)


def forget_imports(sender: object, base: BaseVoice, **signal: object) -> None:
    """A base voice that is deleted takes the files along that it was imported from."""
    if Job.objects.filter(base_voice=base, state__in=ACTIVE).exists():
        raise Conflict(
            f"A job that waits or runs needs {base.name}. Wait for it to end, or cancel it first.",
            code="in_use",
        )
    free_import(base)


def free_import(base: BaseVoice) -> None:
    """Delete the files that a base voice was imported from; it no longer needs them."""
    files = JobInput.objects.filter(job__base_voice=base, job__kind=JobKind.IMPORT_BASE)
    sizes = dict(files.values_list("key", "size"))
    if base.team is not None:
        release_storage(base.team, sum(sizes.values()))
    files.delete()
    transaction.on_commit(lambda: storage.delete(sizes))


def delete_job(user: User, job: Job) -> None:
    """Delete an ended job with its samples and checkpoints; its voice stays."""
    require_editor(user, job.team)
    job.refresh_from_db()
    if job.state in ACTIVE:
        raise Conflict("Cancel the job before you delete it.", code="active")
    audit.record(user, "delete_job", job, name=job.name)
    _delete(job)


def _delete(job: Job) -> None:
    """The clips that a check made belong to the dataset, and a voice's files to the voice."""
    checkpoints = Checkpoint.objects.filter(job=job)
    if Job.objects.filter(resume_checkpoint__in=checkpoints, state__in=ACTIVE).exists():
        raise Conflict(
            "A resumed training goes on from this one's checkpoint. Wait for it to end first.",
            code="in_use",
        )
    with transaction.atomic():
        sizes = dict(checkpoints.values_list("key", "size"))
        samples = Sample.objects.filter(job=job).values_list("key", flat=True)
        keys = {*sizes, *samples} - voices.keys_in_use(job)
        if job.team is not None:
            release_storage(job.team, sum(sizes.values()))
        job.delete()
        transaction.on_commit(lambda: storage.delete(keys))
