"""The transactional outbox: a state change and its message commit together.

Publishing is at least once; the message id lets JetStream drop a second copy,
and consumers are idempotent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from web.core.models import OutboxMessage

KEEP_PUBLISHED = timedelta(days=1)


def enqueue(subject: str, message_id: str, payload: dict[str, Any]) -> None:
    """Write a message. Must run inside the transaction of the change that it announces."""
    if not connection.in_atomic_block:
        raise RuntimeError("an outbox row must share the transaction of its change")
    OutboxMessage.objects.create(subject=subject, message_id=message_id, payload=payload)


def relay_once(publish: Callable[[str, str, dict[str, Any]], None], limit: int = 100) -> int:
    """Publish waiting messages in order; returns how many were.

    `publish(subject, message_id, payload)` returns once JetStream has stored the
    message and raises otherwise: the rows then stay for the next round. Rows are
    locked, so two relays never send the same ones at the same time.
    """
    with transaction.atomic():
        rows = list(
            OutboxMessage.objects.select_for_update(skip_locked=True)
            .filter(published__isnull=True)
            .order_by("id")[:limit]
        )
        sent: list[int] = []
        failure: Exception | None = None
        for row in rows:
            try:
                publish(row.subject, row.message_id, row.payload)
            except Exception as error:
                failure = error
                break
            sent.append(row.pk)
        OutboxMessage.objects.filter(pk__in=sent).update(published=timezone.now())
    # Not before: it would take back that the others went out.
    if failure is not None:
        raise failure
    return len(sent)


def forget_published() -> int:
    """Delete rows that were published long ago."""
    deleted, _ = OutboxMessage.objects.filter(
        published__lt=timezone.now() - KEEP_PUBLISHED
    ).delete()
    return deleted
