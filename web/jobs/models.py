"""Jobs, their attempts, and all that an agent reports about them."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from web.accounts.models import Team
from web.datasets.models import Dataset, DatasetVersion
from web.voices.models import BaseVoice, Voice


class JobKind(models.TextChoices):
    PREPARE = "prepare", "Check recordings"
    TRAIN = "train", "Training"
    EXPORT = "export", "Export"
    IMPORT_BASE = "import_base", "Import a base voice"


class JobState(models.TextChoices):
    QUEUED = "queued", "Waiting"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


ACTIVE = (JobState.QUEUED, JobState.RUNNING)


class Job(models.Model):
    """A piece of work for an agent.

              submit              claim (attempt += 1)         finish
    (none) ──────────▶ queued ───────────────────────▶ running ──────▶ succeeded
                         ▲  │ cancel                     │ │ │ ──────▶ failed(reason)
                         │  └──────────▶ cancelled ◀─────┘ │
                         └──────────── lease lost ─────────┘

    Every write from an agent lands only WHERE id, attempt and state='running' match.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, null=True, related_name="jobs")
    """Null for what an administrator does for all teams (a shared base voice)."""
    kind = models.CharField(max_length=12, choices=JobKind.choices)
    name = models.CharField(max_length=120)
    """What people call it: the voice, the dataset or the base voice."""
    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.QUEUED)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)

    preset = models.CharField(max_length=20, default="", blank=True)
    spec: models.JSONField[Any, Any] = models.JSONField(default=dict)
    """The message of specs.proto for this kind, as JSON with its field names."""
    dataset = models.ForeignKey(Dataset, models.CASCADE, null=True, related_name="jobs")
    version = models.ForeignKey(DatasetVersion, models.PROTECT, null=True, related_name="jobs")
    base_voice = models.ForeignKey(BaseVoice, models.SET_NULL, null=True, related_name="jobs")
    voice = models.ForeignKey(Voice, models.SET_NULL, null=True, related_name="jobs")

    resume_checkpoint = models.ForeignKey(
        "jobs.Checkpoint", models.SET_NULL, null=True, related_name="resumed_by"
    )
    """Of an earlier job that this one goes on from."""

    rank = models.FloatField(default=0)
    """Order in the queue, lowest first, then oldest; an administrator may change it."""
    queued_at = models.DateTimeField()
    rung_at = models.DateTimeField()
    """When a JetStream message was last written for it."""

    attempt = models.PositiveIntegerField(default=0)
    agent_id = models.UUIDField(null=True)
    agent_name = models.CharField(max_length=80, default="")
    device = models.CharField(max_length=40, default="")
    lease_until = models.DateTimeField(null=True)
    started = models.DateTimeField(null=True)
    """Of the first attempt."""
    ended = models.DateTimeField(null=True)

    stage = models.CharField(max_length=20, default="")
    progress = models.FloatField(default=0)
    """0..1"""
    eta_seconds = models.FloatField(null=True)
    note = models.CharField(max_length=300, default="")
    step = models.BigIntegerField(default=0)
    finish_requested = models.BooleanField(default=False)
    checkpoint_requested = models.BooleanField(default=False)
    error_code = models.CharField(max_length=60, default="")
    error_message = models.TextField(default="")
    result: models.JSONField[Any, Any] = models.JSONField(default=dict)

    place: int | None
    """In the queue, 1 for the next; None for what does not wait. Only of rows that were asked
    for by `queries.with_places`."""

    class Meta:
        ordering = ["-created"]
        indexes = [
            models.Index(
                fields=["rank", "queued_at"], name="queue", condition=Q(state=JobState.QUEUED)
            ),
            models.Index(
                fields=["lease_until"], name="leases", condition=Q(state=JobState.RUNNING)
            ),
            models.Index(fields=["team", "-created"], name="team_jobs"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name}"


class Attempt(models.Model):
    """One agent's try at a job."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    agent_id = models.UUIDField()
    agent_name = models.CharField(max_length=80)
    host = models.CharField(max_length=200)
    device = models.CharField(max_length=40)
    started = models.DateTimeField()
    renewed = models.DateTimeField()
    """Last heartbeat: training time is counted up to here."""
    ended = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, default="")
    """succeeded | failed | released | lease_lost | cancelled"""

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="one_attempt_of_a_number")
        ]


class JobInput(models.Model):
    """An object that the holder of the job may download."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="inputs")
    name = models.CharField(max_length=300)
    key = models.CharField(max_length=600)
    sha256 = models.CharField(max_length=64, default="")
    size = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "name"], name="one_input_of_a_name")]


class JobObject(models.Model):
    """An object that an attempt uploads. Nobody sees it until a fenced row names it."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="stored_objects")
    attempt = models.PositiveIntegerField()
    name = models.CharField(max_length=300)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    key = models.CharField(max_length=600)
    upload_id = models.CharField(max_length=400, default="")
    """Of a multipart upload that is under way."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], name="one_object_of_a_key")]


class StageSpan(models.Model):
    job = models.ForeignKey(Job, models.CASCADE, related_name="stages")
    attempt = models.PositiveIntegerField()
    name = models.CharField(max_length=20)
    started = models.DateTimeField()
    ended = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]


class MetricPoint(models.Model):
    """One step's values. A resumed attempt overwrites the steps that it repeats."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="metrics")
    step = models.BigIntegerField()
    attempt = models.PositiveIntegerField()
    values: models.JSONField[Any, Any] = models.JSONField()

    class Meta:
        ordering = ["step"]
        constraints = [models.UniqueConstraint(fields=["job", "step"], name="one_point_a_step")]


class LogLine(models.Model):
    job = models.ForeignKey(Job, models.CASCADE, related_name="log_lines")
    attempt = models.PositiveIntegerField()
    at = models.DateTimeField()
    level = models.CharField(max_length=10)
    text = models.TextField()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["job", "id"])]


class Sample(models.Model):
    """A sentence rendered while training."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="samples")
    attempt = models.PositiveIntegerField()
    step = models.BigIntegerField()
    index = models.PositiveIntegerField()
    text = models.TextField()
    seconds = models.FloatField()
    key = models.CharField(max_length=600)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["step", "index"]
        constraints = [
            models.UniqueConstraint(fields=["job", "step", "index"], name="one_sample_a_step")
        ]


class Checkpoint(models.Model):
    """What can be resumed or exported."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="checkpoints")
    attempt = models.PositiveIntegerField()
    step = models.BigIntegerField()
    epoch = models.BigIntegerField()
    scores: models.JSONField[Any, Any] = models.JSONField(default=dict)
    name = models.CharField(max_length=200)
    key = models.CharField(max_length=600)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["step"]
        constraints = [
            models.UniqueConstraint(fields=["job", "step"], name="one_checkpoint_a_step")
        ]
