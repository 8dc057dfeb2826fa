"""Deleting jobs, and what they leave in storage."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Q

from web.accounts.actions import release_storage
from web.accounts.models import Team, User
from web.accounts.queries import require_editor
from web.core import audit, storage
from web.core.problems import Conflict
from web.datasets.models import Dataset
from web.jobs.models import ACTIVE, Job, JobInput, JobKind
from web.jobs.objects import SOURCE_FOLDER, TABLE_NAME, keys_to_export
from web.jobs.sweeping import in_use
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
    storage.delete_after_commit(sizes)


def delete_job(user: User, job: Job) -> None:
    """Delete an ended job with its samples and checkpoints; its voice stays."""
    require_editor(user, job.team)
    job.refresh_from_db()
    if job.state in ACTIVE:
        raise Conflict("Cancel the job before you delete it.", code="active")
    with transaction.atomic():
        audit.record(user, "delete_job", job, name=job.name)
        _delete(job)


@transaction.atomic
def _delete(job: Job) -> None:
    """The clips that a check made belong to the dataset, and a voice's files to the voice."""
    if job.team_id is not None:
        # Submitting waits for this row too, so nobody begins to need a checkpoint meanwhile.
        Team.objects.select_for_update(no_key=True).get(pk=job.team_id)
    sizes = dict(job.checkpoints.values_list("key", "size"))
    _refuse_needed(job, sizes)
    inputs = _own_inputs(job)
    if job.kind == JobKind.IMPORT_BASE:
        sizes |= inputs
    if job.team is not None:
        release_storage(job.team, sum(sizes.values()))
    keys = {*sizes, *inputs}
    keys.update(job.samples.values_list("key", flat=True))
    keys.update(job.stored_objects.values_list("key", flat=True))
    job.delete()
    storage.delete_after_commit(keys - in_use(keys))


def _refuse_needed(job: Job, keys: Iterable[str]) -> None:
    resumed = Job.objects.filter(resume_checkpoint__job=job, state__in=ACTIVE)
    if resumed.exists() or keys_to_export().filter(key__in=list(keys)).exists():
        raise Conflict(
            "A resumed training or an export needs one of its checkpoints. "
            "Wait for it to end first.",
            code="in_use",
        )


def _own_inputs(job: Job) -> dict[str, int]:
    """Inputs that were stored for the job itself, in bytes by key, unless a retry shares them."""
    mine = job.inputs.filter(Q(name=TABLE_NAME) | Q(name__startswith=SOURCE_FOLDER))
    sizes = {row.key: row.size for row in mine}
    others = JobInput.objects.filter(job__team=job.team_id, name__in=[row.name for row in mine])
    shared = others.exclude(job=job).filter(key__in=sizes).values_list("key", flat=True)
    for key in set(shared):
        del sizes[key]
    return sizes
