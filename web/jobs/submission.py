"""Submitting jobs: what is checked, frozen and attached before a job waits."""

from __future__ import annotations

import copy
import re
import unicodedata
from typing import Any

from django.db import transaction
from django.utils import timezone

from web.accounts.models import Team, User
from web.accounts.queries import require_editor
from web.core import audit
from web.core.problems import Conflict, Forbidden, NotFound
from web.datasets import actions as datasets
from web.datasets.models import Dataset, DatasetState, VersionItem
from web.jobs import queue
from web.jobs.fencing import tell
from web.jobs.inputs import attach_base, attach_clips, attach_table, training_row
from web.jobs.models import (
    Checkpoint,
    Job,
    JobInput,
    JobKind,
    JobState,
)
from web.jobs.objects import CHECKPOINT_NAME, SOURCE_FOLDER
from web.jobs.params import TrainOptions, preset_named, resolve
from web.jobs.presets import SENTENCES
from web.jobs.room import room_for_a_job, room_for_a_training
from web.voices import actions as voices
from web.voices.models import BaseVoice, BaseVoiceState

PREPARED_SAMPLE_RATE = 22050


def submit_prepare(user: User, dataset: Dataset) -> Job:
    """Have a dataset checked, standardised and phonemised."""
    require_editor(user, dataset.team)
    with transaction.atomic():
        team = room_for_a_job(dataset.team)
        dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if dataset.state == DatasetState.PREPARING:
            raise Conflict("This dataset is being checked already.", code="preparing")
        datasets.build_utterances(dataset)
        rows, sources = datasets.prepare_inputs(dataset)
        job = _new_job(
            user,
            team,
            JobKind.PREPARE,
            dataset.name,
            dataset=dataset,
            spec={"language": dataset.language, "sample_rate": PREPARED_SAMPLE_RATE},
        )
        attach_table(job, rows)
        JobInput.objects.bulk_create(
            JobInput(job=job, name=name, key=file.key, sha256=file.sha256, size=file.size)
            for name, file in sources.items()
        )
        datasets.mark_preparing(dataset)
        start_job(job, user)
    return job


def submit_train(
    user: User,
    dataset: Dataset,
    *,
    preset: str,
    base_voice: BaseVoice | None = None,
    name: str | None = None,
    params: TrainOptions | None = None,
    resume_from: Checkpoint | None = None,
) -> Job:
    """Train a voice on the dataset as it is now, which becomes a version."""
    require_editor(user, dataset.team)
    chosen = params or TrainOptions()
    way = preset_named(preset)
    if base_voice is None and way.needs_base:
        base_voice = default_base(dataset.team, dataset.language)
    if base_voice is not None and base_voice.state != BaseVoiceState.READY:
        raise Conflict(
            f"The base voice {base_voice.name} is not ready: "
            f"{base_voice.get_state_display().lower()}.",
            code="base_not_ready",
        )
    resolved = resolve(way, chosen, base_voice)
    with transaction.atomic():
        team = room_for_a_training(dataset.team)
        version = datasets.freeze_version(dataset)
        voice_name = voice_slug(name or dataset.name)
        job = _new_job(
            user,
            team,
            JobKind.TRAIN,
            name or dataset.name,
            dataset=dataset,
            version=version,
            base_voice=base_voice,
            preset=way.key,
            resume_checkpoint=resume_from,
        )
        job.spec = {
            "language": dataset.language,
            "voice_name": voice_name,
            "has_base": base_voice is not None,
            "params": resolved,
            "sentences": list(chosen.sentences or sentences_for(dataset.language)),
            "lineage": voices.lineage_of(
                job.pk, team, dataset.name, dataset.pk, version, base_voice
            ),
        }
        items = list(VersionItem.objects.filter(version=version))
        attach_table(job, map(training_row, items))
        attach_clips(job, items)
        if base_voice is not None:
            attach_base(job, base_voice)
        start_job(job, user)
    return job


