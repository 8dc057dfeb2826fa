"""Recordings and their texts, and the frozen versions that trainings name."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models

from web.accounts.models import Team


class DatasetState(models.TextChoices):
    DRAFT = "draft", "Waiting for a check"
    PREPARING = "preparing", "Being checked"
    READY = "ready", "Ready"
    FAILED = "failed", "The check failed"


class Dataset(models.Model):
    """One speaker's recordings in one language.

    draft ──prepare──▶ preparing ──▶ ready | failed; new files lead back to draft.
    Files can't change while the dataset is being checked.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="datasets")
    name = models.CharField(max_length=80)
    language = models.CharField(max_length=30)
    """An espeak-ng voice, such as `en-us`."""
    state = models.CharField(
        max_length=10, choices=DatasetState.choices, default=DatasetState.DRAFT
    )
    report: models.JSONField[Any, Any] = models.JSONField(default=dict)
    """Of the last check: {utterances, minutes, rejected: [...], warnings: [...]}."""
    error = models.TextField(default="", blank=True)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created"]
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="one_dataset_of_a_name")
        ]

    def __str__(self) -> str:
        return self.name


class SourceKind(models.TextChoices):
    AUDIO = "audio", "Recording"
    METADATA = "metadata", "Transcripts"


class SourceFile(models.Model):
    """A file as it was uploaded, by itself or inside an archive."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="sources")
    kind = models.CharField(max_length=10, choices=SourceKind.choices)
    name = models.CharField(max_length=255)
    """Path as the user knows it, such as `wavs/0001.wav`; unique in the dataset."""
    format = models.CharField(max_length=10, default="", blank=True)
    """Of a recording, by its first bytes: wav, flac, mp3, ogg, m4a or webm."""
    size = models.BigIntegerField()
    """Bytes."""
    sha256 = models.CharField(max_length=64)
    key = models.CharField(max_length=600)
    """In object storage."""
    uploaded = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "name"], name="one_source_of_a_name")
        ]


class UtteranceStatus(models.TextChoices):
    NEW = "new", "Not checked yet"
    OK = "ok", "Good"
    FIXED = "fixed", "Mended"
    LOOK = "look", "Needs a look"
    REJECTED = "rejected", "Not usable"


class Utterance(models.Model):
    """One recording with its text, as it will be trained on."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="utterances")
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=255)
    text = models.TextField(default="")
    text_edited = models.BooleanField(default=False)
    """A person corrected the text here; a new upload of the metadata keeps it."""
    included = models.BooleanField(default=True)
    status = models.CharField(
        max_length=10, choices=UtteranceStatus.choices, default=UtteranceStatus.NEW
    )
    issues: models.JSONField[Any, Any] = models.JSONField(default=list)
    """[{code, value, limit, advice}]"""
    seconds = models.FloatField(null=True)
    source = models.ForeignKey(SourceFile, models.SET_NULL, null=True, related_name="utterances")
    phonemes = models.TextField(default="")
    clip_key = models.CharField(max_length=600, default="")
    """The standardised WAV in object storage; empty when there is none."""
    clip_sha256 = models.CharField(max_length=64, default="")
    clip_size = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["position"]
        constraints = [
            # Checked at commit, so that one statement may swap names.
            models.UniqueConstraint(
                fields=["dataset", "name"],
                name="one_utterance_of_a_name",
                deferrable=models.Deferrable.DEFERRED,
            )
        ]
        indexes = [models.Index(fields=["dataset", "position"])]


class DatasetVersion(models.Model):
    """What a training saw: immutable, named by the hash of its contents."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    """Of the sorted lines `name|text|clip sha256`."""
    utterances = models.PositiveIntegerField()
    seconds = models.FloatField()
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="one_version_of_a_number"),
            models.UniqueConstraint(fields=["dataset", "sha256"], name="one_version_of_a_content"),
        ]


class VersionItem(models.Model):
    version = models.ForeignKey(DatasetVersion, models.CASCADE, related_name="items")
    name = models.CharField(max_length=255)
    text = models.TextField()
    seconds = models.FloatField()
    clip_key = models.CharField(max_length=600)
    clip_sha256 = models.CharField(max_length=64)
    clip_size = models.BigIntegerField()

    class Meta:
        ordering = ["id"]
