"""Voices to start from and voices that were made."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models

from web.accounts.models import Team


class BaseVoiceState(models.TextChoices):
    IMPORTING = "importing", "Being imported"
    READY = "ready", "Ready"
    FAILED = "failed", "The import failed"


class BaseVoice(models.Model):
    """What a fine-tune starts from. One without a team is there for all."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(
        Team, models.CASCADE, null=True, blank=True, related_name="base_voices"
    )
    name = models.CharField(max_length=120)
    state = models.CharField(
        max_length=10, choices=BaseVoiceState.choices, default=BaseVoiceState.IMPORTING
    )
    error = models.TextField(default="", blank=True)
    source = models.CharField(max_length=12, default="onnx")
    """`onnx` or `checkpoint`."""
    licence = models.CharField(max_length=200, default="", blank=True)
    language = models.CharField(max_length=30, default="")
    quality = models.CharField(max_length=10, default="")
    sample_rate = models.PositiveIntegerField(default=0)
    """Hz."""
    num_speakers = models.PositiveIntegerField(default=1)
    num_symbols = models.PositiveIntegerField(default=0)
    details: models.JSONField[Any, Any] = models.JSONField(default=dict)
    """{parameters_found, parameters_fresh, max_difference}"""
    weights_key = models.CharField(max_length=600, default="")
    weights_sha256 = models.CharField(max_length=64, default="")
    weights_size = models.BigIntegerField(default=0)
    config_key = models.CharField(max_length=600, default="")
    config_sha256 = models.CharField(max_length=64, default="")
    config_size = models.BigIntegerField(default=0)
    sample_key = models.CharField(max_length=600, default="")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Voice(models.Model):
    """A finished voice and where it came from."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="voices")
    name = models.CharField(max_length=80)
    """What people call it."""
    stem = models.CharField(max_length=120)
    """`<lang>-<name>-<quality>`, the first part of its files' names."""
    language = models.CharField(max_length=30)
    quality = models.CharField(max_length=10)
    sample_rate = models.PositiveIntegerField()
    """Hz."""
    num_speakers = models.PositiveIntegerField(default=1)
    lineage: models.JSONField[Any, Any] = models.JSONField(default=dict)
    """As `Lineage` of specs.proto, and steps, epochs, scores, real_time_factor."""
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.stem


class VoiceFile(models.Model):
    voice = models.ForeignKey(Voice, models.CASCADE, related_name="files")
    role = models.CharField(max_length=20)
    """onnx | config | model_card | voice_sample | bundle"""
    name = models.CharField(max_length=200)
    key = models.CharField(max_length=600)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["voice", "name"], name="one_file_of_a_name")]
