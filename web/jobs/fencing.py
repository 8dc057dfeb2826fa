"""Who holds a job, and how every write of an agent is fenced.

A write lands only where id, attempt, agent and `state='running'` match, in one UPDATE
whose row count is the answer; `Fenced` means that it did not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from web.core.events import announce
from web.jobs.models import Attempt, Job, JobState, StageSpan


class Fenced(Exception):
    """The attempt no longer holds the job."""


@dataclass(frozen=True)
class Holder:
    """Who claims to hold which attempt of which job."""

    job_id: UUID
    attempt: int
    agent_id: UUID


@contextmanager
def writing(holder: Holder, **fields: Any) -> Iterator[None]:
    """A transaction that holds the job's row, entered only by its present holder.

    Sets `fields` on the row. Raises `Fenced`.
    """
    with transaction.atomic():
        # Any UPDATE locks the row until the commit, so that no cancel slips in between.
        if not held(holder).update(**(fields or {"attempt": holder.attempt})):
            raise Fenced
        yield
        announce(f"job:{holder.job_id}")


def held(holder: Holder) -> QuerySet[Job]:
    return Job.objects.filter(
        pk=holder.job_id,
        attempt=holder.attempt,
        agent_id=holder.agent_id,
        state=JobState.RUNNING,
    )


def close_attempt(job_id: UUID, attempt: int, outcome: str) -> None:
    now = timezone.now()
    Attempt.objects.filter(job_id=job_id, number=attempt, ended__isnull=True).update(
        ended=now, outcome=outcome
    )
    spans = StageSpan.objects.filter(job_id=job_id, attempt=attempt, ended__isnull=True)
    spans.update(ended=now)


def tell(job_id: UUID, team_id: UUID | None) -> None:
    announce(f"job:{job_id}")
    announce("queue")
    if team_id is not None:
        announce(f"team:{team_id}")


def clean(text: str) -> str:
    """Postgres keeps no NUL."""
    return text.replace("\x00", "\ufffd")
