"""People, teams, their quotas and their API tokens."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q

GB = 10**9


class User(AbstractUser):
    """A person. `is_staff` marks an administrator, who sees all teams."""


class Team(models.Model):
    """Owns every object. Quotas are set by an administrator."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80, unique=True)
    created = models.DateTimeField(auto_now_add=True)
    storage_quota_bytes = models.BigIntegerField("storage quota (bytes)", default=50 * GB)
    storage_used_bytes = models.BigIntegerField(default=0, editable=False)
    gpu_minutes_quota = models.PositiveIntegerField(
        "GPU minutes a month",
        default=3000,
        help_text="Training time, on whatever device a host has.",
    )
    jobs_quota = models.PositiveIntegerField("jobs at once (waiting and running)", default=8)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(storage_used_bytes__gte=0), name="storage_not_below_0"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    OWNER = "owner", "Owner: everything, and the team's members"
    EDITOR = "editor", "Editor: uploads, trains, publishes"
    VIEWER = "viewer", "Viewer: listens and looks"


class Membership(models.Model):
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.EDITOR)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "team"], name="one_membership_per_team")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.team} as {self.role}"


class ApiToken(models.Model):
    """A bearer token. Only its hash is kept; the token is shown once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=60)
    prefix = models.CharField(max_length=12)
    """First characters, so that a person can tell tokens apart."""
    digest = models.CharField(max_length=64, unique=True)
    """SHA-256, hex. The token has 256 random bits, so no slow hash is needed."""
    created = models.DateTimeField(auto_now_add=True)
    last_used = models.DateTimeField(null=True)
    revoked = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created", "id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class GpuUsage(models.Model):
    """Seconds of training that a team used in a month; grows with each heartbeat."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="gpu_usage")
    month = models.DateField()
    """Its first day, UTC."""
    seconds = models.FloatField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "month"], name="one_usage_per_month"),
            models.CheckConstraint(condition=Q(seconds__gte=0), name="usage_not_below_0"),
        ]
