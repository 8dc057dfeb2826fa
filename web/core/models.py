"""Rows that any app may write: the outbox, idempotency records, the audit trail."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class OutboxMessage(models.Model):
    """A message that must reach JetStream, written with the change that it announces."""

    subject = models.CharField(max_length=100)
    message_id = models.CharField(max_length=100)
    """`Nats-Msg-Id`: JetStream drops a second copy inside its window."""
    payload = models.JSONField()
    created = models.DateTimeField(auto_now_add=True)
    published = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["id"], name="outbox_waiting", condition=models.Q(published__isnull=True)
            )
        ]


class IdempotencyRecord(models.Model):
    """The answer to an unsafe call that carried an `Idempotency-Key`."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)
    """SHA-256 of method, path and body: the same key with another call is refused."""
    status = models.PositiveSmallIntegerField(null=True)
    """Null while the first call is still being answered."""
    body = models.TextField(default="")
    content_type = models.CharField(max_length=100, default="application/json")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_per_key")]


class AuditEntry(models.Model):
    """Who did what to which object. Written with the change, never edited."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.CharField(max_length=150)
    """Username, `agent:<name>` or `system`."""
    verb = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=40)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ["-at"]