def submit_import_base(
    user: User, team: Team | None, name: str, licence: str, files: dict[str, JobInput]
) -> Job:
    """Turn an ONNX voice or a checkpoint, already in storage, into a base voice.

    `files` maps the file's name to an unsaved input that says where it lies.
    """
    require_importer(user, team)
    source = "onnx" if any(file.endswith(".onnx") for file in files) else "checkpoint"
    with transaction.atomic():
        if team is not None:
            team = room_for_a_job(team)
        base = BaseVoice.objects.create(team=team, name=name, licence=licence, source=source)
        job = _new_job(
            user, team, JobKind.IMPORT_BASE, name, base_voice=base, spec={"source": source}
        )
        for file_name, file in files.items():
            file.job, file.name = job, f"{SOURCE_FOLDER}{file_name}"
            file.save()
        start_job(job, user)
    return job


def require_importer(user: User, team: Team | None) -> None:
    """Raises `Forbidden` unless the user may add base voices to the team, or (None) to all."""
    if team is not None:
        require_editor(user, team)
    elif not user.is_staff:
        raise Forbidden("Only an administrator adds base voices for all teams.", code="role")


def submit_export(user: User, checkpoint: Checkpoint) -> Job:
    """Make a voice from one checkpoint of a training."""
    training = checkpoint.job
    require_editor(user, training.team)
    with transaction.atomic():
        team = room_for_a_job(training.team) if training.team else None
        if not Checkpoint.objects.filter(pk=checkpoint.pk).exists():
            raise NotFound  # deleted since it was looked up
        job = _new_job(
            user,
            team,
            JobKind.EXPORT,
            training.name,
            dataset=training.dataset,
            version=training.version,
            base_voice=training.base_voice,
        )
        spec = training.spec
        job.spec = {
            "language": spec["language"],
            "voice_name": spec["voice_name"],
            "quality": spec["params"]["quality"],
            "sentences": spec["sentences"],
            "lineage": {**spec["lineage"], "job_id": str(job.pk)},
        }
        JobInput.objects.create(
            job=job,
            name=CHECKPOINT_NAME,
            key=checkpoint.key,
            sha256=checkpoint.sha256,
            size=checkpoint.size,
        )
        start_job(job, user)
    return job


def default_base(team: Team, language: str) -> BaseVoice:
    """The base voice that a fine-tune starts from when none is named: same language first."""
    ready = BaseVoice.objects.filter(state=BaseVoiceState.READY)
    mine = list(ready.filter(team=team)) + list(ready.filter(team=None))
    if not mine:
        raise Conflict(
            "There is no base voice to start from yet. Add one on the page Base voices, or train "
            "from scratch.",
            code="no_base_voice",
        )
    family = language.split("-")[0]

    def distance(base: BaseVoice) -> int:
        return 0 if base.language == language else 1 if base.language.split("-")[0] == family else 2

    return min(mine, key=distance)


def sentences_for(language: str) -> tuple[str, ...]:
    return SENTENCES.get(language.split("-")[0], SENTENCES["en"])


def voice_slug(name: str) -> str:
    """`[a-z0-9_]+`, the middle part of `<lang>-<name>-<quality>`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40] or "voice"


def _new_job(user: User, team: Team | None, kind: JobKind, name: str, **fields: Any) -> Job:
    now = timezone.now()
    # At the end of the line, also where an administrator has re-ordered it.
    line = Job.objects.filter(state=JobState.QUEUED).order_by("-rank")
    return Job(
        team=team,
        kind=kind,
        name=name[:120],
        created_by=user,
        queued_at=now,
        rung_at=now,
        rank=line.values_list("rank", flat=True).first() or 0,
        **fields,
    )


def copy_job(user: User, job: Job) -> Job:
    room = room_for_a_training if job.kind == JobKind.TRAIN else room_for_a_job
    team = room(job.team) if job.team else None
    again = _new_job(
        user,
        team,
        JobKind(job.kind),
        job.name,
        dataset=job.dataset,
        version=job.version,
        base_voice=job.base_voice,
        preset=job.preset,
        resume_checkpoint=job.resume_checkpoint,
        spec=copy.deepcopy(job.spec),
    )
    if "lineage" in again.spec:
        again.spec["lineage"]["job_id"] = str(again.pk)
    again.save()
    JobInput.objects.bulk_create(
        JobInput(job=again, name=row.name, key=row.key, sha256=row.sha256, size=row.size)
        for row in job.inputs.all()
    )
    return again


def start_job(job: Job, user: User) -> None:
    job.save()
    queue.ring(job)
    audit.record(user, f"submit_{job.kind}", job, name=job.name)
    tell(job.pk, job.team_id)
