"""The GPU hosts of the installation."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models


class Agent(models.Model):
    """One `gpu_agent` process; serves all teams. Only its token's hash is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80, unique=True)
    token_digest = models.CharField(max_length=64, unique=True)
    token_prefix = models.CharField(max_length=12)
    created = models.DateTimeField(auto_now_add=True)
    revoked = models.DateTimeField(null=True, blank=True)
    draining = models.BooleanField(default=False)
    """Set by an administrator: finishes what it holds and takes no further job."""

    host = models.CharField(max_length=200, default="")
    devices: models.JSONField[Any, Any] = models.JSONField(default=list)
    """[{name, model, memory_bytes, compute_capability}]"""
    versions: models.JSONField[Any, Any] = models.JSONField(default=dict)
    capabilities: models.JSONField[Any, Any] = models.JSONField(default=list)
    telemetry: models.JSONField[Any, Any] = models.JSONField(default=list)
    """[{device, utilisation, memory_used_bytes, temperature_celsius}]"""
    last_seen = models.DateTimeField(null=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
