"""The audit trail."""

from __future__ import annotations

from typing import Any

from django.db import models

from web.core.models import AuditEntry


def record(actor: object, verb: str, target: models.Model, **detail: Any) -> None:
    """Note who did what. Call it in the transaction of the change."""
    AuditEntry.objects.create(
        actor=str(actor or "system"),
        verb=verb,
        object_type=target._meta.model_name or "",
        object_id=str(target.pk),
        detail=detail,
    )
