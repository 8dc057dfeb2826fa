"""The doorbell: names of the JetStream stream, and how a waiting job rings it.

One subject a job and one message a subject: ringing again replaces the bell that
hangs there, so a job that waits for hours never piles messages up.
"""

from __future__ import annotations

from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StreamConfig,
)

from web.core import outbox
from web.jobs.models import Job

STREAM = "SYRINX_JOBS"
SUBJECTS = "syrinx.jobs.>"
CONSUMER = "agents"
# Shorter than the reconciler's patience, so that JetStream takes the second ring.
DUPLICATE_WINDOW_SECONDS = 20
ACK_WAIT_SECONDS = 30

STREAM_CONFIG = StreamConfig(
    name=STREAM,
    subjects=[SUBJECTS],
    retention=RetentionPolicy.WORK_QUEUE,
    discard=DiscardPolicy.OLD,
    max_msgs_per_subject=1,
    duplicate_window=DUPLICATE_WINDOW_SECONDS,
)
CONSUMER_CONFIG = ConsumerConfig(
    durable_name=CONSUMER,
    ack_policy=AckPolicy.EXPLICIT,
    ack_wait=ACK_WAIT_SECONDS,
    max_ack_pending=1000,
)


def ring(job: Job) -> None:
    """Write the bell for a queued job into the outbox, in the caller's transaction."""
    attempt = job.attempt + 1
    outbox.enqueue(
        f"syrinx.jobs.{job.kind}.{job.pk}",
        f"{job.pk}:{attempt}",
        {"job_id": str(job.pk), "attempt": attempt, "kind": job.kind},
    )
