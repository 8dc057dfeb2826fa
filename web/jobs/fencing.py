"""Who holds a job, and how every write of an agent is fenced.

A write lands only where id, attempt, agent and `state='running'` match, in one UPDATE
whose row count is the answer; `Fenced` means that it did not.
"""

from __future__ import annotations

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


class writing:
    """A transaction that holds the job's row, entered only by its present holder."""

    def __init__(self, holder: Holder, **fields: Any) -> None:
        self._holder = holder
        # Any UPDATE locks the row until the commit, so that no cancel slips in between.
        self._fields = fields or {"attempt": holder.attempt}
        self._atomic = transaction.atomic()

    def __enter__(self) -> None:
        self._atomic.__enter__()
        if not held(self._holder).update(**self._fields):
            self._atomic.__exit__(None, None, None)
            raise Fenced

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            announce(f"job:{self._holder.job_id}")
        self._atomic.__exit__(kind, error, trace)


def held(holder: Holder) -> QuerySet[Job]:
    return Job.objects.filter(
        pk=holder.job_id,
        attempt=holder.attempt,
        agent_id=holder.agent_id,
        state=JobState.RUNNING,
    )


def close_attempt(job_id: UUID, attempt: int, outcome: str) -> None:
    now = timezone.now()
    Attempt.objects.filter(job_id=job_id, number=attempt).update(ended=now, outcome=outcome)
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
